//! Host names that lead to members' pages: what comes in under one of them finds that page at its root.

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, Uri, header},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};

use crate::{app::App, clock::Time, store};

/// What another node mapped is known after this long.
const KEEPS: Duration = Duration::from_secs(20);

/// What there is under a member's page that its own host name leads to, too.
const PARTS: [&str; 4] = ["/contact", "/address", "/card.png", "/visits"];

/// The host names, and whose page each leads to.
#[derive(Default)]
pub struct Hosts {
    known: RwLock<Option<Known>>,
    changes: AtomicU64,
}

#[derive(Clone)]
struct Known {
    read_at: Time,
    /// How many changes there had been when it was begun to be read.
    made_of: u64,
    users: Arc<HashMap<String, String>>,
}

impl Hosts {
    /// One of them changed. Whoever says so does before anyone hears of the change.
    pub fn forget(&self) {
        self.changes.fetch_add(1, Ordering::Release);
    }

    /// Whose page the host name leads to.
    async fn user(&self, app: &App, host: &str) -> Option<String> {
        let kept = self.known.read().unwrap_or_else(PoisonError::into_inner).clone();
        let (now, latest) = (app.clock.now(), self.changes.load(Ordering::Acquire));
        let known = match kept {
            Some(known) if known.made_of == latest && now.since(known.read_at) < KEEPS => known,
            kept => match app.db.read(store::pages::hosts).await {
                Ok(users) => {
                    let allowed = app.config.page_hosts.as_ref();
                    let may = |host: &String| allowed.is_none_or(|allowed| allowed.contains(host));
                    let users = Arc::new(users.into_iter().filter(|(host, _)| may(host)).collect());
                    let known = Known { read_at: now, made_of: latest, users };
                    *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(known.clone());
                    known
                }
                // With the database gone what was known last is the best there is.
                Err(_) => kept?,
            },
        };
        known.users.get(host).cloned()
    }
}

/// The name by which we were asked, without a port.
fn asked(request: &Request) -> Option<String> {
    let host = request.uri().host().or_else(|| named(request.headers()))?;
    let host = if host.starts_with('[') { host } else { host.split(':').next().unwrap_or(host) };
    Some(host.trim_end_matches('.').to_ascii_lowercase())
}

fn named(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::HOST)?.to_str().ok()
}

/// Leads whoever comes in under a member's host name to its page.
pub async fn lead(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let is_probe = matches!(request.uri().path(), "/livez" | "/readyz");
    let host = asked(&request).filter(|host| !is_probe && host != app.config.base_url.host());
    let user = match host {
        Some(host) => app.hosts.user(&app, &host).await,
        None => None,
    };
    let Some(user) = user else { return next.run(request).await };
    let uri = request.uri();
    match inside(&user, uri.path()) {
        Some(path) => {
            let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
            if let Ok(uri) = Uri::try_from(format!("{path}{query}")) {
                *request.uri_mut() = uri;
            }
            next.run(request).await
        }
        None => {
            let rest = uri.path_and_query().map_or("/", |rest| rest.as_str());
            Redirect::temporary(&format!("{}{rest}", app.config.base_url.as_str())).into_response()
        }
    }
}

/// What a path under the host name of a member's page is about; nothing, where it is about the rest of the site.
fn inside(user: &str, path: &str) -> Option<String> {
    let own = format!("/@{user}");
    match path {
        "/" => Some(own),
        _ if PARTS.contains(&path) => Some(format!("{own}{path}")),
        "/sitemap.xml" | "/robots.txt" | "/favicon.ico" => Some(path.to_owned()),
        _ if path.starts_with("/assets/")
            || path.starts_with("/looks/")
            || path.starts_with("/pictures/") =>
        {
            Some(path.to_owned())
        }
        _ if path == own => None,
        // What the page itself refers to, so that it need not know where it is.
        _ => PARTS.iter().any(|end| path.strip_prefix(own.as_str()) == Some(end)).then(|| path.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn under_a_host_name_there_is_the_page_and_what_it_needs() {
        for (path, found) in [
            ("/", Some("/@nell")),
            ("/contact", Some("/@nell/contact")),
            ("/@nell/address", Some("/@nell/address")),
            ("/@nell/contact", Some("/@nell/contact")),
            ("/assets/1/img/mark.svg", Some("/assets/1/img/mark.svg")),
            ("/login", None),
            ("/@nell", None),
            ("/@ify/contact", None),
            ("/settings", None),
            ("/api/v1/threads", None),
        ] {
            assert_eq!(inside("nell", path).as_deref(), found, "{path}");
        }
    }
}
