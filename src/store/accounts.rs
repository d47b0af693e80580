//! Accounts: members, guests, bots, managed accounts and masks.

use crate::{
    Error, Result,
    clock::Time,
    db::{Column, Read, Write, columns, from_row},
    ids::{AccountId, AppId},
    params, sql,
};

/// The kind of an account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AccountKind {
    /// An account with an email, a password and a username.
    Member,
    /// An account with a display name only, which lasts as long as its session.
    Guest,
    /// An account that acts by token and is owned by a member.
    Bot,
    /// An account that an app creates for a person of its own product, and acts for.
    Managed,
    /// A mask in a match: stands for an account whose identity is not shown.
    Stranger,
}

impl AccountKind {
    /// Returns the name that is stored and shown in `data-kind`.
    pub fn as_str(self) -> &'static str {
        match self {
            AccountKind::Member => "member",
            AccountKind::Guest => "guest",
            AccountKind::Bot => "bot",
            AccountKind::Managed => "managed",
            AccountKind::Stranger => "stranger",
        }
    }
}

impl Column for AccountKind {
    type Raw = String;
    fn from_raw(raw: String) -> Self {
        match raw.as_str() {
            "member" => AccountKind::Member,
            "bot" => AccountKind::Bot,
            "managed" => AccountKind::Managed,
            "stranger" => AccountKind::Stranger,
            _ => AccountKind::Guest, // the kind with the fewest rights
        }
    }
}

columns! {
    /// An account, without its secrets.
    #[derive(Clone, Debug)]
    pub struct Account as a {
        /// The id, which never changes.
        pub id: AccountId,
        pub kind: AccountKind = KIND,
        /// The unique handle, in lower case, without the `@`; for a managed account the handle that its app uses.
        /// Guests have none.
        pub username: Option<String> = USERNAME,
        /// The display name.
        pub name: String,
        /// True if the account administers this instance.
        pub admin: bool,
        /// True if an email is sent to the account when it is mentioned.
        pub mention_mail: bool,
        pub created_at: Time,
        /// The app that manages the account.
        pub app: Option<AppId> = "a.app_id",
    }
}

/// The account or app to which a limit applies: an app's people share one count.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum QuotaKey {
    Account(AccountId),
    /// All people of an app's product.
    App(AppId),
}

impl Account {
    /// Returns the key under which limits count the actions of this account.
    pub fn quota_key(&self) -> QuotaKey {
        self.app.map_or(QuotaKey::Account(self.id), QuotaKey::App)
    }
}

/// The handle of account `a`: a member's username, or the handle that an app uses for a managed account.
pub(super) const USERNAME: &str = "COALESCE(a.username, a.handle)";

/// The kind of account `a`. A mask is stored as a guest, and nobody logs in as one.
pub(super) const KIND: &str = "CASE WHEN a.mask_of IS NULL THEN a.kind ELSE 'stranger' END";

/// The values of a new member's row.
#[derive(Debug)]
pub struct NewMember<'a> {
    /// In lower case.
    pub username: &'a str,
    pub name: &'a str,
    pub skeletons: Skeletons<'a>,
    /// The address as typed.
    pub email: &'a str,
    /// The address in the form that is compared.
    pub email_key: &'a str,
    /// Argon2id, as a PHC string.
    pub password_hash: &'a str,
}

/// The skeletons of a name and a username: texts that look alike have the same skeleton.
#[derive(Clone, Copy, Debug)]
pub struct Skeletons<'a> {
    pub name: &'a str,
    pub username: &'a str,
}

/// Adds a member. Returns `None` where the username or the email has just been taken.
pub fn insert_member(tx: &mut Write<'_>, new: &NewMember<'_>) -> Result<Option<AccountId>> {
    let id = AccountId(tx.new_id());
    tx.first(
        sql!(
            "INSERT INTO accounts (id, kind, username, name, email, email_key, password_hash, created_at,
                                   name_skeleton, username_skeleton)
             VALUES ($1, 'member', $2, $3, $4, $5, $6, $7, $8, $9)
             ON CONFLICT DO NOTHING RETURNING id"
        ),
        params![
            id,
            new.username,
            new.name,
            new.email,
            new.email_key,
            new.password_hash,
            tx.now(),
            new.skeletons.name,
            new.skeletons.username,
        ],
        from_row,
    )
}

/// Converts a guest to a member with the same account id. Returns false where the account is no guest any more. The
/// caller checks that the username and the email are free.
pub fn claim(tx: &mut Write<'_>, id: AccountId, new: &NewMember<'_>) -> Result<bool> {
    let claimed = tx.execute(
        sql!(
            "UPDATE accounts SET kind = 'member', username = $1, name = $2, email = $3, email_key = $4,
                                 password_hash = $5, name_skeleton = $6, username_skeleton = $7
             WHERE id = $8 AND kind = 'guest' AND swept_at IS NULL"
        ),
        params![
            new.username,
            new.name,
            new.email,
            new.email_key,
            new.password_hash,
            new.skeletons.name,
            new.skeletons.username,
            id,
        ],
    )?;
    Ok(claimed == 1)
}

