//! Attachments: files sent along with messages. The bytes are in the data folder.

use serde::{Deserialize, Serialize};

use super::{accounts::QuotaKey, messages::Sight};
use crate::{
    Result,
    clock::Time,
    db::{Read, Row, Write},
    ids::{AccountId, AttachmentId, ConversationId, MessageId},
    params, sql,
};

/// A file as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Its id, and the name of its file.
    pub id: AttachmentId,
    /// As the one who sent it called it.
    pub name: String,
    /// Of an image that we made ourselves, or `application/octet-stream`.
    pub media_type: String,
    /// How large it is.
    pub bytes: i64,
    /// Width and height in pixels, of images alone.
    pub size: Option<(i64, i64)>,
}

impl Attachment {
    /// Whether it may be shown, and not only downloaded.
    pub fn is_image(&self) -> bool {
        self.size.is_some()
    }
}

const COLUMNS: &str = "f.id, f.name, f.media_type, f.bytes, f.width, f.height";

fn from_row(row: &Row<'_>) -> Result<Attachment> {
    let (width, height): (Option<i64>, Option<i64>) = (row.get(4)?, row.get(5)?);
    Ok(Attachment {
        id: row.get(0)?,
        name: row.get(1)?,
        media_type: row.get(2)?,
        bytes: row.get(3)?,
        size: width.zip(height),
    })
}

/// Notes a file that was sent and not yet said.
pub fn insert(
    tx: &mut Write<'_>,
    conversation: ConversationId,
    account: AccountId,
    file: &Attachment,
) -> Result<()> {
    let now = tx.now();
    let (width, height) = file.size.unzip();
    tx.execute(
        sql!(
            "INSERT INTO attachments (id, conversation_id, account_id, name, media_type, bytes, width, height,
                                      created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
        ),
        params![
            file.id,
            conversation,
            account,
            &file.name,
            &file.media_type,
            file.bytes,
            width,
            height,
            now,
        ],
    )?;
    Ok(())
}

/// A file of a conversation; also one that is yet to be said.
pub fn by_id(read: &Read<'_>, sight: Sight, id: AttachmentId) -> Result<Option<Attachment>> {
    read.first(
        sql!(
            "SELECT ",
            COLUMNS,
            " FROM attachments f LEFT JOIN messages m ON m.id = f.message_id
             WHERE f.id = $1 AND f.conversation_id = $2 AND (m.seq IS NULL OR m.seq > $3)"
        ),
        params![id, sight.conversation, sight.after],
        from_row,
    )
}

/// Says a file with a message: one's own, sent to this conversation, and not yet said.
pub fn say(
    tx: &mut Write<'_>,
    id: AttachmentId,
    conversation: ConversationId,
    account: AccountId,
    message: MessageId,
) -> Result<bool> {
    let said = tx.execute(
        sql!(
            "UPDATE attachments SET message_id = $1
             WHERE id = $2 AND conversation_id = $3 AND account_id = $4 AND message_id IS NULL"
        ),
        params![message, id, conversation, account],
    )?;
    Ok(said == 1)
}

/// The file, if it is one's own, sent to this conversation, and not yet said.
pub fn unsaid(
    read: &Read<'_>,
    id: AttachmentId,
    conversation: ConversationId,
    account: AccountId,
) -> Result<Option<Attachment>> {
    read.first(
        sql!(
            "SELECT ",
            COLUMNS,
            " FROM attachments f WHERE f.id = $1 AND f.conversation_id = $2 AND f.account_id = $3
               AND f.message_id IS NULL"
        ),
        params![id, conversation, account],
        from_row,
    )
}

/// How many files and bytes the account, or all of an app's people, have sent since.
pub fn sent_since(read: &Read<'_>, who: QuotaKey, since: Time) -> Result<(i64, i64)> {
    let sum = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
    match who {
        QuotaKey::Account(account) => read.one(
            sql!(
                "SELECT COUNT(*), CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM attachments
                 WHERE account_id = $1 AND created_at > $2"
            ),
            params![account, since],
            sum,
        ),
        QuotaKey::App(app) => read.one(
            sql!(
                "SELECT COUNT(*), CAST(COALESCE(SUM(f.bytes), 0) AS BIGINT)
                 FROM accounts a JOIN attachments f ON f.account_id = a.id
                 WHERE a.app_id = $1 AND f.created_at > $2"
            ),
            params![app, since],
            sum,
        ),
    }
}

/// Forgets the files of a message; gives them, so that the bytes can go.
pub fn delete_of(tx: &mut Write<'_>, message: MessageId) -> Result<Vec<AttachmentId>> {
    tx.all(sql!("DELETE FROM attachments WHERE message_id = $1 RETURNING id"), params![message], |row| {
        row.get(0)
    })
}

/// Forgets files that were sent before `since` and never said; gives them.
pub fn delete_unsaid(tx: &mut Write<'_>, since: Time, limit: i64) -> Result<Vec<AttachmentId>> {
    tx.all(
        sql!(
            "DELETE FROM attachments WHERE id IN
                 (SELECT id FROM attachments WHERE message_id IS NULL AND created_at < $1 LIMIT $2)
             RETURNING id"
        ),
        params![since, limit],
        |row| row.get(0),
    )
}
