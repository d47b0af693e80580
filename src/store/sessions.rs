//! Sessions: the hash of a cookie's token, and its account.

use super::accounts::Account;
use crate::{
    Result,
    clock::Time,
    db::{Read, Write, from_row},
    ids::AccountId,
    params, sql,
};

pub fn insert(tx: &mut Write<'_>, token_hash: &str, account: AccountId) -> Result<()> {
    let now = tx.now();
    tx.execute(
        sql!("INSERT INTO sessions (token_hash, account_id, created_at, seen_at) VALUES ($1, $2, $3, $4)"),
        params![token_hash, account, now, now],
    )?;
    Ok(())
}

/// Returns the session's account and its last recorded use, unless that was before `since`.
pub fn account(read: &Read<'_>, token_hash: &str, since: Time) -> Result<Option<(Account, Time)>> {
    read.first(
        sql!(
            "SELECT ",
            Account::COLUMNS,
            ", s.seen_at
             FROM sessions s JOIN accounts a ON a.id = s.account_id
             WHERE s.token_hash = $1 AND s.seen_at >= $2"
        ),
        params![token_hash, since],
        from_row,
    )
}

/// Records a use of the session.
pub fn touch(tx: &mut Write<'_>, token_hash: &str) -> Result<()> {
    let now = tx.now();
    tx.execute(sql!("UPDATE sessions SET seen_at = $1 WHERE token_hash = $2"), params![now, token_hash])?;
    Ok(())
}

pub fn delete(tx: &mut Write<'_>, token_hash: &str) -> Result<()> {
    tx.execute(sql!("DELETE FROM sessions WHERE token_hash = $1"), params![token_hash])?;
    Ok(())
}

/// Deletes all sessions that were last used before `since`.
pub fn delete_stale(tx: &mut Write<'_>, since: Time) -> Result<u64> {
    tx.execute(sql!("DELETE FROM sessions WHERE seen_at < $1"), params![since])
}

/// Deletes all sessions of an account.
pub fn delete_of(tx: &mut Write<'_>, account: AccountId) -> Result<()> {
    tx.execute(sql!("DELETE FROM sessions WHERE account_id = $1"), params![account])?;
    Ok(())
}
