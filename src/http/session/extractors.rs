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
        accounts::{self, Member},
        conversations::{Door, Participant},
        names::Name,
        rooms::{self, Inside, Key, Owner, Visitor},
        sessions::{self, Token},
        threads::Thread,
    },
    events::Tx,
    http::{input::from_path, respond::is_api},
    store::{accounts::Account, conversations::Kind as Conversation},
};

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
