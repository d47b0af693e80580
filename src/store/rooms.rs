//! Rooms: links, bans and expiry.

use super::conversations::{Conversation, ConversationPage, Membership};
use crate::{
    Result,
    clock::Time,
    db::{Read, Write, columns, from_row},
    ids::{AccountId, ConversationId},
    params, sql,
};

columns! {
    /// A link by which people join a room.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Link as l {
        /// The secret in the address.
        pub key: String,
        /// When the link expires: from then on it admits nobody.
        pub expires_at: Option<Time>,
        /// The number of people that the link still admits; unlimited where `None`.
        pub uses_left: Option<i64>,
    }
}

columns! {
    /// A room that was looked up by a key.
    #[derive(Clone, Debug)]
    pub struct RoomByKey as k {
        pub room: Conversation = Conversation::COLUMNS,
        /// The room's valid link; the key may be of an older one.
        pub link: Link = Link::COLUMNS,
        /// True if the key is that of the valid link.
        pub is_current: bool = "k.revoked_at IS NULL",
        /// The account's membership, if it is or was in the room.
        pub membership: Option<Membership> = Membership::COLUMNS,
    }
}

/// Returns the room whose link has or had this key hash, with the account's membership; `None` for a deleted room.
pub fn by_key(read: &Read<'_>, key_hash: &str, account: AccountId) -> Result<Option<RoomByKey>> {
    read.first(
        sql!(
            "SELECT ",
            RoomByKey::COLUMNS,
            " FROM links k JOIN conversations c ON c.id = k.conversation_id
             JOIN links l ON l.conversation_id = c.id AND l.revoked_at IS NULL
             LEFT JOIN participants p ON p.conversation_id = c.id AND p.account_id = $1
             WHERE k.key_hash = $2 AND c.deleted_at IS NULL"
        ),
        params![account, key_hash],
        from_row,
    )
}

/// Returns the room's valid link.
pub fn current_link(read: &Read<'_>, id: ConversationId) -> Result<Link> {
    read.one(
        sql!("SELECT ", Link::COLUMNS, " FROM links l WHERE l.conversation_id = $1 AND l.revoked_at IS NULL"),
        params![id],
        from_row,
    )
}

/// Replaces the room's valid link.
pub fn insert_link(tx: &mut Write<'_>, id: ConversationId, key: &str, key_hash: &str) -> Result<()> {
    let now = tx.now();
    tx.execute(
        sql!("UPDATE links SET revoked_at = $1 WHERE conversation_id = $2 AND revoked_at IS NULL"),
        params![now, id],
    )?;
    tx.execute(
        sql!("INSERT INTO links (key_hash, key, conversation_id, created_at) VALUES ($1, $2, $3, $4)"),
        params![key_hash, key, id, now],
    )?;
    Ok(())
}

/// Limits the room's valid link in time and number of uses.
pub fn limit_link(
    tx: &mut Write<'_>,
    id: ConversationId,
    expires_at: Option<Time>,
    uses_left: Option<i64>,
) -> Result<()> {
    tx.execute(
        sql!(
            "UPDATE links SET expires_at = $1, uses_left = $2
             WHERE conversation_id = $3 AND revoked_at IS NULL"
        ),
        params![expires_at, uses_left, id],
    )?;
    Ok(())
}

/// Counts a use of the link. Returns false where no use was left.
pub fn use_link(tx: &mut Write<'_>, id: ConversationId) -> Result<bool> {
    let used = tx.execute(
        sql!(
            "UPDATE links SET uses_left = uses_left - 1
             WHERE conversation_id = $1 AND revoked_at IS NULL AND (uses_left IS NULL OR uses_left > 0)"
        ),
        params![id],
    )?;
    Ok(used > 0)
}

/// Bans new guests with this address hash from the room until `until`.
pub fn ban(tx: &mut Write<'_>, id: ConversationId, ip_hash: &str, until: Time) -> Result<()> {
    tx.execute(
        sql!(
            "INSERT INTO bans (conversation_id, ip_hash, until) VALUES ($1, $2, $3)
             ON CONFLICT (conversation_id, ip_hash) DO UPDATE SET until = excluded.until"
        ),
        params![id, ip_hash, until],
    )?;
    Ok(())
}

