//! Rooms as JSON.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    clock::Time,
    domain::rooms::RoomMember,
    ids::{AccountId, ConversationId},
    store::rooms::Link,
};

/// A room as a participant sees it.
#[derive(Serialize, ToSchema)]
pub struct Room {
    pub id: ConversationId,
    /// The room’s only secret: everyone who has it may join.
    pub key: String,
    /// The room’s page, and the link to share.
    url: String,
    name: String,
    /// True if only the owner may write.
    locked: bool,
    #[schema(required)]
    owner_id: Option<AccountId>,
    participants: i64,
    /// The number of the last message.
    last_seq: i64,
    /// The number of the last message that the caller has read.
    read_seq: i64,
    unread: i64,
    #[schema(format = DateTime)]
    active_at: String,
    #[schema(format = DateTime)]
    created_at: String,
    link: LinkLimits,
}

/// The limits of a room’s link.
#[derive(Serialize, ToSchema)]
pub struct LinkLimits {
    /// The time from which on nobody can join by the link.
    #[schema(format = DateTime, required)]
    expires_at: Option<String>,
    /// The number of people who may still join by the link.
    #[schema(required)]
    uses_left: Option<i64>,
}

impl LinkLimits {
    pub fn new(link: &Link) -> Self {
        LinkLimits { expires_at: link.expires_at.map(Time::rfc3339), uses_left: link.uses_left }
    }
}

/// Returns the URL of a room.
pub fn url(base: &str, key: &str) -> String {
    format!("{base}/rooms/{key}")
}

impl Room {
    /// Converts a room as a participant sees it. `base` is the base URL.
    pub fn new(room_member: &RoomMember, base: &str) -> Self {
        let (room, membership) = (&room_member.participant.conversation, &room_member.participant.membership);
        Room {
            id: room.id,
            key: room_member.link.key.clone(),
            url: url(base, &room_member.link.key),
            name: room.name.clone(),
            locked: room.locked,
            owner_id: room.owner,
            participants: room.size,
            last_seq: room.last_seq,
            read_seq: membership.read_seq,
            unread: room_member.participant.unread(),
            active_at: room.active_at.rfc3339(),
            created_at: room.created_at.rfc3339(),
            link: LinkLimits::new(&room_member.link),
        }
    }
}
