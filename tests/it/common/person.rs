//! People with browsers.

use std::sync::{Arc, PoisonError};

use reqwest::{
    Client, Method, RequestBuilder,
    cookie::{CookieStore, Jar},
    header::HeaderMap,
    redirect::Policy,
};
use serde_json::{Value, json};

use super::{Page, world::Site};

/// The password of everyone in the cast.
pub const PASSWORD: &str = "a heron on the slip";

/// The cast: username, name, email.
const CAST: &[(&str, &str, &str)] = &[
    ("nell", "Nell Ashby", "nell@harbour.example"),
    ("ify", "Ifeoma Okafor", "ify@harbour.example"),
    ("joerg", "Jörg Großmann", "joerg@harbour.example"),
    ("ha", "Nguyễn Thị Hà", "ha@harbour.example"),
    ("layla", "ليلى حداد", "layla@harbour.example"),
    ("mallory", "Mallory", "mallory@elsewhere.example"),
];

/// A person with a browser. The browser keeps cookies and does not follow redirects.
#[derive(Clone)]
pub struct Person {
    pub username: String,
    /// The display name.
    pub name: String,
    pub email: String,
    site: Site,
    jar: Arc<Jar>,
    client: Client,
}

impl Person {
    pub(super) fn new(site: Site, username: &str) -> Self {
        let cast = CAST.iter().find(|(name, ..)| *name == username);
        let (name, email) = match cast {
            Some((_, name, email)) => ((*name).to_owned(), (*email).to_owned()),
            None => (username.to_owned(), format!("{username}@harbour.example")),
        };
        let (client, jar) = browser();
        Person { username: username.into(), name, email, site, jar, client }
    }

    /// Creates a person with a browser on the site of a separate process.
    pub fn on_site(url: &str, username: &str) -> Self {
        Person::new(Arc::new(url.to_owned().into()), username)
    }

    /// Changes the address of the site, for example after a restart.
    pub fn goes_to(&self, url: &str) {
        *self.site.write().unwrap_or_else(PoisonError::into_inner) = url.to_owned();
    }

    /// Returns the same person on another device, without any cookie.
    pub fn at_another_device(&self) -> Self {
        let (client, jar) = browser();
        Person { client, jar, ..self.clone() }
    }

    /// Returns the address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.site.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Begins a request, to be sent by [`Person::sends`].
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.url(path))
    }

    /// Sends a request and reads the whole answer.
    pub async fn sends(&self, request: RequestBuilder) -> Answer {
        match self.tries(request).await {
            Ok(answer) => answer,
            Err(error) => panic!("@{} got no answer: {error:?}", self.username),
        }
    }

    /// Sends a request that may fail because the server stops.
    pub async fn tries(&self, request: RequestBuilder) -> reqwest::Result<Answer> {
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Answer { status, headers, bytes: response.bytes().await?.to_vec() })
    }

    /// Sends a GET request.
    pub async fn gets(&self, path: &str) -> Answer {
        self.sends(self.request(Method::GET, path)).await
    }

    /// Returns a page that must exist.
    pub async fn opens(&self, path: &str) -> Page {
        self.gets(path).await.is(200).page()
    }

    /// Sends a form.
    pub async fn posts(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        self.sends(self.request(Method::POST, path).form(form)).await
    }

    /// Signs up by the form with the data of the cast.
    pub async fn signs_up(&self) -> Answer {
        self.signs_up_with(&self.email, PASSWORD, &self.name, &self.username).await
    }

    /// Signs up by the form with any data.
    pub async fn signs_up_with(&self, email: &str, password: &str, name: &str, username: &str) -> Answer {
        let form = [("email", email), ("password", password), ("name", name), ("username", username)];
        self.posts("/signup", &form).await
    }

    /// Logs in by the form.
    pub async fn logs_in(&self, login: &str, password: &str) -> Answer {
        self.posts("/login", &[("login", login), ("password", password)]).await
    }

    /// Returns whether the session is valid: the settings page is for members.
    pub async fn is_logged_in(&self) -> bool {
        let answer = self.gets("/settings").await;
        match answer.status {
            200 => true,
            303 if answer.location().starts_with("/login") => false,
            _ => panic!("neither the settings nor the log-in page: {answer:?}"),
        }
    }

    /// Returns the value of the browser's `Cookie` header.
    pub fn cookies(&self) -> String {
        let url = self.url("/").parse().expect("the site's address");
        let cookies = self.jar.cookies(&url);
        cookies.map(|c| c.to_str().expect("plain cookies").to_owned()).unwrap_or_default()
    }

    /// Posts a peep by the form. Returns its id.
    pub async fn peeps(&self, body: &str) -> String {
        let answer = self.posts("/peeps", &[("body", body)]).await.is(303);
        assert_eq!(answer.location(), "/", "the stream is shown after a peep");
        self.latest().await
    }

    /// Replies to a peep by the form. Returns the reply's id.
    pub async fn replies(&self, to: &str, body: &str) -> String {
        let answer = self.posts("/peeps", &[("body", body), ("reply_to", to)]).await.is(303);
        let location = answer.location();
        let id = location.strip_prefix(&format!("/@{}/", self.username));
        id.unwrap_or_else(|| panic!("the reply is shown after it was posted, not {location}")).to_owned()
    }

    /// Returns the id of this member's latest peep.
    pub async fn latest(&self) -> String {
        let list = self.gets(&format!("/@{}/peeps", self.username)).await;
        // A member without a page of their own is redirected from this list to their profile.
        let list = if list.status == 200 { list.page() } else { self.opens(&list.location()).await };
        let peeps = list.peeps();
        peeps.first().unwrap_or_else(|| panic!("@{} has no peep", self.username)).id.clone()
    }

    /// Edits a peep by the form.
    pub async fn edits(&self, id: &str, body: &str) -> Answer {
        self.posts(&format!("/peeps/{id}"), &[("body", body)]).await
    }

    /// Deletes a peep by the form.
    pub async fn deletes(&self, id: &str) -> Answer {
        self.posts(&format!("/peeps/{id}/delete"), &[]).await
    }

    /// Likes a peep by the form.
    pub async fn likes(&self, id: &str) -> Answer {
        self.posts(&format!("/peeps/{id}/like"), &[("likes", "true")]).await
    }

    /// Takes a like back by the form.
    pub async fn unlikes(&self, id: &str) -> Answer {
        self.posts(&format!("/peeps/{id}/like"), &[("likes", "false")]).await
    }

    /// Returns the path of a peep of this member.
    pub fn path_of(&self, id: &str) -> String {
        format!("/@{}/{id}", self.username)
    }

    /// Sends JSON.
    pub async fn sends_json(&self, method: Method, path: &str, body: &Value) -> Answer {
        self.sends(self.request(method, path).json(body)).await
    }

    /// Posts a status by the API. Returns the status.
    pub async fn posts_by_api(&self, body: &str) -> Value {
        self.sends_json(Method::POST, "/api/v1/statuses", &json!({ "status": body })).await.is(200).json()
    }
}

