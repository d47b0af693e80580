//! The calls for rooms, which `docs/api.md` describes.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::{StatusCode, Uri},
    response::Response,
};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::list::{List, Paging, limit, page};
use crate::{
    Error, Result,
    app::App,
    clock::Time,
    domain::rooms::{self, Changes, Owner, RoomInvitee, RoomMember, RoomName},
    events::Tx,
    http::{
        idempotent::{Post, answer, created},
        input::{Input, Query, from_path},
        session::{Caller, ClientAddr, as_owner, ip_hash},
    },
    ids::AccountId,
    store::{
        self,
        idempotency::{About, Answer},
    },
    wire::{accounts::Account, rooms::Room},
};

/// A room to be created.
#[derive(Deserialize, Default, ToSchema)]
#[schema(as = NewRoom, example = json!({ "name": "Repair café" }))]
#[serde(default, deny_unknown_fields)]
pub struct NewRoom {
    /// 1 to 80 characters.
    #[schema(required, min_length = 1)]
    name: String,
}

/// Creates a room.
///
/// The caller owns the new room.
#[utoipa::path(
    post, path = "/api/v1/rooms", request_body = NewRoom,
    responses((status = 201, description = "The room.", body = Room)),
)]
pub async fn create(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    account: store::accounts::Account,
    Post(idempotent, new): Post<NewRoom>,
) -> Result<Response> {
    let name = RoomName::parse(&new.name)?;
    let allowance = app.limits.room(origin, &account)?;
    let (ip_hash, base) = (ip_hash(&app, origin), app.config.base_url.clone());
    let create = move |tx: &mut Tx<'_>| {
        let room = Room::new(&rooms::create(tx, &account, &name, &ip_hash)?, base.as_str());
        let response = created(format!("/api/v1/rooms/{}", room.key), &room)?;
        Ok(Answer { about: About::Conversation(room.id), ..response })
    };
    idempotent.with_rate_limit(allowance).answer(&app, create).await
}

/// The caller’s rooms, most recently active first.
#[utoipa::path(
    get, path = "/api/v1/rooms", params(Paging),
    responses((status = 200, description = "A page of them.", body = List<Room>)),
)]
pub async fn list(
    State(app): State<Arc<App>>,
    account: store::accounts::Account,
    caller: Caller,
    Query(paging): Query<Paging>,
) -> Result<List<Room>> {
    let range = paging.conversation_page(account.id)?;
    let rows = app.db.read(move |read| rooms::page(read, &range)).await?;
    let (base, limit) = (app.config.base_url.as_str(), range.limit);
    let path = format!("{base}/api/v1/rooms");
    let next = rows.last().filter(|_| rows.len() as i64 == limit).map(|last| &last.room);
    let next = next.map(|last| format!("cursor={}.{}", last.active_at.ms(), last.id));
    let next = next.map(|cursor| page(&path, &caller, &cursor, limit));
    let rooms = rows.into_iter().map(|row| Room::new(&rooms::into_room_member(&account, row), base));
    Ok(List::new(rooms.collect()).with_next(next))
}

/// A room. A caller who has its key joins it by this call.
#[utoipa::path(
    get, path = "/api/v1/rooms/{key}",
    params(("key" = String, Path, description = "The key in the room’s link.")),
    responses((status = 200, description = "The room.", body = Room)),
)]
pub async fn get(State(app): State<Arc<App>>, room_member: RoomMember) -> Json<Room> {
    Json(Room::new(&room_member, app.config.base_url.as_str()))
}

/// The changes of a room. Missing fields stay as they are; a limit that is `null` is removed.
#[derive(Deserialize, Default, ToSchema)]
#[schema(as = RoomPatch, example = json!({ "locked": true, "uses_left": 30 }))]
#[serde(default, deny_unknown_fields)]
pub struct Patch {
    name: Option<String>,
    /// True if only the owner may write.
    locked: Option<bool>,
    /// The time after which nobody can join by the link.
    #[schema(format = DateTime)]
    #[serde(deserialize_with = "nullable")]
    expires_at: Option<Option<String>>,
    /// The number of people who can still join by the link.
    #[serde(deserialize_with = "nullable")]
    uses_left: Option<Option<i64>>,
}

/// Deserializes `null` as `Some(None)`, apart from a missing field.
pub(super) fn nullable<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    d: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(d).map(Some)
}

impl Patch {
    fn changes(&self) -> Result<Changes> {
        let parse_time = |raw: &String| {
            Time::parse(raw)
                .ok_or_else(|| Error::invalid("expires_at", "Write a moment as 2026-11-23T18:00:00Z."))
        };
        let changes = Changes {
            name: self.name.as_deref().map(RoomName::parse).transpose()?,
            locked: self.locked,
            expires_at: match &self.expires_at {
                Some(Some(raw)) => Some(Some(parse_time(raw)?)),
                Some(None) => Some(None),
                None => None,
            },
            uses_left: self.uses_left,
        };
        if changes.is_empty() {
            Err(Error::invalid("body", "Say what is to be changed."))
        } else {
            Ok(changes)
        }
    }
}

