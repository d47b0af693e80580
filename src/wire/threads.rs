//! Threads as JSON.

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::accounts::Account;
use crate::{
    Result,
    db::Read,
    domain::threads::Thread as Permission,
    ids::{AccountId, ConversationId},
    store::conversations::{Conversation, Membership, MembershipRow},
};

/// A thread as a participant sees it.
#[derive(Serialize, ToSchema)]
pub struct Thread {
    pub id: ConversationId,
    /// The thread’s page.
    url: String,
    /// The thread’s name; one without a name is shown under the names of its people.
    #[schema(required)]
    name: Option<String>,
    #[schema(required)]
    owner_id: Option<AccountId>,
    users: Vec<Account>,
    /// The data that a program keeps with the thread.
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
    muted: bool,
    /// The number of the last message.
    last_seq: i64,
    /// The number of the last message that the caller has read.
    read_seq: i64,
    unread: i64,
    /// The time of the last message.
    #[schema(format = DateTime)]
    active_at: String,
    #[schema(format = DateTime)]
    created_at: String,
}

impl Thread {
    /// Converts a thread as the participant with this membership sees it. `base` is the base URL.
    pub fn new(thread: &Conversation, membership: &Membership, people: &[MembershipRow], base: &str) -> Self {
        Thread {
            id: thread.id,
            url: format!("{base}/threads/{}", thread.id),
            name: Some(thread.name.clone()).filter(|name| !name.is_empty()),
            owner_id: thread.owner,
            users: people.iter().map(|person| Account::from(&person.account)).collect(),
            metadata: serde_json::from_str(&thread.metadata).unwrap_or_default(),
            muted: membership.muted,
            last_seq: thread.last_seq,
            read_seq: membership.read_seq,
            unread: (thread.last_seq - membership.read_seq).max(0),
            active_at: thread.active_at.rfc3339(),
            created_at: thread.created_at.rfc3339(),
        }
    }

    /// Reads the people of a thread, and converts it as its participant sees it. `base` is the base URL.
    pub fn load(read: &Read<'_>, permission: &Permission, base: &str) -> Result<Self> {
        let participant = permission.participant();
        let people = participant.everyone(read)?;
        Ok(Thread::new(&participant.conversation, &participant.membership, &people, base))
    }
}
