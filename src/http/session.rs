//! Who asks: the address a request came from, the session in its cookie or header, the account behind
//! it, and the room whose key is in its path.

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::{
    extract::{FromRequestParts, RawPathParams, Request, State},
    http::{HeaderMap, HeaderValue, Method, Uri, header, request::Parts},
    middleware::Next,
    response::Response,
};
use cookie::{Cookie, SameSite};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    connection::Connection,
    input::{Query, from_path},
    ratelimit,
    respond::is_api,
};
use crate::{
    Error, Result,
    app::App,
    config::Config,
    domain::{
        accounts::{self, Member},
        apps,
        conversations::{Door, Participant},
        names::Name,
        rooms::{self, Inside, Key, Owner, Visitor},
        sessions::{self, Token},
        threads::Thread,
        tokens::{self, Grant},
    },
    events::Tx,
    services::limits::Origin,
    store::{
        accounts::{Account, Kind},
        conversations::Kind as Conversation,
    },
};

/// Where the request came from: the other end of the connection, or what a trusted proxy says.
#[derive(Clone, Copy, Debug)]
pub struct ClientAddr(pub Origin);

impl FromRequestParts<Arc<App>> for ClientAddr {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        let Some(connection) = parts.extensions.get::<Arc<Connection>>() else {
            return Err(Error::internal("a request without a connection"));
        };
        let ip = client(connection.peer.ip(), &parts.headers, &app.config);
        let token = if parts.headers.contains_key(header::AUTHORIZATION) {
            Viewer::from_request_parts(parts, app).await?.grant.map(|grant| grant.id)
        } else {
            None
        };
        Ok(ClientAddr(Origin { ip, token }))
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

/// Counts a request to the API, and tells with its answer how much is left.
pub async fn count(State(app): State<Arc<App>>, request: Request, next: Next) -> Result<Response> {
    let (mut parts, body) = request.into_parts();
    let from = ClientAddr::from_request_parts(&mut parts, &app).await;
    if let (Err(_), Some(connection)) = (&from, parts.extensions.get::<Arc<Connection>>()) {
        // Guessing costs us a look, too.
        app.limits.request(Origin::at(client(connection.peer.ip(), &parts.headers, &app.config)))?;
    }
    let allowance = app.limits.request(from?.0)?;
    let mut response = next.run(Request::from_parts(parts, body)).await;
    if let Some(allowance) = allowance {
        ratelimit::add(response.headers_mut(), &allowance);
    }
    Ok(response)
}

/// Whoever looks: an account, by its session, or a stranger.
#[derive(Clone, Default)]
pub struct Viewer {
    /// The account, if there is a session that holds.
    pub account: Option<Account>,
    /// The session's secret.
    pub token: Option<Token>,
    /// How far it may go, where it came with a token and not with a session.
    pub grant: Option<Grant>,
    /// For whom of its people an app asks, as the query says.
    pub speaks_for: Option<String>,
}

impl From<&Member> for Viewer {
    fn from(member: &Member) -> Self {
        Viewer { account: Some(member.account.clone()), ..Viewer::default() }
    }
}

impl From<&Account> for Viewer {
    fn from(account: &Account) -> Self {
        Viewer { account: Some(account.clone()), ..Viewer::default() }
    }
}

impl Viewer {
    /// The member who looks, if it is one.
    pub fn member(&self) -> Option<Member> {
        self.account.clone().and_then(|account| Member::try_from(account).ok())
    }

