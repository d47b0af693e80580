//! Blocks: two who are kept apart, for good and in both directions.

use crate::{
    Result,
    events::Tx,
    ids::AccountId,
    store::{self, blocks::Somebody},
};

/// Somebody to be kept apart from somebody else.
#[derive(Clone, Debug)]
pub struct Side<'a> {
    /// Who.
    pub account: AccountId,
    /// Where it comes from, as a keyed hash.
    pub place: &'a str,
    /// A guest can be another account tomorrow; so it is known by its place as well.
    pub guest: bool,
}

impl Side<'_> {
    fn somebody(&self) -> Somebody {
        Somebody::new(self.account, self.guest.then_some(self.place))
    }
}

/// Keeps the two apart. A place is never kept apart from itself: a school would be from its own pupils.
pub fn block(tx: &mut Tx<'_>, blocker: &Side<'_>, blocked: &Side<'_>) -> Result<()> {
    let (one, other) = (blocker.somebody(), blocked.somebody());
    store::blocks::insert(tx, &one.account, &other.account, blocker.account)?;
    if blocker.place == blocked.place {
        return Ok(());
    }
    for (one, other) in
        [(&one.account, &other.place), (&one.place, &other.account), (&one.place, &other.place)]
    {
        store::blocks::insert(tx, one, other, blocker.account)?;
    }
    Ok(())
}
