//! The viewer: the account for which something is read.

use super::accounts::Member;
use crate::{ids::AccountId, store::accounts::Account};

/// An account that reads something, or a stranger. Reads whose result is shown to somebody take a viewer, so that one
/// place decides what is hidden from whom.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Viewer {
    /// The account; `None` for a stranger.
    pub account: Option<AccountId>,
}

impl Viewer {
    /// A viewer without an account, who sees what everyone may see.
    pub const STRANGER: Viewer = Viewer { account: None };
}

impl From<AccountId> for Viewer {
    fn from(account: AccountId) -> Self {
        Viewer { account: Some(account) }
    }
}

impl From<&Account> for Viewer {
    fn from(account: &Account) -> Self {
        account.id.into()
    }
}

impl From<&Member> for Viewer {
    fn from(member: &Member) -> Self {
        member.id().into()
    }
}
