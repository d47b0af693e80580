//! Contact messages to the owners of pages. The table still has the earlier name, `letters`.

use crate::{
    Result,
    clock::Time,
    db::{Read, Write, columns, from_row},
    ids::{AccountId, ContactMessageId},
    params, sql,
};

columns! {
    /// A message to the owner of a page.
    #[derive(Clone, Debug)]
    pub struct ContactMessage as l {
        /// The recipient.
        pub to: AccountId = "l.account_id",
        /// The sender's name.
        pub name: String,
        /// The address for answers.
        pub email: String,
        pub body: String,
    }
}

pub fn insert(
    tx: &mut Write<'_>,
    to: AccountId,
    name: &str,
    email: &str,
    body: &str,
) -> Result<ContactMessageId> {
    let (id, now) = (ContactMessageId(tx.new_id()), tx.now());
    tx.execute(
        sql!(
            "INSERT INTO letters (id, account_id, name, email, body, created_at) VALUES ($1, $2, $3, $4, $5, $6)"
        ),
        params![id, to, name, email, body, now],
    )?;
    Ok(id)
}

/// Returns a message, unless its text was deleted after the mail was sent.
pub fn by_id(read: &Read<'_>, id: ContactMessageId) -> Result<Option<ContactMessage>> {
    read.first(
        sql!("SELECT ", ContactMessage::COLUMNS, " FROM letters l WHERE l.id = $1 AND l.body <> ''"),
        params![id],
        from_row,
    )
}

/// Deletes the text of a message. The row stays for a while, because a limit counts it.
pub fn clear(tx: &mut Write<'_>, id: ContactMessageId) -> Result<()> {
    tx.execute(sql!("UPDATE letters SET name = '', email = '', body = '' WHERE id = $1"), params![id])
        .map(drop)
}

/// Returns how many messages were sent to the account since `since`.
pub fn count_since(read: &Read<'_>, to: AccountId, since: Time) -> Result<i64> {
    read.one(
        sql!("SELECT COUNT(*) FROM letters WHERE account_id = $1 AND created_at > $2"),
        params![to, since],
        from_row,
    )
}

/// Deletes messages from before `before`.
pub fn purge(tx: &mut Write<'_>, before: Time) -> Result<u64> {
    tx.execute(sql!("DELETE FROM letters WHERE created_at < $1"), params![before])
}
