//! Hooks: addresses through which programs post into a room.

use super::{accounts::Account, conversations::Conversation};
use crate::{
    Result,
    clock::Time,
    db::{Read, Write, columns, from_row},
    ids::{AccountId, ConversationId, HookId},
    params, sql,
};

columns! {
    /// An address for programs to post into a room, without its secret.
    #[derive(Clone, Debug)]
    pub struct Hook as h {
        pub id: HookId,
        pub name: String = "a.name",
        pub created_at: Time,
    }
}

/// Adds a hook whose messages are sent by `bot`.
pub fn insert(
    tx: &mut Write<'_>,
    conversation: ConversationId,
    bot: AccountId,
    token_hash: &str,
) -> Result<HookId> {
    let id = HookId(tx.new_id());
    let now = tx.now();
    tx.execute(
        sql!(
            "INSERT INTO hooks (id, conversation_id, account_id, token_hash, created_at)
             VALUES ($1, $2, $3, $4, $5)"
        ),
        params![id, conversation, bot, token_hash, now],
    )?;
    Ok(id)
}

/// Returns the bot and the room of the hook with this token.
pub fn by_token(read: &Read<'_>, token_hash: &str) -> Result<Option<(Account, Conversation)>> {
    read.first(
        sql!(
            "SELECT ",
            Account::COLUMNS,
            ", ",
            Conversation::COLUMNS,
            " FROM hooks h JOIN accounts a ON a.id = h.account_id
             JOIN conversations c ON c.id = h.conversation_id
             WHERE h.token_hash = $1 AND c.deleted_at IS NULL"
        ),
        params![token_hash],
        from_row,
    )
}

/// Returns a room's hooks, oldest first.
pub fn by_room(read: &Read<'_>, conversation: ConversationId) -> Result<Vec<Hook>> {
    read.all(
        sql!(
            "SELECT ",
            Hook::COLUMNS,
            " FROM hooks h JOIN accounts a ON a.id = h.account_id
             WHERE h.conversation_id = $1 ORDER BY h.id"
        ),
        params![conversation],
        from_row,
    )
}

/// Deletes a hook. Returns false where there is none.
pub fn delete(tx: &mut Write<'_>, conversation: ConversationId, id: HookId) -> Result<bool> {
    let deleted = tx.execute(
        sql!("DELETE FROM hooks WHERE id = $1 AND conversation_id = $2"),
        params![id, conversation],
    )?;
    Ok(deleted == 1)
}
