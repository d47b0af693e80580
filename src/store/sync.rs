//! Catching up: what changed for an account between two ticks.

use std::time::Duration;

use super::{
    accounts::{self, Account},
    conversations::{self, Conversation, Participant, Seat},
    dialect,
    messages::Message,
    rooms::Link,
    threads,
};
use crate::{
    Result,
    clock::Time,
    db::{Read, Write},
    ids::{AccountId, ConversationId},
    params, sql,
};

/// How long one may have been away. What was deleted before is not known any more.
pub const AWAY: Duration = Duration::from_secs(30 * 24 * 3600);

/// The tick of this transaction: all that it changes bears it. A later commit may have a lower one on PostgreSQL,
/// where several write at once; [`latest`] minds that.
pub fn tick(tx: &mut Write<'_>) -> Result<i64> {
    tx.number(|tx| tx.one(dialect::tick(tx.engine()), params![], |row| row.get(0)))
}

/// The latest tick of which all is known: whatever is committed from now on bears a higher one.
pub fn latest(read: &Read<'_>) -> Result<i64> {
    read.one(dialect::latest_tick(read.engine()), params![], |row| row.get(0))
}

/// How far ticks go on above those of another cluster: more transactions than it can have had meanwhile.
const GAP: i64 = 1 << 40;

/// Sees to it that new ticks are above those of old, also in a database that came from elsewhere.
pub fn align(tx: &mut Write<'_>) -> Result<()> {
    let highest: i64 = tx.one(
        sql!(
            "SELECT CASE WHEN c.highest > p.highest THEN c.highest ELSE p.highest END
             FROM (SELECT COALESCE(MAX(tick), 0) AS highest FROM conversations) c,
                  (SELECT COALESCE(MAX(tick), 0) AS highest FROM participants) p"
        ),
        params![],
        |row| row.get(0),
    )?;
    let now: i64 = tx.one(dialect::tick_now(tx.engine()), params![], |row| row.get(0))?;
    let behind = highest - now;
    if behind > 0 {
        let sql = sql!("UPDATE streams SET last_seq = last_seq + $1 WHERE name = 'ticks'");
        // Far above: whoever kept a mark of the old database may have one above all that was ever kept.
        tx.execute(sql, params![behind + GAP])?;
    }
    Ok(())
}

/// Whose changes, behind one tick and up to another; at most so many of each kind, the first first.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Whose.
    pub account: AccountId,
    /// Only behind this tick.
    pub after: i64,
    /// Only up to this one.
    pub upto: i64,
    /// So many at most.
    pub limit: i64,
}

/// A conversation that changed, or one's own place in it.
#[derive(Clone, Debug)]
pub struct Changed {
    /// When.
    pub tick: i64,
    /// How it is now.
    pub conversation: Conversation,
    /// One's own place.
    pub seat: Seat,
    /// The link that holds now, of a room.
    pub link: Option<Link>,
    /// Who is in it, of a thread: [`people`] knows.
    pub people: Vec<Participant>,
}

/// When a conversation `c`, or one's own place `p` in it, has changed last.
const TICK: &str = "CASE WHEN c.tick > p.tick THEN c.tick ELSE p.tick END";

/// The conversations `c` of a [`Span`], beside one's own place `p` in them.
const CHANGED: &str = sql!(
    " FROM participants p JOIN conversations c ON c.id = p.conversation_id
     LEFT JOIN links l ON l.conversation_id = c.id AND l.revoked_at IS NULL
     WHERE p.account_id = $1 AND p.left_at IS NULL AND c.deleted_at IS NULL AND c.kind <> 'match'
       AND (c.tick > $2 OR p.tick > $2) AND c.tick <= $3 AND p.tick <= $3
     ORDER BY ",
    TICK,
    ", c.id LIMIT $4"
);

/// The rooms and threads that changed.
pub fn conversations(read: &Read<'_>, span: &Span) -> Result<Vec<Changed>> {
    let changed = read.all(
        sql!(
            "SELECT ",
            conversations::COLUMNS,
            ", ",
            conversations::SEAT,
            ", l.key, l.expires_at, l.uses_left, ",
            TICK,
            CHANGED
        ),
        params![span.account, span.after, span.upto, span.limit],
        |row| {
            let at = conversations::WIDTH + conversations::SEAT_WIDTH;
            let key: Option<String> = row.get(at)?;
            let (expires_at, uses_left) = (row.get(at + 1)?, row.get(at + 2)?);
            Ok((
                row.get(at + 3)?,
                conversations::from_row(row, 0)?,
                conversations::seat(row, conversations::WIDTH)?,
                key.map(|key| Link { key, expires_at, uses_left }),
            ))
        },
    )?;
    let changed = changed.into_iter().filter_map(|(tick, conversation, seat, link)| {
        Some(Changed { tick, conversation, seat: seat?, link, people: Vec::new() })
    });
    Ok(changed.collect())
}

