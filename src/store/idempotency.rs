//! What was answered to requests that may come again.

use crate::{Result, clock::Time, db::Read, events::Tx, ids::ConversationId, params, sql};

/// An answer as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its status; 0 where nothing of it was kept.
    pub status: u16,
    /// Where what was made is.
    pub location: Option<String>,
    /// JSON, or nothing.
    pub body: String,
    /// What was said, where that is in it, by its id, or 0 where it is several; and in which conversation.
    pub said: Option<(i64, Option<ConversationId>)>,
}

/// Takes a key for a request. False where it is taken already; whoever is just taking it is waited for.
pub fn take(tx: &mut Tx<'_>, owner: &str, key: &str, fingerprint: &str) -> Result<bool> {
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
pub fn note(tx: &mut Tx<'_>, owner: &str, key: &str, answer: &Answer) -> Result<()> {
    tx.execute(
        sql!(
            "UPDATE idempotency SET status = $1, location = $2, body = $3, said_id = $4, conversation_id = $5
             WHERE owner = $6 AND key = $7"
        ),
        params![
            i64::from(answer.status),
            answer.location.as_deref(),
            &answer.body,
            answer.said.map(|(id, _)| id),
            answer.said.and_then(|(_, conversation)| conversation),
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
            Ok((row.get(0)?, Answer { status, location: row.get(2)?, body: row.get(3)?, said: None }))
        },
    )
}

/// Something that was said is gone: so are the answers that hold it, and those that hold several things said
/// in its conversation. Their keys stay taken.
pub fn blank(tx: &mut Tx<'_>, said: i64, conversation: Option<ConversationId>) -> Result<()> {
    tx.execute(
        sql!("UPDATE idempotency SET status = 0, location = NULL, body = '' WHERE said_id = $1"),
        params![said],
    )?;
    if let Some(conversation) = conversation {
        tx.execute(
            sql!(
                "UPDATE idempotency SET status = 0, location = NULL, body = ''
                 WHERE conversation_id = $1 AND said_id = 0"
            ),
            params![conversation],
        )?;
    }
    Ok(())
}

/// The same of everything in a conversation.
pub fn blank_all(tx: &mut Tx<'_>, conversation: ConversationId) -> Result<()> {
    tx.execute(
        sql!("UPDATE idempotency SET status = 0, location = NULL, body = '' WHERE conversation_id = $1"),
        params![conversation],
    )?;
    Ok(())
}

/// Forgets the keys that were taken before `before`; at most `limit`.
pub fn forget(tx: &mut Tx<'_>, before: Time, limit: i64) -> Result<u64> {
    tx.execute(
        sql!(
            "DELETE FROM idempotency WHERE (owner, key) IN
                 (SELECT owner, key FROM idempotency WHERE created_at < $1 ORDER BY created_at LIMIT $2)"
        ),
        params![before, limit],
    )
}
