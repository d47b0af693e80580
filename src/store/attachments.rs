//! Attachments: files sent with messages. The bytes are in the data folder.

use serde::{Deserialize, Serialize};

use super::{accounts::QuotaKey, messages::HistoryScope};
use crate::{
    Result,
    clock::Time,
    db::{Read, Write, columns, from_row},
    ids::{AccountId, AttachmentId, ConversationId, MessageId},
    params, sql,
};

columns! {
    /// A file as it is shown.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Attachment as f {
        /// The id, and the name of the stored file.
        pub id: AttachmentId,
        /// The file's name on the sender's device.
        pub name: String,
        /// The type of an image that this server encoded, or `application/octet-stream`.
        pub media_type: String,
        /// The length in bytes.
        pub bytes: i64,
        /// Width and height in pixels, of images alone.
        pub size: Option<(i64, i64)> = "f.width, f.height",
    }
}

impl Attachment {
    /// Returns whether the file may be shown inline, and not only downloaded.
    pub fn is_image(&self) -> bool {
        self.size.is_some()
    }
}

/// Adds an uploaded file, which belongs to no message yet.
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

/// Returns a file of a conversation, also one that belongs to no message yet.
pub fn by_id(read: &Read<'_>, history: HistoryScope, id: AttachmentId) -> Result<Option<Attachment>> {
    read.first(
        sql!(
            "SELECT ",
            Attachment::COLUMNS,
            " FROM attachments f LEFT JOIN messages m ON m.id = f.message_id
             WHERE f.id = $1 AND f.conversation_id = $2 AND (m.seq IS NULL OR m.seq > $3)"
        ),
        params![id, history.conversation, history.after],
        from_row,
    )
}

/// Attaches a file to a message. Returns false unless the file is the account's own, was uploaded to this conversation
/// and belongs to no message yet.
pub fn attach(
    tx: &mut Write<'_>,
    id: AttachmentId,
    conversation: ConversationId,
    account: AccountId,
    message: MessageId,
) -> Result<bool> {
    let updated = tx.execute(
        sql!(
            "UPDATE attachments SET message_id = $1
             WHERE id = $2 AND conversation_id = $3 AND account_id = $4 AND message_id IS NULL"
        ),
        params![message, id, conversation, account],
    )?;
    Ok(updated == 1)
}

/// Returns the file, if it is the account's own, was uploaded to this conversation and belongs to no message yet.
pub fn unsent(
    read: &Read<'_>,
    id: AttachmentId,
    conversation: ConversationId,
    account: AccountId,
) -> Result<Option<Attachment>> {
    read.first(
        sql!(
            "SELECT ",
            Attachment::COLUMNS,
            " FROM attachments f WHERE f.id = $1 AND f.conversation_id = $2 AND f.account_id = $3
               AND f.message_id IS NULL"
        ),
        params![id, conversation, account],
        from_row,
    )
}

/// Returns how many files and bytes the account, or all of an app's people, have uploaded since `since`.
pub fn sent_since(read: &Read<'_>, key: QuotaKey, since: Time) -> Result<(i64, i64)> {
    match key {
        QuotaKey::Account(account) => read.one(
            sql!(
                "SELECT COUNT(*), CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM attachments
                 WHERE account_id = $1 AND created_at > $2"
            ),
            params![account, since],
            from_row,
        ),
        QuotaKey::App(app) => read.one(
            sql!(
                "SELECT COUNT(*), CAST(COALESCE(SUM(f.bytes), 0) AS BIGINT)
                 FROM accounts a JOIN attachments f ON f.account_id = a.id
                 WHERE a.app_id = $1 AND f.created_at > $2"
            ),
            params![app, since],
            from_row,
        ),
    }
}

/// Deletes the rows of a message's files and returns their ids, so that the bytes can be deleted.
pub fn delete_of(tx: &mut Write<'_>, message: MessageId) -> Result<Vec<AttachmentId>> {
    tx.all(sql!("DELETE FROM attachments WHERE message_id = $1 RETURNING id"), params![message], from_row)
}

/// Deletes the rows of at most `limit` files that were uploaded before `before` and never attached to a message.
/// Returns their ids.
pub fn delete_unsent(tx: &mut Write<'_>, before: Time, limit: i64) -> Result<Vec<AttachmentId>> {
    tx.all(
        sql!(
            "DELETE FROM attachments WHERE id IN
                 (SELECT id FROM attachments WHERE message_id IS NULL AND created_at < $1 LIMIT $2)
             RETURNING id"
        ),
        params![before, limit],
        from_row,
    )
}
