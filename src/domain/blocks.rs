//! Blocks: two people who are kept apart, for good and in both directions.

use crate::{
    Result,
    db::Read,
    events::Tx,
    ids::AccountId,
    store::{self, blocks::Side},
};

/// The account and the address of a person, by which blocks apply.
#[derive(Clone, Copy, Debug)]
pub struct Party<'a> {
    pub account: AccountId,
    /// The IP hash; empty where the address is not known.
    pub ip_hash: &'a str,
    /// True if the account is a guest. A guest can return with another account, so a block also holds for the address.
    pub guest: bool,
}

impl<'a> Party<'a> {
    /// Creates the party of an account whose address is not known or does not count.
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

/// The part of the product in which a block acts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// The matching only: the block comes from a talk in which the two had not revealed themselves. Nothing outside the
    /// talk depends on it, because that would tell who the stranger was.
    Matching,
    Everywhere,
}

/// Returns whether a block keeps two people apart in this part of the product. All code that needs the answer calls
/// this function. Blocks also apply to the people behind masks, the owners of bots and the addresses of guests.
pub fn apart(read: &Read<'_>, one: &Party<'_>, other: &Party<'_>, scope: Scope) -> Result<bool> {
    let in_matching = scope == Scope::Matching;
    store::blocks::between(read, (one.account, one.ip_hash()), (other.account, other.ip_hash()), in_matching)
}

/// Keeps two people apart. Two people with one address are kept apart by their accounts alone, because everyone in a
/// school has the same address.
pub fn block(tx: &mut Tx<'_>, blocker: &Party<'_>, blocked: &Party<'_>, scope: Scope) -> Result<()> {
    let everywhere = scope == Scope::Everywhere;
    if blocker.ip_hash == blocked.ip_hash {
        let (one, other) = (Side::Account(blocker.account), Side::Account(blocked.account));
        return store::blocks::insert(tx, one, other, blocker.account, everywhere);
    }
    for one in blocker.sides() {
        for other in blocked.sides() {
            store::blocks::insert(tx, one, other, blocker.account, everywhere)?;
        }
    }
    Ok(())
}
