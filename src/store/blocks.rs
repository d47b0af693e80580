//! Blocks: pairs of people who are kept apart.

use std::collections::HashSet;

use crate::{
    Result,
    db::{Read, Write, from_row},
    ids::AccountId,
    params, sql,
};

/// One side of a block: an account, or the hashed address of a guest, because a guest can return with another account.
#[derive(Clone, Copy, Debug)]
pub enum Side<'a> {
    Account(AccountId),
    IpHash(&'a str),
}

impl<'a> Side<'a> {
    fn columns(self) -> (Option<AccountId>, Option<&'a str>) {
        match self {
            Side::Account(id) => (Some(id), None),
            Side::IpHash(hash) => (None, Some(hash)),
        }
    }
}

/// Keeps two sides apart, in both directions: `everywhere`, or in the matching only. A block that acts everywhere is
/// never narrowed.
pub fn insert(
    tx: &mut Write<'_>,
    one: Side<'_>,
    other: Side<'_>,
    blocker: AccountId,
    everywhere: bool,
) -> Result<()> {
    let now = tx.now();
    for (side, other) in [(one, other), (other, one)] {
        let ((account, ip_hash), (other_account, other_ip_hash)) = (side.columns(), other.columns());
        tx.execute(
            sql!(
                "INSERT INTO blocks (account_id, ip_hash, other_account_id, other_ip_hash, blocker_id, created_at,
                                     everywhere)
                 VALUES ($1, $2, $3, $4, $5, $6, $7)
                 ON CONFLICT (COALESCE(account_id, 0), COALESCE(ip_hash, ''), COALESCE(other_account_id, 0),
                              COALESCE(other_ip_hash, ''), blocker_id)
                 DO UPDATE SET everywhere = blocks.everywhere OR excluded.everywhere"
            ),
            params![account, ip_hash, other_account, other_ip_hash, blocker, now, everywhere],
        )?;
    }
    Ok(())
}

/// Returns whether a block keeps two people apart, by their accounts or by the hashed addresses of guests. For a mask
/// the account behind it counts, and for a bot also the owner of its app. In the matching all blocks count, elsewhere
/// those that act everywhere.
pub fn between(
    read: &Read<'_>,
    (one, one_ip_hash): (AccountId, Option<&str>),
    (other, other_ip_hash): (AccountId, Option<&str>),
    in_matching: bool,
) -> Result<bool> {
    read.one(
        sql!(
            "SELECT EXISTS (
                 SELECT 1 FROM blocks b
                 WHERE (b.account_id IN (SELECT COALESCE(a.mask_of, a.id) FROM accounts a WHERE a.id = $1
                                         UNION ALL SELECT x.owner_id FROM apps x WHERE x.account_id = $1)
                        OR b.ip_hash = $2)
                   AND (b.other_account_id IN (SELECT COALESCE(a.mask_of, a.id) FROM accounts a WHERE a.id = $3
                                               UNION ALL SELECT x.owner_id FROM apps x WHERE x.account_id = $3)
                        OR b.other_ip_hash = $4)
                   AND (b.everywhere OR $5))"
        ),
        params![one, one_ip_hash, other, other_ip_hash, in_matching],
        from_row,
    )
}

/// The SQL condition that a block keeps two waiting people apart: `me` and `s`, two rows of `tickets`.
pub(super) const APART: &str = "EXISTS (
    SELECT 1 FROM blocks b
    WHERE (b.account_id = me.account_id OR (me.guest AND b.ip_hash = me.ip_hash))
      AND (b.other_account_id = s.account_id OR (s.guest AND b.other_ip_hash = s.ip_hash)))";

/// Returns the accounts that are kept apart as accounts, the lower id first.
pub fn between_accounts(read: &Read<'_>) -> Result<HashSet<(AccountId, AccountId)>> {
    let pairs: Vec<(AccountId, AccountId)> = read.all(
        sql!("SELECT account_id, other_account_id FROM blocks WHERE account_id < other_account_id"),
        params![],
        from_row,
    )?;
    Ok(pairs.into_iter().collect())
}
