//! Tokens by which programs act as an account, stored as hashes.

use super::accounts::Account;
use crate::{
    Result,
    clock::Time,
    db::{Read, Write, columns, from_row},
    ids::{AccountId, AppId, TokenId},
    params, sql,
};

columns! {
    /// A token, without its secret.
    #[derive(Clone, Debug)]
    pub struct Token as t {
        pub id: TokenId,
        /// The last four characters.
        pub hint: String,
        /// The owner's name for the token.
        pub name: String,
        /// The permissions, separated by spaces.
        pub scopes: String,
        /// The app whose key it is.
        pub app: Option<AppId> = "t.app_id",
        pub created_at: Time,
        /// The last recorded use.
        pub seen_at: Option<Time>,
        /// From then on the token is refused.
        pub expires_at: Option<Time>,
    }
}

/// The values of a new token's row.
#[derive(Debug)]
pub struct NewToken<'a> {
    /// SHA-256 of the secret, hex.
    pub token_hash: &'a str,
    /// The last four characters.
    pub hint: &'a str,
    /// The owner's name for the token.
    pub name: &'a str,
    /// The account as which the token acts.
    pub account: AccountId,
    /// The app whose key it is.
    pub app: Option<AppId>,
    /// The permissions, separated by spaces.
    pub scopes: &'a str,
    /// From then on the token is refused.
    pub expires_at: Option<Time>,
}

pub fn insert(tx: &mut Write<'_>, new: &NewToken<'_>) -> Result<TokenId> {
    let id = TokenId(tx.new_id());
    let now = tx.now();
    tx.execute(
        sql!(
            "INSERT INTO tokens (id, token_hash, hint, name, account_id, app_id, scopes, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
        ),
        params![id, new.token_hash, new.hint, new.name, new.account, new.app, new.scopes, now, new.expires_at],
    )?;
    Ok(id)
}

/// Returns the token with this hash and the account as which it acts, unless the token has expired.
pub fn by_hash(read: &Read<'_>, token_hash: &str) -> Result<Option<(Token, Account)>> {
    let now = read.now();
    read.first(
        sql!(
            "SELECT ",
            Token::COLUMNS,
            ", ",
            Account::COLUMNS,
            " FROM tokens t JOIN accounts a ON a.id = t.account_id LEFT JOIN apps x ON x.id = t.app_id
             WHERE t.token_hash = $1 AND (t.expires_at IS NULL OR t.expires_at > $2) AND x.deleted_at IS NULL"
        ),
        params![token_hash, now],
        from_row,
    )
}

/// Returns whether the token exists and has not expired.
pub fn is_valid(read: &Read<'_>, id: TokenId) -> Result<bool> {
    let now = read.now();
    read.one(
        sql!(
            "SELECT EXISTS (SELECT 1 FROM tokens WHERE id = $1 AND (expires_at IS NULL OR expires_at > $2))"
        ),
        params![id, now],
        from_row,
    )
}

/// Records a use of the token.
pub fn touch(tx: &mut Write<'_>, id: TokenId) -> Result<()> {
    let now = tx.now();
    tx.execute(sql!("UPDATE tokens SET seen_at = $1 WHERE id = $2"), params![now, id]).map(drop)
}

/// Returns a member's own tokens, or an app's keys, newest first. Expired ones are left out.
pub fn list(read: &Read<'_>, account: AccountId, app: Option<AppId>) -> Result<Vec<Token>> {
    let now = read.now();
    read.all(
        sql!(
            "SELECT ",
            Token::COLUMNS,
            " FROM tokens t WHERE t.account_id = $1 AND COALESCE(t.app_id, 0) = $2
               AND (t.expires_at IS NULL OR t.expires_at > $3)
             ORDER BY t.id DESC"
        ),
        params![account, app.unwrap_or(AppId(0)), now],
        from_row,
    )
}

/// Deletes a token of this account. Returns false where there is none.
pub fn delete(tx: &mut Write<'_>, account: AccountId, id: TokenId) -> Result<bool> {
    let deleted =
        tx.execute(sql!("DELETE FROM tokens WHERE id = $1 AND account_id = $2"), params![id, account])?;
    Ok(deleted == 1)
}

/// Deletes all keys of an app.
pub fn delete_of(tx: &mut Write<'_>, app: AppId) -> Result<()> {
    tx.execute(sql!("DELETE FROM tokens WHERE app_id = $1"), params![app]).map(drop)
}

/// Sets the expiry of an app's keys to `at`, except for keys that expire before.
pub fn expire_of(tx: &mut Write<'_>, app: AppId, at: Time) -> Result<()> {
    tx.execute(
        sql!(
            "UPDATE tokens SET expires_at = $1
             WHERE app_id = $2 AND (expires_at IS NULL OR expires_at > $1)"
        ),
        params![at, app],
    )?;
    Ok(())
}

/// Deletes tokens that expired before `before`.
pub fn purge_expired(tx: &mut Write<'_>, before: Time) -> Result<u64> {
    tx.execute(sql!("DELETE FROM tokens WHERE expires_at < $1"), params![before])
}