    /// Finds who it is: a program by its `Authorization` header, or a browser by its cookie. A program
    /// whose token does not hold, or not for this, is told so; a browser is a stranger then.
    pub async fn find(app: &App, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<Self> {
        let Some(authorization) = headers.get(header::AUTHORIZATION) else {
            return Viewer::by_cookie(app, headers.get(header::COOKIE)).await;
        };
        let token = bearer(authorization).ok_or(Error::Unauthenticated)?;
        if tokens::is_token(&token) {
            return Viewer::by_grant(app, token, method, uri).await;
        }
        let viewer = Viewer::by_token(app, token).await?;
        if viewer.account.is_some() { Ok(viewer) } else { Err(Error::Unauthenticated) }
    }

    /// Finds who it is by the `Cookie` header.
    pub async fn by_cookie(app: &App, cookies: Option<&HeaderValue>) -> Result<Self> {
        match token(&app.config, cookies) {
            Some(token) => Viewer::by_token(app, token).await,
            None => Ok(Viewer::default()),
        }
    }

    /// A token opens the API, as far as its scopes go, and no page.
    async fn by_grant(app: &App, secret: Token, method: &Method, uri: &Uri) -> Result<Self> {
        let found = app.db.read(move |read| tokens::find(read, &secret)).await?;
        let (grant, account, to_be_noted) = found.ok_or(Error::Unauthenticated)?;
        if !is_api(uri) && !uri.path().starts_with("/files/") {
            return Err(Error::Forbidden("A token is for the API, and opens no page."));
        }
        match (method.is_safe(), grant.scopes) {
            (true, scopes) if !scopes.read => {
                return Err(Error::Forbidden("The token lacks the scope read."));
            }
            (false, scopes) if !scopes.write => {
                return Err(Error::Forbidden("The token lacks the scope write."));
            }
            _ => {}
        }
        let id = grant.id;
        if to_be_noted && let Err(error) = app.db.write(move |tx| tokens::touch(tx, id)).await {
            tracing::warn!(%error, "Can't note that a token is in use");
        }
        let Query(Acting { name }) = Query::of(uri)?;
        let viewer = Viewer { account: Some(account), token: None, grant: Some(grant), speaks_for: name };
        match viewer.speaks_for.clone() {
            Some(name) => Ok(Viewer { account: Some(viewer.speak_for(app, name).await?), ..viewer }),
            None => Ok(viewer),
        }
    }

    /// What the query of a next page has to begin with, so that it is asked for as this one was.
    pub fn again(&self) -> String {
        let name = self.speaks_for.as_deref().map(|name| utf8_percent_encode(name, NON_ALPHANUMERIC));
        name.map(|name| format!("as={name}&")).unwrap_or_default()
    }

    /// The person of the app's product for whom it speaks.
    pub async fn speak_for(&self, app: &App, name: String) -> Result<Account> {
        let of = self.grant.as_ref().and_then(Grant::speaks_for);
        let of = of.ok_or(Error::Forbidden("Only an app’s key with the scope act_as speaks for others."))?;
        app.db.read(move |read| apps::known_person(read, of, &name)).await
    }

    /// Notes from time to time that the session is used.
    async fn by_token(app: &App, token: Token) -> Result<Self> {
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
        Ok(Viewer { account: Some(account), token: Some(token), ..Viewer::default() })
    }

    /// Whether it may change anything: with a token only as far as that goes.
    pub fn may_write(&self) -> bool {
        self.grant.as_ref().is_none_or(|grant| grant.scopes.write)
    }

    /// The guest who looks, if it is one.
    pub fn guest(&self) -> Option<&Account> {
        self.account.as_ref().filter(|account| account.kind == Kind::Guest)
    }
}

/// The token of an `Authorization: Bearer` header (RFC 6750).
fn bearer(authorization: &HeaderValue) -> Option<Token> {
    let (scheme, token) = authorization.to_str().ok()?.split_once(' ')?;
    let fits = scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty();
    fits.then(|| Token::presented(token.trim()))
}

impl FromRequestParts<Arc<App>> for Viewer {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        // Several parts of one request may ask.
        if let Some(viewer) = parts.extensions.get::<Viewer>() {
            return Ok(viewer.clone());
        }
        let viewer = Viewer::find(app, &parts.method, &parts.uri, &parts.headers).await?;
        parts.extensions.insert(viewer.clone());
        Ok(viewer)
    }
}

/// For whom an app speaks, in the query of any request.
#[derive(serde::Deserialize)]
struct Acting {
    #[serde(rename = "as")]
    name: Option<String>,
}

/// Handlers that ask for an account are for members and guests.
impl FromRequestParts<Arc<App>> for Account {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        Viewer::from_request_parts(parts, app).await?.account.ok_or(Error::Unauthenticated)
    }
}

/// Handlers under `{key}` ask for a visitor: somebody with a room's key in hand. A stranger is asked
/// for a name first, unless the key opens nothing.
impl FromRequestParts<Arc<App>> for Visitor {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        let params = RawPathParams::from_request_parts(parts, app).await.map_err(|_| Error::NotFound)?;
        let key = params.iter().find(|(name, _)| *name == "key").ok_or(Error::NotFound)?.1;
        let viewer = Viewer::from_request_parts(parts, app).await?;
        if viewer.account.is_none() && is_api(&parts.uri) {
            return Err(Error::Unauthenticated); // a program is asked for its token, whatever key it has
        }
        let (key, may_come_in) = (Key::parse(key)?, viewer.may_write());
        let Some(account) = viewer.account else {
            app.db.read(move |read| rooms::invites(read, &key)).await?;
            return Err(Error::Unauthenticated);
        };
        let ClientAddr(from) = ClientAddr::from_request_parts(parts, app).await?;
        Ok(Visitor { account, key, place: place(app, from), may_come_in })
    }
}

