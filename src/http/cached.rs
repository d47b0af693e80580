//! Responses with a page from memory.

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::conditional::matches_tag;
use crate::services::page_cache::CachedPage;

/// Answers a request with the page: compressed where the client accepts that, and without a body where the client has
/// the page already.
pub fn respond(page: &CachedPage, request: &HeaderMap) -> Response {
    let gzip = request.get(header::ACCEPT_ENCODING).is_some_and(accepts_gzip);
    let is_current = request.get_all(header::IF_NONE_MATCH).iter().any(|tags| matches_tag(tags, &page.etag));
    let mut response = if is_current {
        StatusCode::NOT_MODIFIED.into_response()
    } else if gzip {
        page.gzipped().into_response()
    } else {
        page.body.clone().into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(page.kind));
    if let Ok(etag) = HeaderValue::from_str(&page.etag) {
        headers.insert(header::ETAG, etag);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::VARY, HeaderValue::from_static("cookie, accept-encoding"));
    if gzip && !is_current {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    if let Some(link) = page.link.as_deref().and_then(|link| HeaderValue::from_str(link).ok()) {
        headers.insert(header::LINK, link);
    }
    response
}

fn accepts_gzip(accepted: &HeaderValue) -> bool {
    let Ok(accepted) = accepted.to_str() else { return false };
    accepted.split(',').any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        name.trim() == "gzip" && !matches!(weight.trim(), "q=0" | "q=0.0")
    })
}
