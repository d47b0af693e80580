//! Conversations and their participants.

mod memberships;

pub use self::memberships::{
    Membership, MembershipRow, NewMembership, clear_aliases, ip_hash, is_called, join, leave, leave_all_but,
    next_owner, participants, participants_after, set_delivered, set_read, unban,
};
use super::{accounts::Account, sync};
use crate::{
    Result,
    clock::Time,
    db::{Column, Read, Write, columns, from_row},
    ids::{AccountId, AppId, AttachmentId, ConversationId},
    params, sql,
};

/// The kind of a conversation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConversationKind {
    /// Open to everyone with its link.
    Room,
    /// Between strangers whom the matching brought together.
    Match,
    /// Between people who were named.
    Thread,
}

impl ConversationKind {
    /// Returns the stored name.
    pub fn as_str(self) -> &'static str {
        match self {
            ConversationKind::Room => "room",
            ConversationKind::Match => "match",
            ConversationKind::Thread => "thread",
        }
    }
}

impl Column for ConversationKind {
    type Raw = String;
    fn from_raw(raw: String) -> Self {
        match raw.as_str() {
            "room" => ConversationKind::Room,
            "match" => ConversationKind::Match,
            _ => ConversationKind::Thread, // the most private kind
        }
    }
}

columns! {
    /// A conversation, without its messages.
    #[derive(Clone, Debug)]
    pub struct Conversation as c {
        /// The id, which never changes.
        pub id: ConversationId,
        pub kind: ConversationKind,
        pub name: String,
        pub owner: Option<AccountId> = "c.owner_id",
        /// True if only the owner may send messages.
        pub locked: bool,
        /// True if files may be attached to messages.
        pub files: bool,
        /// The number of the last message.
        pub last_seq: i64,
        /// The number of the last change, of whatever kind.
        pub last_change: i64,
        /// The number of participants.
        pub size: i64,
        /// When the last message was sent.
        pub active_at: Time,
        pub created_at: Time,
        /// A program's data about the conversation: a JSON object, or nothing.
        pub metadata: String,
        /// The app that manages the conversation, which is between that app's people.
        pub app: Option<AppId> = "c.app_id",
    }
}

/// A page of an account's conversations of one kind, the most recently active first.
#[derive(Clone, Copy, Debug)]
pub struct ConversationPage {
    pub account: AccountId,
    /// Only conversations behind this position: the time of the last message, and the id.
    pub after: (Time, ConversationId),
    /// The maximum number of conversations.
    pub limit: i64,
}

impl ConversationPage {
    /// Returns the first page.
    pub fn first(account: AccountId, limit: i64) -> Self {
        ConversationPage { account, after: (Time::from_ms(i64::MAX), ConversationId(i64::MAX)), limit }
    }
}

/// A conversation to be added, with the rules of its kind that queries need.
#[derive(Debug)]
pub struct NewConversation<'a> {
    pub kind: ConversationKind,
    pub name: &'a str,
    pub owner: Option<AccountId>,
    /// True if files may be sent along from the beginning.
    pub files: bool,
    /// True if the conversation has a link and is listed among the rooms.
    pub by_link: bool,
    /// True if participants see who the others are, and the conversation is listed among the threads.
    pub shows_people: bool,
    /// True if programs receive the conversation by `sync`.
    pub in_sync: bool,
}

/// Adds a conversation.
pub fn insert(tx: &mut Write<'_>, new: &NewConversation<'_>) -> Result<ConversationId> {
    let id = ConversationId(tx.new_id());
    let now = tx.now();
    tx.execute(
        sql!(
            "INSERT INTO conversations (id, kind, name, owner_id, files, by_link, shows_people, in_sync, active_at,
                                        created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)"
        ),
        params![
            id,
            new.kind.as_str(),
            new.name,
            new.owner,
            new.files,
            new.by_link,
            new.shows_people,
            new.in_sync,
            now,
        ],
    )?;
    Ok(id)
}

/// Returns the conversation with this id, unless it was deleted.
pub fn by_id(read: &Read<'_>, id: ConversationId) -> Result<Option<Conversation>> {
    read.first(
        sql!(
            "SELECT ",
            Conversation::COLUMNS,
            " FROM conversations c WHERE c.id = $1 AND c.deleted_at IS NULL"
        ),
        params![id],
        from_row,
    )
}

columns! {
    /// The numbers of a new message, and whether the conversation is locked.
    #[derive(Clone, Copy, Debug)]
    pub struct Numbers as conversations {
        /// The number of the message.
        pub seq: i64 = "last_seq",
        /// The number of the change.
        pub change: i64 = "last_change",
        pub locked: bool,
    }
}

