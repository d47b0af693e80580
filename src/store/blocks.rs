//! Who wants nothing to do with whom.

use std::collections::HashSet;

use crate::{
    Result,
    db::{Read, Write, from_row},
    ids::AccountId,
    params, sql,
};

/// Somebody as blocks know it: an account, and for a guest also the place that it comes from, because it
/// can be another account tomorrow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Somebody {
    /// By its account.
    pub account: String,
    /// By its place; as `account` for anyone but a guest.
    pub place: String,
}

impl Somebody {
    /// An account, and of a guest the place.
    pub fn new(account: AccountId, guest_at: Option<&str>) -> Self {
        let account = format!("a{account}");
        Somebody { place: guest_at.map_or_else(|| account.clone(), |place| format!("p{place}")), account }
    }
}

/// Keeps the two apart, in both directions.
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

/// Whether the two are kept apart.
pub fn stand_between(read: &Read<'_>, one: &Somebody, other: &Somebody) -> Result<bool> {
    read.one(
        sql!("SELECT EXISTS (SELECT 1 FROM blocks WHERE one IN ($1, $2) AND other IN ($3, $4))"),
        params![&one.account, &one.place, &other.account, &other.place],
        from_row,
    )
}

/// The accounts that are kept apart from each other as accounts, wherever they come from: the lower id
/// first.
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
