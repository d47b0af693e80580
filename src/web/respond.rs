//! What every request passes through on its way in and out: a request id, the log, the security
//! headers, and the two faces of the one error. And how bodies are taken.

use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use axum::{
    Json,
    body::{Body, Bytes},
    extract::{FromRequest, MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde::de::DeserializeOwned;
use serde_json::json;
use tracing::Instrument;

use super::html;
use crate::{Error, app::App, config::one_line};

/// A refusal on its way out: what the face is made of.
#[derive(Clone)]
struct Refusal(Arc<Error>);

impl IntoResponse for Error {
    /// A status and no body yet: [`edge`] gives it a face.
    fn into_response(self) -> Response {
        let mut response = head(&self).into_response();
        response.extensions_mut().insert(Refusal(Arc::new(self)));
        response
    }
}

/// What an error says whatever its face: the status, and when to come back.
pub fn head(error: &Error) -> (StatusCode, HeaderMap) {
    let mut headers = HeaderMap::new();
    if let Error::TooMany { retry_after } = error {
        let seconds = retry_after.as_millis().div_ceil(1000).max(1);
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds as u64));
    } else if matches!(error, Error::Busy) {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(2));
    } else if matches!(error, Error::Unauthenticated) {
        // RFC 9110 wants a 401 to say how; browsers, which have a cookie, pass over it.
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    (status(error), headers)
}

/// The status of an error, by RFC 9110.
fn status(error: &Error) -> StatusCode {
    match error {
        Error::NotFound => StatusCode::NOT_FOUND,
        Error::Unauthenticated => StatusCode::UNAUTHORIZED,
        Error::Forbidden(_) => StatusCode::FORBIDDEN,
        Error::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
        Error::Conflict(_) => StatusCode::CONFLICT,
        Error::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
        Error::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Error::TooSlow => StatusCode::REQUEST_TIMEOUT,
        Error::Busy => StatusCode::SERVICE_UNAVAILABLE,
        Error::Full => StatusCode::INSUFFICIENT_STORAGE,
        Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// A refusal that a library made, as one of ours.
fn named(status: StatusCode) -> Error {
    match status {
        StatusCode::NOT_FOUND => Error::NotFound,
        StatusCode::PAYLOAD_TOO_LARGE => Error::TooLarge,
        StatusCode::UNAUTHORIZED => Error::Unauthenticated,
        StatusCode::FORBIDDEN => Error::Forbidden("That came from another site, so it was not done."),
        StatusCode::METHOD_NOT_ALLOWED => Error::invalid("method", "That can’t be done at this address."),
        StatusCode::REQUEST_TIMEOUT => Error::TooSlow,
        s if s.is_server_error() => Error::Busy,
        _ => Error::invalid("request", "That request makes no sense to us."),
    }
}

/// Sent with every answer. The policy allows nothing but our own files: there is no inline script
/// or style anywhere, and nobody may frame us.
const SECURITY: [(HeaderName, HeaderValue); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; \
             form-action 'self'; frame-ancestors 'none'",
        ),
    ),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static("camera=(), geolocation=(), microphone=(), payment=()"),
    ),
];

/// The outermost layer.
pub async fn edge(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let id = request_id();
    let began = Instant::now();
    let method = request.method().clone();
    // The route, never the path: paths may hold secrets, such as an unsubscribe link's.
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
        let ours = refusal.is_some();
        let error = refusal.map_or_else(|| Arc::new(named(status)), |r| r.0);
        if let Error::Internal(source) = &*error {
            span.in_scope(|| tracing::error!(error = %one_line(&source.to_string()), "Something broke"));
        }
        // A page that already has its face, such as a form with a note in it, keeps it.
        if ours || !has_face(&response) {
            let headers = std::mem::take(response.headers_mut());
            response = if wants_json {
                problem(&error, status, &id)
            } else {
                let page = html::error_page(&app, cookies, &error, status, path.as_deref(), &id);
                page.instrument(span.clone()).await
            };
            keep(&headers, response.headers_mut());
        }
    }
    let headers = response.headers_mut();
    for (name, value) in &SECURITY {
        headers.insert(name, value.clone());
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert("x-request-id", id);
    }
    span.in_scope(|| log(&method, response.status(), began));
    response
}

