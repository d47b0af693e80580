//! Errors as responses.

use std::sync::Arc;

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};

use super::{problem, ratelimit};
use crate::Error;

/// A refusal on its way out: what the face is made of.
#[derive(Clone)]
pub struct Refusal(pub Arc<Error>);

impl IntoResponse for Error {
    /// A status and no body yet: [`edge`] gives it a face.
    fn into_response(self) -> Response {
        let mut response = status_and_headers(&self).into_response();
        response.extensions_mut().insert(Refusal(Arc::new(self)));
        response
    }
}

/// What an error says whatever its face: the status, and when to come back.
pub fn status_and_headers(error: &Error) -> (StatusCode, HeaderMap) {
    let mut headers = HeaderMap::new();
    if let Error::TooMany { retry_after, limit } = error {
        let seconds = retry_after.as_millis().div_ceil(1000).max(1) as u64;
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        if let Some(limit) = limit {
            ratelimit::add_state(&mut headers, *limit, 0, seconds);
        }
    } else if matches!(error, Error::Busy) {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(2));
    } else if matches!(error, Error::Unauthenticated) {
        // RFC 9110 wants a 401 to say how; browsers, which have a cookie, pass over it.
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    (problem::kind(error).status, headers)
}

/// An answer that our own pages may show in a frame.
#[derive(Clone, Copy, Debug)]
pub struct Framed;

/// Whether a program is what asks: what is under this path is for them.
pub fn is_api(uri: &Uri) -> bool {
    uri.path().starts_with("/api/")
}

/// Our own scripts send this header, to get the piece of a page that they show, or the problem as
/// JSON, in place of a redirect or a page.
pub const FRAGMENT: &str = "chitter-fragment";
