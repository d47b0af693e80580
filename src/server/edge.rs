//! The outermost layer around every request and response: a request id, the log, the security headers, and the body of
//! an error for people or for programs.

use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use axum::{
    body::Body,
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use const_format::concatcp;
use tracing::Instrument;

use crate::{
    Error,
    app::App,
    config::one_line,
    html,
    http::{
        problem,
        respond::{FRAGMENT, Framed, Refusal, is_api},
    },
};

/// Returns the error for the status of a response that a library made.
fn error_of_status(status: StatusCode) -> Error {
    match status {
        StatusCode::NOT_FOUND => Error::NotFound,
        StatusCode::PAYLOAD_TOO_LARGE => Error::TooLarge,
        StatusCode::UNAUTHORIZED => Error::Unauthenticated,
        StatusCode::FORBIDDEN => Error::Forbidden("That came from another site, so it was not done."),
        StatusCode::METHOD_NOT_ALLOWED => Error::Method,
        StatusCode::REQUEST_TIMEOUT => Error::TooSlow,
        s if s.is_server_error() => Error::Busy,
        _ => Error::Malformed("That request makes no sense to us.".into()),
    }
}

/// The content security policy. Only Chitter's own files are allowed: no page has an inline script or style.
const POLICY: &str = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; \
                      form-action 'self'; ";

/// The headers of every response. No other site may show a page in a frame.
const SECURITY: [(HeaderName, HeaderValue); 6] = [
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(concatcp!(POLICY, "frame-ancestors 'none'"))),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static("camera=(), geolocation=(), microphone=(), payment=()"),
    ),
];

/// The headers of a response that may be framed by the site's own pages.
const FRAMED: [(HeaderName, HeaderValue); 2] = [
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(concatcp!(POLICY, "frame-ancestors 'self'"))),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN")),
];

/// Handles a request in the outermost layer.
pub async fn edge(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let id = request_id();
    let began = Instant::now();
    let method = request.method().clone();
    // The log has the route, never the path: paths may hold secrets, such as an unsubscribe link's.
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("-", MatchedPath::as_str);
    let span = tracing::info_span!("request", %id, %method, route);
    let wants_json = wants_json(&request);
    let cookies = request.headers().get(header::COOKIE).cloned();
    let path = (method == Method::GET).then(|| request.uri().path_and_query().map(ToString::to_string));
    let path = path.flatten().filter(|_| !wants_json);

    let mut response = next.run(request).instrument(span.clone()).await;
    let status = response.status();
    if status.is_client_error() || status.is_server_error() {
        let refusal = response.extensions_mut().remove::<Refusal>();
        let is_own_error = refusal.is_some();
        let error = refusal.map_or_else(|| Arc::new(error_of_status(status)), |r| r.0);
        if let Error::Internal(source) = &*error {
            span.in_scope(|| tracing::error!(error = %one_line(&source.to_string()), "A request failed"));
        }
        // A response that has a body already, such as a form with its error, is not replaced.
        if is_own_error || !has_rendered_body(&response) {
            let headers = std::mem::take(response.headers_mut());
            response = if wants_json {
                problem::answer(&error, status, app.config.base_url.as_str(), &id)
            } else {
                let page = html::error_page(&app, cookies, &error, status, path.as_deref(), &id);
                page.instrument(span.clone()).await
            };
            copy_headers(&headers, response.headers_mut());
        }
    }
    let framed = response.extensions().get::<Framed>().is_some();
    let headers = response.headers_mut();
    for (name, value) in &SECURITY {
        headers.insert(name, value.clone());
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert("x-request-id", id);
    }
    if framed {
        for (name, value) in &FRAMED {
            headers.insert(name, value.clone());
        }
    }
    span.in_scope(|| log(&method, response.status(), began));
    response
}

/// Logs a request. Reads are logged at `debug`: there are many, and they change nothing.
fn log(method: &Method, status: StatusCode, began: Instant) {
    let (status, elapsed) = (status.as_u16(), began.elapsed());
    match status {
        500.. if status != 503 => tracing::error!(status, took = ?elapsed, "Answered"),
        400.. => tracing::info!(status, took = ?elapsed, "Refused"),
        _ if method == Method::GET || method == Method::HEAD => {
            tracing::debug!(status, took = ?elapsed, "Answered");
        }
        _ => tracing::info!(status, took = ?elapsed, "Answered"),
    }
}

/// Returns whether an error is sent as JSON: to programs at the API, and to the site's own scripts.
fn wants_json(request: &Request) -> bool {
    let uri = request.uri();
    is_api(uri) || uri.path().starts_with("/hooks/") || request.headers().contains_key(FRAGMENT)
}

/// Returns whether the response has a body for its reader. Libraries send their reasons as plain text.
fn has_rendered_body(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| !kind.as_bytes().starts_with(b"text/plain"))
}

/// Copies the headers of an error to the response with its body.
fn copy_headers(source: &HeaderMap, target: &mut HeaderMap) {
    // These headers describe the body that was replaced.
    let describes_body = |name: &HeaderName| {
        [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::CONTENT_ENCODING].contains(name)
    };
    for name in source.keys().filter(|name| !describes_body(name)) {
        target.remove(name);
        for value in source.get_all(name) {
            target.append(name, value.clone());
        }
    }
}

/// Returns a request id: sixteen hex digits, unique in this process.
fn request_id() -> String {
    static START: LazyLock<u64> = LazyLock::new(|| {
        let mut bytes = [0; 8];
        let _ = getrandom::fill(&mut bytes);
        u64::from_le_bytes(bytes)
    });
    static COUNT: AtomicU64 = AtomicU64::new(0);
    // Multiplication by an odd factor yields every number once, in steps far apart.
    let count = COUNT.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    format!("{:016x}", START.wrapping_add(count))
}

/// Returns the response to a panic in a handler. The panic is logged.
pub fn panicked(_: Box<dyn std::any::Any + Send>) -> axum::http::Response<Body> {
    Error::internal("a handler panicked").into_response()
}
