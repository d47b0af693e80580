//! Answers to requests that may be repeated under the same idempotency key.

use crate::{
    Result,
    clock::Time,
    db::{Read, Write, from_row},
    ids::{ConversationId, MessageId, PeepId},
    params, sql,
};

/// A stored answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status; 0 where the answer was not stored or was redacted.
    pub status: u16,
    /// The address of what was created.
    pub location: Option<String>,
    /// JSON, or empty.
    pub body: String,
    /// The content of the answer, whose deletion redacts the answer.
    pub about: About,
}

/// The content of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// Content that cannot be deleted.
    Nothing,
    Peep(PeepId),
    /// A message in a conversation.
    Message(MessageId, ConversationId),
    /// Several messages in a conversation.
    Messages(ConversationId),
    /// A conversation, or something in it that is not a message.
    Conversation(ConversationId),
}

impl About {
    /// Returns the stored form: the id of the peep or message, or 0 for several messages, and the conversation.
    fn columns(self) -> (Option<i64>, Option<ConversationId>) {
        match self {
            About::Nothing => (None, None),
            About::Peep(id) => (Some(id.0), None),
            About::Message(id, conversation) => (Some(id.0), Some(conversation)),
            About::Messages(conversation) => (Some(0), Some(conversation)),
            About::Conversation(conversation) => (None, Some(conversation)),
        }
    }
}

/// Reserves a key for a request. Returns false where the key is in use already. Waits while another transaction
/// reserves the same key.
pub fn reserve(tx: &mut Write<'_>, owner: &str, key: &str, fingerprint: &str) -> Result<bool> {
    let now = tx.now();
    let inserted = tx.execute(
        sql!(
            "INSERT INTO idempotency (owner, key, fingerprint, created_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT DO NOTHING"
        ),
        params![owner, key, fingerprint, now],
    )?;
    Ok(inserted == 1)
}

/// Stores the answer to the request that reserved the key.
pub fn store_answer(tx: &mut Write<'_>, owner: &str, key: &str, answer: &Answer) -> Result<()> {
    let (content, conversation) = answer.about.columns();
    tx.execute(
        sql!(
            "UPDATE idempotency SET status = $1, location = $2, body = $3, said_id = $4, conversation_id = $5
             WHERE owner = $6 AND key = $7"
        ),
        params![
            i64::from(answer.status),
            answer.location.as_deref(),
            &answer.body,
            content,
            conversation,
            owner,
            key,
        ],
    )?;
    Ok(())
}

/// Returns the fingerprint of the request that reserved the key, and the stored answer.
pub fn answer(read: &Read<'_>, owner: &str, key: &str) -> Result<Option<(String, Answer)>> {
    read.first(
        sql!("SELECT fingerprint, status, location, body FROM idempotency WHERE owner = $1 AND key = $2"),
        params![owner, key],
        |row| {
            let (fingerprint, status, location, body): (_, i64, _, _) = from_row(row)?;
            let status = u16::try_from(status).unwrap_or_default();
            Ok((fingerprint, Answer { status, location, body, about: About::Nothing }))
        },
    )
}

/// Redacts the answer that contains a deleted peep. The key stays in use.
pub fn redact_peep(tx: &mut Write<'_>, id: PeepId) -> Result<()> {
    tx.execute(
        sql!("UPDATE idempotency SET status = 0, location = NULL, body = '' WHERE said_id = $1"),
        params![id],
    )?;
    Ok(())
}

/// Redacts the answers that contain a deleted message, or a reply that quotes it, and those that contain several
/// messages of its conversation.
pub fn redact_message(tx: &mut Write<'_>, id: MessageId, conversation: ConversationId) -> Result<()> {
    tx.execute(
        sql!(
            "UPDATE idempotency SET status = 0, location = NULL, body = ''
             WHERE conversation_id = $1 AND (said_id = 0 OR said_id = $2 OR EXISTS
                 (SELECT 1 FROM messages m WHERE m.id = idempotency.said_id AND m.reply_to = $2))"
        ),
        params![conversation, id],
    )?;
    Ok(())
}

/// Redacts every answer with content of a conversation.
pub fn redact_all(tx: &mut Write<'_>, conversation: ConversationId) -> Result<()> {
    tx.execute(
        sql!("UPDATE idempotency SET status = 0, location = NULL, body = '' WHERE conversation_id = $1"),
        params![conversation],
    )?;
    Ok(())
}

/// Deletes at most `limit` keys that were reserved before `before`.
pub fn purge(tx: &mut Write<'_>, before: Time, limit: i64) -> Result<u64> {
    tx.execute(
        sql!(
            "DELETE FROM idempotency WHERE (owner, key) IN
                 (SELECT owner, key FROM idempotency WHERE created_at < $1 ORDER BY created_at LIMIT $2)"
        ),
        params![before, limit],
    )
}
