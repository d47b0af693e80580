//! Hooks as JSON.

use crate::domain::sessions::Token;

/// The address that a program posts to.
pub fn url(base: &str, token: &Token) -> String {
    format!("{base}/hooks/{}", token.as_str())
}
