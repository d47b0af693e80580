//! Sessions: who someone is, by the token in their cookie.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use crate::{
    Result,
    clock::Time,
    db::Read,
    events::Tx,
    ids::{AccountId, random},
    store::{self, accounts::Account},
};

/// How long a session lasts after it was last used.
pub const LASTS: Duration = Duration::from_secs(180 * 24 * 3600);

/// How often its use is noted: often enough for the above, rare enough to cost nothing.
const NOTED: Duration = Duration::from_secs(24 * 3600);

/// A session's secret: 256 random bits, in the cookie or the program alone. The database has its SHA-256, so a
/// stolen backup opens no session. It never prints itself.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// A fresh one.
    pub fn random() -> Result<Self> {
        Ok(Token(BASE64_URL_SAFE_NO_PAD.encode(random::<32>()?)))
    }

    /// What a cookie or a header says, whether or not it is one of ours.
    pub fn presented(value: &str) -> Self {
        Token(value.into())
    }

    /// For the cookie, or the program that asked for it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn hash(&self) -> String {
        crate::ids::hex(&Sha256::digest(self.0.as_bytes()))
    }
}

/// Starts a session for the account.
pub fn start(tx: &mut Tx<'_>, token: &Token, account: AccountId) -> Result<()> {
    store::sessions::insert(tx, &token.hash(), account)
}

/// Whose session it is, and whether its use is to be noted by [`touch`].
pub fn find(read: &Read<'_>, token: &Token) -> Result<Option<(Account, bool)>> {
    let now = read.now();
    let found = store::sessions::account(read, &token.hash(), now - LASTS)?;
    Ok(found.map(|(account, seen_at)| (account, now.since(seen_at) > NOTED)))
}

/// Notes that the session is in use.
pub fn touch(tx: &mut Tx<'_>, token: &Token) -> Result<()> {
    store::sessions::touch(tx, &token.hash())
}

/// Ends the session.
pub fn end(tx: &mut Tx<'_>, token: &Token) -> Result<()> {
    store::sessions::delete(tx, &token.hash())
}

/// Deletes the sessions that have expired.
pub fn purge_expired(tx: &mut Tx<'_>) -> Result<u64> {
    let since: Time = tx.now() - LASTS;
    store::sessions::delete_stale(tx, since)
}
