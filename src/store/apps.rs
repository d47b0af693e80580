//! Apps: programs that members register, and the managed accounts of their products.

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
    pub struct RegisteredApp as x {
        pub id: AppId,
        /// The member who registered the app.
        pub owner: AccountId = "x.owner_id",
        /// The app's own account.
        pub bot: AccountId = "x.account_id",
        pub name: String,
        pub created_at: Time,
    }
}

/// Adds an app whose own account is `bot`.
pub fn insert(tx: &mut Write<'_>, owner: AccountId, bot: AccountId, name: &str) -> Result<AppId> {
    let id = AppId(tx.new_id());
    let now = tx.now();
    tx.execute(
        sql!("INSERT INTO apps (id, owner_id, account_id, name, created_at) VALUES ($1, $2, $3, $4, $5)"),
        params![id, owner, bot, name, now],
    )?;
    Ok(id)
}

/// Returns a member's apps, newest first.
pub fn by_owner(read: &Read<'_>, owner: AccountId) -> Result<Vec<RegisteredApp>> {
    read.all(
        sql!(
            "SELECT ",
            RegisteredApp::COLUMNS,
            " FROM apps x WHERE x.owner_id = $1 AND x.deleted_at IS NULL ORDER BY x.id DESC"
        ),
        params![owner],
        from_row,
    )
}

/// Returns an app, unless it was deleted.
pub fn by_id(read: &Read<'_>, id: AppId) -> Result<Option<RegisteredApp>> {
    read.first(
        sql!("SELECT ", RegisteredApp::COLUMNS, " FROM apps x WHERE x.id = $1 AND x.deleted_at IS NULL"),
        params![id],
        from_row,
    )
}

/// Marks an app as deleted. Its managed accounts and their messages stay.
pub fn delete(tx: &mut Write<'_>, id: AppId) -> Result<()> {
    let now = tx.now();
    tx.execute(sql!("UPDATE apps SET deleted_at = $1 WHERE id = $2"), params![now, id]).map(drop)
}

/// Returns the managed account with this handle.
pub fn person(read: &Read<'_>, app: AppId, handle: &str) -> Result<Option<Account>> {
    read.first(
        sql!("SELECT ", Account::COLUMNS, " FROM accounts a WHERE a.app_id = $1 AND a.handle = $2"),
        params![app, handle],
        from_row,
    )
}

/// Returns the number of an app's managed accounts.
pub fn count_people(read: &Read<'_>, app: AppId) -> Result<i64> {
    read.one(sql!("SELECT COUNT(*) FROM accounts WHERE app_id = $1"), params![app], from_row)
}

/// Adds a managed account. Returns `None` where another call has just added one with this handle.
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
