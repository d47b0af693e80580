//! Apps: programs that members register, and the people of their products.

use super::accounts::Account;
use crate::{
    Result,
    clock::Time,
    db::{Read, Write, columns, from_row},
    ids::{AccountId, AppId},
    params, sql,
};

columns! {
    /// A program that a member registered.
    #[derive(Clone, Debug)]
    pub struct App as x {
        pub id: AppId,
        /// The member who registered the app.
        pub owner: AccountId = "x.owner_id",
        /// The app's own account.
        pub bot: AccountId = "x.account_id",
        pub name: String,
        pub created_at: Time,
    }
}

/// Adds an app, which is this bot itself.
pub fn insert(tx: &mut Write<'_>, owner: AccountId, bot: AccountId, name: &str) -> Result<AppId> {
    let id = AppId(tx.new_id());
    let now = tx.now();
    tx.execute(
        sql!("INSERT INTO apps (id, owner_id, account_id, name, created_at) VALUES ($1, $2, $3, $4, $5)"),
        params![id, owner, bot, name, now],
    )?;
    Ok(id)
}

/// The apps of a member, the newest first.
pub fn of(read: &Read<'_>, owner: AccountId) -> Result<Vec<App>> {
    read.all(
        sql!(
            "SELECT ",
            App::COLUMNS,
            " FROM apps x WHERE x.owner_id = $1 AND x.deleted_at IS NULL ORDER BY x.id DESC"
        ),
        params![owner],
        from_row,
    )
}

/// An app, unless it was deleted.
pub fn by_id(read: &Read<'_>, id: AppId) -> Result<Option<App>> {
    read.first(
        sql!("SELECT ", App::COLUMNS, " FROM apps x WHERE x.id = $1 AND x.deleted_at IS NULL"),
        params![id],
        from_row,
    )
}

/// The member who registered the app that this bot is.
pub fn owner_of_bot(read: &Read<'_>, bot: AccountId) -> Result<Option<AccountId>> {
    read.first(sql!("SELECT owner_id FROM apps WHERE account_id = $1"), params![bot], from_row)
}

/// Takes an app away. Its people and what they said stay.
pub fn delete(tx: &mut Write<'_>, id: AppId) -> Result<()> {
    let now = tx.now();
    tx.execute(sql!("UPDATE apps SET deleted_at = $1 WHERE id = $2"), params![now, id]).map(drop)
}

/// The person whom the app calls so.
pub fn person(read: &Read<'_>, app: AppId, handle: &str) -> Result<Option<Account>> {
    read.first(
        sql!("SELECT ", Account::COLUMNS, " FROM accounts a WHERE a.app_id = $1 AND a.handle = $2"),
        params![app, handle],
        from_row,
    )
}

/// How many people the app has named.
pub fn count_people(read: &Read<'_>, app: AppId) -> Result<i64> {
    read.one(sql!("SELECT COUNT(*) FROM accounts WHERE app_id = $1"), params![app], from_row)
}

/// Adds a person whom the app calls so. `None` where another call has just done it.
pub fn insert_person(tx: &mut Write<'_>, app: AppId, handle: &str) -> Result<Option<AccountId>> {
    let id = AccountId(tx.new_id());
    let now = tx.now();
    tx.first(
        sql!(
            "INSERT INTO accounts (id, kind, name, name_skeleton, created_at, app_id, handle)
             VALUES ($1, 'managed', $2, '', $3, $4, $2) ON CONFLICT DO NOTHING RETURNING id"
        ),
        params![id, handle, now, app],
        from_row,
    )
}
