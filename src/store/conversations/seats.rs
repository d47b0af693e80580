//! The places of those who are in a conversation, or were.

use super::resize;
use crate::{
    Result,
    clock::Time,
    db::{Read, Row, Write},
    ids::{AccountId, ConversationId},
    params, sql,
    store::{
        accounts::{self, Account},
        sync,
    },
};

/// A participant's place in a conversation, kept also after it left.
#[derive(Clone, Debug)]
pub struct Seat {
    /// What it is called here, where that is not its own name.
    pub alias: Option<String>,
    /// It has read everything up to this message.
    pub read_seq: i64,
    /// It sees what was said after this message.
    pub sees_after: i64,
    /// When it came in.
    pub joined_at: Time,
    /// When it left or was removed.
    pub left_at: Option<Time>,
    /// It was removed, and can't come back before this.
    pub barred_until: Option<Time>,
    /// What is said is not to call it.
    pub muted: bool,
    /// Everything up to this message has reached one of its devices.
    pub delivered_seq: i64,
    /// It is an app's own: it sees everything, and nobody sees it.
    pub hidden: bool,
}

/// The columns of a [`Seat`] `p`.
pub(in crate::store) const SEAT: &str =
    "p.alias, p.read_seq, p.sees_after, p.joined_at, p.left_at, p.barred_until, p.muted,
    p.delivered_seq, p.hidden";

/// How many they are.
pub(in crate::store) const SEAT_WIDTH: usize = 9;

/// Reads a seat that may not be there.
pub(in crate::store) fn seat(row: &Row<'_>, at: usize) -> Result<Option<Seat>> {
    let Some(joined_at) = row.get::<Option<Time>>(at + 3)? else { return Ok(None) };
    Ok(Some(Seat {
        alias: row.get(at)?,
        read_seq: row.get(at + 1)?,
        sees_after: row.get(at + 2)?,
        joined_at,
        left_at: row.get(at + 4)?,
        barred_until: row.get(at + 5)?,
        muted: row.get(at + 6)?,
        delivered_seq: row.get(at + 7)?,
        hidden: row.get(at + 8)?,
    }))
}

/// What a new participant's row needs.
#[derive(Debug)]
pub struct Entrance<'a> {
    /// Where it comes in.
    pub conversation: ConversationId,
    /// Who.
    pub account: AccountId,
    /// What it is called here, where that is not its own name.
    pub alias: Option<&'a str>,
    /// How what it is called looks.
    pub skeleton: &'a str,
    /// What counts as read: everything up to this message.
    pub read_seq: i64,
    /// What it never sees: everything up to this message.
    pub sees_after: i64,
    /// Where it comes from, as a keyed hash.
    pub place: &'a str,
}

/// Adds a participant, or lets it in again.
pub fn join(tx: &mut Write<'_>, new: &Entrance<'_>) -> Result<()> {
    let (now, tick) = (tx.now(), sync::tick(tx)?);
    tx.execute(
        sql!(
            "INSERT INTO participants (conversation_id, account_id, alias, skeleton, read_seq, sees_after, place,
                                       joined_at, tick)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             ON CONFLICT (conversation_id, account_id) DO UPDATE SET
                 alias = excluded.alias, skeleton = excluded.skeleton, place = excluded.place,
                 read_seq = excluded.read_seq, sees_after = excluded.sees_after, joined_at = excluded.joined_at,
                 left_at = NULL, barred_until = NULL, tick = excluded.tick"
        ),
        params![
            new.conversation,
            new.account,
            new.alias,
            new.skeleton,
            new.read_seq,
            new.sees_after,
            new.place,
            now,
            tick,
        ],
    )?;
    Ok(())
}

/// Takes a participant out; until `barred_until` it can't come back. False where it was not in it.
pub fn leave(
    tx: &mut Write<'_>,
    id: ConversationId,
    account: AccountId,
    barred_until: Option<Time>,
) -> Result<bool> {
    let (now, tick) = (tx.now(), sync::tick(tx)?);
    let left = tx.execute(
        sql!(
            "UPDATE participants SET left_at = $1, barred_until = $2, tick = $3
             WHERE conversation_id = $4 AND account_id = $5 AND left_at IS NULL"
        ),
        params![now, barred_until, tick, id, account],
    )?;
    if left > 0 {
        resize(tx, id, -1)?;
    }
    Ok(left > 0)
}

/// Takes everyone out, but for one.
pub fn leave_all_but(tx: &mut Write<'_>, id: ConversationId, stays: Option<AccountId>) -> Result<()> {
    let (now, tick) = (tx.now(), sync::tick(tx)?);
    let left = tx.execute(
        sql!(
            "UPDATE participants SET left_at = $1, tick = $2
             WHERE conversation_id = $3 AND account_id <> $4 AND left_at IS NULL"
        ),
        params![now, tick, id, stays.unwrap_or(AccountId(0))],
    )?;
    resize(tx, id, -(left as i64)).map(drop)
}

/// A removed participant may come back.
pub fn unbar(tx: &mut Write<'_>, id: ConversationId, account: AccountId) -> Result<()> {
    tx.execute(
        sql!("UPDATE participants SET barred_until = NULL WHERE conversation_id = $1 AND account_id = $2"),
        params![id, account],
    )?;
    Ok(())
}

