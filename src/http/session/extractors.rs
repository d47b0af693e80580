//! The accounts and permissions that handlers ask for: members, participants, rooms by their keys.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::{header, request::Parts},
};

use super::{ClientAddr, Viewer, place};
use crate::{
    Error, Result,
    app::App,
    domain::{
        access::Door,
        accounts::{self, Member},
        conversations::Participant,
        names::Name,
        rooms::{self, Inside, Key, Owner, Visitor},
        sessions::{self, Token},
        threads::Thread,
    },
    events::Tx,
    http::{input::from_path, respond::is_api},
    store::{accounts::Account, conversations::Kind as Conversation},
};

/// The extractor of handlers for members and guests.
impl FromRequestParts<Arc<App>> for Account {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        Viewer::from_request_parts(parts, app).await?.account.ok_or(Error::Unauthenticated)
    }
}

/// The extractor of handlers under `{key}`: an account with a room's key. A stranger is asked for a name first, unless
/// the key is not valid.
impl FromRequestParts<Arc<App>> for Visitor {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        let params = RawPathParams::from_request_parts(parts, app).await.map_err(|_| Error::NotFound)?;
        let key = params.iter().find(|(name, _)| *name == "key").ok_or(Error::NotFound)?.1;
        let viewer = Viewer::from_request_parts(parts, app).await?;
        if viewer.account.is_none() && is_api(&parts.uri) {
            return Err(Error::Unauthenticated); // programs need a token, whatever key they have
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

/// The extractor of handlers under `{key}`, `{conversation}` or `{thread}` that serve every kind of conversation.
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

/// The extractor of handlers for those who are in the conversation. An account with a room's key joins the room by it.
impl FromRequestParts<Arc<App>> for Participant {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        let door = Door::from_request_parts(parts, app).await?;
        come_in(app, &door).await
    }
}

/// The extractor of handlers under `{thread}` for those who are in the thread.
impl FromRequestParts<Arc<App>> for Thread {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        Participant::from_request_parts(parts, app).await?.try_into()
    }
}

/// Finds the participant, or joins the conversation. Only joining writes to the database.
pub async fn come_in(app: &App, door: &Door) -> Result<Participant> {
    let asked = door.clone();
    if let Some(participant) = app.db.read(move |read| asked.inside(read)).await? {
        return Ok(participant);
    }
    let comes = door.clone();
    app.db.write(move |tx| comes.enter(tx)).await
}

/// The extractor of handlers for those who are in the room. An account with the room's key joins by it.
impl FromRequestParts<Arc<App>> for Inside {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        let visitor = Visitor::from_request_parts(parts, app).await?;
        enter(app, &visitor).await
    }
}

/// Finds the visitor in the room, or joins it. Only joining writes to the database.
pub async fn enter(app: &App, visitor: &Visitor) -> Result<Inside> {
    let asked = visitor.clone();
    if let Some(inside) = app.db.read(move |read| asked.inside(read)).await? {
        return Ok(inside);
    }
    let comes = visitor.clone();
    app.db.write(move |tx| comes.enter(tx)).await
}

/// Counts a request, and runs a verb that only the room's owner may run.
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

/// Creates a guest with a session of its own.
pub fn welcome(tx: &mut Tx<'_>, name: &Name) -> Result<(Account, Token)> {
    let (guest, token) = (accounts::welcome(tx, name)?, Token::random()?);
    sessions::start(tx, &token, guest.id)?;
    Ok((guest, token))
}

/// The extractor of handlers for members alone.
impl FromRequestParts<Arc<App>> for Member {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        let viewer = Viewer::from_request_parts(parts, app).await?;
        let member = Member::try_from(viewer.account.ok_or(Error::Unauthenticated)?);
        // A person can log in with another account, but a program that receives a 401 would discard a valid token.
        let is_program = is_api(&parts.uri) && parts.headers.contains_key(header::AUTHORIZATION);
        member.map_err(|error| if is_program { Error::Forbidden("That is for members.") } else { error })
    }
}
