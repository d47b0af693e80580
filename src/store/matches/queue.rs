//! The queue of accounts that wait for a match.

use super::{Pool, Ticket};
use crate::{
    Result,
    clock::Time,
    db::{Read, Write, from_row},
    ids::AccountId,
    params, sql,
    store::{blocks, dialect},
};

/// The values of a new ticket.
#[derive(Clone, Debug)]
pub struct Waiting<'a> {
    pub account: AccountId,
    pub pool: Pool,
    /// A language's code; empty for any.
    pub language: &'a str,
    /// Normalized and sorted tags, one on each line.
    pub interests: &'a str,
    /// The client's address, as a keyed hash.
    pub ip_hash: &'a str,
    /// True if the account is a guest.
    pub guest: bool,
    /// True if the username is shown from the beginning.
    pub shows_name: bool,
    /// The start of the wait; in the future during a pause.
    pub since: Time,
    /// When the ticket ends, unless there is a sign of life before.
    pub alive_until: Time,
    /// The number of talks in a row that were left at once.
    pub skips: i64,
}

/// Puts an account into the queue, whatever its state was before.
pub fn enqueue(tx: &mut Write<'_>, new: &Waiting<'_>) -> Result<()> {
    let now = tx.now();
    clear_match_keys(tx, new.account)?;
    tx.execute(
        sql!(
            "INSERT INTO tickets (account_id, state, pool, language, interests, ip_hash, guest, shows_name, since,
                                  run_at, alive_until, skips, changed_at)
             VALUES ($1, 'waiting', $2, $3, $4, $5, $6, $7, $8, $8, $9, $10, $11)
             ON CONFLICT (account_id) DO UPDATE SET
                 state = 'waiting', pool = excluded.pool, language = excluded.language,
                 interests = excluded.interests, ip_hash = excluded.ip_hash, guest = excluded.guest,
                 shows_name = excluded.shows_name, since = excluded.since, run_at = excluded.run_at,
                 alive_until = excluded.alive_until, skips = excluded.skips, changed_at = excluded.changed_at,
                 relaxation = 0, deferred = FALSE, away = FALSE, reveals = FALSE, pictures = FALSE,
                 conversation_id = NULL, mask_id = NULL"
        ),
        params![
            new.account,
            new.pool.as_str(),
            new.language,
            new.interests,
            new.ip_hash,
            new.guest,
            new.shows_name,
            new.since,
            new.alive_until,
            new.skips,
            now,
        ],
    )?;
    Ok(())
}

/// Locks the matching until the transaction ends. Two concurrent runs would not read each other's new match keys, and
/// two accounts that accept each other could both continue to wait.
pub fn lock_matching(tx: &mut Write<'_>) -> Result<()> {
    let sql = dialect::lock_matching(tx.engine());
    tx.first(sql, params![], |_| Ok(())).map(drop)
}

/// Returns at most `limit` accounts that are due for matching. Their tickets are locked until the transaction ends;
/// tickets that another transaction has locked are left to that one.
pub fn due(tx: &mut Write<'_>, limit: i64) -> Result<Vec<AccountId>> {
    let (sql, now) = (dialect::due_tickets(tx.engine()), tx.now());
    tx.all(sql, params![now, limit], from_row)
}

/// Stores the step up to which the criteria have been relaxed, when to run the matching again, and whether the ticket
/// is deferred, because its only possible partners are accepted only while nobody else waits.
pub fn set_relaxation(
    tx: &mut Write<'_>,
    account: AccountId,
    relaxation: i64,
    run_at: Option<Time>,
    deferred: bool,
) -> Result<()> {
    tx.execute(
        sql!("UPDATE tickets SET relaxation = $1, run_at = $2, deferred = $3 WHERE account_id = $4"),
        params![relaxation, run_at, deferred, account],
    )?;
    Ok(())
}

/// Makes at most `limit` deferred tickets due, because somebody has left the queue.
pub fn retry_deferred(tx: &mut Write<'_>, pool: Pool, limit: i64) -> Result<()> {
    let now = tx.now();
    tx.execute(
        sql!(
            "UPDATE tickets SET run_at = $1 WHERE account_id IN
                 (SELECT account_id FROM tickets WHERE deferred AND pool = $2
                  ORDER BY since, account_id LIMIT $3)"
        ),
        params![now, pool.as_str(), limit],
    )?;
    Ok(())
}

/// Adds a match key to a waiting account's ticket.
pub fn insert_match_key(tx: &mut Write<'_>, ticket: &Ticket, match_key: &str, weight: i64) -> Result<()> {
    tx.execute(
        sql!(
            "INSERT INTO match_keys (account_id, pool, match_key, weight, since) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT DO NOTHING"
        ),
        params![ticket.account, ticket.pool.as_str(), match_key, weight, ticket.since],
    )?;
    Ok(())
}

pub(super) fn clear_match_keys(tx: &mut Write<'_>, account: AccountId) -> Result<()> {
    tx.execute(sql!("DELETE FROM match_keys WHERE account_id = $1"), params![account]).map(drop)
}

