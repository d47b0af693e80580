//! Blocks between accounts.

use std::collections::HashSet;

use crate::{
    Result,
    db::{Read, Write, from_row},
    ids::AccountId,
    params, sql,
};

/// The keys by which blocks refer to an account; for a guest also to its address, because a guest can come back as
/// another account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Somebody {
    /// The account's key.
    pub account: String,
    /// The key of a guest's address hash; the same as `account` for others.
    pub place: String,
}

impl Somebody {
    /// Makes the keys of an account, with the address hash of a guest.
    pub fn new(account: AccountId, guest_at: Option<&str>) -> Self {
        let account = format!("a{account}");
        Somebody { place: guest_at.map_or_else(|| account.clone(), |place| format!("p{place}")), account }
    }
}

/// Adds a block, in both directions.
pub fn insert(tx: &mut Write<'_>, one: &str, other: &str, blocker: AccountId) -> Result<()> {
    let now = tx.now();
    for (one, other) in [(one, other), (other, one)] {
        tx.execute(
            sql!(
                "INSERT INTO blocks (one, other, blocker_id, created_at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT DO NOTHING"
            ),
            params![one, other, blocker, now],
        )?;
    }
    Ok(())
}

/// Returns whether a block stands between the two.
pub fn stand_between(read: &Read<'_>, one: &Somebody, other: &Somebody) -> Result<bool> {
    read.one(
        sql!("SELECT EXISTS (SELECT 1 FROM blocks WHERE one IN ($1, $2) AND other IN ($3, $4))"),
        params![&one.account, &one.place, &other.account, &other.place],
        from_row,
    )
}

/// Returns the pairs of accounts with a block between the accounts themselves, not their addresses; the lower id first.
pub fn between_accounts(read: &Read<'_>) -> Result<HashSet<(AccountId, AccountId)>> {
    let rows: Vec<(String, String)> = read.all(
        sql!("SELECT one, other FROM blocks WHERE one LIKE 'a%' AND other LIKE 'a%'"),
        params![],
        from_row,
    )?;
    let account = |text: &str| text.strip_prefix('a').and_then(|id| id.parse().ok());
    let both = rows.iter().filter_map(|(one, other)| Some((account(one)?, account(other)?)));
    Ok(both.filter(|(one, other)| one < other).collect())
}
