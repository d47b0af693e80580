//! Threads as JSON.

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::accounts::Account;
use crate::{
    Result,
    db::Read,
    domain::{
        conversations::Participant as Someone,
        threads::{MOST, Thread as Permission},
    },
    ids::{AccountId, ConversationId},
    store::{
        self,
        conversations::{Conversation, Participant, Seat},
    },
};

/// A thread as someone in it sees it.
#[derive(Serialize, ToSchema)]
pub struct Thread {
    pub id: ConversationId,
    /// Its page.
    url: String,
    /// Without one it is called by its people.
    #[schema(required)]
    name: Option<String>,
    #[schema(required)]
    owner_id: Option<AccountId>,
    users: Vec<Account>,
    /// What a program keeps with it.
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
    muted: bool,
    /// The number of its last message.
    last_seq: i64,
    /// Up to which message one has read.
    read_seq: i64,
    unread: i64,
    /// When something was last said.
    #[schema(format = DateTime)]
    active_at: String,
    #[schema(format = DateTime)]
    created_at: String,
}

impl Thread {
    /// The thread, as somebody in this place sees it.
    pub fn new(thread: &Conversation, seat: &Seat, people: &[Participant], base: &str) -> Self {
        Thread {
            id: thread.id,
            url: format!("{base}/threads/{}", thread.id),
            name: Some(thread.name.clone()).filter(|name| !name.is_empty()),
            owner_id: thread.owner,
            users: people.iter().map(|one| Account::from(&one.account)).collect(),
            metadata: serde_json::from_str(&thread.metadata).unwrap_or_default(),
            muted: seat.muted,
            last_seq: thread.last_seq,
            read_seq: seat.read_seq,
            unread: (thread.last_seq - seat.read_seq).max(0),
            active_at: thread.active_at.rfc3339(),
            created_at: thread.created_at.rfc3339(),
        }
    }

    pub fn seen(read: &Read<'_>, permission: &Permission, base: &str) -> Result<Self> {
        Thread::seen_by(read, permission.participant(), base)
    }

    /// The thread, as this one in it sees it. `base` is the base URL.
    pub fn seen_by(read: &Read<'_>, participant: &Someone, base: &str) -> Result<Self> {
        let people = store::conversations::participants(read, participant.conversation.id, MOST as i64)?;
        Ok(Thread::new(&participant.conversation, &participant.seat, &people, base))
    }
}
