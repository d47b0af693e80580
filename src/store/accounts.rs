//! Accounts: anyone who can act.

use crate::{
    Error, Result,
    clock::Time,
    db::{Column, Read, Row},
    events::Tx,
    ids::AccountId,
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
}

impl Kind {
    /// As it is stored, and shown in `data-kind`.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Member => "member",
            Kind::Guest => "guest",
            Kind::Bot => "bot",
            Kind::Managed => "managed",
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
    /// The unique handle, in lower case, without the `@`. Guests have none.
    pub username: Option<String>,
    /// The display name.
    pub name: String,
    /// Whether it keeps this instance.
    pub admin: bool,
    /// Whether it wants an email when it is mentioned.
    pub mention_mail: bool,
    /// When it was made.
    pub created_at: Time,
}

/// The columns of an [`Account`] `a`, in the order in which [`from_row`] takes them.
pub(super) const COLUMNS: &str = "a.id, a.kind, a.username, a.name, a.admin, a.mention_mail, a.created_at";

pub(super) fn from_row(row: &Row<'_>) -> Result<Account> {
    Ok(Account {
        id: row.get(0)?,
        kind: row.get(1)?,
        username: row.get(2)?,
        name: row.get(3)?,
        admin: row.get(4)?,
        mention_mail: row.get(5)?,
        created_at: row.get(6)?,
    })
}

/// What a new member's row needs.
#[derive(Debug)]
pub struct NewMember<'a> {
    /// Lower case.
    pub username: &'a str,
    /// The display name.
    pub name: &'a str,
    /// As typed.
    pub email: &'a str,
    /// As compared.
    pub email_key: &'a str,
    /// Argon2id, as a PHC string.
    pub password_hash: &'a str,
}

/// Adds a member. `None` where the username or the email has just been taken.
pub fn insert_member(tx: &mut Tx<'_>, new: &NewMember<'_>) -> Result<Option<AccountId>> {
    let id = AccountId(tx.new_id());
    tx.first(
        sql!(
            "INSERT INTO accounts (id, kind, username, name, email, email_key, password_hash, created_at)
             VALUES ($1, 'member', $2, $3, $4, $5, $6, $7)
             ON CONFLICT DO NOTHING RETURNING id"
        ),
        params![id, new.username, new.name, new.email, new.email_key, new.password_hash, tx.now()],
        |row| row.get(0),
    )
}

/// Makes the account this instance's administrator, unless there is one: the first wins.
pub fn claim_admin(tx: &mut Tx<'_>, id: AccountId) -> Result<bool> {
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
pub fn set_mention_mail(tx: &mut Tx<'_>, id: AccountId, wanted: bool) -> Result<()> {
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
