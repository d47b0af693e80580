//! Threads and their participants.

use super::{
    conversations::{Conversation, ConversationPage, Membership, MembershipRow},
    sync,
};
use crate::{
    Result,
    db::{Read, Write, columns, from_row},
    ids::{AccountId, AppId, ConversationId},
    params, sql,
};

columns! {
    /// A thread that an account is in.
    #[derive(Clone, Debug)]
    pub struct JoinedThread as p {
        pub thread: Conversation = Conversation::COLUMNS,
        /// The account's membership in the thread.
        pub membership: Membership = Membership::COLUMNS,
    }
}

/// The threads `c` of a [`ConversationPage`], with the account's membership `p` in them.
const PAGE: &str = " FROM participants p JOIN conversations c ON c.id = p.conversation_id
     WHERE p.account_id = $1 AND p.left_at IS NULL AND c.shows_people AND c.deleted_at IS NULL
       AND (c.active_at, c.id) < ($2, $3)
     ORDER BY c.active_at DESC, c.id DESC LIMIT $4";

/// Returns the threads that the account is in.
pub fn joined(read: &Read<'_>, page: &ConversationPage) -> Result<Vec<JoinedThread>> {
    read.all(
        sql!("SELECT ", JoinedThread::COLUMNS, PAGE),
        params![page.account, page.after.0, page.after.1, page.limit],
        from_row,
    )
}

/// The start of every statement that returns the ids of conversations, each with a [`MembershipRow`] of it.
pub(super) const PEOPLE: &str = sql!(
    "SELECT p.conversation_id, ",
    MembershipRow::COLUMNS,
    " FROM participants p JOIN accounts a ON a.id = p.account_id"
);

/// Returns the participants of each of these threads, in the order in which they joined.
pub fn people_of(read: &Read<'_>, page: &ConversationPage) -> Result<Vec<(ConversationId, MembershipRow)>> {
    read.all(
        sql!(
            PEOPLE,
            " WHERE p.left_at IS NULL AND NOT p.hidden AND p.conversation_id IN (SELECT c.id",
            PAGE,
            ") ORDER BY p.conversation_id, p.joined_at, p.account_id"
        ),
        params![page.account, page.after.0, page.after.1, page.limit],
        from_row,
    )
}

/// Returns the most recently active unnamed thread of exactly these two accounts.
pub fn of_two(read: &Read<'_>, one: AccountId, other: AccountId) -> Result<Option<ConversationId>> {
    read.first(
        sql!(
            "SELECT c.id FROM conversations c
             JOIN participants p ON p.conversation_id = c.id AND p.account_id = $1 AND p.left_at IS NULL
             JOIN participants q ON q.conversation_id = c.id AND q.account_id = $2 AND q.left_at IS NULL
             WHERE c.shows_people AND c.size = 2 AND c.name = '' AND c.deleted_at IS NULL
             ORDER BY c.active_at DESC, c.id DESC LIMIT 1"
        ),
        params![one, other],
        from_row,
    )
}

/// Returns how many of the account's threads have unread messages. Muted threads are not counted.
pub fn count_unread(read: &Read<'_>, account: AccountId) -> Result<i64> {
    read.one(
        sql!(
            "SELECT COUNT(*) FROM participants p JOIN conversations c ON c.id = p.conversation_id
             WHERE p.account_id = $1 AND p.left_at IS NULL AND c.shows_people AND c.deleted_at IS NULL
               AND c.last_seq > p.read_seq AND NOT p.muted"
        ),
        params![account],
        from_row,
    )
}

/// Stores a program's data with a thread: a JSON object, or an empty text.
pub fn set_metadata(tx: &mut Write<'_>, id: ConversationId, metadata: &str) -> Result<()> {
    tx.execute(sql!("UPDATE conversations SET metadata = $1 WHERE id = $2"), params![metadata, id]).map(drop)
}

/// Sets the app that manages a thread. The app's bot becomes a hidden participant, which can read everything and is
/// shown to nobody.
pub fn set_app(tx: &mut Write<'_>, id: ConversationId, app: AppId, bot: AccountId) -> Result<()> {
    let (now, sync_version) = (tx.now(), sync::sync_version(tx)?);
    tx.execute(sql!("UPDATE conversations SET app_id = $1 WHERE id = $2"), params![app, id])?;
    tx.execute(
        sql!(
            "INSERT INTO participants (conversation_id, account_id, skeleton, joined_at, hidden, sync_version)
             VALUES ($1, $2, '', $3, TRUE, $4)"
        ),
        params![id, bot, now, sync_version],
    )?;
    Ok(())
}

/// Turns notifications for this participant off or on.
pub fn set_muted(tx: &mut Write<'_>, id: ConversationId, account: AccountId, muted: bool) -> Result<()> {
    let sync_version = sync::sync_version(tx)?;
    tx.execute(
        sql!("UPDATE participants SET muted = $1, sync_version = $2 WHERE conversation_id = $3 AND account_id = $4"),
        params![muted, sync_version, id, account],
    )?;
    Ok(())
}
