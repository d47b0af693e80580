//! The API is open to pages of any site (the Fetch standard's CORS): what is done there without a token, anyone
//! may do who reaches the place. Cookies are never taken from another site.

use std::time::Duration;

use axum::{
    extract::Request,
    http::{HeaderName, Method, header},
    middleware::Next,
    response::Response,
};
use tower::{Layer, ServiceExt};
use tower_http::cors::{Any, CorsLayer};

/// How long a browser may remember what it was told.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

/// Where other sites' pages may call.
fn is_open(path: &str) -> bool {
    ["/api/", "/oauth/", "/.well-known/"].iter().any(|open| path.starts_with(open))
}

/// Tells browsers what pages of other sites may do here.
pub async fn open(mut request: Request, next: Next) -> Response {
    if !is_open(request.uri().path()) {
        return next.run(request).await;
    }
    let headers = request.headers_mut();
    if headers.contains_key(header::AUTHORIZATION) || !headers.contains_key(header::COOKIE) {
        // Nobody's cookie is made use of here, so it does not matter which site it comes from.
        headers.remove("sec-fetch-site");
        if request.method() != Method::GET && request.method() != Method::OPTIONS {
            request.headers_mut().remove(header::ORIGIN);
        }
    }
    let named = HeaderName::from_static;
    let layer = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_NONE_MATCH,
            named("idempotency-key"),
        ])
        .expose_headers([
            header::ETAG,
            header::LINK,
            header::LOCATION,
            header::RETRY_AFTER,
            named("idempotency-replayed"),
            named("ratelimit"),
            named("ratelimit-policy"),
            named("x-request-id"),
        ])
        .max_age(REMEMBERED);
    match layer.layer(next).oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
