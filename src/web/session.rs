//! Who asks: the address a request came from, the session in its cookie, and the member behind it.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, header, request::Parts},
};
use cookie::{Cookie, SameSite};

use crate::{
    Error, Result,
    app::App,
    config::Config,
    domain::{
        accounts::Member,
        sessions::{self, Token},
    },
    store::accounts::Account,
};

/// The other end of the connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// Where the request came from: the other end of the connection, or what a trusted proxy says.
#[derive(Clone, Copy, Debug)]
pub struct ClientAddr(pub IpAddr);

impl FromRequestParts<Arc<App>> for ClientAddr {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        let Some(Peer(peer)) = parts.extensions.get() else {
            return Err(Error::internal("a request without a connection"));
        };
        Ok(ClientAddr(client(peer.ip(), &parts.headers, &app.config)))
    }
}

/// The last address in `X-Forwarded-For` that is not one of our proxies: what stands before it,
/// the client could have made up.
fn client(peer: IpAddr, headers: &HeaderMap, config: &Config) -> IpAddr {
    let trusted = |ip: IpAddr| config.proxies.iter().any(|net| net.contains(&ip.to_canonical()));
    if !trusted(peer) {
        return peer;
    }
    let values = headers.get_all("x-forwarded-for").iter().filter_map(|v| v.to_str().ok());
    let hops: Vec<&str> = values.flat_map(|v| v.split(',')).map(str::trim).collect();
    let mut client = peer;
    for hop in hops.iter().rev() {
        let Ok(ip) = hop.parse() else { break };
        client = ip;
        if !trusted(ip) {
            break;
        }
    }
    client
}

/// Whoever looks: an account, by its session, or a stranger.
#[derive(Clone, Default)]
pub struct Viewer {
    /// The account, if there is a session that holds.
    pub account: Option<Account>,
    /// The session's secret.
    pub token: Option<Token>,
}

impl Viewer {
    /// The member who looks, if it is one.
    pub fn member(&self) -> Option<Member> {
        self.account.clone().and_then(|account| Member::try_from(account).ok())
    }

    /// Finds who it is by the `Cookie` header, and notes from time to time that the session is used.
    pub async fn find(app: &App, cookies: Option<&HeaderValue>) -> Result<Self> {
        let Some(token) = token(&app.config, cookies) else {
            return Ok(Viewer::default());
        };
        let asked = token.clone();
        let Some((account, to_be_noted)) = app.db.read(move |read| sessions::find(read, &asked)).await?
        else {
            return Ok(Viewer::default());
        };
        if to_be_noted {
            let used = token.clone();
            // Reading goes on when nothing can be written, as on a full disk.
            if let Err(error) = app.db.write(move |tx| sessions::touch(tx, &used)).await {
                tracing::warn!(%error, "Can't note that a session is in use");
            }
        }
        Ok(Viewer { account: Some(account), token: Some(token) })
    }
}

impl FromRequestParts<Arc<App>> for Viewer {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        Viewer::find(app, parts.headers.get(header::COOKIE)).await
    }
}

/// Handlers that ask for a member are for members only.
impl FromRequestParts<Arc<App>> for Member {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        let viewer = Viewer::from_request_parts(parts, app).await?;
        viewer.account.ok_or(Error::Unauthenticated)?.try_into()
    }
}

/// Whether the request brings a session along, valid or not.
pub fn has_session(config: &Config, headers: &HeaderMap) -> bool {
    token(config, headers.get(header::COOKIE)).is_some()
}

fn token(config: &Config, cookies: Option<&HeaderValue>) -> Option<Token> {
    let name = cookie_name(config);
    let cookies = cookies?.to_str().ok()?;
    let found =
        Cookie::split_parse(cookies).filter_map(std::result::Result::ok).find(|c| c.name() == name)?;
    (!found.value().is_empty()).then(|| Token::from_cookie(found.value()))
}

/// With https the browser itself makes sure that nobody but this host, over TLS, can set it.
fn cookie_name(config: &Config) -> &'static str {
    if config.base_url.is_https() { "__Host-chitter_session" } else { "chitter_session" }
}

/// How long browsers are asked to keep the cookie: as long as they will (RFC 6265bis caps it at 400
/// days). Whether the session still holds is the database's to say, by when it was last used.
const KEPT: Duration = Duration::from_secs(400 * 24 * 3600);

/// The header that starts a session in the browser, or, without a token, ends it.
pub fn set_cookie(config: &Config, token: Option<&Token>) -> (header::HeaderName, String) {
    let lasts = token.map_or(0, |_| KEPT.as_secs());
    let cookie = Cookie::build((cookie_name(config), token.map_or("", Token::as_str)))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(config.base_url.is_https())
        .build();
    (header::SET_COOKIE, format!("{cookie}; Max-Age={lasts}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    fn config(base_url: &str) -> Config {
        Settings { base_url: Some(base_url.into()), ..Settings::default() }.resolve().expect("fine")
    }

    fn seen(peer: &str, forwarded: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", forwarded.parse().expect("a header"));
        client(peer.parse().expect("an address"), &headers, &config("http://x.example")).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_is_believed_and_only_its_own_word() {
        assert_eq!(seen("192.0.2.9", "203.0.113.1"), "192.0.2.9");
        assert_eq!(seen("127.0.0.1", "203.0.113.1"), "203.0.113.1");
        assert_eq!(seen("127.0.0.1", "6.6.6.6, 203.0.113.1"), "203.0.113.1");
        assert_eq!(seen("127.0.0.1", "203.0.113.1, 127.0.0.1"), "203.0.113.1");
        assert_eq!(seen("127.0.0.1", "nonsense"), "127.0.0.1");
    }

    #[test]
    fn with_https_the_cookie_is_bound_to_the_host() {
        let token = Token::from_cookie("secret");
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
