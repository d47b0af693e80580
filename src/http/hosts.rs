//! Requests to a member's own host name, under which the member's page is at the root.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, Uri, header},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};

use crate::app::App;

/// The paths below a member's page that are also served under the member's own host name.
const PARTS: [&str; 4] = ["/contact", "/address", "/card.png", "/visits"];

/// The host name of a request, without a port.
fn asked(request: &Request) -> Option<String> {
    let host = request.uri().host().or_else(|| named(request.headers()))?;
    let host = if host.starts_with('[') { host } else { host.split(':').next().unwrap_or(host) };
    Some(host.trim_end_matches('.').to_ascii_lowercase())
}

fn named(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::HOST)?.to_str().ok()
}

/// Rewrites the path of a request under a member's host name to that of the member's page.
pub async fn lead(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let is_probe = matches!(request.uri().path(), "/livez" | "/readyz");
    let host = asked(&request).filter(|host| !is_probe && host != app.config.base_url.host());
    let user = match host {
        Some(host) => app.hosts.user(&host).await,
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

/// The site's path for a path under a member's host name; `None` where the path belongs to the rest of the site.
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
        // The resources of the page itself, so that its links are the same under both names.
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