/// Renames or locks a room, or limits its link.
///
/// For the room’s owner. In a locked room only the owner writes. `expires_at` and `uses_left` limit who can join by the
/// link; `null` removes the limit, and missing fields stay as they are.
#[utoipa::path(
    patch, path = "/api/v1/rooms/{key}",
    params(("key" = String, Path, description = "The key in the room’s link.")),
    request_body = Patch,
    responses((status = 200, description = "The room as it is now.", body = Room)),
)]
pub async fn change(
    State(app): State<Arc<App>>,
    addr: ClientAddr,
    invitee: RoomInvitee,
    Input(patch): Input<Patch>,
) -> Result<Json<Room>> {
    let (changes, reader) = (patch.changes()?, invitee.clone());
    let change = move |owner: &Owner, tx: &mut Tx<'_>| {
        owner.change(tx, &changes)?;
        reader.join(tx)
    };
    let room_member = as_owner(&app, addr, &invitee, change).await?;
    Ok(Json(Room::new(&room_member, app.config.base_url.as_str())))
}

/// Deletes a room, for everyone.
///
/// For the room’s owner.
#[utoipa::path(
    delete, path = "/api/v1/rooms/{key}",
    params(("key" = String, Path, description = "The key in the room’s link.")),
    responses((status = 204, description = "It is gone.")),
)]
pub async fn delete(
    State(app): State<Arc<App>>,
    addr: ClientAddr,
    invitee: RoomInvitee,
) -> Result<StatusCode> {
    as_owner(&app, addr, &invitee, Owner::delete).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A link to be created.
#[derive(Deserialize, Default, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NewLink {
    /// True if the people in the room have to join again.
    everyone_leaves: bool,
}

/// Creates a new link.
///
/// For the room’s owner. Nobody can join by the old link any more; the people in the room can go on using it, unless
/// everyone has to leave.
#[utoipa::path(
    post, path = "/api/v1/rooms/{key}/link",
    params(("key" = String, Path, description = "The key in the room’s link.")),
    request_body = Option<NewLink>,
    responses((status = 201, description = "The room with its new key.", body = Room)),
)]
pub async fn renew_link(
    State(app): State<Arc<App>>,
    addr: ClientAddr,
    invitee: RoomInvitee,
    Post(idempotent, new): Post<NewLink>,
) -> Result<Response> {
    app.limits.say(addr.0, invitee.account.id)?;
    let base = app.config.base_url.clone();
    let renew = move |tx: &mut Tx<'_>| {
        invitee.join(tx)?.owner()?.renew_link(tx, !new.everyone_leaves)?;
        let room = Room::new(&invitee.join(tx)?, base.as_str());
        Ok(Answer { about: About::Conversation(room.id), ..answer(StatusCode::CREATED, &room)? })
    };
    idempotent.answer(&app, renew).await
}

/// A person in a room.
#[derive(Serialize, ToSchema)]
pub struct Participant {
    account: Account,
    owner: bool,
    /// True if the person has the room open.
    here: bool,
    /// The number of the last message that the person has read.
    read_seq: i64,
    #[schema(format = DateTime)]
    joined_at: String,
    /// True if the owner has removed the person.
    removed: bool,
}

/// The people in a room, with their presence and read positions.
///
/// The owner also sees those who were removed.
#[utoipa::path(
    get, path = "/api/v1/rooms/{key}/participants",
    params(("key" = String, Path, description = "The key in the room’s link."), Paging),
    responses(
        (
            status = 200,
            description = "A page of them, in the order in which they came.",
            body = List<Participant>,
        ),
    ),
)]
pub async fn participants(
    State(app): State<Arc<App>>,
    room_member: RoomMember,
    caller: Caller,
    uri: Uri,
    Query(paging): Query<Paging>,
) -> Result<List<Participant>> {
    let (id, owner) = (room_member.participant.conversation.id, room_member.participant.conversation.owner);
    let (limit, [removed, joined_at, account]) = (limit(paging.limit)?, paging.after()?.unwrap_or_default());
    let after = (removed != 0, Time::from_ms(joined_at), AccountId(account));
    let list = app.db.read(move |read| room_member.people(read, after, limit)).await?;
    let next = list.next.map(|(removed, joined_at, account)| {
        let cursor = format!("cursor={}.{}.{account}", i64::from(removed), joined_at.ms());
        page(&format!("{}{}", app.config.base_url.as_str(), uri.path()), &caller, &cursor, limit)
    });
    let present: Vec<_> = app.presence.people(id).into_iter().map(|person| person.id).collect();
    let participants = list.people.into_iter().map(|row| Participant {
        owner: owner == Some(row.account.id),
        here: present.contains(&row.account.id),
        read_seq: row.membership.read_seq,
        joined_at: row.membership.joined_at.rfc3339(),
        removed: row.membership.left_at.is_some(),
        account: Account::from(&row.account),
    });
    Ok(List::new(participants.collect()).with_next(next))
}

/// Removes somebody, or leaves.
///
/// The owner removes a guest for an hour, along with new guests from the same address; a member until readmitted. With
/// `me` the caller leaves.
#[utoipa::path(
    delete, path = "/api/v1/rooms/{key}/participants/{id}",
    params(
        ("key" = String, Path, description = "The key in the room’s link."),
        ("id" = String, Path, description = "An account’s id, or `me`."),
    ),
    responses((status = 204, description = "It is not in the room any more.")),
)]
pub async fn remove(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    invitee: RoomInvitee,
    Path((_, id)): Path<(String, String)>,
) -> Result<StatusCode> {
    app.limits.say(origin, invitee.account.id)?;
    let id: AccountId = if id == "me" { invitee.account.id } else { from_path(&id)? };
    app.db
        .write(move |tx| {
            let room_member = invitee.join(tx)?;
            if id == room_member.participant.id() {
                room_member.leave(tx)
            } else {
                room_member.owner()?.remove(tx, id)
            }
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
