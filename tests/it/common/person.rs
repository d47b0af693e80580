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

/// Everyone's password, unless a story needs another.
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

/// Someone with a browser of their own. It keeps cookies, and follows a redirect only when asked.
#[derive(Clone)]
pub struct Person {
    /// The handle.
    pub username: String,
    /// The display name.
    pub name: String,
    /// The address.
    pub email: String,
    site: Site,
    jar: Arc<Jar>,
    client: Client,
}

impl Person {
    pub(super) fn new(site: Site, username: &str) -> Self {
        let cast = CAST.iter().find(|(known, ..)| *known == username);
        let (name, email) = match cast {
            Some((_, name, email)) => ((*name).to_owned(), (*email).to_owned()),
            None => (username.to_owned(), format!("{username}@harbour.example")),
        };
        let (client, jar) = browser();
        Person { username: username.into(), name, email, site, jar, client }
    }

    /// Someone with a browser who looks at a program's site.
    pub fn at(url: &str, username: &str) -> Self {
        Person::new(Arc::new(url.to_owned().into()), username)
    }

    /// The same person turns to where the site is now.
    pub fn goes_to(&self, url: &str) {
        *self.site.write().unwrap_or_else(PoisonError::into_inner) = url.to_owned();
    }

    /// The same person at another device, without any cookie.
    pub fn at_another_device(&self) -> Self {
        let (client, jar) = browser();
        Person { client, jar, ..self.clone() }
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.site.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// A request to be filled in and sent by [`Person::sends`].
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.url(path))
    }

    /// Sends a request and reads the answer to its end.
    pub async fn sends(&self, request: RequestBuilder) -> Answer {
        match self.tries(request).await {
            Ok(answer) => answer,
            Err(error) => panic!("@{} got no answer: {error:?}", self.username),
        }
    }

    /// Sends a request that may get no answer, because the server goes away.
    pub async fn tries(&self, request: RequestBuilder) -> reqwest::Result<Answer> {
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Answer { status, headers, bytes: response.bytes().await?.to_vec() })
    }

    /// `GET`
    pub async fn gets(&self, path: &str) -> Answer {
        self.sends(self.request(Method::GET, path)).await
    }

    /// Opens a page that has to be there.
    pub async fn opens(&self, path: &str) -> Page {
        self.gets(path).await.is(200).page()
    }

    /// Sends a form.
    pub async fn posts(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        self.sends(self.request(Method::POST, path).form(form)).await
    }

    /// Signs up by the form, as the cast says.
    pub async fn signs_up(&self) -> Answer {
        self.signs_up_with(&self.email, PASSWORD, &self.name, &self.username).await
    }

    /// Signs up by the form with whatever was typed.
    pub async fn signs_up_with(&self, email: &str, password: &str, name: &str, username: &str) -> Answer {
        let form = [("email", email), ("password", password), ("name", name), ("username", username)];
        self.posts("/signup", &form).await
    }

    /// Logs in by the form.
    pub async fn logs_in(&self, login: &str, password: &str) -> Answer {
        self.posts("/login", &[("login", login), ("password", password)]).await
    }

    /// Whether the site knows who this is: the settings are for members.
    pub async fn is_logged_in(&self) -> bool {
        let answer = self.gets("/settings").await;
        match answer.status {
            200 => true,
            303 if answer.location().starts_with("/login") => false,
            _ => panic!("the settings should be shown or ask to log in: {answer:?}"),
        }
    }

    /// The cookies that this browser would send.
    pub fn cookies(&self) -> String {
        let url = self.url("/").parse().expect("the site's address");
        let cookies = self.jar.cookies(&url);
        cookies.map(|c| c.to_str().expect("plain cookies").to_owned()).unwrap_or_default()
    }

    /// Posts a peep by the form; its id.
    pub async fn peeps(&self, body: &str) -> String {
        let answer = self.posts("/peeps", &[("body", body)]).await.is(303);
        assert_eq!(answer.location(), "/", "after a peep the stream is shown");
        self.latest().await
    }

    /// Answers a peep by the form; the reply's id.
    pub async fn replies(&self, to: &str, body: &str) -> String {
        let answer = self.posts("/peeps", &[("body", body), ("reply_to", to)]).await.is(303);
        let location = answer.location();
        let id = location.strip_prefix(&format!("/@{}/", self.username));
        id.unwrap_or_else(|| panic!("after a reply it is shown, not {location}")).to_owned()
    }

    /// The id of this member's latest peep.
    pub async fn latest(&self) -> String {
        let list = self.gets(&format!("/@{}/peeps", self.username)).await;
        // Whoever has no page of their own has the list in its place.
        let list = if list.status == 200 { list.page() } else { self.opens(&list.location()).await };
        let peeps = list.peeps();
        peeps.first().unwrap_or_else(|| panic!("@{} has a peep", self.username)).id.clone()
    }

    /// Changes a peep by the form.
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

    /// No longer likes a peep.
    pub async fn unlikes(&self, id: &str) -> Answer {
        self.posts(&format!("/peeps/{id}/like"), &[("likes", "false")]).await
    }

    /// The permalink of one of this member's peeps.
    pub fn path_of(&self, id: &str) -> String {
        format!("/@{}/{id}", self.username)
    }

    /// Sends JSON.
    pub async fn sends_json(&self, method: Method, path: &str, body: &Value) -> Answer {
        self.sends(self.request(method, path).json(body)).await
    }

    /// Posts by the API; the status.
    pub async fn posts_by_api(&self, body: &str) -> Value {
        self.sends_json(Method::POST, "/api/v1/statuses", &json!({ "status": body })).await.is(200).json()
    }
}

fn browser() -> (Client, Arc<Jar>) {
    let jar = Arc::new(Jar::default());
    // One of the libraries wants to know who encrypts, though nothing is encrypted here.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().cookie_provider(Arc::clone(&jar)).redirect(Policy::none()).no_proxy();
    (client.build().expect("a browser"), jar)
}

/// What the server answered.
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub bytes: Vec<u8>,
}

impl Answer {
    /// The same, if it has this status.
    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "another status was expected: {self:?}");
        self
    }

    /// A header, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("an ASCII header"))
    }

    /// The value of a header that may come in several lines.
    pub fn whole_header(&self, name: &str) -> String {
        let values = self.headers.get_all(name).iter();
        values.map(|value| value.to_str().expect("an ASCII header")).collect::<Vec<_>>().join(", ")
    }

    /// Where a redirect leads.
    pub fn location(&self) -> String {
        self.header("location").to_owned()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8(self.bytes.clone()).expect("the body is UTF-8")
    }

    /// The body as a page.
    #[track_caller]
    pub fn page(&self) -> Page {
        assert_eq!(self.header("content-type"), "text/html; charset=utf-8", "a page was expected: {self:?}");
        Page(self.text())
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|e| panic!("JSON was expected ({e}): {self:?}"))
    }

    /// What is on a page of a list.
    #[track_caller]
    pub fn list(&self) -> Value {
        let mut page = self.json();
        assert!(page["data"].is_array() && page.get("next").is_some(), "{page}");
        page["data"].take()
    }

    /// The body as problem JSON (RFC 9457) that agrees with the status; its sentence.
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

/// What matters of it: without the headers that every answer has, and of a page only its middle.
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