fn browser() -> (Client, Arc<Jar>) {
    let jar = Arc::new(Jar::default());
    // The tests use plain HTTP. A client without a list of certificates, even an empty one, would read all those of
    // the system, which takes longer than most tests.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions of TLS")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let client = Client::builder().cookie_provider(Arc::clone(&jar)).redirect(Policy::none()).no_proxy();
    (client.tls_backend_preconfigured(tls).build().expect("a browser"), jar)
}

/// The response to a request.
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

impl Answer {
    /// Asserts the status.
    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "another status was expected: {self:?}");
        self
    }

    /// Returns the value of a header, or an empty string.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("an ASCII header"))
    }

    /// Returns the values of a header that may occur several times, joined by commas.
    pub fn whole_header(&self, name: &str) -> String {
        let values = self.headers.get_all(name).iter();
        values.map(|value| value.to_str().expect("an ASCII header")).collect::<Vec<_>>().join(", ")
    }

    /// Returns the target of a redirect.
    pub fn location(&self) -> String {
        self.header("location").to_owned()
    }

    /// Returns the body as text.
    pub fn text(&self) -> String {
        String::from_utf8(self.bytes.clone()).expect("the body is UTF-8")
    }

    /// Returns the body as a page.
    #[track_caller]
    pub fn page(&self) -> Page {
        assert_eq!(self.header("content-type"), "text/html; charset=utf-8", "a page was expected: {self:?}");
        Page(self.text())
    }

    /// Returns the body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|e| panic!("JSON was expected ({e}): {self:?}"))
    }

    /// Returns the items of a list in the API's envelope.
    #[track_caller]
    pub fn list(&self) -> Value {
        let mut page = self.json();
        assert!(page["data"].is_array() && page.get("next").is_some(), "{page}");
        page["data"].take()
    }

    /// Asserts that the body is problem JSON (RFC 9457) with this status. Returns its detail.
    #[track_caller]
    pub fn problem(&self) -> String {
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "a problem was expected: {self:?}"
        );
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        assert_eq!(problem["detail"], problem["error"], "Mastodon's clients read `error`");
        assert_eq!(problem["request_id"], self.header("x-request-id"));
        assert!(problem["type"].as_str().is_some_and(|kind| kind.contains("/docs/problems#")), "{problem}");
        assert!(problem["title"].is_string(), "{problem}");
        problem["detail"].as_str().expect("a sentence").to_owned()
    }
}

/// Omits the headers that every answer has, and of a page everything but the main part.
impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", self.status)?;
        for (name, value) in &self.headers {
            let usual = ["-policy", "x-frame-options", "x-content-type-options", "date", "vary"];
            if !usual.iter().any(|usual| name.as_str().ends_with(usual)) {
                writeln!(f, "{name}: {value:?}")?;
            }
        }
        let body = String::from_utf8_lossy(&self.bytes);
        let middle = body.find("<main").map_or(&*body, |at| &body[at..]);
        write!(f, "{}", middle.chars().take(2000).collect::<String>())
    }
}
