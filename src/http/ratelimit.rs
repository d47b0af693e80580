//! The IETF's `RateLimit` header fields (draft-ietf-httpapi-ratelimit-headers).

use axum::http::{HeaderMap, HeaderValue};

use crate::{error::Limit, services::limits::Allowance};

/// Adds the state of a rate limit to the headers of a response.
pub fn add(headers: &mut HeaderMap, allowance: &Allowance) {
    add_state(headers, allowance.limit(), allowance.remaining, allowance.resets_after().as_secs());
}

/// Adds the state of a limit: `remaining` requests now, and all of them after `seconds`.
pub fn add_state(headers: &mut HeaderMap, limit: Limit, remaining: u32, seconds: u64) {
    let Limit { name, burst, window } = limit;
    let policy = format!("\"{name}\";q={burst};w={}", window.as_secs());
    let state = format!("\"{name}\";r={remaining};t={seconds}");
    for (header, value) in [("ratelimit-policy", policy), ("ratelimit", state)] {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.append(header, value);
        }
    }
}
