//! The caller: the account behind its session or token.

use std::sync::Arc;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, Method, Uri, header, request::Parts},
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::cookie::session_token;
use crate::{
    Error, Result,
    app::App,
    config::Config,
    domain::{
        accounts::Member,
        apps,
        sessions::{self, Token},
        tokens::{self, Grant},
        viewer,
    },
    http::{input::Query, respond::is_api},
    store::accounts::{Account, AccountKind},
};

/// The one who makes a request: an account, by its session or token; or a stranger.
#[derive(Clone, Default)]
pub struct Caller {
    /// The account, if the session or token is valid.
    pub account: Option<Account>,
    /// The session's secret.
    pub token: Option<Token>,
    /// The scopes of the token, if the request has a token instead of a session.
    pub grant: Option<Grant>,
    /// The person for whom an app makes the request, by the query's `as`.
    pub acts_for: Option<String>,
}

impl From<&Member> for Caller {
    fn from(member: &Member) -> Self {
        Caller { account: Some(member.account.clone()), ..Caller::default() }
    }
}

impl From<&Account> for Caller {
    fn from(account: &Account) -> Self {
        Caller { account: Some(account.clone()), ..Caller::default() }
    }
}

impl Caller {
    /// Returns the account as a member, if it is one.
    pub fn member(&self) -> Option<Member> {
        self.account.clone().and_then(|account| Member::try_from(account).ok())
    }

    /// Finds the account: of a program by its `Authorization` header, of a browser by its cookie. A program whose token
    /// is invalid or lacks a scope receives an error; a browser with an invalid session is a stranger.
    pub async fn find(app: &App, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<Self> {
        let Some(authorization) = headers.get(header::AUTHORIZATION) else {
            return Caller::by_cookie(app, headers.get(header::COOKIE)).await;
        };
        let token = bearer(authorization).ok_or(Error::Unauthenticated)?;
        if tokens::is_token(&token) {
            return Caller::by_grant(app, token, method, uri).await;
        }
        let caller = Caller::by_token(app, token).await?;
        if caller.account.is_some() { Ok(caller) } else { Err(Error::Unauthenticated) }
    }

    /// Finds the account by the `Cookie` header.
    pub async fn by_cookie(app: &App, cookies: Option<&HeaderValue>) -> Result<Self> {
        match session_token(&app.config, cookies) {
            Some(token) => Caller::by_token(app, token).await,
            None => Ok(Caller::default()),
        }
    }

    /// Finds the account of a token, which is valid for the API as far as its scopes go, and for no page.
    async fn by_grant(app: &App, secret: Token, method: &Method, uri: &Uri) -> Result<Self> {
        let row = app.db.read(move |read| tokens::find(read, &secret)).await?;
        let (grant, account, needs_touch) = row.ok_or(Error::Unauthenticated)?;
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
        if needs_touch && let Err(error) = app.db.write(move |tx| tokens::touch(tx, id)).await {
            tracing::warn!(%error, "Can't store when a token was last used");
        }
        let Query(ActingFor { name }) = Query::from_uri(uri)?;
        let caller = Caller { account: Some(account), token: None, grant: Some(grant), acts_for: name };
        match caller.acts_for.clone() {
            Some(name) => Ok(Caller { account: Some(caller.speak_for(app, name).await?), ..caller }),
            None => Ok(caller),
        }
    }

    /// Returns the draft of the query of a next page, by which an app requests it for the same person.
    pub fn query_prefix(&self) -> String {
        let name = self.acts_for.as_deref().map(|name| utf8_percent_encode(name, NON_ALPHANUMERIC));
        name.map(|name| format!("as={name}&")).unwrap_or_default()
    }

    /// Finds the person of the app's product for whom the app acts.
    pub async fn speak_for(&self, app: &App, name: String) -> Result<Account> {
        let app_id = self.grant.as_ref().and_then(Grant::acts_for);
        let app_id =
            app_id.ok_or(Error::Forbidden("Only an app’s key with the scope act_as speaks for others."))?;
        app.db.read(move |read| apps::find_person(read, app_id, &name)).await
    }

    /// Finds the account of a session, and updates from time to time when the session was last used.
    async fn by_token(app: &App, token: Token) -> Result<Self> {
        let lookup = token.clone();
        let Some((account, needs_touch)) = app.db.read(move |read| sessions::find(read, &lookup)).await?
        else {
            return Ok(Caller::default());
        };
        if needs_touch {
            let touched = token.clone();
            // A failed write, as on a full disk, does not stop people from reading.
            if let Err(error) = app.db.write(move |tx| sessions::touch(tx, &touched)).await {
                tracing::warn!(%error, "Can't store when a session was last used");
            }
        }
        Ok(Caller { account: Some(account), token: Some(token), ..Caller::default() })
    }

    /// Returns the viewer for reads of the domain.
    pub fn viewer(&self) -> viewer::Viewer {
        viewer::Viewer { account: self.account.as_ref().map(|account| account.id) }
    }

    /// Returns whether the caller may change anything: a token may lack the scope `write`.
    pub fn may_write(&self) -> bool {
        self.grant.as_ref().is_none_or(|grant| grant.scopes.write)
    }

    /// Returns the account, if it is a guest.
    pub fn guest(&self) -> Option<&Account> {
        self.account.as_ref().filter(|account| account.kind == AccountKind::Guest)
    }
}

/// Returns the token of an `Authorization: Bearer` header (RFC 6750).
fn bearer(authorization: &HeaderValue) -> Option<Token> {
    let (scheme, token) = authorization.to_str().ok()?.split_once(' ')?;
    let is_bearer = scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty();
    is_bearer.then(|| Token::presented(token.trim()))
}

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        // Several extractors of one request use the caller, so it is stored with the request.
        if let Some(caller) = parts.extensions.get::<Caller>() {
            return Ok(caller.clone());
        }
        let caller = Caller::find(app, &parts.method, &parts.uri, &parts.headers).await?;
        parts.extensions.insert(caller.clone());
        Ok(caller)
    }
}

/// The person for whom an app makes a request, in the query of any request.
#[derive(serde::Deserialize)]
struct ActingFor {
    #[serde(rename = "as")]
    name: Option<String>,
}

/// Returns whether the request has a session or token, valid or not.
pub fn has_session(config: &Config, headers: &HeaderMap) -> bool {
    // Other schemes are for a proxy in front of the server.
    let is_bearer =
        |value: &HeaderValue| value.as_bytes().get(..7).is_some_and(|s| s.eq_ignore_ascii_case(b"bearer "));
    headers.get(header::AUTHORIZATION).is_some_and(is_bearer)
        || session_token(config, headers.get(header::COOKIE)).is_some()
}
