//! Rooms: their links, whom they keep out, and what goes when one goes.

use super::conversations::{self, Conversation, Seat, Stretch, WIDTH};
use crate::{
    Result,
    clock::Time,
    db::{Read, Row, Write},
    ids::{AccountId, ConversationId},
    params, sql,
};

/// What a room is opened by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The secret in the address.
    pub key: String,
    /// It lets nobody new in from then on.
    pub expires_at: Option<Time>,
    /// It lets in so many more.
    pub uses_left: Option<i64>,
}

/// The columns of a [`Link`] `l`, in the order in which [`link`] takes them.
const LINK: &str = "l.key, l.expires_at, l.uses_left";

fn link(row: &Row<'_>, at: usize) -> Result<Link> {
    Ok(Link { key: row.get(at)?, expires_at: row.get(at + 1)?, uses_left: row.get(at + 2)? })
}

/// A room as someone with a key in hand finds it.
#[derive(Clone, Debug)]
pub struct Found {
    /// The room.
    pub room: Conversation,
    /// The link that holds now; the key in hand may be an older one.
    pub link: Link,
    /// Whether the key in hand is that of the link that holds.
    pub holds: bool,
    /// The account's place in it, if it is or was in it.
    pub seat: Option<Seat>,
}

/// Finds a room by the hash of a key, for this account. Deleted ones are not found.
pub fn by_key(read: &Read<'_>, key_hash: &str, account: AccountId) -> Result<Option<Found>> {
    read.first(
        sql!(
            "SELECT ",
            conversations::COLUMNS,
            ", ",
            LINK,
            ", k.revoked_at IS NULL, ",
            conversations::SEAT,
            " FROM links k JOIN conversations c ON c.id = k.conversation_id
             JOIN links l ON l.conversation_id = c.id AND l.revoked_at IS NULL
             LEFT JOIN participants p ON p.conversation_id = c.id AND p.account_id = $1
             WHERE k.key_hash = $2 AND c.deleted_at IS NULL"
        ),
        params![account, key_hash],
        |row| {
            Ok(Found {
                room: conversations::from_row(row, 0)?,
                link: link(row, WIDTH)?,
                holds: row.get(WIDTH + 3)?,
                seat: conversations::seat(row, WIDTH + 4)?,
            })
        },
    )
}

/// The link of a room that holds now.
pub fn current_link(read: &Read<'_>, id: ConversationId) -> Result<Link> {
    read.one(
        sql!("SELECT ", LINK, " FROM links l WHERE l.conversation_id = $1 AND l.revoked_at IS NULL"),
        params![id],
        |row| link(row, 0),
    )
}

/// Makes the link that holds from now on.
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

/// Sets until when and for how many more the link holds.
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

/// Counts a use of the link. False where none was left.
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

/// Lets no new guest in from this place until then.
pub fn bar(tx: &mut Write<'_>, id: ConversationId, place: &str, until: Time) -> Result<()> {
    tx.execute(
        sql!(
            "INSERT INTO bars (conversation_id, place, until) VALUES ($1, $2, $3)
             ON CONFLICT (conversation_id, place) DO UPDATE SET until = excluded.until"
        ),
        params![id, place, until],
    )?;
    Ok(())
}

/// Lets new guests in from this place again.
pub fn unbar(tx: &mut Write<'_>, id: ConversationId, place: &str) -> Result<()> {
    tx.execute(sql!("DELETE FROM bars WHERE conversation_id = $1 AND place = $2"), params![id, place])?;
    Ok(())
}

/// Until when no new guest comes in from this place.
pub fn barred_until(read: &Read<'_>, id: ConversationId, place: &str) -> Result<Option<Time>> {
    read.first(
        sql!("SELECT until FROM bars WHERE conversation_id = $1 AND place = $2"),
        params![id, place],
        |row| row.get(0),
    )
}

/// Forgets the bars that have run out.
pub fn forget_bars(tx: &mut Write<'_>) -> Result<u64> {
    let now = tx.now();
    tx.execute(sql!("DELETE FROM bars WHERE until <= $1"), params![now])
}

/// A room among those that someone is in.
#[derive(Clone, Debug)]
pub struct Mine {
    /// The room.
    pub room: Conversation,
    /// Its link.
    pub link: Link,
    /// One's own place.
    pub seat: Seat,
}

/// A room that anyone may walk into.
#[derive(Clone, Debug)]
pub struct Open {
    /// Which.
    pub id: ConversationId,
    /// Its name.
    pub name: String,
    /// The secret in its address.
    pub key: String,
    /// How many are in it.
    pub size: i64,
}

/// The account's own rooms whose links let in at `now`, the one where something was said last first; at most `limit`.
pub fn open_of(read: &Read<'_>, owner: AccountId, now: Time, limit: i64) -> Result<Vec<Open>> {
    read.all(
        sql!(
            "SELECT c.id, c.name, l.key, c.size
             FROM participants p JOIN conversations c ON c.id = p.conversation_id
             JOIN links l ON l.conversation_id = c.id AND l.revoked_at IS NULL
             WHERE p.account_id = $1 AND p.left_at IS NULL AND c.owner_id = $1 AND c.by_link
               AND c.deleted_at IS NULL AND (l.expires_at IS NULL OR l.expires_at > $2)
               AND (l.uses_left IS NULL OR l.uses_left > 0)
             ORDER BY c.active_at DESC, c.id DESC LIMIT $3"
        ),
        params![owner, now, limit],
        |row| Ok(Open { id: row.get(0)?, name: row.get(1)?, key: row.get(2)?, size: row.get(3)? }),
    )
}

/// The rooms that the account is in, the one where something was said last first; at most `limit`.
pub fn of(read: &Read<'_>, stretch: &Stretch) -> Result<Vec<Mine>> {
    let mine = read.all(
        sql!(
            "SELECT ",
            conversations::COLUMNS,
            ", ",
            LINK,
            ", ",
            conversations::SEAT,
            " FROM participants p JOIN conversations c ON c.id = p.conversation_id
             JOIN links l ON l.conversation_id = c.id AND l.revoked_at IS NULL
             WHERE p.account_id = $1 AND p.left_at IS NULL AND c.by_link AND c.deleted_at IS NULL
               AND (c.active_at, c.id) < ($2, $3)
             ORDER BY c.active_at DESC, c.id DESC LIMIT $4"
        ),
        params![stretch.account, stretch.after.0, stretch.after.1, stretch.limit],
        |row| {
            let seat = conversations::seat(row, WIDTH + 3)?;
            Ok(seat.map(|seat| -> Result<Mine> {
                Ok(Mine { room: conversations::from_row(row, 0)?, link: link(row, WIDTH)?, seat })
            }))
        },
    )?;
    mine.into_iter().flatten().collect()
}

/// How many rooms the account is in where something was said that it has not read.
pub fn count_unread(read: &Read<'_>, account: AccountId) -> Result<i64> {
    read.one(
        sql!(
            "SELECT COUNT(*) FROM participants p JOIN conversations c ON c.id = p.conversation_id
             WHERE p.account_id = $1 AND p.left_at IS NULL AND c.by_link AND c.deleted_at IS NULL
               AND c.last_seq > p.read_seq"
        ),
        params![account],
        |row| row.get(0),
    )
}

/// Rooms that have run out: nobody is in them; or their link lets nobody in any more, and nothing was
/// said in them since `since`. At most `limit`.
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
        |row| row.get(0),
    )
}