/// Who is in each of the threads that changed, in the order in which they came.
pub fn people(read: &Read<'_>, span: &Span) -> Result<Vec<(ConversationId, Participant)>> {
    read.all(
        sql!(
            threads::PEOPLE,
            " JOIN conversations t ON t.id = p.conversation_id AND t.kind = 'thread'
             WHERE p.left_at IS NULL AND NOT p.hidden AND p.conversation_id IN (SELECT c.id",
            CHANGED,
            ") ORDER BY p.conversation_id, p.joined_at, p.account_id"
        ),
        params![span.account, span.after, span.upto, span.limit],
        threads::person,
    )
}

/// The messages that are new or changed, as they are now, each with its tick.
pub fn messages(read: &Read<'_>, span: &Span) -> Result<Vec<(i64, Message)>> {
    super::messages::changed_for(read, span)
}

/// The conversations that the account is in no more, each with the tick from which on.
pub fn departures(read: &Read<'_>, span: &Span) -> Result<Vec<(i64, ConversationId)>> {
    read.all(
        sql!(
            "SELECT p.tick AS t, p.conversation_id FROM participants p
             JOIN conversations c ON c.id = p.conversation_id
             WHERE p.account_id = $1 AND p.left_at IS NOT NULL AND c.deleted_at IS NULL AND c.kind <> 'match'
               AND p.tick > $2 AND p.tick <= $3
             UNION ALL
             SELECT d.tick, d.conversation_id FROM departures d
             WHERE d.account_id = $1 AND d.tick > $2 AND d.tick <= $3
             ORDER BY t LIMIT $4"
        ),
        params![span.account, span.after, span.upto, span.limit],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// How far another one in a thread has come.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// When.
    pub tick: i64,
    /// Where.
    pub conversation: ConversationId,
    /// Who.
    pub account: Account,
    /// Everything up to this message has reached one of its devices.
    pub delivered_seq: i64,
    /// Everything up to this message has been read.
    pub read_seq: i64,
}

/// How far the others in one's threads have come since.
pub fn receipts(read: &Read<'_>, span: &Span) -> Result<Vec<Receipt>> {
    read.all(
        sql!(
            "SELECT ",
            accounts::COLUMNS,
            ", o.receipt_tick, o.conversation_id, o.delivered_seq, o.read_seq
             FROM participants p JOIN conversations c ON c.id = p.conversation_id
             JOIN participants o ON o.conversation_id = c.id AND o.receipt_tick > $1 AND o.receipt_tick <= $2
             JOIN accounts a ON a.id = o.account_id
             WHERE p.account_id = $3 AND p.left_at IS NULL AND c.deleted_at IS NULL AND c.kind = 'thread'
               AND o.account_id <> $3 AND o.left_at IS NULL AND NOT o.hidden AND o.delivered_seq > 0
             ORDER BY o.receipt_tick LIMIT $4"
        ),
        params![span.after, span.upto, span.account, span.limit],
        |row| {
            let at = accounts::WIDTH;
            Ok(Receipt {
                account: accounts::from_row(row)?,
                tick: row.get(at)?,
                conversation: row.get(at + 1)?,
                delivered_seq: row.get(at + 2)?,
                read_seq: row.get(at + 3)?,
            })
        },
    )
}

/// Notes of everyone in a conversation that it is being deleted; also of those who left after `since`, who may not
/// have heard of that yet.
pub fn depart(tx: &mut Write<'_>, id: ConversationId, since: Time) -> Result<()> {
    let (now, tick) = (tx.now(), tick(tx)?);
    tx.execute(
        sql!(
            "INSERT INTO departures (account_id, conversation_id, tick, created_at)
             SELECT p.account_id, p.conversation_id, CAST($1 AS BIGINT), CAST($2 AS BIGINT)
             FROM participants p JOIN conversations c ON c.id = p.conversation_id
             WHERE p.conversation_id = $3 AND (p.left_at IS NULL OR p.left_at > $4) AND c.kind <> 'match'
             ON CONFLICT DO NOTHING"
        ),
        params![tick, now, id, since],
    )?;
    Ok(())
}

/// Forgets what was deleted before `before`; at most `limit`.
pub fn purge(tx: &mut Write<'_>, before: Time, limit: i64) -> Result<u64> {
    tx.execute(
        sql!(
            "DELETE FROM departures WHERE (account_id, conversation_id) IN
                 (SELECT account_id, conversation_id FROM departures WHERE created_at < $1
                  ORDER BY created_at LIMIT $2)"
        ),
        params![before, limit],
    )
}
