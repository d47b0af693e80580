//! Errors as responses.

use std::sync::Arc;

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};

use super::{problem, ratelimit};
use crate::Error;

/// An error on its way to the outermost layer, which renders the body.
#[derive(Clone)]
pub struct Refusal(pub Arc<Error>);

impl IntoResponse for Error {
    /// Returns a status without a body; `server::edge` adds a page or problem JSON.
    fn into_response(self) -> Response {
        let mut response = status_and_headers(&self).into_response();
        response.extensions_mut().insert(Refusal(Arc::new(self)));
        response
    }
}

/// Returns the status and headers of an error, which are the same for a page and for problem JSON.
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
        // RFC 9110 requires the header in a 401; browsers ignore the scheme.
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    (problem::kind(error).status, headers)
}

/// A mark on a response that Chitter's own pages may show in a frame.
#[derive(Clone, Copy, Debug)]
pub struct Framed;

/// Returns whether the address belongs to the API for programs.
pub fn is_api(uri: &Uri) -> bool {
    uri.path().starts_with("/api/")
}

/// The header of requests by Chitter's own scripts: the response is a fragment of a page instead of a redirect or a
/// page, and errors are problem JSON.
pub const FRAGMENT: &str = "chitter-fragment";
