//! The pages for people: a module per noun. A handler parses, calls one verb of the domain, and renders.

pub mod accounts;
mod composer;
pub mod conversations;
pub mod docs;
pub mod feeds;
pub mod pages;
pub mod peeps;
pub mod search;
pub mod sessions;
pub mod settings;
pub mod stream;

use askama::Template;
use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};

use crate::{
    Error, Result,
    app::App,
    assets,
    db::Read,
    domain::{
        self,
        accounts::{Member, admin, count_members},
        rooms, threads,
    },
    http::{respond::status_and_headers, session::Caller},
    ids::AccountId,
    store::{accounts::Account, conversations::ConversationPage, rooms::JoinedRoom},
    wire::filters,
};

/// The item of the navigation that a page belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NavItem {
    /// The public stream.
    Stream,
    /// The viewer's rooms.
    Rooms,
    /// The viewer's threads.
    Threads,
    /// Matches with strangers.
    Match,
    /// The viewer's own peeps.
    You,
    /// The viewer's settings.
    Settings,
    /// Signing up.
    SignUp,
    /// Logging in.
    LogIn,
    /// No item.
    Elsewhere,
}

/// The frame of every page: navigation and footer.
pub struct Shell {
    name: String,
    viewer: Option<Member>,
    guest: Option<Account>,
    at: NavItem,
    members: i64,
    admin: Option<Account>,
    rooms: Vec<JoinedRoom>,
    unread: i64,
    /// The number of threads with unread messages.
    unread_threads: i64,
    /// True if strangers are matched here.
    matching: bool,
    /// The path of the stream.
    stream: &'static str,
}

/// The most rooms in the navigation; `/rooms` lists all of them.
const NAV_ROOMS: usize = 5;

impl Shell {
    async fn new(app: &App, caller: &Caller, at: NavItem) -> Result<Self> {
        let id = caller.account.as_ref().map(|account| account.id);
        let read = move |read: &Read<'_>| {
            let (members, admin) = (count_members(read)?, admin(read)?);
            let Some(id) = id else { return Ok((members, admin, Vec::new(), 0, 0)) };
            let rooms = rooms::page(read, &ConversationPage::first(id, NAV_ROOMS as i64))?;
            let unread = if rooms.is_empty() { 0 } else { rooms::count_unread(read, id)? };
            Ok((members, admin, rooms, unread, threads::count_unread(read, id)?))
        };
        let (members, admin, rooms, unread, unread_threads) = app.db.read(read).await?;
        Ok(Shell { members, admin, rooms, unread, unread_threads, at, ..Shell::bare(app, caller) })
    }

    /// Returns the shell of an error page, which needs no database and can't fail.
    fn bare(app: &App, caller: &Caller) -> Self {
        Shell {
            name: app.config.name.clone(),
            viewer: caller.member(),
            guest: caller.guest().cloned(),
            at: NavItem::Elsewhere,
            members: 0,
            admin: None,
            rooms: Vec::new(),
            unread: 0,
            unread_threads: 0,
            matching: app.config.matching,
            stream: app.config.stream_path(),
        }
    }

    /// Returns the id of the viewer's account, for the page's scripts.
    fn viewer_id(&self) -> Option<AccountId> {
        let member = self.viewer.as_ref().map(Member::id);
        member.or_else(|| self.guest.as_ref().map(|guest| guest.id))
    }

    fn assets(&self) -> &'static str {
        &assets::VERSION
    }

    fn is_at(&self, item: NavItem) -> bool {
        self.at == item
    }

    fn population(&self) -> String {
        match self.members {
            1 => "One person lives here.".into(),
            n => format!("{n} people live here."),
        }
    }
}

/// Renders a page for this viewer alone, which no shared cache may store.
fn page(template: &impl Template) -> Result<Response> {
    page_with(StatusCode::OK, template)
}

fn page_with(status: StatusCode, template: &impl Template) -> Result<Response> {
    let body = template.render().map_err(Error::internal)?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache")),
        (header::VARY, HeaderValue::from_static("cookie")),
    ];
    Ok((status, headers, body).into_response())
}

/// Returns whether an error is shown in the form, which keeps the typed values, instead of on a page of its own.
fn is_form_error(error: &Error) -> bool {
    matches!(
        error,
        Error::Invalid(_) | Error::Conflict(_) | Error::TooMany { .. } | Error::Busy | Error::Full
    )
}

