//! Accounts: anyone who can act.

use crate::{
    Error, Result,
    clock::Time,
    db::{Column, Read, Row, Write},
    ids::{AccountId, AppId},
    params, sql,
};

/// What sort of account it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Has an email, a password and a username.
    Member,
    /// Has a display name only, and lives as long as its session.
    Guest,
    /// Acts by token, and is owned by a member.
    Bot,
    /// A person of another product, spoken for by that product's app.
    Managed,
    /// The mask of somebody in a match: it stands for an account that nobody is told.
    Stranger,
}

impl Kind {
    /// As it is stored, and shown in `data-kind`.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Member => "member",
            Kind::Guest => "guest",
            Kind::Bot => "bot",
            Kind::Managed => "managed",
            Kind::Stranger => "stranger",
        }
    }
}

impl Column for Kind {
    type Raw = String;
    fn from_raw(raw: String) -> Self {
        match raw.as_str() {
            "member" => Kind::Member,
            "bot" => Kind::Bot,
            "managed" => Kind::Managed,
            "stranger" => Kind::Stranger,
            _ => Kind::Guest, // the least of them
        }
    }
}

/// An account, without its secrets.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its id; it never changes.
    pub id: AccountId,
    /// What sort it is.
    pub kind: Kind,
    /// The unique handle, in lower case, without the `@`; of a managed account the one that its app has for
    /// it. Guests have none.
    pub username: Option<String>,
    /// The display name.
    pub name: String,
    /// Whether it keeps this instance.
    pub admin: bool,
    /// Whether it wants an email when it is mentioned.
    pub mention_mail: bool,
    /// When it was made.
    pub created_at: Time,
    /// The app whose product it is a person of.
    pub app: Option<AppId>,
}

/// The key under which a limit counts an account: the people of an app share one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum QuotaKey {
    /// An account of this instance.
    Account(AccountId),
    /// The people of an app's product.
    App(AppId),
}

impl Account {
    /// Returns the key under which limits count what this account does.
    pub fn quota_key(&self) -> QuotaKey {
        self.app.map_or(QuotaKey::Account(self.id), QuotaKey::App)
    }
}

/// The columns of an [`Account`] `a`, in the order in which [`from_row`] takes them.
pub(super) const COLUMNS: &str =
    sql!("a.id, ", KIND, ", ", USERNAME, ", a.name, a.admin, a.mention_mail, a.created_at, a.app_id");

/// What account `a` is called by: a member by everyone, a managed account by its app.
pub(super) const USERNAME: &str = "COALESCE(a.username, a.handle)";

/// What sort of account `a` is. A mask is kept as a guest, and nobody logs in as one.
pub(super) const KIND: &str = "CASE WHEN a.mask_of IS NULL THEN a.kind ELSE 'stranger' END";

/// How many they are.
pub(super) const WIDTH: usize = 8;

pub(super) fn from_row(row: &Row<'_>) -> Result<Account> {
    Ok(Account {
        id: row.get(0)?,
        kind: row.get(1)?,
        username: row.get(2)?,
        name: row.get(3)?,
        admin: row.get(4)?,
        mention_mail: row.get(5)?,
        created_at: row.get(6)?,
        app: row.get(7)?,
    })
}

/// What a new member's row needs.
#[derive(Debug)]
pub struct NewMember<'a> {
    /// Lower case.
    pub username: &'a str,
    /// The display name.
    pub name: &'a str,
    /// How the two look.
    pub skeletons: Skeletons<'a>,
    /// As typed.
    pub email: &'a str,
    /// As compared.
    pub email_key: &'a str,
    /// Argon2id, as a PHC string.
    pub password_hash: &'a str,
}

/// How a name and a username look: what looks the same has the same skeleton.
#[derive(Clone, Copy, Debug)]
pub struct Skeletons<'a> {
    /// Of the display name.
    pub name: &'a str,
    /// Of the username.
    pub username: &'a str,
}

/// Adds a member. `None` where the username or the email has just been taken.
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
        |row| row.get(0),
    )
}

