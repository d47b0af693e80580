//! Weekly pairs: the accounts that take part, and past pairs.

use crate::{
    Result,
    clock::Time,
    db::{Read, Write, from_row},
    ids::{AccountId, ConversationId},
    params, sql,
};

/// Adds an account to the weekly pairs. Repeating the call changes nothing.
pub fn join(tx: &mut Write<'_>, account: AccountId) -> Result<()> {
    let now = tx.now();
    tx.execute(
        sql!("INSERT INTO weekly (account_id, joined_at) VALUES ($1, $2) ON CONFLICT DO NOTHING"),
        params![account, now],
    )?;
    Ok(())
}

/// Removes an account from the weekly pairs.
pub fn leave(tx: &mut Write<'_>, account: AccountId) -> Result<()> {
    tx.execute(sql!("DELETE FROM weekly WHERE account_id = $1"), params![account]).map(drop)
}

pub fn takes_part(read: &Read<'_>, account: AccountId) -> Result<bool> {
    read.one(sql!("SELECT EXISTS (SELECT 1 FROM weekly WHERE account_id = $1)"), params![account], from_row)
}

/// Returns all accounts that take part.
pub fn members(read: &Read<'_>) -> Result<Vec<AccountId>> {
    read.all(sql!("SELECT account_id FROM weekly ORDER BY account_id"), params![], from_row)
}

/// Returns how many accounts take part.
pub fn count(read: &Read<'_>) -> Result<i64> {
    read.one(sql!("SELECT COUNT(*) FROM weekly"), params![], from_row)
}

/// Returns past pairs among the accounts that take part, with the time of the last pairing. The lower id comes first.
pub fn history(read: &Read<'_>) -> Result<Vec<(AccountId, AccountId, Time)>> {
    read.all(
        sql!(
            "SELECT p.one_id, p.other_id, p.paired_at FROM pairings p
             JOIN weekly a ON a.account_id = p.one_id JOIN weekly b ON b.account_id = p.other_id"
        ),
        params![],
        from_row,
    )
}

/// Records that two accounts are paired now, in this conversation.
pub fn pair(tx: &mut Write<'_>, one: AccountId, other: AccountId, id: ConversationId) -> Result<()> {
    let now = tx.now();
    tx.execute(
        sql!(
            "INSERT INTO pairings (one_id, other_id, conversation_id, paired_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (one_id, other_id) DO UPDATE SET
                 conversation_id = excluded.conversation_id, paired_at = excluded.paired_at"
        ),
        params![one.min(other), one.max(other), id, now],
    )?;
    Ok(())
}

/// Returns the account's latest pair since `since`: the conversation and the other members; `None` where the account
/// has left the conversation.
pub fn talk_of(
    read: &Read<'_>,
    account: AccountId,
    since: Time,
) -> Result<Option<(ConversationId, Vec<AccountId>)>> {
    let pairings: Vec<(ConversationId, AccountId)> = read.all(
        sql!(
            "SELECT x.conversation_id, CASE WHEN x.one_id = $1 THEN x.other_id ELSE x.one_id END
             FROM pairings x
             JOIN participants p ON p.conversation_id = x.conversation_id AND p.account_id = $1
                                AND p.left_at IS NULL
             JOIN conversations c ON c.id = x.conversation_id AND c.deleted_at IS NULL
             WHERE (x.one_id = $1 OR x.other_id = $1) AND x.paired_at >= $2
             ORDER BY x.paired_at, x.one_id, x.other_id"
        ),
        params![account, since],
        from_row,
    )?;
    let Some((id, _)) = pairings.last().copied() else { return Ok(None) };
    let others = pairings.into_iter().filter(|(talk, _)| *talk == id).map(|(_, other)| other).collect();
    Ok(Some((id, others)))
}

/// Claims the pairing of the week that began on `monday`. Returns true for the first caller only.
pub fn claim_week(tx: &mut Write<'_>, monday: Time) -> Result<bool> {
    let week = monday.ms().to_string();
    let claimed = tx.execute(
        sql!(
            "INSERT INTO instance (key, value) VALUES ('weekly', $1)
             ON CONFLICT (key) DO UPDATE SET value = excluded.value
             WHERE CAST(instance.value AS BIGINT) < CAST(excluded.value AS BIGINT)"
        ),
        params![&week],
    )?;
    Ok(claimed == 1)
}