/// Adds an account that has a name and no username: a guest or a bot.
pub fn insert_nameless(
    tx: &mut Write<'_>,
    kind: AccountKind,
    name: &str,
    skeleton: &str,
) -> Result<AccountId> {
    let id = AccountId(tx.new_id());
    let now = tx.now();
    tx.execute(
        sql!(
            "INSERT INTO accounts (id, kind, name, name_skeleton, created_at)
             VALUES ($1, $2, $3, $4, $5)"
        ),
        params![id, kind.as_str(), name, skeleton, now],
    )?;
    Ok(id)
}

/// Adds a mask: an account under another name, which stands for `account`.
pub fn insert_mask(tx: &mut Write<'_>, account: AccountId, name: &str) -> Result<AccountId> {
    let id = AccountId(tx.new_id());
    let now = tx.now();
    tx.execute(
        sql!(
            "INSERT INTO accounts (id, kind, name, name_skeleton, created_at, mask_of)
             VALUES ($1, 'guest', $2, '', $3, $4)"
        ),
        params![id, name, now, account],
    )?;
    Ok(id)
}

/// Renames a mask.
pub fn rename_mask(tx: &mut Write<'_>, id: AccountId, name: &str) -> Result<()> {
    tx.execute(
        sql!("UPDATE accounts SET name = $1 WHERE id = $2 AND mask_of IS NOT NULL"),
        params![name, id],
    )?;
    Ok(())
}

/// Returns whether the account has confirmed that it is of age.
pub fn is_adult(read: &Read<'_>, id: AccountId) -> Result<bool> {
    read.one(sql!("SELECT adult_at IS NOT NULL FROM accounts WHERE id = $1"), params![id], from_row)
}

/// Records that the account has confirmed that it is of age.
pub fn set_adult(tx: &mut Write<'_>, id: AccountId) -> Result<()> {
    let now = tx.now();
    tx.execute(sql!("UPDATE accounts SET adult_at = $1 WHERE id = $2"), params![now, id]).map(drop)
}

/// Returns the member with this skeleton of a name or username; the oldest where there are several.
pub fn member_who_looks_like(read: &Read<'_>, skeleton: &str) -> Result<Option<Account>> {
    read.first(
        sql!(
            "SELECT ",
            Account::COLUMNS,
            " FROM accounts a
             WHERE a.kind = 'member' AND (a.name_skeleton = $1 OR a.username_skeleton = $1)
             ORDER BY a.id LIMIT 1"
        ),
        params![skeleton],
        from_row,
    )
}

/// Returns at most `limit` members other than the viewer whose username, or a word of whose name, matches the `LIKE`
/// pattern, in which `\` escapes.
pub fn search(read: &Read<'_>, viewer: Option<AccountId>, pattern: &str, limit: i64) -> Result<Vec<Account>> {
    let in_name = format!("% {pattern}");
    read.all(
        sql!(
            "SELECT ",
            Account::COLUMNS,
            r" FROM accounts a
             WHERE a.kind = 'member' AND a.id <> $1
               AND (a.username LIKE $2 ESCAPE '\' OR LOWER(a.name) LIKE $2 ESCAPE '\'
                    OR LOWER(a.name) LIKE $3 ESCAPE '\')
             ORDER BY a.username LIMIT $4"
        ),
        params![viewer.unwrap_or(AccountId(0)), pattern, &in_name, limit],
        from_row,
    )
}

/// Returns at most `limit` members on either side of a username in alphabetical order, with the member of that name.
pub fn neighbors(read: &Read<'_>, username: &str, limit: i64) -> Result<Vec<Account>> {
    let mut members: Vec<Account> = read.all(
        sql!(
            "SELECT ",
            Account::COLUMNS,
            " FROM accounts a WHERE a.username < $1 ORDER BY a.username DESC LIMIT $2"
        ),
        params![username, limit],
        from_row,
    )?;
    members.reverse();
    members.extend(read.all(
        sql!(
            "SELECT ",
            Account::COLUMNS,
            " FROM accounts a WHERE a.username >= $1 ORDER BY a.username LIMIT $2"
        ),
        params![username, limit],
        from_row,
    )?);
    Ok(members)
}

/// Returns the id, name and username of accounts without skeletons.
pub fn without_skeleton(read: &Read<'_>, limit: i64) -> Result<Vec<(AccountId, String, Option<String>)>> {
    read.all(
        sql!("SELECT id, name, username FROM accounts WHERE name_skeleton IS NULL ORDER BY id LIMIT $1"),
        params![limit],
        from_row,
    )
}

pub fn set_skeletons(tx: &mut Write<'_>, id: AccountId, skeletons: Skeletons<'_>) -> Result<()> {
    tx.execute(
        sql!("UPDATE accounts SET name_skeleton = $1, username_skeleton = $2 WHERE id = $3"),
        params![skeletons.name, skeletons.username, id],
    )?;
    Ok(())
}

/// Returns at most `limit` guests who were created before `since` and have sent no message from then on.
pub fn silent_guests(read: &Read<'_>, since: Time, limit: i64) -> Result<Vec<AccountId>> {
    read.all(
        sql!(
            "SELECT a.id FROM accounts a
             WHERE a.kind = 'guest' AND a.mask_of IS NULL AND a.swept_at IS NULL AND a.created_at < $1
               AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.account_id = a.id AND m.created_at >= $1)
             ORDER BY a.id LIMIT $2"
        ),
        params![since, limit],
        from_row,
    )
}