/// Reads are told at `debug`: there are many, and they change nothing.
fn log(method: &Method, status: StatusCode, began: Instant) {
    let (status, took) = (status.as_u16(), began.elapsed());
    match status {
        500.. if status != 503 => tracing::error!(status, ?took, "Answered"),
        400.. => tracing::info!(status, ?took, "Refused"),
        _ if method == Method::GET || method == Method::HEAD => tracing::debug!(status, ?took, "Answered"),
        _ => tracing::info!(status, ?took, "Answered"),
    }
}

/// Programs get JSON: those at the API, and our own scripts.
fn wants_json(request: &Request) -> bool {
    let path = request.uri().path();
    path.starts_with("/api/") || path.starts_with("/hooks/") || request.headers().contains_key(FRAGMENT)
}

/// Our own scripts send this header, to get the piece of a page that they show, or the problem as
/// JSON, in place of a redirect or a page.
pub const FRAGMENT: &str = "chitter-fragment";

fn has_face(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| !kind.as_bytes().starts_with(b"text/plain"))
}

/// What the refusal said in its headers goes along with its face.
fn keep(from: &HeaderMap, to: &mut HeaderMap) {
    for (name, value) in from {
        // These are about the body that it no longer has.
        if ![header::CONTENT_TYPE, header::CONTENT_LENGTH, header::CONTENT_ENCODING].contains(name) {
            to.insert(name, value.clone());
        }
    }
}

/// RFC 9457 problem JSON, with the member `error` that Mastodon's clients look for.
fn problem(error: &Error, status: StatusCode, id: &str) -> Response {
    let sentence = error.sentence();
    let faults = match error {
        Error::Invalid(faults) => {
            faults.iter().map(|f| json!({ "field": f.field, "message": f.message })).collect()
        }
        _ => Vec::new(),
    };
    let mut body = json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or("Refused"),
        "status": status.as_u16(),
        "detail": sentence,
        "instance": format!("urn:request:{id}"),
        "error": sentence,
    });
    if !faults.is_empty() {
        body["faults"] = faults.into();
    }
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    (status, [kind], Json(body).into_response().into_body()).into_response()
}

/// Sixteen hex digits that no other request of this process has.
fn request_id() -> String {
    static START: LazyLock<u64> = LazyLock::new(|| {
        let mut bytes = [0; 8];
        let _ = getrandom::fill(&mut bytes);
        u64::from_le_bytes(bytes)
    });
    static COUNT: AtomicU64 = AtomicU64::new(0);
    // An odd factor visits every number once, far apart.
    let count = COUNT.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    format!("{:016x}", START.wrapping_add(count))
}

/// A form body, as browsers send it, or JSON, as programs do. What is missing is up to `T`'s
/// defaults; what is malformed is refused in plain words.
pub struct Input<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Input<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.unwrap_or("application/x-www-form-urlencoded");
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let body = Bytes::from_request(request, state).await.map_err(|rejection| named_body(&rejection))?;
        match kind.as_str() {
            "application/json" => serde_json::from_slice(&body).map(Input).map_err(|error| {
                Error::invalid(
                    "body",
                    format!("That is not the JSON we expect: {}", one_line(&error.to_string())),
                )
            }),
            "application/x-www-form-urlencoded" => form(&body).map(Input),
            _ => Err(Error::invalid("body", "Send a form (application/x-www-form-urlencoded) or JSON.")),
        }
    }
}

fn named_body(rejection: &axum::extract::rejection::BytesRejection) -> Error {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Error::TooLarge,
        _ => Error::TooSlow,
    }
}

fn form<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    // The form decoder would put U+FFFD in place of what it can't read, and words would be lost.
    if percent_encoding::percent_decode(body).decode_utf8().is_err() {
        return Err(Error::invalid("body", "That text is not UTF-8, so we can’t read it. Send it as UTF-8."));
    }
    serde_urlencoded::from_bytes(body).map_err(|error| {
        Error::invalid("body", format!("That is not the form we expect: {}", one_line(&error.to_string())))
    })
}

/// Reads an id or a number from a path; what is none leads nowhere.
pub fn from_path<T: std::str::FromStr>(raw: &str) -> Result<T, Error> {
    raw.parse().map_err(|_| Error::NotFound)
}

/// A panic in a handler: our fault, and in the log.
pub fn panicked(_: Box<dyn std::any::Any + Send>) -> axum::http::Response<Body> {
    Error::internal("a handler panicked").into_response()
}
