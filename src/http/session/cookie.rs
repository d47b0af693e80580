//! The cookie that holds a session's token.

use std::time::Duration;

use axum::http::{HeaderValue, header};
use cookie::{Cookie, SameSite};

use crate::{config::Config, domain::sessions::Token};

/// Returns the session's token in a `Cookie` header.
pub(super) fn session_token(config: &Config, cookies: Option<&HeaderValue>) -> Option<Token> {
    let name = cookie_name(config);
    let cookies = cookies?.to_str().ok()?;
    let cookie =
        Cookie::split_parse(cookies).filter_map(std::result::Result::ok).find(|c| c.name() == name)?;
    (!cookie.value().is_empty()).then(|| Token::presented(cookie.value()))
}

/// Returns the name of the cookie. With https its prefix makes browsers accept the cookie only from this host and over
/// TLS.
fn cookie_name(config: &Config) -> &'static str {
    if config.base_url.is_https() { "__Host-chitter_session" } else { "chitter_session" }
}

/// The lifetime of the cookie: the longest that browsers accept (400 days by RFC 6265bis). The session itself expires
/// in the database, by the time of its last use.
const MAX_AGE: Duration = Duration::from_secs(400 * 24 * 3600);

/// Returns the `Set-Cookie` header that starts a session in the browser, or without a token ends it.
pub fn set_cookie(config: &Config, token: Option<&Token>) -> (header::HeaderName, String) {
    let max_age = token.map_or(0, |_| MAX_AGE.as_secs());
    let cookie = Cookie::build((cookie_name(config), token.map_or("", Token::as_str)))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(config.base_url.is_https())
        .build();
    (header::SET_COOKIE, format!("{cookie}; Max-Age={max_age}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    fn config(base_url: &str) -> Config {
        Settings { base_url: Some(base_url.into()), ..Settings::default() }.resolve().expect("fine")
    }

    #[test]
    fn with_https_the_cookie_is_bound_to_the_host() {
        let token = Token::presented("secret");
        let (_, plain) = set_cookie(&config("http://x.example"), Some(&token));
        assert!(
            plain.starts_with("chitter_session=secret; ")
                && plain.contains("HttpOnly")
                && plain.contains("SameSite=Lax")
        );
        let (_, secure) = set_cookie(&config("https://x.example"), Some(&token));
        assert!(secure.starts_with("__Host-chitter_session=secret; ") && secure.contains("Secure"));
    }
}
