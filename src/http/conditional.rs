//! Conditional requests (RFC 9110, section 13): a client that has the current response receives 304.

use std::hash::{DefaultHasher, Hash, Hasher};

use axum::{
    body::{Body, to_bytes},
    extract::Request,
    http::{HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::Response,
};

use crate::{Error, Result};

/// The largest response that is hashed, in bytes: two hundred long messages and their JSON.
const LARGEST: usize = 64 * 1024 * 1024;

/// Adds an `ETag` to JSON responses, and responds with 304 where the request names that tag.
pub async fn answer(request: Request, next: Next) -> Result<Response> {
    let reads = request.method() == Method::GET;
    let known: Vec<_> = request.headers().get_all(header::IF_NONE_MATCH).iter().cloned().collect();
    let response = next.run(request).await;
    let json = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if !reads || !json || response.status() != StatusCode::OK || response.headers().contains_key(header::ETAG)
    {
        return Ok(response);
    }
    let (mut parts, body) = response.into_parts();
    let bytes = to_bytes(body, LARGEST).await.map_err(Error::internal)?;
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    // The tag is weak, because the response may be compressed later.
    let etag = format!("W/\"{:016x}\"", hasher.finish());
    let holds = known.iter().any(|known| names(known, &etag));
    if let Ok(etag) = HeaderValue::try_from(etag) {
        parts.headers.insert(header::ETAG, etag);
    }
    parts.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    if holds {
        parts.status = StatusCode::NOT_MODIFIED;
        parts.headers.remove(header::CONTENT_TYPE);
        parts.headers.remove(header::CONTENT_LENGTH);
        return Ok(Response::from_parts(parts, Body::empty()));
    }
    Ok(Response::from_parts(parts, bytes.into()))
}

/// Returns whether `If-None-Match` names this tag, by the weak comparison.
pub fn names(known: &HeaderValue, etag: &str) -> bool {
    let weak = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let known = known.to_str().unwrap_or_default();
    known.trim() == "*" || known.split(',').any(|one| weak(one) == weak(etag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_known_by_any_of_the_names() {
        let known = |value: &'static str| names(&HeaderValue::from_static(value), "W/\"1f\"");
        for value in ["W/\"1f\"", "\"1f\"", "\"0\", W/\"1f\"", "*"] {
            assert!(known(value), "{value}");
        }
        for value in ["", "\"1\"", "1f"] {
            assert!(!known(value), "{value}");
        }
    }
}
