//! Pages as JSON: drafts and published versions.

pub mod contact_messages;
pub mod pictures;
pub mod visits;

use serde::{Deserialize, Serialize};

use crate::{
    Error, Result,
    clock::Time,
    db::{Column, Read, Write, columns, from_row},
    ids::AccountId,
    params, sql,
};

/// The audience of a section or a picture, the narrowest first.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// Only the owner, in the editor.
    Nobody,
    /// Everyone who is logged in as a member.
    Members,
    /// Everyone, strangers and search engines included.
    #[default]
    Everyone,
}

impl Audience {
    /// All audiences, the widest first.
    pub const ALL: [Audience; 3] = [Audience::Everyone, Audience::Members, Audience::Nobody];

    /// Returns the name in forms and in the database.
    pub fn name(self) -> &'static str {
        match self {
            Audience::Everyone => "everyone",
            Audience::Members => "members",
            Audience::Nobody => "nobody",
        }
    }

    /// Parses a name from a form.
    pub fn parse(raw: &str) -> Result<Self> {
        let audience = Audience::ALL.into_iter().find(|audience| audience.name() == raw);
        audience.ok_or_else(|| Error::invalid("audience", "Choose who sees it."))
    }
}

impl Column for Audience {
    type Raw = String;
    fn from_raw(raw: String) -> Self {
        match raw.as_str() {
            "everyone" => Audience::Everyone,
            "members" => Audience::Members,
            _ => Audience::Nobody, // the narrowest
        }
    }
}

columns! {
    /// A page as it is stored.
    #[derive(Clone, Debug)]
    pub struct PageRow as g {
        /// The owner's version, as JSON.
        pub draft: String,
        /// The version that others see, as JSON.
        pub published: Option<String>,
        pub published_at: Option<Time>,
        /// The host name under which the page is the front page.
        pub host: Option<String>,
    }
}

pub fn by_account(read: &Read<'_>, account: AccountId) -> Result<Option<PageRow>> {
    read.first(
        sql!("SELECT ", PageRow::COLUMNS, " FROM pages g WHERE g.account_id = $1"),
        params![account],
        from_row,
    )
}

/// Locks the account's page until the transaction ends and returns the draft. Creates the page with the draft
/// `default_draft` where there is none.
pub fn lock(tx: &mut Write<'_>, account: AccountId, default_draft: &str) -> Result<String> {
    let now = tx.now();
    tx.one(
        sql!(
            "INSERT INTO pages (account_id, draft, changed_at) VALUES ($1, $2, $3)
             ON CONFLICT (account_id) DO UPDATE SET changed_at = $3 RETURNING draft"
        ),
        params![account, default_draft, now],
        from_row,
    )
}

pub fn set_draft(tx: &mut Write<'_>, account: AccountId, draft: &str) -> Result<()> {
    tx.execute(sql!("UPDATE pages SET draft = $1 WHERE account_id = $2"), params![draft, account]).map(drop)
}

/// Sets the published version.
pub fn publish(tx: &mut Write<'_>, account: AccountId, page: &str) -> Result<()> {
    let now = tx.now();
    tx.execute(
        sql!("UPDATE pages SET published = $1, published_at = $2 WHERE account_id = $3"),
        params![page, now, account],
    )
    .map(drop)
}

/// Removes the published version.
pub fn unpublish(tx: &mut Write<'_>, account: AccountId) -> Result<()> {
    tx.execute(
        sql!("UPDATE pages SET published = NULL, published_at = NULL WHERE account_id = $1"),
        params![account],
    )
    .map(drop)
}

/// Returns the account whose page has this host name.
pub fn by_host(read: &Read<'_>, host: &str) -> Result<Option<AccountId>> {
    read.first(sql!("SELECT g.account_id FROM pages g WHERE g.host = $1"), params![host], from_row)
}

/// Sets or removes the host name of a page.
pub fn set_host(tx: &mut Write<'_>, account: AccountId, host: Option<&str>) -> Result<()> {
    tx.execute(sql!("UPDATE pages SET host = $1 WHERE account_id = $2"), params![host, account]).map(drop)
}

/// Returns the host names of published pages, each with the owner's username.
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

/// Returns the owners' usernames and the times of publication of at most `limit` pages without a host name of their
/// own, latest first.
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
