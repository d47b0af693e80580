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
const PAGE_PATHS: [&str; 4] = ["/contact", "/address", "/card.png", "/visits"];

/// Returns the host name of a request, without a port.
fn request_host(request: &Request) -> Option<String> {
    let host = request.uri().host().or_else(|| host_header(request.headers()))?;
    let host = if host.starts_with('[') { host } else { host.split(':').next().unwrap_or(host) };
    Some(host.trim_end_matches('.').to_ascii_lowercase())
}

fn host_header(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::HOST)?.to_str().ok()
}

/// Rewrites the path of a request under a member's host name to that of the member's page.
pub async fn rewrite_path(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let is_probe = matches!(request.uri().path(), "/livez" | "/readyz");
    let host = request_host(&request).filter(|host| !is_probe && host != app.config.base_url.host());
    let user = match host {
        Some(host) => app.hosts.user(&host).await,
        None => None,
    };
    let Some(user) = user else { return next.run(request).await };
    let uri = request.uri();
    match site_path(&user, uri.path()) {
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

/// Returns the site's path for a path under a member's host name; `None` where it belongs to the rest of the site.
fn site_path(user: &str, path: &str) -> Option<String> {
    let page = format!("/@{user}");
    match path {
        "/" => Some(page),
        _ if PAGE_PATHS.contains(&path) => Some(format!("{page}{path}")),
        "/sitemap.xml" | "/robots.txt" | "/favicon.ico" => Some(path.to_owned()),
        _ if path.starts_with("/assets/")
            || path.starts_with("/looks/")
            || path.starts_with("/pictures/") =>
        {
            Some(path.to_owned())
        }
        _ if path == page => None,
        // The links of the page, which are the same under both host names.
        _ => PAGE_PATHS
            .iter()
            .any(|end| path.strip_prefix(page.as_str()) == Some(end))
            .then(|| path.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_name_serves_the_page_and_the_resources_that_it_needs() {
        for (path, expected) in [
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
            assert_eq!(site_path("nell", path).as_deref(), expected, "{path}");
        }
    }
}
