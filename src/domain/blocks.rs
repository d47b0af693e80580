//! Blocks: two people who are kept apart, for good and in both directions.

use crate::{
    Result,
    db::Read,
    events::Tx,
    ids::AccountId,
    store::{self, blocks::Side},
};

/// Someone as blocks know them.
#[derive(Clone, Copy, Debug)]
pub struct Party<'a> {
    pub account: AccountId,
    /// The hashed address, where it is known.
    pub ip_hash: &'a str,
    /// A guest can be another account tomorrow, so a block holds for the address, too.
    pub guest: bool,
}

impl<'a> Party<'a> {
    /// Describes an account whose address is not known or does not count.
    pub fn account(account: AccountId) -> Self {
        Party { account, ip_hash: "", guest: false }
    }

    fn ip_hash(&self) -> Option<&'a str> {
        self.guest.then_some(self.ip_hash)
    }

    fn sides(&self) -> impl Iterator<Item = Side<'a>> + use<'a> {
        [Some(Side::Account(self.account)), self.ip_hash().map(Side::IpHash)].into_iter().flatten()
    }
}

/// Returns whether a block keeps two people apart: the one answer to that question. The people behind masks, the owners
/// of bots and the addresses of guests count.
pub fn apart(read: &Read<'_>, one: &Party<'_>, other: &Party<'_>) -> Result<bool> {
    store::blocks::between(read, (one.account, one.ip_hash()), (other.account, other.ip_hash()))
}

/// Keeps two people apart. Guests of one address are kept apart by their accounts alone: everyone in a school has the
/// same address.
pub fn block(tx: &mut Tx<'_>, blocker: &Party<'_>, blocked: &Party<'_>) -> Result<()> {
    if blocker.ip_hash == blocked.ip_hash {
        let (one, other) = (Side::Account(blocker.account), Side::Account(blocked.account));
        return store::blocks::insert(tx, one, other, blocker.account);
    }
    for one in blocker.sides() {
        for other in blocked.sides() {
            store::blocks::insert(tx, one, other, blocker.account)?;
        }
    }
    Ok(())
}
