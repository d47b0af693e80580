//! Host names that lead to members' pages: what comes in under one of them finds that page at its root.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, Uri, header},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};

use crate::{Result, app::App, clock::Time, store};

/// What another node mapped is known after this long.
const KEEPS: Duration = Duration::from_secs(20);

/// The host names, and whose page each leads to.
#[derive(Default)]
pub struct Hosts(RwLock<Option<Known>>);

#[derive(Clone)]
struct Known {
    read_at: Time,
    users: Arc<HashMap<String, String>>,
}

impl Hosts {
    /// One of them changed.
    pub fn forget(&self) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Whose page the host name leads to.
    async fn user(&self, app: &App, host: &str) -> Result<Option<String>> {
        let kept = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        let now = app.clock.now();
        let known = match kept {
            Some(known) if now.since(known.read_at) < KEEPS => known,
            _ => {
                let users = app.db.read(store::pages::hosts).await?.into_iter().collect();
                let known = Known { read_at: now, users: Arc::new(users) };
                *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(known.clone());
                known
            }
        };
        Ok(known.users.get(host).cloned())
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
    let host = asked(&request).filter(|host| host != app.config.base_url.host());
    let Some(host) = host else { return next.run(request).await };
    let user = match app.hosts.user(&app, &host).await {
        Ok(Some(user)) => user,
        Ok(None) => return next.run(request).await,
        Err(error) => return error.into_response(),
    };
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
        "/contact" | "/card.png" | "/visits" => Some(format!("{own}{path}")),
        "/sitemap.xml" | "/robots.txt" | "/favicon.ico" => Some(path.to_owned()),
        _ if path.starts_with("/assets/")
            || path.starts_with("/looks/")
            || path.starts_with("/pictures/") =>
        {
            Some(path.to_owned())
        }
        _ if path == own => None,
        // What the page itself refers to, so that it need not know where it is.
        _ => ["/contact", "/card.png", "/visits"]
            .iter()
            .any(|end| path.strip_prefix(own.as_str()) == Some(end))
            .then(|| path.to_owned()),
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
