//! Sessions: an account is identified by the token in a cookie.

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

/// The time that a session lasts after its last use.
pub const LIFETIME: Duration = Duration::from_secs(180 * 24 * 3600);

/// The shortest time between two recorded uses of a session: often enough for [`LIFETIME`], rare enough to cost
/// nothing.
const TOUCH_INTERVAL: Duration = Duration::from_secs(24 * 3600);

/// A session's secret: 256 random bits, which only the cookie or the program has. The database stores the SHA-256, so
/// that the sessions in a stolen backup cannot be used. The type has no `Debug`, so that no secret is printed.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    pub fn random() -> Result<Self> {
        Ok(Token(BASE64_URL_SAFE_NO_PAD.encode(random::<32>()?)))
    }

    /// Wraps the value of a cookie or a header, valid or not.
    pub fn presented(value: &str) -> Self {
        Token(value.into())
    }

    /// Returns the secret, for the cookie or for the program that asked for one.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn hash(&self) -> String {
        crate::ids::hex(&Sha256::digest(self.0.as_bytes()))
    }
}

/// Starts a session of this account with this token.
pub fn start(tx: &mut Tx<'_>, token: &Token, account: AccountId) -> Result<()> {
    store::sessions::insert(tx, &token.hash(), account)
}

/// Returns the session's account, and whether the use is to be recorded with [`touch`].
pub fn find(read: &Read<'_>, token: &Token) -> Result<Option<(Account, bool)>> {
    let now = read.now();
    let row = store::sessions::account(read, &token.hash(), now - LIFETIME)?;
    Ok(row.map(|(account, seen_at)| (account, now.since(seen_at) > TOUCH_INTERVAL)))
}

/// Records that the session is in use.
pub fn touch(tx: &mut Tx<'_>, token: &Token) -> Result<()> {
    store::sessions::touch(tx, &token.hash())
}

/// Ends the session with this token.
pub fn end(tx: &mut Tx<'_>, token: &Token) -> Result<()> {
    store::sessions::delete(tx, &token.hash())
}

/// Deletes the sessions that have expired.
pub fn purge_expired(tx: &mut Tx<'_>) -> Result<u64> {
    let since: Time = tx.now() - LIFETIME;
    store::sessions::delete_stale(tx, since)
}
