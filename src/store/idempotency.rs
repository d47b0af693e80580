//! What was answered to requests that may come again.

use crate::{
    Result,
    clock::Time,
    db::{Read, Write},
    ids::{ConversationId, MessageId, PeepId},
    params, sql,
};

/// An answer as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its status; 0 where nothing of it was kept.
    pub status: u16,
    /// Where what was made is.
    pub location: Option<String>,
    /// JSON, or nothing.
    pub body: String,
    /// What it tells of: it goes with that.
    pub about: About,
}

/// What an answer tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// Nothing that can be deleted.
    Nothing,
    /// A peep.
    Peep(PeepId),
    /// Something said in a conversation.
    Message(MessageId, ConversationId),
    /// Several things said in a conversation.
    Messages(ConversationId),
    /// A conversation, or something in it that is not said.
    Conversation(ConversationId),
}

impl About {
    /// As it is kept: what was said by its id, or 0 where it is several, and in which conversation.
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

/// Takes a key for a request. False where it is taken already; whoever is just taking it is waited for.
pub fn take(tx: &mut Write<'_>, owner: &str, key: &str, fingerprint: &str) -> Result<bool> {
    let now = tx.now();
    let taken = tx.execute(
        sql!(
            "INSERT INTO idempotency (owner, key, fingerprint, created_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT DO NOTHING"
        ),
        params![owner, key, fingerprint, now],
    )?;
    Ok(taken == 1)
}

/// Notes the answer to the request that took the key.
pub fn note(tx: &mut Write<'_>, owner: &str, key: &str, answer: &Answer) -> Result<()> {
    let (said, conversation) = answer.about.columns();
    tx.execute(
        sql!(
            "UPDATE idempotency SET status = $1, location = $2, body = $3, said_id = $4, conversation_id = $5
             WHERE owner = $6 AND key = $7"
        ),
        params![
            i64::from(answer.status),
            answer.location.as_deref(),
            &answer.body,
            said,
            conversation,
            owner,
            key,
        ],
    )?;
    Ok(())
}

/// The request that took the key, by its fingerprint, and what it was answered.
pub fn answer(read: &Read<'_>, owner: &str, key: &str) -> Result<Option<(String, Answer)>> {
    read.first(
        sql!("SELECT fingerprint, status, location, body FROM idempotency WHERE owner = $1 AND key = $2"),
        params![owner, key],
        |row| {
            let status = u16::try_from(row.get::<i64>(1)?).unwrap_or_default();
            Ok((
                row.get(0)?,
                Answer { status, location: row.get(2)?, body: row.get(3)?, about: About::Nothing },
            ))
        },
    )
}

/// A peep is gone: so is the answer that holds it. Its key stays taken.
pub fn blank_peep(tx: &mut Write<'_>, id: PeepId) -> Result<()> {
    tx.execute(
        sql!("UPDATE idempotency SET status = 0, location = NULL, body = '' WHERE said_id = $1"),
        params![id],
    )?;
    Ok(())
}

/// A message is gone: so are the answers that hold it, or answer it and quote it, and those that hold several
/// of its conversation.
pub fn blank_message(tx: &mut Write<'_>, id: MessageId, conversation: ConversationId) -> Result<()> {
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

/// The same of everything in a conversation.
pub fn blank_all(tx: &mut Write<'_>, conversation: ConversationId) -> Result<()> {
    tx.execute(
        sql!("UPDATE idempotency SET status = 0, location = NULL, body = '' WHERE conversation_id = $1"),
        params![conversation],
    )?;
    Ok(())
}

/// Forgets the keys that were taken before `before`; at most `limit`.
pub fn purge(tx: &mut Write<'_>, before: Time, limit: i64) -> Result<u64> {
    tx.execute(
        sql!(
            "DELETE FROM idempotency WHERE (owner, key) IN
                 (SELECT owner, key FROM idempotency WHERE created_at < $1 ORDER BY created_at LIMIT $2)"
        ),
        params![before, limit],
    )
}