/// Handlers under `{key}`, `{conversation}` or `{thread}` that serve any kind of conversation ask for its door.
impl FromRequestParts<Arc<App>> for Door {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        let params = RawPathParams::from_request_parts(parts, app).await.map_err(|_| Error::NotFound)?;
        let any = params.iter().find(|(name, _)| matches!(*name, "conversation" | "thread"));
        let Some((name, id)) = any else {
            return Visitor::from_request_parts(parts, app).await.map(Door::Room);
        };
        let account = Account::from_request_parts(parts, app).await?;
        let (id, kind) = (from_path(id)?, (name == "thread").then_some(Conversation::Thread));
        Ok(Door::Conversation { account, id, kind })
    }
}

/// Handlers that ask for a participant are for whoever is in the conversation; a room's visitor comes in
/// by it.
impl FromRequestParts<Arc<App>> for Participant {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        let door = Door::from_request_parts(parts, app).await?;
        come_in(app, &door).await
    }
}

/// Handlers under `{thread}` that ask for a thread are for whoever is in it.
impl FromRequestParts<Arc<App>> for Thread {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        Participant::from_request_parts(parts, app).await?.try_into()
    }
}

/// Finds who stands at the door inside, or lets it in. Only the first time writes anything.
pub async fn come_in(app: &App, door: &Door) -> Result<Participant> {
    let asked = door.clone();
    if let Some(participant) = app.db.read(move |read| asked.inside(read)).await? {
        return Ok(participant);
    }
    let comes = door.clone();
    app.db.write(move |tx| comes.enter(tx)).await
}

/// Handlers that ask for this are for whoever is in the room; a visitor comes in by it.
impl FromRequestParts<Arc<App>> for Inside {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        let visitor = Visitor::from_request_parts(parts, app).await?;
        enter(app, &visitor).await
    }
}

/// Finds the visitor inside, or lets it in. Only the first time writes anything.
pub async fn enter(app: &App, visitor: &Visitor) -> Result<Inside> {
    let asked = visitor.clone();
    if let Some(inside) = app.db.read(move |read| asked.inside(read)).await? {
        return Ok(inside);
    }
    let comes = visitor.clone();
    app.db.write(move |tx| comes.enter(tx)).await
}

/// Does what only the room's owner may do.
pub async fn rule<T: Send + 'static>(
    app: &App,
    from: ClientAddr,
    visitor: &Visitor,
    verb: impl Fn(&Owner, &mut Tx<'_>) -> Result<T> + Send + 'static,
) -> Result<T> {
    app.limits.say(from.0, visitor.account.id)?;
    let visitor = visitor.clone();
    app.db.write(move |tx| verb(&visitor.enter(tx)?.owner()?, tx)).await
}

/// Lets a guest in, with a session of its own.
pub fn welcome(tx: &mut Tx<'_>, name: &Name) -> Result<(Account, Token)> {
    let (guest, token) = (accounts::welcome(tx, name)?, Token::random()?);
    sessions::start(tx, &token, guest.id)?;
    Ok((guest, token))
}

/// An address as rooms remember it: a keyed hash, so that nobody reads addresses in a backup.
pub fn place(app: &App, from: Origin) -> String {
    app.data.sign("place", &crate::services::limits::place(from.ip).to_string())
}

/// Handlers that ask for a member are for members only.
impl FromRequestParts<Arc<App>> for Member {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        let viewer = Viewer::from_request_parts(parts, app).await?;
        let member = Member::try_from(viewer.account.ok_or(Error::Unauthenticated)?);
        // A person may log in as somebody else; a program that is asked to would throw a good token away.
        let is_program = is_api(&parts.uri) && parts.headers.contains_key(header::AUTHORIZATION);
        member.map_err(|error| if is_program { Error::Forbidden("That is for members.") } else { error })
    }
}

/// Whether the request brings a session along, valid or not.
pub fn has_session(config: &Config, headers: &HeaderMap) -> bool {
    // Another scheme is between the browser and a proxy.
    let bears =
        |value: &HeaderValue| value.as_bytes().get(..7).is_some_and(|s| s.eq_ignore_ascii_case(b"bearer "));
    headers.get(header::AUTHORIZATION).is_some_and(bears)
        || token(config, headers.get(header::COOKIE)).is_some()
}

fn token(config: &Config, cookies: Option<&HeaderValue>) -> Option<Token> {
    let name = cookie_name(config);
    let cookies = cookies?.to_str().ok()?;
    let found =
        Cookie::split_parse(cookies).filter_map(std::result::Result::ok).find(|c| c.name() == name)?;
    (!found.value().is_empty()).then(|| Token::presented(found.value()))
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