/// Allocates the numbers of a new message; `None` where the conversation was deleted. Concurrent changes wait here for
/// the commit, so numbers become visible in order and without gaps. The sync version of a conversation is the highest
/// of all its changes, because on PostgreSQL a transaction that waited here may have a lower one.
pub fn next_message(tx: &mut Write<'_>, id: ConversationId) -> Result<Option<Numbers>> {
    let (now, sync_version) = (tx.now(), sync::sync_version(tx)?);
    tx.first(
        sql!(
            "UPDATE conversations SET last_seq = last_seq + 1, last_change = last_change + 1, active_at = $1,
                 sync_version = CASE WHEN sync_version < $2 THEN $2 ELSE sync_version END
             WHERE id = $3 AND deleted_at IS NULL RETURNING ",
            Numbers::COLUMNS
        ),
        params![now, sync_version, id],
        from_row,
    )
}

/// Allocates the number of a change that is no new message; `None` where the conversation was deleted. Concurrent
/// changes wait here for the commit.
pub fn next_change(tx: &mut Write<'_>, id: ConversationId) -> Result<Option<i64>> {
    let sync_version = sync::sync_version(tx)?;
    tx.first(
        sql!(
            "UPDATE conversations SET last_change = last_change + 1,
                                      sync_version = CASE WHEN sync_version < $1 THEN $1 ELSE sync_version END
             WHERE id = $2 AND deleted_at IS NULL RETURNING last_change"
        ),
        params![sync_version, id],
        from_row,
    )
}

pub fn rename(tx: &mut Write<'_>, id: ConversationId, name: &str) -> Result<()> {
    tx.execute(sql!("UPDATE conversations SET name = $1 WHERE id = $2"), params![name, id]).map(drop)
}

/// Locks a conversation, so that only its owner may send messages, or unlocks it.
pub fn set_locked(tx: &mut Write<'_>, id: ConversationId, locked: bool) -> Result<()> {
    tx.execute(sql!("UPDATE conversations SET locked = $1 WHERE id = $2"), params![locked, id]).map(drop)
}

/// Allows files to be attached from now on.
pub fn allow_files(tx: &mut Write<'_>, id: ConversationId) -> Result<()> {
    tx.execute(sql!("UPDATE conversations SET files = TRUE WHERE id = $1"), params![id]).map(drop)
}

pub fn set_owner(tx: &mut Write<'_>, id: ConversationId, owner: Option<AccountId>) -> Result<()> {
    tx.execute(sql!("UPDATE conversations SET owner_id = $1 WHERE id = $2"), params![owner, id]).map(drop)
}

/// Marks a conversation as deleted. Its rows are deleted later, by [`clear`].
pub fn delete(tx: &mut Write<'_>, id: ConversationId) -> Result<()> {
    let now = tx.now();
    sync::insert_tombstones(tx, id, now - sync::MAX_ABSENCE)?;
    tx.execute(
        sql!("UPDATE conversations SET deleted_at = $1, last_change = last_change + 1 WHERE id = $2"),
        params![now, id],
    )?;
    Ok(())
}

/// Returns the conversation and the account's membership, while the account is in it.
pub fn with_membership(
    read: &Read<'_>,
    id: ConversationId,
    account: AccountId,
) -> Result<Option<(Conversation, Membership)>> {
    read.first(
        sql!(
            "SELECT ",
            Conversation::COLUMNS,
            ", ",
            Membership::COLUMNS,
            " FROM conversations c JOIN participants p ON p.conversation_id = c.id
             WHERE c.id = $1 AND c.deleted_at IS NULL AND p.account_id = $2 AND p.left_at IS NULL"
        ),
        params![id, account],
        from_row,
    )
}

/// Returns the kind of a conversation that the account is or was in, itself or behind a mask. This includes a deleted
/// conversation until its rows are cleared.
pub fn kind_for(read: &Read<'_>, id: ConversationId, account: AccountId) -> Result<Option<ConversationKind>> {
    read.first(
        sql!(
            "SELECT c.kind FROM conversations c
             WHERE c.id = $1 AND EXISTS (SELECT 1 FROM participants p JOIN accounts a ON a.id = p.account_id
                                         WHERE p.conversation_id = c.id AND (p.account_id = $2 OR a.mask_of = $2))"
        ),
        params![id, account],
        from_row,
    )
}

/// Returns the mask that stands for the account in this conversation.
pub fn mask(read: &Read<'_>, id: ConversationId, account: AccountId) -> Result<Option<Account>> {
    read.first(
        sql!(
            "SELECT ",
            Account::COLUMNS,
            " FROM accounts a JOIN participants p ON p.account_id = a.id
             WHERE a.mask_of = $1 AND p.conversation_id = $2 AND p.left_at IS NULL"
        ),
        params![account, id],
        from_row,
    )
}

