//! Extractors of accounts and permissions: members, participants, rooms by their keys.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::{header, request::Parts},
};

use super::{Caller, ClientAddr, ip_hash};
use crate::{
    Error, Result,
    app::App,
    domain::{
        access::Access,
        accounts::{self, Member},
        conversations::Participant,
        names::Name,
        rooms::{self, Key, Owner, RoomInvitee, RoomMember},
        sessions::{self, Token},
        threads::Thread,
    },
    events::Tx,
    http::{input::from_path, respond::is_api},
    store::{accounts::Account, conversations::ConversationKind},
};

/// The extractor of handlers for members and guests.
impl FromRequestParts<Arc<App>> for Account {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        Caller::from_request_parts(parts, app).await?.account.ok_or(Error::Unauthenticated)
    }
}

/// The extractor of handlers under `{key}`: an account with a room's key. A stranger with a valid key gets 401, and so
/// the page that asks for a name.
impl FromRequestParts<Arc<App>> for RoomInvitee {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        let params = RawPathParams::from_request_parts(parts, app).await.map_err(|_| Error::NotFound)?;
        let key = params.iter().find(|(name, _)| *name == "key").ok_or(Error::NotFound)?.1;
        let caller = Caller::from_request_parts(parts, app).await?;
        if caller.account.is_none() && is_api(&parts.uri) {
            return Err(Error::Unauthenticated); // a program needs a token in addition to the key
        }
        let (key, may_join) = (Key::parse(key)?, caller.may_write());
        let Some(account) = caller.account else {
            app.db.read(move |read| rooms::check_link(read, &key)).await?;
            return Err(Error::Unauthenticated);
        };
        let ClientAddr(origin) = ClientAddr::from_request_parts(parts, app).await?;
        Ok(RoomInvitee { account, key, ip_hash: ip_hash(app, origin), may_join })
    }
}

/// The extractor of handlers under `{key}`, `{conversation}` or `{thread}` that serve every kind of conversation.
impl FromRequestParts<Arc<App>> for Access {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        let params = RawPathParams::from_request_parts(parts, app).await.map_err(|_| Error::NotFound)?;
        let by_id = params.iter().find(|(name, _)| matches!(*name, "conversation" | "thread"));
        let Some((name, id)) = by_id else {
            return RoomInvitee::from_request_parts(parts, app).await.map(Access::Room);
        };
        let account = Account::from_request_parts(parts, app).await?;
        let (id, kind) = (from_path(id)?, (name == "thread").then_some(ConversationKind::Thread));
        Ok(Access::Conversation { account, id, kind })
    }
}

/// The extractor of handlers for participants of a conversation. An account with a room's key joins the room by it.
impl FromRequestParts<Arc<App>> for Participant {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        let access = Access::from_request_parts(parts, app).await?;
        find_or_join(app, &access).await
    }
}

/// The extractor of handlers under `{thread}` for participants of the thread.
impl FromRequestParts<Arc<App>> for Thread {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        Participant::from_request_parts(parts, app).await?.try_into()
    }
}

/// Finds the participant, or joins the conversation. Only joining writes to the database.
pub async fn find_or_join(app: &App, access: &Access) -> Result<Participant> {
    let lookup = access.clone();
    if let Some(participant) = app.db.read(move |read| lookup.find(read)).await? {
        return Ok(participant);
    }
    let access = access.clone();
    app.db.write(move |tx| access.join(tx)).await
}

/// The extractor of handlers for participants of a room. An account with the room's key joins by it.
impl FromRequestParts<Arc<App>> for RoomMember {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        let invitee = RoomInvitee::from_request_parts(parts, app).await?;
        find_or_join_room(app, &invitee).await
    }
}

/// Finds the account in the room, or joins it. Only joining writes to the database.
pub async fn find_or_join_room(app: &App, invitee: &RoomInvitee) -> Result<RoomMember> {
    let lookup = invitee.clone();
    if let Some(room_member) = app.db.read(move |read| lookup.find(read)).await? {
        return Ok(room_member);
    }
    let invitee = invitee.clone();
    app.db.write(move |tx| invitee.join(tx)).await
}

/// Counts a request, and runs a verb that only the room's owner may run.
pub async fn as_owner<T: Send + 'static>(
    app: &App,
    addr: ClientAddr,
    invitee: &RoomInvitee,
    verb: impl Fn(&Owner, &mut Tx<'_>) -> Result<T> + Send + 'static,
) -> Result<T> {
    app.limits.say(addr.0, invitee.account.id)?;
    let invitee = invitee.clone();
    app.db.write(move |tx| verb(&invitee.join(tx)?.owner()?, tx)).await
}

/// Creates a guest with a session of its own.
pub fn start_guest_session(tx: &mut Tx<'_>, name: &Name) -> Result<(Account, Token)> {
    let (guest, token) = (accounts::create_guest(tx, name)?, Token::random()?);
    sessions::start(tx, &token, guest.id)?;
    Ok((guest, token))
}

/// The extractor of handlers for members alone.
impl FromRequestParts<Arc<App>> for Member {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        let caller = Caller::from_request_parts(parts, app).await?;
        let member = Member::try_from(caller.account.ok_or(Error::Unauthenticated)?);
        // A person can log in with another account, but a program that receives a 401 would discard a valid token.
        let is_program = is_api(&parts.uri) && parts.headers.contains_key(header::AUTHORIZATION);
        member.map_err(|error| if is_program { Error::Forbidden("That is for members.") } else { error })
    }
}
