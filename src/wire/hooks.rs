//! The URLs of hooks.

use crate::domain::sessions::Token;

/// Returns the URL that a program posts to.
pub fn url(base: &str, token: &Token) -> String {
    format!("{base}/hooks/{}", token.as_str())
}