/// Makes a member of a guest, who stays the same account. False where it is no guest any more. Whether
/// the username and the email are free is for the caller to see to.
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

/// Adds an account that is known by its name alone: a guest or a bot.
pub fn insert_nameless(tx: &mut Write<'_>, kind: Kind, name: &str, skeleton: &str) -> Result<AccountId> {
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

/// Adds a mask: an account under another name, which stands for this one.
pub fn insert_mask(tx: &mut Write<'_>, of: AccountId, name: &str) -> Result<AccountId> {
    let id = AccountId(tx.new_id());
    let now = tx.now();
    tx.execute(
        sql!(
            "INSERT INTO accounts (id, kind, name, name_skeleton, created_at, mask_of)
             VALUES ($1, 'guest', $2, '', $3, $4)"
        ),
        params![id, name, now, of],
    )?;
    Ok(id)
}

/// Gives a mask another name.
pub fn rename_mask(tx: &mut Write<'_>, id: AccountId, name: &str) -> Result<()> {
    tx.execute(
        sql!("UPDATE accounts SET name = $1 WHERE id = $2 AND mask_of IS NOT NULL"),
        params![name, id],
    )?;
    Ok(())
}

/// Whom a mask stands for.
pub fn behind(read: &Read<'_>, mask: AccountId) -> Result<Option<AccountId>> {
    let of =
        read.first(sql!("SELECT mask_of FROM accounts WHERE id = $1"), params![mask], |row| row.get(0))?;
    Ok(of.flatten())
}

/// Whether it has said that it is of age.
pub fn is_adult(read: &Read<'_>, id: AccountId) -> Result<bool> {
    read.one(sql!("SELECT adult_at IS NOT NULL FROM accounts WHERE id = $1"), params![id], |row| row.get(0))
}

/// It says that it is of age.
pub fn set_adult(tx: &mut Write<'_>, id: AccountId) -> Result<()> {
    let now = tx.now();
    tx.execute(sql!("UPDATE accounts SET adult_at = $1 WHERE id = $2"), params![now, id]).map(drop)
}

/// The member whose name or username looks like this; the first who came.
pub fn member_who_looks_like(read: &Read<'_>, skeleton: &str) -> Result<Option<Account>> {
    read.first(
        sql!(
            "SELECT ",
            COLUMNS,
            " FROM accounts a
             WHERE a.kind = 'member' AND (a.name_skeleton = $1 OR a.username_skeleton = $1)
             ORDER BY a.id LIMIT 1"
        ),
        params![skeleton],
        from_row,
    )
}

/// Members whose username, or a word of whose name, is like this (`LIKE`, with `\` before what is meant
/// literally), but for one; at most `limit`.
pub fn search(read: &Read<'_>, pattern: &str, except: AccountId, limit: i64) -> Result<Vec<Account>> {
    let in_name = format!("% {pattern}");
    read.all(
        sql!(
            "SELECT ",
            COLUMNS,
            r" FROM accounts a
             WHERE a.kind = 'member' AND a.id <> $1
               AND (a.username LIKE $2 ESCAPE '\' OR LOWER(a.name) LIKE $2 ESCAPE '\'
                    OR LOWER(a.name) LIKE $3 ESCAPE '\')
             ORDER BY a.username LIMIT $4"
        ),
        params![except, pattern, &in_name, limit],
        from_row,
    )
}

/// Accounts of which it has not been worked out how they look: id, name and username.
pub fn without_skeleton(read: &Read<'_>, limit: i64) -> Result<Vec<(AccountId, String, Option<String>)>> {
    read.all(
        sql!("SELECT id, name, username FROM accounts WHERE name_skeleton IS NULL ORDER BY id LIMIT $1"),
        params![limit],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )
}

/// Notes how an account looks.
pub fn set_skeletons(tx: &mut Write<'_>, id: AccountId, skeletons: Skeletons<'_>) -> Result<()> {
    tx.execute(
        sql!("UPDATE accounts SET name_skeleton = $1, username_skeleton = $2 WHERE id = $3"),
        params![skeletons.name, skeletons.username, id],
    )?;
    Ok(())
}

/// Guests who came before `since`, and have said nothing from then on; at most `limit`.
pub fn silent_guests(read: &Read<'_>, since: Time, limit: i64) -> Result<Vec<AccountId>> {
    read.all(
        sql!(
            "SELECT a.id FROM accounts a
             WHERE a.kind = 'guest' AND a.mask_of IS NULL AND a.swept_at IS NULL AND a.created_at < $1
               AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.account_id = a.id AND m.created_at >= $1)
             ORDER BY a.id LIMIT $2"
        ),
        params![since, limit],
        |row| row.get(0),
    )
}

/// Notes that a guest was let go. Its row stays: its words are under its name.
pub fn purge(tx: &mut Write<'_>, id: AccountId) -> Result<()> {
    let now = tx.now();
    tx.execute(
        sql!("UPDATE accounts SET swept_at = $1, name_skeleton = '' WHERE id = $2"),
        params![now, id],
    )?;
    Ok(())
}

/// Makes the account this instance's administrator, unless there is one: the first wins.
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

/// The account with this id.
pub fn by_id(read: &Read<'_>, id: AccountId) -> Result<Account> {
    read.first(sql!("SELECT ", COLUMNS, " FROM accounts a WHERE a.id = $1"), params![id], from_row)?
        .ok_or(Error::NotFound)
}

/// The account with this username, which must be in lower case.
pub fn by_username(read: &Read<'_>, username: &str) -> Result<Account> {
    read.first(
        sql!("SELECT ", COLUMNS, " FROM accounts a WHERE a.username = $1"),
        params![username],
        from_row,
    )?
    .ok_or(Error::NotFound)
}

/// Whether someone has this username.
pub fn username_taken(read: &Read<'_>, username: &str) -> Result<bool> {
    read.one(sql!("SELECT EXISTS (SELECT 1 FROM accounts WHERE username = $1)"), params![username], |row| {
        row.get(0)
    })
}

/// Whether someone has this email.
pub fn email_taken(read: &Read<'_>, email_key: &str) -> Result<bool> {
    read.one(sql!("SELECT EXISTS (SELECT 1 FROM accounts WHERE email_key = $1)"), params![email_key], |row| {
        row.get(0)
    })
}

/// What is needed to check a password.
#[derive(Debug)]
pub struct Credentials {
    /// Whose they are.
    pub id: AccountId,
    /// Argon2id, as a PHC string.
    pub password_hash: String,
}

/// The credentials of the member with this username or email, both as compared.
pub fn credentials(read: &Read<'_>, login: &str) -> Result<Option<Credentials>> {
    read.first(
        sql!(
            "SELECT id, password_hash FROM accounts
             WHERE (username = $1 OR email_key = $1) AND password_hash IS NOT NULL"
        ),
        params![login],
        |row| Ok(Credentials { id: row.get(0)?, password_hash: row.get(1)? }),
    )
}

/// Where to write to the account, as it was typed.
pub fn email(read: &Read<'_>, id: AccountId) -> Result<Option<String>> {
    let email =
        read.first(sql!("SELECT email FROM accounts WHERE id = $1"), params![id], |row| row.get(0))?;
    Ok(email.flatten())
}

/// Turns the emails about mentions on or off.
pub fn set_mention_mail(tx: &mut Write<'_>, id: AccountId, wanted: bool) -> Result<()> {
    tx.execute(sql!("UPDATE accounts SET mention_mail = $1 WHERE id = $2"), params![wanted, id])?;
    Ok(())
}

/// Who keeps this instance, if anyone has signed up yet.
pub fn admin(read: &Read<'_>) -> Result<Option<Account>> {
    read.first(
        sql!("SELECT ", COLUMNS, " FROM accounts a WHERE a.admin ORDER BY a.id LIMIT 1"),
        params![],
        from_row,
    )
}

/// How many members there are.
pub fn count_members(read: &Read<'_>) -> Result<i64> {
    read.one(sql!("SELECT COUNT(*) FROM accounts WHERE kind = 'member'"), params![], |row| row.get(0))
}