columns! {
    /// A mask and the account that wears it.
    #[derive(Clone, Debug)]
    pub struct Masked as p {
        pub conversation: ConversationId = "p.conversation_id",
        pub mask: AccountId = "p.account_id",
        /// The mask's name.
        pub name: String = "a.name",
        /// The account behind the mask.
        pub account: AccountId = "b.id",
        /// The client's address when the account joined, as a keyed hash.
        pub ip_hash: String = "COALESCE(p.ip_hash, '')",
        /// True if the account is a guest.
        pub guest: bool = "b.kind = 'guest'",
    }
}

/// Returns the masks of current and former participants, with the accounts behind them.
pub fn masks(read: &Read<'_>, id: ConversationId) -> Result<Vec<Masked>> {
    read.all(
        sql!(
            "SELECT ",
            Masked::COLUMNS,
            " FROM participants p JOIN accounts a ON a.id = p.account_id JOIN accounts b ON b.id = a.mask_of
             WHERE p.conversation_id = $1 ORDER BY p.account_id"
        ),
        params![id],
        from_row,
    )
}

/// Locks the conversation's row until the transaction ends. Returns false where the conversation was deleted.
pub fn lock(tx: &mut Write<'_>, id: ConversationId) -> Result<bool> {
    let locked = tx.execute(
        sql!("UPDATE conversations SET size = size WHERE id = $1 AND deleted_at IS NULL"),
        params![id],
    )?;
    Ok(locked == 1)
}

/// Adds `by` to the number of participants and returns the new number. Concurrent joins wait here for the commit, so
/// each reads the result of the one before.
pub fn resize(tx: &mut Write<'_>, id: ConversationId, by: i64) -> Result<i64> {
    tx.one(
        sql!("UPDATE conversations SET size = size + $1 WHERE id = $2 RETURNING size"),
        params![by, id],
        from_row,
    )
}

/// Returns the conversations that the account is in.
pub fn ids_of(read: &Read<'_>, account: AccountId) -> Result<Vec<ConversationId>> {
    read.all(
        sql!("SELECT conversation_id FROM participants WHERE account_id = $1 AND left_at IS NULL"),
        params![account],
        from_row,
    )
}

/// Returns the deleted conversation whose rows are to be deleted next.
pub fn next_to_clear(read: &Read<'_>) -> Result<Option<ConversationId>> {
    read.first(
        sql!("SELECT id FROM conversations WHERE deleted_at IS NOT NULL ORDER BY deleted_at, id LIMIT 1"),
        params![],
        from_row,
    )
}

/// Deletes a batch of a deleted conversation's rows. Returns the files whose bytes are to be deleted, and whether no
/// rows are left.
pub fn clear(tx: &mut Write<'_>, id: ConversationId, limit: i64) -> Result<(Vec<AttachmentId>, bool)> {
    let files = tx.all(
        sql!(
            "DELETE FROM attachments WHERE id IN
                 (SELECT id FROM attachments WHERE conversation_id = $1 LIMIT $2) RETURNING id"
        ),
        params![id, limit],
        from_row,
    )?;
    if !files.is_empty() {
        return Ok((files, false));
    }
    tx.execute(
        sql!(
            "DELETE FROM reactions WHERE message_id IN
                 (SELECT id FROM messages WHERE conversation_id = $1 ORDER BY seq LIMIT $2)"
        ),
        params![id, limit],
    )?;
    let cleared = tx.execute(
        sql!(
            "DELETE FROM messages WHERE id IN
                 (SELECT id FROM messages WHERE conversation_id = $1 ORDER BY seq LIMIT $2)"
        ),
        params![id, limit],
    )?;
    if cleared > 0 {
        return Ok((files, false));
    }
    let masks: Vec<AccountId> = tx.all(
        sql!(
            "SELECT a.id FROM accounts a JOIN participants p ON p.account_id = a.id
             WHERE p.conversation_id = $1 AND a.mask_of IS NOT NULL"
        ),
        params![id],
        from_row,
    )?;
    for sql in [
        sql!("DELETE FROM participants WHERE conversation_id = $1"),
        sql!("DELETE FROM hooks WHERE conversation_id = $1"),
        sql!("DELETE FROM bans WHERE conversation_id = $1"),
        sql!("DELETE FROM links WHERE conversation_id = $1"),
        sql!("DELETE FROM conversations WHERE id = $1"),
    ] {
        tx.execute(sql, params![id])?;
    }
    for mask in masks {
        tx.execute(sql!("DELETE FROM accounts WHERE id = $1"), params![mask])?;
    }
    Ok((files, true))
}
