//! Pages, as JSON: the draft, and what others see.

pub mod letters;
pub mod pictures;
pub mod visits;

use crate::{
    Result,
    clock::Time,
    db::{Read, Write, columns, from_row},
    ids::AccountId,
    params, sql,
};

columns! {
    /// A page as it is stored.
    #[derive(Clone, Debug)]
    pub struct Kept as g {
        /// What the owner edits, as JSON.
        pub draft: String,
        /// What others see, as JSON.
        pub published: Option<String>,
        pub published_at: Option<Time>,
        /// The host name under which the page is the front page.
        pub host: Option<String>,
    }
}

/// The account's page.
pub fn by_account(read: &Read<'_>, account: AccountId) -> Result<Option<Kept>> {
    read.first(
        sql!("SELECT ", Kept::COLUMNS, " FROM pages g WHERE g.account_id = $1"),
        params![account],
        from_row,
    )
}

/// Takes the page, so that nobody else changes it in the meantime; begins with this where there is none. Gives the
/// draft.
pub fn lock(tx: &mut Write<'_>, account: AccountId, begun: &str) -> Result<String> {
    let now = tx.now();
    tx.one(
        sql!(
            "INSERT INTO pages (account_id, draft, changed_at) VALUES ($1, $2, $3)
             ON CONFLICT (account_id) DO UPDATE SET changed_at = $3 RETURNING draft"
        ),
        params![account, begun, now],
        from_row,
    )
}

/// Keeps the draft.
pub fn set_draft(tx: &mut Write<'_>, account: AccountId, draft: &str) -> Result<()> {
    tx.execute(sql!("UPDATE pages SET draft = $1 WHERE account_id = $2"), params![draft, account]).map(drop)
}

/// Shows this to others.
pub fn publish(tx: &mut Write<'_>, account: AccountId, page: &str) -> Result<()> {
    let now = tx.now();
    tx.execute(
        sql!("UPDATE pages SET published = $1, published_at = $2 WHERE account_id = $3"),
        params![page, now, account],
    )
    .map(drop)
}

/// Shows others nothing any more.
pub fn unpublish(tx: &mut Write<'_>, account: AccountId) -> Result<()> {
    tx.execute(
        sql!("UPDATE pages SET published = NULL, published_at = NULL WHERE account_id = $1"),
        params![account],
    )
    .map(drop)
}

/// Whose page a host name leads to.
pub fn by_host(read: &Read<'_>, host: &str) -> Result<Option<AccountId>> {
    read.first(sql!("SELECT g.account_id FROM pages g WHERE g.host = $1"), params![host], from_row)
}

/// Maps a host name to the page, or none any more.
pub fn set_host(tx: &mut Write<'_>, account: AccountId, host: Option<&str>) -> Result<()> {
    tx.execute(sql!("UPDATE pages SET host = $1 WHERE account_id = $2"), params![host, account]).map(drop)
}

/// Every host name that leads to a page that others see, and whose it is.
pub fn hosts(read: &Read<'_>) -> Result<Vec<(String, String)>> {
    read.all(
        sql!(
            "SELECT g.host, a.username FROM pages g JOIN accounts a ON a.id = g.account_id
             WHERE g.host IS NOT NULL AND g.published_at IS NOT NULL"
        ),
        params![],
        from_row,
    )
}

/// Whose pages others see without a host name of their own, and since when, the latest first; at most `limit`.
pub fn published(read: &Read<'_>, limit: i64) -> Result<Vec<(String, Time)>> {
    read.all(
        sql!(
            "SELECT a.username, g.published_at FROM pages g JOIN accounts a ON a.id = g.account_id
             WHERE g.published_at IS NOT NULL AND g.host IS NULL ORDER BY g.published_at DESC LIMIT $1"
        ),
        params![limit],
        from_row,
    )
}
