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
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// Adds an `ETag` to JSON responses, and responds with 304 where the request names that tag.
pub async fn answer(request: Request, next: Next) -> Result<Response> {
    let is_get = request.method() == Method::GET;
    let client_tags: Vec<_> = request.headers().get_all(header::IF_NONE_MATCH).iter().cloned().collect();
    let response = next.run(request).await;
    let json = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if !is_get
        || !json
        || response.status() != StatusCode::OK
        || response.headers().contains_key(header::ETAG)
    {
        return Ok(response);
    }
    let (mut parts, body) = response.into_parts();
    let bytes = to_bytes(body, MAX_BYTES).await.map_err(Error::internal)?;
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    // The tag is weak, because the response may be compressed later.
    let etag = format!("W/\"{:016x}\"", hasher.finish());
    let is_current = client_tags.iter().any(|tags| matches_tag(tags, &etag));
    if let Ok(etag) = HeaderValue::try_from(etag) {
        parts.headers.insert(header::ETAG, etag);
    }
    parts.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    if is_current {
        parts.status = StatusCode::NOT_MODIFIED;
        parts.headers.remove(header::CONTENT_TYPE);
        parts.headers.remove(header::CONTENT_LENGTH);
        return Ok(Response::from_parts(parts, Body::empty()));
    }
    Ok(Response::from_parts(parts, bytes.into()))
}

/// Returns whether `If-None-Match` names this tag, by the weak comparison.
pub fn matches_tag(if_none_match: &HeaderValue, etag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let tags = if_none_match.to_str().unwrap_or_default();
    tags.trim() == "*" || tags.split(',').any(|tag| opaque(tag) == opaque(etag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_matches_any_tag_of_the_header() {
        let matches = |value: &'static str| matches_tag(&HeaderValue::from_static(value), "W/\"1f\"");
        for value in ["W/\"1f\"", "\"1f\"", "\"0\", W/\"1f\"", "*"] {
            assert!(matches(value), "{value}");
        }
        for value in ["", "\"1\"", "1f"] {
            assert!(!matches(value), "{value}");
        }
    }
}
