//! Accounts as JSON.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    ids::AccountId,
    store::{
        accounts::{self, Kind},
        messages::Speaker,
    },
};

/// Who said it, as it is called where it said it.
#[derive(Serialize, ToSchema)]
pub struct Account {
    id: AccountId,
    #[schema(pattern = "^(member|guest|bot|managed|stranger)$")]
    kind: &'static str,
    /// Of members, without the `@`; of an app’s people what the app calls them.
    #[schema(required)]
    username: Option<String>,
    name: String,
}

impl Account {
    /// An account under the name that it has somewhere.
    pub fn new(id: AccountId, kind: Kind, username: Option<&str>, name: &str) -> Self {
        Account { id, kind: kind.as_str(), username: username.map(Into::into), name: name.into() }
    }

    pub fn of(speaker: &Speaker) -> Self {
        Account::new(speaker.id, speaker.kind, speaker.username.as_deref(), &speaker.name)
    }
}

impl From<&accounts::Account> for Account {
    fn from(account: &accounts::Account) -> Self {
        Account::new(account.id, account.kind, account.username.as_deref(), &account.name)
    }
}
