//! Accounts as JSON.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    ids::AccountId,
    store::{
        accounts::{self, AccountKind},
        messages::Speaker,
    },
};

/// An account under its name in the place where it is shown.
#[derive(Serialize, ToSchema)]
pub struct Account {
    id: AccountId,
    #[schema(pattern = "^(member|guest|bot|managed|stranger)$")]
    kind: &'static str,
    /// A member’s username without the `@`, or an app’s own identifier of one of its people.
    #[schema(required)]
    username: Option<String>,
    name: String,
}

impl Account {
    /// Creates an account; `name` is its name in the place where it is shown.
    pub fn new(id: AccountId, kind: AccountKind, username: Option<&str>, name: &str) -> Self {
        Account { id, kind: kind.as_str(), username: username.map(Into::into), name: name.into() }
    }

    /// Creates the account of a message's author, by its name in the conversation.
    pub fn of(speaker: &Speaker) -> Self {
        Account::new(speaker.id, speaker.kind, speaker.username.as_deref(), &speaker.name)
    }
}

impl From<&accounts::Account> for Account {
    fn from(account: &accounts::Account) -> Self {
        Account::new(account.id, account.kind, account.username.as_deref(), &account.name)
    }
}
