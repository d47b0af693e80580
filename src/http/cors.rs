//! Cross-origin requests (CORS, in the Fetch standard): pages of every site may call the API. Without a token they can
//! do only what strangers may do; cookies are never accepted from another site.

use std::time::Duration;

use axum::{
    extract::Request,
    http::{HeaderName, Method, header},
    middleware::Next,
    response::Response,
};
use tower::{Layer, ServiceExt};
use tower_http::cors::{Any, CorsLayer};

/// The time for which browsers may cache the answer to a preflight request.
const PREFLIGHT_MAX_AGE: Duration = Duration::from_secs(24 * 3600);

/// Returns whether pages of other sites may call this path.
fn is_open(path: &str) -> bool {
    ["/api/", "/oauth/", "/.well-known/"].iter().any(|prefix| path.starts_with(prefix))
}

/// Adds the CORS headers, and answers preflight requests.
pub async fn add_headers(mut request: Request, next: Next) -> Response {
    if !is_open(request.uri().path()) {
        return next.run(request).await;
    }
    let headers = request.headers_mut();
    if headers.contains_key(header::AUTHORIZATION) || !headers.contains_key(header::COOKIE) {
        // The request uses no cookie, so its site does not matter to the check against forged requests.
        headers.remove("sec-fetch-site");
        if request.method() != Method::GET && request.method() != Method::OPTIONS {
            request.headers_mut().remove(header::ORIGIN);
        }
    }
    let header_name = HeaderName::from_static;
    let layer = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_NONE_MATCH,
            header_name("idempotency-key"),
        ])
        .expose_headers([
            header::ETAG,
            header::LINK,
            header::LOCATION,
            header::RETRY_AFTER,
            header_name("idempotency-replayed"),
            header_name("ratelimit"),
            header_name("ratelimit-policy"),
            header_name("x-request-id"),
        ])
        .max_age(PREFLIGHT_MAX_AGE);
    match layer.layer(next).oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