/// Renders the page of a form again if the form shows this error; returns any other error.
async fn show_form_error<T: Template>(
    error: Error,
    page: impl AsyncFnOnce(Error) -> Result<T>,
) -> Result<Response> {
    if !is_form_error(&error) {
        return Err(error);
    }
    let head = status_and_headers(&error);
    render_form_error(head, &page(error).await?)
}

/// Renders a form again, with the typed values and the errors.
fn render_form_error(
    (status, headers): (StatusCode, HeaderMap),
    template: &impl Template,
) -> Result<Response> {
    Ok((headers, page_with(status, template)?).into_response())
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    shell: Shell,
    heading: &'a str,
    sentence: String,
    log_in: bool,
    /// Members with usernames like the one that was not found.
    similar: Vec<Account>,
    stream: &'static str,
    request: &'a str,
}

/// Returns the page of an error.
pub async fn error_page(
    app: &App,
    cookies: Option<HeaderValue>,
    error: &Error,
    status: StatusCode,
    path: Option<&str>,
    request: &str,
) -> Response {
    // Without the database there is no viewer, but still a page.
    let caller = Caller::by_cookie(app, cookies.as_ref()).await.unwrap_or_default();
    if let (Error::Unauthenticated, Some(path)) = (error, path) {
        // Rooms and matches need only a name. Where a guest is refused, the page is for members.
        let needs_only_name = path.starts_with("/rooms") || path.starts_with("/match");
        let page = if needs_only_name && caller.account.is_none() { "/session/new" } else { "/login" };
        return Redirect::to(&format!("{page}?next={}", encoded(path))).into_response();
    }
    let heading = match error {
        Error::NotFound => "Nothing here",
        Error::Unauthenticated => "Log in first",
        Error::Forbidden(_) => "Not yours to do",
        Error::KeyReused => "That did not work",
        Error::Invalid(_)
        | Error::Conflict(_)
        | Error::Malformed(_)
        | Error::MediaType(_)
        | Error::Method => "That did not work",
        Error::TooMany { .. } => "A moment, please",
        Error::TooLarge => "That is too much",
        Error::TooSlow => "That took too long",
        Error::Busy => "Busy right now",
        Error::Full => "The disk is full",
        Error::Internal(_) => "Something broke",
    };
    let similar = match (error, path) {
        (Error::NotFound, Some(path)) => find_similar(app, path).await,
        _ => Vec::new(),
    };
    let template = ErrorPage {
        similar,
        stream: app.config.stream_path(),
        shell: Shell::bare(app, &caller),
        heading,
        sentence: error.sentence(),
        log_in: matches!(error, Error::Unauthenticated),
        request,
    };
    page_with(status, &template).unwrap_or_else(|_| status.into_response())
}

/// Finds members whose usernames begin like the one in a path that was not found.
async fn find_similar(app: &App, path: &str) -> Vec<Account> {
    let Some(rest) = path.strip_prefix("/@") else { return Vec::new() };
    let name = rest.split(['/', '?', '.']).next().unwrap_or_default().to_owned();
    let search = app.db.read(move |read| domain::accounts::similar(read, &name));
    search.await.unwrap_or_default()
}

/// Encodes a path as a value in a query.
fn encoded(path: &str) -> String {
    percent_encoding::utf8_percent_encode(path, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// Returns the sentence about a field of a form, if the error has one.
fn field_error<'a>(error: Option<&'a Error>, field: &str) -> Option<&'a str> {
    match error {
        Some(Error::Invalid(faults)) => faults.iter().find(|f| f.field == field).map(|f| f.message.as_str()),
        _ => None,
    }
}

/// Returns the sentence about the form as a whole, or about a field that it does not show.
fn form_error(error: Option<&Error>, fields: &[&str]) -> Option<String> {
    match error {
        Some(Error::Invalid(faults)) => {
            faults.iter().find(|f| !fields.contains(&&*f.field)).map(|f| f.message.clone())
        }
        other => other.map(Error::sentence),
    }
}

/// Returns the path if it is on this site, or else `/`, so that a link can't lead people from the login to another
/// site.
fn on_this_site(next: &str) -> &str {
    let is_local = next.starts_with('/')
        && !next.starts_with("//")
        && !next.contains('\\')
        && !next.chars().any(char::is_control);
    if is_local { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_stay_on_this_site() {
        for next in [
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "javascript:alert(1)",
            "",
            "/a\r\nb",
        ] {
            assert_eq!(on_this_site(next), "/", "{next:?}");
        }
        assert_eq!(on_this_site("/@nell/1?x=y"), "/@nell/1?x=y");
    }
}
