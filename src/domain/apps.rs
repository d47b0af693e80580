//! Apps: programs that members register. An app with the scope `act_as` acts for the people of its own product, who
//! are managed accounts in a namespace of the app.

use std::time::Duration;

use super::{
    accounts::{self, Member},
    names::{Name, skeleton},
    sessions::Token as Secret,
    text::{self, Rules},
    tokens::{self, Scopes},
};
use crate::{
    Error, Result,
    db::Read,
    events::Tx,
    ids::{AppId, TokenId},
    store::{
        self,
        accounts::{Account, AccountKind},
        apps::RegisteredApp,
        tokens::Token,
    },
};

/// The maximum number of apps of one member.
const MAX_APPS: usize = 20;

/// The maximum number of managed accounts of one app: a community and its neighbours. A larger product runs an instance
/// of its own.
const MAX_PEOPLE: i64 = 20_000;

/// The time for which old keys stay valid after they are replaced, so that the new key can be copied to all of the
/// app's servers.
pub const OVERLAP: Duration = Duration::from_secs(24 * 3600);

/// Parses an app's name for a person of its product: 1 to 64 characters on one line, unchanged.
pub fn handle(raw: &str) -> Result<String> {
    let rules = Rules { field: "users", limit: 64, lines: false, empty: "Name somebody." };
    let handle = text::clean(raw, rules)?;
    if text::is_disguised(&handle) {
        return Err(Error::invalid("users", "There are hidden characters in that name. Take them out."));
    }
    Ok(handle)
}

/// Returns the app's managed accounts with these names, in the same order. A name that is new creates an account.
pub(super) fn people(tx: &mut Tx<'_>, app: AppId, handles: &[String]) -> Result<Vec<Account>> {
    let (mut people, mut created) = (Vec::new(), false);
    for handle in handles {
        let person = match store::apps::person(tx, app, handle)? {
            Some(person) => person,
            None => {
                created = true;
                store::apps::insert_person(tx, app, handle)?;
                store::apps::person(tx, app, handle)?.ok_or(Error::NotFound)?
            }
        };
        people.push(person);
    }
    if created && store::apps::count_people(tx, app)? > MAX_PEOPLE {
        return Err(Error::invalid("users", "An app has 20,000 people at the most, and this one has them."));
    }
    Ok(people)
}

/// Returns the app's managed account with this name. Refuses a name that the app has not used before.
pub fn find_person(read: &Read<'_>, app: AppId, raw: &str) -> Result<Account> {
    let unknown = || {
        Error::invalid_query("as", format!("The app knows nobody called {raw:?}: name them in users first."))
    };
    let handle = handle(raw).map_err(|_| unknown())?;
    store::apps::person(read, app, &handle)?.ok_or_else(unknown)
}

impl Member {
    pub fn register_app(&self, tx: &mut Tx<'_>, name: &Name) -> Result<RegisteredApp> {
        accounts::check_name(tx, name, Some(self.id()))?;
        if store::apps::by_owner(tx, self.id())?.len() >= MAX_APPS {
            return Err(Error::invalid(
                "name",
                "You have twenty apps already. Delete one that is not used any more.",
            ));
        }
        let bot =
            store::accounts::insert_nameless(tx, AccountKind::Bot, name.as_str(), &skeleton(name.as_str()))?;
        let id = store::apps::insert(tx, self.id(), bot, name.as_str())?;
        store::apps::by_id(tx, id)?.ok_or(Error::NotFound)
    }

    /// Returns the member's own apps.
    pub fn apps(&self, read: &Read<'_>) -> Result<Vec<RegisteredApp>> {
        store::apps::by_owner(read, self.id())
    }

    /// Returns one of the member's own apps.
    pub fn app(&self, read: &Read<'_>, id: AppId) -> Result<OwnApp> {
        let app = store::apps::by_id(read, id)?.filter(|app| app.owner == self.id());
        app.map(OwnApp).ok_or(Error::NotFound)
    }
}

/// An app together with the permission to manage it, which only its owner gets.
#[derive(Clone, Debug)]
pub struct OwnApp(RegisteredApp);

impl OwnApp {
    pub fn app(&self) -> &RegisteredApp {
        &self.0
    }

    pub fn keys(&self, read: &Read<'_>) -> Result<Vec<Token>> {
        store::tokens::list(read, self.0.bot, Some(self.0.id))
    }

    /// Creates a key and returns its secret, which cannot be read again.
    pub fn make_key(&self, tx: &mut Tx<'_>, name: &Name, scopes: Scopes) -> Result<(Token, Secret)> {
        tokens::create(tx, self.0.bot, Some(self.0.id), name, scopes)
    }

    /// Creates a key that replaces all others, which stay valid for [`OVERLAP`].
    pub fn rotate_keys(&self, tx: &mut Tx<'_>, name: &Name, scopes: Scopes) -> Result<(Token, Secret)> {
        let ends = tx.now() + OVERLAP;
        store::tokens::expire_of(tx, self.0.id, ends)?;
        self.make_key(tx, name, scopes)
    }

    /// Ends a key at once.
    pub fn end_key(&self, tx: &mut Tx<'_>, id: TokenId) -> Result<()> {
        if store::tokens::delete(tx, self.0.bot, id)? { Ok(()) } else { Err(Error::NotFound) }
    }

    /// Deletes the app and ends its keys at once. The messages of its people stay.
    pub fn delete(&self, tx: &mut Tx<'_>) -> Result<()> {
        store::tokens::delete_of(tx, self.0.id)?;
        store::webhooks::delete_of(tx, self.0.id)?;
        store::apps::delete(tx, self.0.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_may_use_any_visible_name_for_its_people() {
        for name in ["alma", "user-17", "Bob O’Hara", "b@example.org", "小明"] {
            assert_eq!(handle(name).expect("a name"), name);
        }
        for name in ["", " ", "a\nb", "a\u{200B}b", &"x".repeat(65)] {
            assert!(handle(name).is_err(), "{name:?}");
        }
    }
}
