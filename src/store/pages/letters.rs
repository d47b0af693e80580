//! Letters to the owners of pages, until their mail is on its way.

use crate::{
    Result,
    clock::Time,
    db::{Read, Write},
    ids::{AccountId, LetterId},
    params, sql,
};

/// A letter.
#[derive(Clone, Debug)]
pub struct Letter {
    /// To whom.
    pub to: AccountId,
    /// Who wrote it.
    pub name: String,
    /// Where they are answered.
    pub email: String,
    /// What they wrote.
    pub body: String,
}

/// Keeps a letter.
pub fn insert(tx: &mut Write<'_>, to: AccountId, name: &str, email: &str, body: &str) -> Result<LetterId> {
    let (id, now) = (LetterId(tx.new_id()), tx.now());
    tx.execute(
        sql!(
            "INSERT INTO letters (id, account_id, name, email, body, created_at) VALUES ($1, $2, $3, $4, $5, $6)"
        ),
        params![id, to, name, email, body, now],
    )?;
    Ok(id)
}

/// A letter, with its words where they have not gone on yet.
pub fn by_id(read: &Read<'_>, id: LetterId) -> Result<Option<Letter>> {
    read.first(
        sql!("SELECT l.account_id, l.name, l.email, l.body FROM letters l WHERE l.id = $1 AND l.body <> ''"),
        params![id],
        |row| Ok(Letter { to: row.get(0)?, name: row.get(1)?, email: row.get(2)?, body: row.get(3)? }),
    )
}

/// Forgets what it says. That there was one is kept for a while, to be counted.
pub fn clear(tx: &mut Write<'_>, id: LetterId) -> Result<()> {
    tx.execute(sql!("UPDATE letters SET name = '', email = '', body = '' WHERE id = $1"), params![id])
        .map(drop)
}

/// How many were written to the account since.
pub fn count_since(read: &Read<'_>, to: AccountId, since: Time) -> Result<i64> {
    read.one(
        sql!("SELECT COUNT(*) FROM letters WHERE account_id = $1 AND created_at > $2"),
        params![to, since],
        |row| row.get(0),
    )
}

/// Forgets those from before that moment.
pub fn purge(tx: &mut Write<'_>, before: Time) -> Result<u64> {
    tx.execute(sql!("DELETE FROM letters WHERE created_at < $1"), params![before])
}
