//! Talks between matched accounts, and the recent meetings of accounts.

use super::{Ticket, queue::clear_match_keys};
use crate::{
    Result,
    clock::Time,
    db::{Read, Write, from_row},
    ids::{AccountId, ConversationId},
    params, sql,
};

/// Returns the tickets of the accounts that are in a talk, or whose last talk it was.
pub fn in_talk(read: &Read<'_>, id: ConversationId) -> Result<Vec<Ticket>> {
    read.all(
        sql!("SELECT ", Ticket::COLUMNS, " FROM tickets s WHERE s.conversation_id = $1 ORDER BY s.mask_id"),
        params![id],
        from_row,
    )
}

/// Sets a ticket's state to matched.
pub fn set_matched(
    tx: &mut Write<'_>,
    account: AccountId,
    conversation: ConversationId,
    mask: AccountId,
    reveals: bool,
) -> Result<()> {
    let now = tx.now();
    clear_match_keys(tx, account)?;
    tx.execute(
        sql!(
            "UPDATE tickets SET state = 'matched', conversation_id = $1, mask_id = $2, changed_at = $3,
                                run_at = NULL, deferred = FALSE, reveals = $4, pictures = FALSE
             WHERE account_id = $5"
        ),
        params![conversation, mask, now, reveals, account],
    )?;
    Ok(())
}

/// Sets a ticket's state to ended: the talk is over, or the account has left the queue.
pub fn set_ended(tx: &mut Write<'_>, account: AccountId, skips: i64, went: bool) -> Result<()> {
    let now = tx.now();
    clear_match_keys(tx, account)?;
    tx.execute(
        sql!(
            "UPDATE tickets SET state = 'ended', changed_at = $1, skips = $2, went = $3, away = FALSE,
                                deferred = FALSE
             WHERE account_id = $4"
        ),
        params![now, skips, went, account],
    )?;
    Ok(())
}

/// Deletes the tickets that ended before `before`.
pub fn purge_ended(tx: &mut Write<'_>, before: Time) -> Result<()> {
    tx.execute(sql!("DELETE FROM tickets WHERE state = 'ended' AND changed_at < $1"), params![before])
        .map(drop)
}

/// Removes the references to a deleted talk from all tickets.
pub fn unlink(tx: &mut Write<'_>, id: ConversationId) -> Result<()> {
    tx.execute(
        sql!("UPDATE tickets SET conversation_id = NULL, mask_id = NULL WHERE conversation_id = $1"),
        params![id],
    )
    .map(drop)
}

/// Records that the account offers to reveal its identity.
pub fn set_reveals(tx: &mut Write<'_>, account: AccountId) -> Result<()> {
    tx.execute(sql!("UPDATE tickets SET reveals = TRUE WHERE account_id = $1"), params![account]).map(drop)
}

/// Records that the account agrees to pictures.
pub fn set_pictures(tx: &mut Write<'_>, account: AccountId) -> Result<()> {
    tx.execute(sql!("UPDATE tickets SET pictures = TRUE WHERE account_id = $1"), params![account]).map(drop)
}

/// Returns at most `limit` group talks with fewer than `max_size` accounts, oldest first.
pub fn open_groups(read: &Read<'_>, max_size: i64, limit: i64) -> Result<Vec<ConversationId>> {
    read.all(
        sql!(
            "SELECT c.id FROM conversations c
             WHERE c.id IN (SELECT s.conversation_id FROM tickets s
                            WHERE s.pool = 'group' AND s.state = 'matched')
               AND c.deleted_at IS NULL AND c.size BETWEEN 2 AND $1
             ORDER BY c.id LIMIT $2"
        ),
        params![max_size - 1, limit],
        from_row,
    )
}

/// Records that two accounts met, and deletes all but the last `max` meetings of each.
pub fn insert_meeting(tx: &mut Write<'_>, one: AccountId, other: AccountId, max: i64) -> Result<()> {
    let now = tx.now();
    for (account, partner) in [(one, other), (other, one)] {
        tx.execute(
            sql!(
                "INSERT INTO meetings (account_id, partner_id, met_at) VALUES ($1, $2, $3)
                 ON CONFLICT (account_id, partner_id) DO UPDATE SET met_at = excluded.met_at"
            ),
            params![account, partner, now],
        )?;
        tx.execute(
            sql!(
                "DELETE FROM meetings WHERE account_id = $1 AND partner_id NOT IN
                     (SELECT partner_id FROM meetings WHERE account_id = $1
                      ORDER BY met_at DESC, partner_id DESC LIMIT $2)"
            ),
            params![account, max],
        )?;
    }
    Ok(())
}