/// Marks a guest as removed. The row stays, because its messages are shown under its name.
pub fn purge(tx: &mut Write<'_>, id: AccountId) -> Result<()> {
    let now = tx.now();
    tx.execute(
        sql!("UPDATE accounts SET swept_at = $1, name_skeleton = '' WHERE id = $2"),
        params![now, id],
    )?;
    Ok(())
}

/// Makes the account this instance's administrator. Returns false where there is one already.
pub fn claim_admin(tx: &mut Write<'_>, id: AccountId) -> Result<bool> {
    let claimed = tx.execute(
        sql!("INSERT INTO instance (key, value) VALUES ('admin', $1) ON CONFLICT DO NOTHING"),
        params![&id.to_string()],
    )? == 1;
    if claimed {
        tx.execute(sql!("UPDATE accounts SET admin = TRUE WHERE id = $1"), params![id])?;
    }
    Ok(claimed)
}

/// Returns the account with this id.
pub fn by_id(read: &Read<'_>, id: AccountId) -> Result<Account> {
    read.first(sql!("SELECT ", Account::COLUMNS, " FROM accounts a WHERE a.id = $1"), params![id], from_row)?
        .ok_or(Error::NotFound)
}

/// Returns the account with this username, which must be in lower case.
pub fn by_username(read: &Read<'_>, username: &str) -> Result<Account> {
    read.first(
        sql!("SELECT ", Account::COLUMNS, " FROM accounts a WHERE a.username = $1"),
        params![username],
        from_row,
    )?
    .ok_or(Error::NotFound)
}

pub fn username_taken(read: &Read<'_>, username: &str) -> Result<bool> {
    read.one(sql!("SELECT EXISTS (SELECT 1 FROM accounts WHERE username = $1)"), params![username], from_row)
}

pub fn email_taken(read: &Read<'_>, email_key: &str) -> Result<bool> {
    read.one(
        sql!("SELECT EXISTS (SELECT 1 FROM accounts WHERE email_key = $1)"),
        params![email_key],
        from_row,
    )
}

columns! {
    /// The account and the hash to check a password against.
    #[derive(Debug)]
    pub struct Credentials as a {
        pub id: AccountId,
        /// Argon2id, as a PHC string.
        pub password_hash: String,
    }
}

/// Returns the credentials of the member with this username or email, both in the form that is compared.
pub fn credentials(read: &Read<'_>, login: &str) -> Result<Option<Credentials>> {
    read.first(
        sql!(
            "SELECT ",
            Credentials::COLUMNS,
            " FROM accounts a
             WHERE (a.username = $1 OR a.email_key = $1) AND a.password_hash IS NOT NULL"
        ),
        params![login],
        from_row,
    )
}

/// Returns the account's email address as it was typed.
pub fn email(read: &Read<'_>, id: AccountId) -> Result<Option<String>> {
    let email = read.first(sql!("SELECT email FROM accounts WHERE id = $1"), params![id], from_row)?;
    Ok(email.flatten())
}

/// Turns the emails about mentions on or off.
pub fn set_mention_mail(tx: &mut Write<'_>, id: AccountId, on: bool) -> Result<()> {
    tx.execute(sql!("UPDATE accounts SET mention_mail = $1 WHERE id = $2"), params![on, id])?;
    Ok(())
}

/// Returns this instance's administrator; `None` before the first sign-up.
pub fn admin(read: &Read<'_>) -> Result<Option<Account>> {
    read.first(
        sql!("SELECT ", Account::COLUMNS, " FROM accounts a WHERE a.admin ORDER BY a.id LIMIT 1"),
        params![],
        from_row,
    )
}

pub fn count_members(read: &Read<'_>) -> Result<i64> {
    read.one(sql!("SELECT COUNT(*) FROM accounts WHERE kind = 'member'"), params![], from_row)
}
