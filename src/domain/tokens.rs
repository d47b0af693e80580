//! Tokens: what programs act with, as a member or as an app, and how far that goes.

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

/// What a member's own tokens begin with, and an app's keys: scanners find them in code by it.
pub const PERSONAL: &str = "cht_";
/// The same of an app's keys.
pub const KEY: &str = "chk_";

/// Tokens of one member, and keys of one app.
const MOST: usize = 50;

/// How often the use of a token is noted.
const NOTED: Duration = Duration::from_secs(600);

/// What may be done with a token.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Scopes {
    /// Whatever changes nothing.
    pub read: bool,
    /// Whatever changes something.
    pub write: bool,
    /// Speaking for the people of an app's product.
    pub act_as: bool,
}

impl Scopes {
    /// Takes names with spaces or commas between them.
    pub fn parse(raw: &str) -> Result<Self> {
        let mut scopes = Scopes::default();
        for name in raw.split([' ', ',']).filter(|name| !name.is_empty()) {
            match name {
                "read" => scopes.read = true,
                "write" => scopes.write = true,
                "act_as" => scopes.act_as = true,
                _ => {
                    let why = format!("There is no scope {name:?}: take read, write or act_as.");
                    return Err(Error::invalid("scopes", why));
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

/// A token that holds, in the hand of whoever presented it.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The token.
    pub id: TokenId,
    /// What may be done with it.
    pub scopes: Scopes,
    /// The app whose key it is.
    pub app: Option<AppId>,
}

impl Grant {
    /// The app for whose people it may speak, if it may.
    pub fn speaks_for(&self) -> Option<AppId> {
        self.app.filter(|_| self.scopes.act_as)
    }
}

/// Whether this could be a token, and is no session's.
pub fn is_token(secret: &Secret) -> bool {
    secret.as_str().starts_with(PERSONAL) || secret.as_str().starts_with(KEY)
}

/// What this opens, and as whom; and whether its use is to be noted by [`touch`].
pub fn find(read: &Read<'_>, secret: &Secret) -> Result<Option<(Grant, Account, bool)>> {
    let Some((token, account)) = store::tokens::by_hash(read, &secret.hash())? else { return Ok(None) };
    let to_be_noted = token.seen_at.is_none_or(|seen| read.now().since(seen) > NOTED);
    let grant = Grant { id: token.id, scopes: Scopes::parse(&token.scopes)?, app: token.app };
    Ok(Some((grant, account, to_be_noted)))
}

/// Whether a token still opens something.
pub fn holds(read: &Read<'_>, id: TokenId) -> Result<bool> {
    store::tokens::holds(read, id)
}

/// Notes that a token is in use.
pub fn touch(tx: &mut Tx<'_>, id: TokenId) -> Result<()> {
    store::tokens::touch(tx, id)
}

/// Makes a token for this account: its secret is shown this once.
pub(super) fn make(
    tx: &mut Tx<'_>,
    account: AccountId,
    app: Option<AppId>,
    name: &Name,
    scopes: Scopes,
) -> Result<(Token, Secret)> {
    if store::tokens::of(tx, account, app)?.len() >= MOST {
        return Err(Error::invalid(
            "name",
            "There are fifty of them already. End one that is not used any more.",
        ));
    }
    let secret = fresh(if app.is_some() { KEY } else { PERSONAL })?;
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
    let made = store::tokens::of(tx, account, app)?.into_iter().find(|token| token.id == id);
    Ok((made.ok_or(Error::NotFound)?, secret))
}

/// 256 random bits behind a name that tells what they are.
fn fresh(prefix: &str) -> Result<Secret> {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
    Ok(Secret::presented(&format!("{prefix}{}", BASE64_URL_SAFE_NO_PAD.encode(random::<32>()?))))
}

impl Member {
    /// Makes a token that acts as oneself: its secret is shown this once.
    pub fn make_token(&self, tx: &mut Tx<'_>, name: &Name, scopes: Scopes) -> Result<(Token, Secret)> {
        if scopes.act_as {
            return Err(Error::invalid("scopes", "Only an app can speak for others."));
        }
        make(tx, self.id(), None, name, scopes)
    }

    /// One's own tokens.
    pub fn tokens(&self, read: &Read<'_>) -> Result<Vec<Token>> {
        store::tokens::of(read, self.id(), None)
    }

    /// Ends a token of one's own.
    pub fn end_token(&self, tx: &mut Tx<'_>, id: TokenId) -> Result<()> {
        if store::tokens::delete(tx, self.id(), id)? { Ok(()) } else { Err(Error::NotFound) }
    }
}

/// Deletes the tokens that expired a while ago.
pub fn purge_expired(tx: &mut Tx<'_>) -> Result<u64> {
    let before = tx.now() - Duration::from_secs(7 * 24 * 3600);
    store::tokens::purge_expired(tx, before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_named() {
        assert_eq!(Scopes::parse("write,read").expect("two").to_string(), "read write");
        assert!(Scopes::parse("").is_err() && Scopes::parse("read everything").is_err());
    }

    #[test]
    fn a_token_says_what_it_is_and_nothing_else() {
        let (one, other) = (fresh(KEY).expect("a key"), fresh(KEY).expect("another"));
        assert!(one.as_str().starts_with("chk_") && one.as_str().len() == 47);
        assert_ne!(one.as_str(), other.as_str());
        assert!(is_token(&one) && !is_token(&Secret::random().expect("a session's")));
    }
}