/// Returns, for each match key of the ticket, the heaviest first, the account that has waited longest with the same
/// key: from another address, not met lately, with a language in common, not blocked.
pub fn partners(read: &Read<'_>, ticket: &Ticket) -> Result<Vec<AccountId>> {
    let partners: Vec<Option<AccountId>> = read.all(
        sql!(
            "SELECT (SELECT t.account_id FROM match_keys t JOIN tickets s ON s.account_id = t.account_id
                     WHERE t.pool = m.pool AND t.match_key = m.match_key AND t.account_id <> m.account_id
                       AND (s.language = '' OR me.language = '' OR s.language = me.language)
                       AND s.ip_hash <> me.ip_hash AND NOT ",
            blocks::APART,
            "
                       AND NOT EXISTS (SELECT 1 FROM meetings e WHERE e.account_id = m.account_id
                                       AND e.partner_id = t.account_id)
                       AND NOT EXISTS (SELECT 1 FROM meetings e WHERE e.account_id = t.account_id
                                       AND e.partner_id = m.account_id)
                     ORDER BY t.since, t.account_id LIMIT 1)
             FROM match_keys m JOIN tickets me ON me.account_id = m.account_id
             WHERE m.account_id = $1 ORDER BY m.weight DESC, m.match_key"
        ),
        params![ticket.account],
        from_row,
    )?;
    Ok(partners.into_iter().flatten().collect())
}

/// Returns whether an account other than `except` waits that could be matched with this one after relaxation: from
/// another address, not met lately, with a language in common, not blocked.
pub fn others_wait(read: &Read<'_>, ticket: &Ticket, except: AccountId) -> Result<bool> {
    let now = read.now();
    read.one(
        sql!(
            "SELECT EXISTS (
                 SELECT 1 FROM tickets me JOIN tickets s ON s.pool = me.pool
                 WHERE me.account_id = $1 AND s.state = 'waiting' AND s.since <= $2
                   AND s.account_id NOT IN ($1, $3) AND (s.ip_hash < me.ip_hash OR s.ip_hash > me.ip_hash)
                   AND (s.language = '' OR me.language = '' OR s.language = me.language)
                   AND NOT ",
            blocks::APART,
            "
                   AND NOT EXISTS (SELECT 1 FROM meetings e WHERE e.account_id = $1
                                   AND e.partner_id = s.account_id)
                   AND NOT EXISTS (SELECT 1 FROM meetings e WHERE e.account_id = s.account_id
                                   AND e.partner_id = $1))"
        ),
        params![ticket.account, now, except],
        from_row,
    )
}

/// Returns a waiting account's match keys, the heaviest first.
pub fn match_keys(read: &Read<'_>, account: AccountId) -> Result<Vec<String>> {
    read.all(
        sql!("SELECT match_key FROM match_keys WHERE account_id = $1 ORDER BY weight DESC, match_key"),
        params![account],
        from_row,
    )
}

/// Returns the accounts that have waited longest with this match key.
pub fn with_match_key(read: &Read<'_>, pool: Pool, match_key: &str, limit: i64) -> Result<Vec<AccountId>> {
    read.all(
        sql!(
            "SELECT account_id FROM match_keys WHERE pool = $1 AND match_key = $2 ORDER BY since, account_id LIMIT $3"
        ),
        params![pool.as_str(), match_key, limit],
        from_row,
    )
}

/// Sets when a ticket expires, and whether the account's last window has closed.
pub fn set_alive(tx: &mut Write<'_>, account: AccountId, until: Time, away: bool) -> Result<()> {
    tx.execute(
        sql!("UPDATE tickets SET alive_until = $1, away = $2 WHERE account_id = $3 AND state <> 'ended'"),
        params![until, away, account],
    )?;
    Ok(())
}

/// Returns at most `limit` accounts whose tickets have expired.
pub fn expired(read: &Read<'_>, limit: i64) -> Result<Vec<AccountId>> {
    let now = read.now();
    read.all(
        sql!(
            "SELECT account_id FROM tickets WHERE alive_until <= $1 AND state <> 'ended'
             ORDER BY alive_until, account_id LIMIT $2"
        ),
        params![now, limit],
        from_row,
    )
}

/// Returns when the next ticket is due for matching or expires.
pub fn next_due(read: &Read<'_>) -> Result<Option<Time>> {
    let (run_at, expires_at): (Option<Time>, Option<Time>) = read.one(
        sql!(
            "SELECT (SELECT MIN(run_at) FROM tickets WHERE state = 'waiting'),
                    (SELECT MIN(alive_until) FROM tickets WHERE state <> 'ended')"
        ),
        params![],
        from_row,
    )?;
    Ok([run_at, expires_at].into_iter().flatten().min())
}

/// Returns how many accounts wait in front of this one, and how many wait in all.
pub fn queue_position(read: &Read<'_>, ticket: &Ticket) -> Result<(i64, i64)> {
    let now = read.now();
    read.one(
        sql!(
            "SELECT (SELECT COUNT(*) FROM tickets WHERE state = 'waiting' AND pool = $1
                       AND (since < $2 OR (since = $2 AND account_id < $3))),
                    (SELECT COUNT(*) FROM tickets WHERE state = 'waiting' AND pool = $1
                       AND (since <= $4 OR account_id = $3))"
        ),
        params![ticket.pool.as_str(), ticket.since, ticket.account, now],
        from_row,
    )
}

/// Returns all waiting accounts in the order of the queue.
pub fn waiting_queue(read: &Read<'_>) -> Result<Vec<(Pool, Time, AccountId)>> {
    read.all(
        sql!(
            "SELECT pool, since, account_id FROM tickets WHERE state = 'waiting'
             ORDER BY pool, since, account_id"
        ),
        params![],
        from_row,
    )
}
