//! Tokens: the secrets with which programs act for a member or an app, and the scopes that limit them.

use std::{fmt, time::Duration};

use super::{accounts::Member, names::Name, sessions::Token as Secret};
use crate::{
    Error, Result,
    db::Read,
    events::Tx,
    ids::{AccountId, AppId, TokenId, random},
    store::{
        self,
        accounts::Account,
        tokens::{NewToken, Token},
    },
};

/// The prefix of a member's own tokens, by which secret scanners recognize them in code.
pub const PERSONAL: &str = "cht_";
/// The prefix of an app's keys, for the same reason.
pub const KEY: &str = "chk_";

/// The maximum number of tokens of one member, and of keys of one app.
const MAX_TOKENS: usize = 50;

/// The shortest time between two recorded uses of a token.
const TOUCH_INTERVAL: Duration = Duration::from_secs(600);

/// The actions that a token allows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Scopes {
    /// Requests that change nothing.
    pub read: bool,
    /// Requests that change something.
    pub write: bool,
    /// Requests on behalf of an app's managed accounts.
    pub act_as: bool,
}

impl Scopes {
    /// Parses scope names that are separated by spaces or commas.
    pub fn parse(raw: &str) -> Result<Self> {
        let mut scopes = Scopes::default();
        for name in raw.split([' ', ',']).filter(|name| !name.is_empty()) {
            match name {
                "read" => scopes.read = true,
                "write" => scopes.write = true,
                "act_as" => scopes.act_as = true,
                _ => {
                    let message = format!("There is no scope {name:?}: take read, write or act_as.");
                    return Err(Error::invalid("scopes", message));
                }
            }
        }
        if scopes == Scopes::default() {
            return Err(Error::invalid("scopes", "Choose at least one: read or write."));
        }
        Ok(scopes)
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = [("read", self.read), ("write", self.write), ("act_as", self.act_as)];
        let names: Vec<_> = named.into_iter().filter(|(_, on)| *on).map(|(name, _)| name).collect();
        f.write_str(&names.join(" "))
    }
}

/// A valid token, as a request carries it.
#[derive(Clone, Debug)]
pub struct Grant {
    pub id: TokenId,
    pub scopes: Scopes,
    /// The app, if the token is a key of one.
    pub app: Option<AppId>,
}

impl Grant {
    /// Returns the app for whose managed accounts the token may act, if there is one.
    pub fn acts_for(&self) -> Option<AppId> {
        self.app.filter(|_| self.scopes.act_as)
    }
}

/// Returns true if the secret has the prefix of a token; the secret of a session has none.
pub fn is_token(secret: &Secret) -> bool {
    secret.as_str().starts_with(PERSONAL) || secret.as_str().starts_with(KEY)
}

/// Returns the grant and the account of a token, and whether its use is to be recorded with [`touch`].
pub fn find(read: &Read<'_>, secret: &Secret) -> Result<Option<(Grant, Account, bool)>> {
    let Some((token, account)) = store::tokens::by_hash(read, &secret.hash())? else { return Ok(None) };
    let needs_touch = token.seen_at.is_none_or(|seen| read.now().since(seen) > TOUCH_INTERVAL);
    let grant = Grant { id: token.id, scopes: Scopes::parse(&token.scopes)?, app: token.app };
    Ok(Some((grant, account, needs_touch)))
}

/// Returns true if the token is still valid.
pub fn is_valid(read: &Read<'_>, id: TokenId) -> Result<bool> {
    store::tokens::is_valid(read, id)
}

/// Records that a token is in use.
pub fn touch(tx: &mut Tx<'_>, id: TokenId) -> Result<()> {
    store::tokens::touch(tx, id)
}

/// Creates a token for an account. The secret is returned only here.
pub(super) fn create(
    tx: &mut Tx<'_>,
    account: AccountId,
    app: Option<AppId>,
    name: &Name,
    scopes: Scopes,
) -> Result<(Token, Secret)> {
    if store::tokens::list(tx, account, app)?.len() >= MAX_TOKENS {
        return Err(Error::invalid(
            "name",
            "There are fifty of them already. End one that is not used any more.",
        ));
    }
    let secret = random_secret(if app.is_some() { KEY } else { PERSONAL })?;
    let hint = &secret.as_str()[secret.as_str().len() - 4..];
    let new = NewToken {
        token_hash: &secret.hash(),
        hint,
        name: name.as_str(),
        account,
        app,
        scopes: &scopes.to_string(),
        expires_at: None,
    };
    let id = store::tokens::insert(tx, &new)?;
    let token = store::tokens::list(tx, account, app)?.into_iter().find(|token| token.id == id);
    Ok((token.ok_or(Error::NotFound)?, secret))
}

/// Returns 256 random bits behind a prefix that names the kind of secret.
fn random_secret(prefix: &str) -> Result<Secret> {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
    Ok(Secret::presented(&format!("{prefix}{}", BASE64_URL_SAFE_NO_PAD.encode(random::<32>()?))))
}

impl Member {
    /// Creates a token that acts as the member. The secret is returned only here.
    pub fn make_token(&self, tx: &mut Tx<'_>, name: &Name, scopes: Scopes) -> Result<(Token, Secret)> {
        if scopes.act_as {
            return Err(Error::invalid("scopes", "Only an app can speak for others."));
        }
        create(tx, self.id(), None, name, scopes)
    }

    pub fn tokens(&self, read: &Read<'_>) -> Result<Vec<Token>> {
        store::tokens::list(read, self.id(), None)
    }

    /// Ends one of the member's own tokens.
    pub fn end_token(&self, tx: &mut Tx<'_>, id: TokenId) -> Result<()> {
        if store::tokens::delete(tx, self.id(), id)? { Ok(()) } else { Err(Error::NotFound) }
    }
}

/// Deletes the tokens that expired more than a week ago.
pub fn purge_expired(tx: &mut Tx<'_>) -> Result<u64> {
    let before = tx.now() - Duration::from_secs(7 * 24 * 3600);
    store::tokens::purge_expired(tx, before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_parsed_by_name() {
        assert_eq!(Scopes::parse("write,read").expect("two").to_string(), "read write");
        assert!(Scopes::parse("").is_err() && Scopes::parse("read everything").is_err());
    }

    #[test]
    fn a_token_is_a_prefix_and_random_characters() {
        let (one, other) = (random_secret(KEY).expect("a key"), random_secret(KEY).expect("another"));
        assert!(one.as_str().starts_with("chk_") && one.as_str().len() == 47);
        assert_ne!(one.as_str(), other.as_str());
        assert!(is_token(&one) && !is_token(&Secret::random().expect("a session's")));
    }
}
