//! Tokens: what programs act with, hashed, and as whom.

use super::accounts::{self, Account};
use crate::{
    Result,
    clock::Time,
    db::{Read, Row, Write},
    ids::{AccountId, AppId, TokenId},
    params, sql,
};

/// A token, without its secret.
#[derive(Clone, Debug)]
pub struct Token {
    /// Its id.
    pub id: TokenId,
    /// Its last four characters.
    pub hint: String,
    /// What it is for.
    pub name: String,
    /// What may be done with it, with spaces between.
    pub scopes: String,
    /// The app whose key it is.
    pub app: Option<AppId>,
    /// When it was made.
    pub created_at: Time,
    /// When it was last noted as used.
    pub seen_at: Option<Time>,
    /// From when on it opens nothing.
    pub expires_at: Option<Time>,
}

const COLUMNS: &str = "t.id, t.hint, t.name, t.scopes, t.app_id, t.created_at, t.seen_at, t.expires_at";

fn from_row(row: &Row<'_>, at: usize) -> Result<Token> {
    Ok(Token {
        id: row.get(at)?,
        hint: row.get(at + 1)?,
        name: row.get(at + 2)?,
        scopes: row.get(at + 3)?,
        app: row.get(at + 4)?,
        created_at: row.get(at + 5)?,
        seen_at: row.get(at + 6)?,
        expires_at: row.get(at + 7)?,
    })
}

/// What a new token's row needs.
#[derive(Debug)]
pub struct NewToken<'a> {
    /// SHA-256 of the secret, hex.
    pub token_hash: &'a str,
    /// Its last four characters.
    pub hint: &'a str,
    /// What it is for.
    pub name: &'a str,
    /// As whom it acts.
    pub account: AccountId,
    /// The app whose key it is.
    pub app: Option<AppId>,
    /// What may be done with it, with spaces between.
    pub scopes: &'a str,
    /// From when on it opens nothing.
    pub expires_at: Option<Time>,
}

/// Adds a token.
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

/// The token with this hash, and as whom it acts; unless it has run out.
pub fn by_hash(read: &Read<'_>, token_hash: &str) -> Result<Option<(Token, Account)>> {
    let now = read.now();
    read.first(
        sql!(
            "SELECT ",
            accounts::COLUMNS,
            ", ",
            COLUMNS,
            " FROM tokens t JOIN accounts a ON a.id = t.account_id LEFT JOIN apps x ON x.id = t.app_id
             WHERE t.token_hash = $1 AND (t.expires_at IS NULL OR t.expires_at > $2) AND x.deleted_at IS NULL"
        ),
        params![token_hash, now],
        |row| Ok((from_row(row, accounts::WIDTH)?, accounts::from_row(row)?)),
    )
}

/// Whether the token is there, and has not run out.
pub fn holds(read: &Read<'_>, id: TokenId) -> Result<bool> {
    let now = read.now();
    read.one(
        sql!(
            "SELECT EXISTS (SELECT 1 FROM tokens WHERE id = $1 AND (expires_at IS NULL OR expires_at > $2))"
        ),
        params![id, now],
        |row| row.get(0),
    )
}

/// Notes that the token is in use.
pub fn touch(tx: &mut Write<'_>, id: TokenId) -> Result<()> {
    let now = tx.now();
    tx.execute(sql!("UPDATE tokens SET seen_at = $1 WHERE id = $2"), params![now, id]).map(drop)
}

/// A member's own tokens, or an app's keys: those that still open something, the newest first.
pub fn of(read: &Read<'_>, account: AccountId, app: Option<AppId>) -> Result<Vec<Token>> {
    let now = read.now();
    read.all(
        sql!(
            "SELECT ",
            COLUMNS,
            " FROM tokens t WHERE t.account_id = $1 AND COALESCE(t.app_id, 0) = $2
               AND (t.expires_at IS NULL OR t.expires_at > $3)
             ORDER BY t.id DESC"
        ),
        params![account, app.unwrap_or(AppId(0)), now],
        |row| from_row(row, 0),
    )
}

/// Ends a token of this account. False where there is none.
pub fn delete(tx: &mut Write<'_>, account: AccountId, id: TokenId) -> Result<bool> {
    let ended =
        tx.execute(sql!("DELETE FROM tokens WHERE id = $1 AND account_id = $2"), params![id, account])?;
    Ok(ended == 1)
}

/// Ends all keys of an app.
pub fn delete_of(tx: &mut Write<'_>, app: AppId) -> Result<()> {
    tx.execute(sql!("DELETE FROM tokens WHERE app_id = $1"), params![app]).map(drop)
}

/// Ends an app's keys at this moment, where they would not end before.
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

/// Forgets tokens that ran out before `before`.
pub fn purge_expired(tx: &mut Write<'_>, before: Time) -> Result<u64> {
    tx.execute(sql!("DELETE FROM tokens WHERE expires_at < $1"), params![before])
}