/// Where the participant came in from last, as a keyed hash.
pub fn place(read: &Read<'_>, id: ConversationId, account: AccountId) -> Result<Option<String>> {
    let place = read.first(
        sql!("SELECT place FROM participants WHERE conversation_id = $1 AND account_id = $2"),
        params![id, account],
        |row| row.get(0),
    )?;
    Ok(place.flatten())
}

/// Everything up to this message has been read. Never goes back. False where it was so already, or the
/// account is not in the conversation any more.
pub fn set_read(tx: &mut Write<'_>, id: ConversationId, account: AccountId, seq: i64) -> Result<bool> {
    let tick = sync::tick(tx)?;
    let set = tx.execute(
        sql!(
            "UPDATE participants SET read_seq = $1, tick = $2, receipt_tick = $2,
                 delivered_seq = CASE WHEN delivered_seq < $1 THEN $1 ELSE delivered_seq END
             WHERE conversation_id = $3 AND account_id = $4 AND read_seq < $1 AND left_at IS NULL"
        ),
        params![seq, tick, id, account],
    )?;
    Ok(set == 1)
}

/// Everything up to this message has reached one of its devices. Never goes back. False where it was so
/// already, or the account is not in the conversation any more.
pub fn set_delivered(tx: &mut Write<'_>, id: ConversationId, account: AccountId, seq: i64) -> Result<bool> {
    let tick = sync::tick(tx)?;
    let set = tx.execute(
        sql!(
            "UPDATE participants SET delivered_seq = $1, tick = $2, receipt_tick = $2
             WHERE conversation_id = $3 AND account_id = $4 AND delivered_seq < $1 AND left_at IS NULL"
        ),
        params![seq, tick, id, account],
    )?;
    Ok(set == 1)
}

/// Whether someone else who is or was in the conversation is called so, to the eye.
pub fn is_called(read: &Read<'_>, id: ConversationId, skeleton: &str, except: AccountId) -> Result<bool> {
    read.one(
        sql!(
            "SELECT EXISTS (SELECT 1 FROM participants
                            WHERE conversation_id = $1 AND skeleton = $2 AND account_id <> $3)"
        ),
        params![id, skeleton, except],
        |row| row.get(0),
    )
}

/// A guest became a member: nowhere is it called by another name any more.
pub fn clear_aliases(tx: &mut Write<'_>, account: AccountId) -> Result<()> {
    tx.execute(
        sql!(
            "UPDATE participants SET alias = NULL, skeleton = (SELECT a.name_skeleton FROM accounts a WHERE a.id = $1)
             WHERE account_id = $1"
        ),
        params![account],
    )?;
    Ok(())
}

/// Someone who is in a conversation, or was removed from it.
#[derive(Clone, Debug)]
pub struct Participant {
    /// The account, under the name that it has here.
    pub account: Account,
    /// Its place.
    pub seat: Seat,
}

/// Who is in it, in the order in which they came; then who was removed and can't come back yet.
/// At most `limit`.
pub fn participants(read: &Read<'_>, id: ConversationId, limit: i64) -> Result<Vec<Participant>> {
    participants_after(read, id, (false, Time::from_ms(0), AccountId(0)), limit)
}

/// The same behind somebody: whether it was removed, when it came, and who.
pub fn participants_after(
    read: &Read<'_>,
    id: ConversationId,
    after: (bool, Time, AccountId),
    limit: i64,
) -> Result<Vec<Participant>> {
    let now = read.now();
    read.all(
        sql!(
            "SELECT ",
            accounts::COLUMNS,
            ", ",
            SEAT,
            " FROM participants p JOIN accounts a ON a.id = p.account_id
             WHERE p.conversation_id = $1 AND NOT p.hidden AND (p.left_at IS NULL OR p.barred_until > $2)
               AND (p.left_at IS NOT NULL, p.joined_at, p.account_id) > ($3, $4, $5)
             ORDER BY p.left_at IS NOT NULL, p.joined_at, p.account_id LIMIT $6"
        ),
        params![id, now, after.0, after.1, after.2, limit],
        |row| {
            let mut account: Account = accounts::from_row(row)?;
            let seat = seat(row, accounts::WIDTH)?.ok_or(crate::Error::NotFound)?;
            if let Some(alias) = &seat.alias {
                account.name.clone_from(alias);
            }
            Ok(Participant { account, seat })
        },
    )
}

/// Who has been in it for longest, members first; but not `except`.
pub fn heir(read: &Read<'_>, id: ConversationId, except: AccountId) -> Result<Option<AccountId>> {
    read.first(
        sql!(
            "SELECT p.account_id FROM participants p JOIN accounts a ON a.id = p.account_id
             WHERE p.conversation_id = $1 AND p.left_at IS NULL AND NOT p.hidden AND p.account_id <> $2
             ORDER BY CASE a.kind WHEN 'member' THEN 0 ELSE 1 END, p.joined_at, p.account_id LIMIT 1"
        ),
        params![id, except],
        |row| row.get(0),
    )
}