/// Lifts the ban on new guests with this address hash.
pub fn unban(tx: &mut Write<'_>, id: ConversationId, ip_hash: &str) -> Result<()> {
    tx.execute(sql!("DELETE FROM bans WHERE conversation_id = $1 AND ip_hash = $2"), params![id, ip_hash])?;
    Ok(())
}

/// Returns the end of the ban on new guests with this address hash.
pub fn banned_until(read: &Read<'_>, id: ConversationId, ip_hash: &str) -> Result<Option<Time>> {
    read.first(
        sql!("SELECT until FROM bans WHERE conversation_id = $1 AND ip_hash = $2"),
        params![id, ip_hash],
        from_row,
    )
}

/// Deletes the bans that have ended.
pub fn purge_bans(tx: &mut Write<'_>) -> Result<u64> {
    let now = tx.now();
    tx.execute(sql!("DELETE FROM bans WHERE until <= $1"), params![now])
}

columns! {
    /// A room that an account is in.
    #[derive(Clone, Debug)]
    pub struct JoinedRoom as p {
        pub room: Conversation = Conversation::COLUMNS,
        pub link: Link = Link::COLUMNS,
        /// The account's membership in the room.
        pub membership: Membership = Membership::COLUMNS,
    }
}

columns! {
    /// A room whose link its owner's page shows.
    #[derive(Clone, Debug)]
    pub struct OpenRoom as c {
        pub id: ConversationId,
        pub name: String,
        /// The secret in the room's address.
        pub key: String = "l.key",
        /// The number of participants.
        pub size: i64,
    }
}

/// Returns at most `limit` of the account's own rooms whose links admit people at `now`, the most recently active
/// first.
pub fn open_by_owner(read: &Read<'_>, owner: AccountId, now: Time, limit: i64) -> Result<Vec<OpenRoom>> {
    read.all(
        sql!(
            "SELECT ",
            OpenRoom::COLUMNS,
            " FROM participants p JOIN conversations c ON c.id = p.conversation_id
             JOIN links l ON l.conversation_id = c.id AND l.revoked_at IS NULL
             WHERE p.account_id = $1 AND p.left_at IS NULL AND c.owner_id = $1 AND c.by_link
               AND c.deleted_at IS NULL AND (l.expires_at IS NULL OR l.expires_at > $2)
               AND (l.uses_left IS NULL OR l.uses_left > 0)
             ORDER BY c.active_at DESC, c.id DESC LIMIT $3"
        ),
        params![owner, now, limit],
        from_row,
    )
}

/// Returns the rooms that the account is in, the most recently active first; at most `limit`.
pub fn joined(read: &Read<'_>, page: &ConversationPage) -> Result<Vec<JoinedRoom>> {
    read.all(
        sql!(
            "SELECT ",
            JoinedRoom::COLUMNS,
            " FROM participants p JOIN conversations c ON c.id = p.conversation_id
             JOIN links l ON l.conversation_id = c.id AND l.revoked_at IS NULL
             WHERE p.account_id = $1 AND p.left_at IS NULL AND c.by_link AND c.deleted_at IS NULL
               AND (c.active_at, c.id) < ($2, $3)
             ORDER BY c.active_at DESC, c.id DESC LIMIT $4"
        ),
        params![page.account, page.after.0, page.after.1, page.limit],
        from_row,
    )
}

/// Returns how many of the account's rooms have unread messages.
pub fn count_unread(read: &Read<'_>, account: AccountId) -> Result<i64> {
    read.one(
        sql!(
            "SELECT COUNT(*) FROM participants p JOIN conversations c ON c.id = p.conversation_id
             WHERE p.account_id = $1 AND p.left_at IS NULL AND c.by_link AND c.deleted_at IS NULL
               AND c.last_seq > p.read_seq"
        ),
        params![account],
        from_row,
    )
}

/// Returns at most `limit` expired rooms: nobody is in them, or their link admits nobody any more, and the last message
/// was before `since`.
pub fn expired(read: &Read<'_>, since: Time, limit: i64) -> Result<Vec<ConversationId>> {
    let now = read.now();
    read.all(
        sql!(
            "SELECT c.id FROM conversations c
             JOIN links l ON l.conversation_id = c.id AND l.revoked_at IS NULL
             WHERE c.by_link AND c.deleted_at IS NULL AND c.active_at < $1
               AND (c.size = 0 OR l.expires_at <= $2 OR l.uses_left = 0)
             ORDER BY c.active_at LIMIT $3"
        ),
        params![since, now, limit],
        from_row,
    )
}
