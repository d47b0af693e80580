//! Conversations, and who is in them.

mod seats;

pub use self::seats::{
    Entrance, Participant, Seat, clear_aliases, heir, is_called, join, leave, leave_all_but, participants,
    participants_after, place, set_delivered, set_read, unbar,
};
pub(super) use self::seats::{SEAT, SEAT_WIDTH, seat};
use super::{
    accounts::{self, Account},
    sync,
};
use crate::{
    Result,
    clock::Time,
    db::{Column, Read, Row, Write},
    ids::{AccountId, AppId, AttachmentId, ConversationId},
    params, sql,
};

/// What sort of conversation it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Whoever has its link is in.
    Room,
    /// Strangers who were brought together.
    Match,
    /// People who were named.
    Thread,
}

impl Kind {
    /// As it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Room => "room",
            Kind::Match => "match",
            Kind::Thread => "thread",
        }
    }
}

impl Column for Kind {
    type Raw = String;
    fn from_raw(raw: String) -> Self {
        match raw.as_str() {
            "room" => Kind::Room,
            "match" => Kind::Match,
            _ => Kind::Thread, // the most private of them
        }
    }
}

/// A conversation, without what is said in it.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// Its id; it never changes.
    pub id: ConversationId,
    /// What sort it is.
    pub kind: Kind,
    /// What it is called.
    pub name: String,
    /// Whose it is.
    pub owner: Option<AccountId>,
    /// Whether it can only be read.
    pub locked: bool,
    /// Whether files may be sent along.
    pub files: bool,
    /// The number of its last message.
    pub last_seq: i64,
    /// The number of its last change, of whatever kind.
    pub last_change: i64,
    /// How many are in it.
    pub size: i64,
    /// When something was last said in it.
    pub active_at: Time,
    /// When it was made.
    pub created_at: Time,
    /// What a program keeps with it: a JSON object, or nothing.
    pub metadata: String,
    /// The app that looks after it: it is of the app's people.
    pub app: Option<AppId>,
}

/// The columns of a [`Conversation`] `c`, in the order in which [`from_row`] takes them.
pub(super) const COLUMNS: &str = "c.id, c.kind, c.name, c.owner_id, c.locked, c.files, c.last_seq,
    c.last_change, c.size, c.active_at, c.created_at, c.metadata, c.app_id";

/// How many they are.
pub(super) const WIDTH: usize = 13;

pub(super) fn from_row(row: &Row<'_>, at: usize) -> Result<Conversation> {
    Ok(Conversation {
        id: row.get(at)?,
        kind: row.get(at + 1)?,
        name: row.get(at + 2)?,
        owner: row.get(at + 3)?,
        locked: row.get(at + 4)?,
        files: row.get(at + 5)?,
        last_seq: row.get(at + 6)?,
        last_change: row.get(at + 7)?,
        size: row.get(at + 8)?,
        active_at: row.get(at + 9)?,
        created_at: row.get(at + 10)?,
        metadata: row.get(at + 11)?,
        app: row.get(at + 12)?,
    })
}

/// Whose conversations of one kind, and which stretch of them: the one where something was said last first.
#[derive(Clone, Copy, Debug)]
pub struct Stretch {
    /// Whose.
    pub account: AccountId,
    /// Only those behind this one: when something was last said in it, and its id.
    pub after: (Time, ConversationId),
    /// So many at most.
    pub limit: i64,
}

impl Stretch {
    /// The first so many.
    pub fn first(account: AccountId, limit: i64) -> Self {
        Stretch { account, after: (Time::from_ms(i64::MAX), ConversationId(i64::MAX)), limit }
    }
}

/// A conversation to be added, with the rules of its kind that queries ask for.
#[derive(Debug)]
pub struct NewConversation<'a> {
    pub kind: Kind,
    pub name: &'a str,
    pub owner: Option<AccountId>,
    /// Whether files may be sent along from the beginning.
    pub files: bool,
    /// Whether it has a link and is listed among the rooms.
    pub by_link: bool,
    /// Whether its people are named and it is listed among the threads.
    pub shows_people: bool,
    /// Whether programs receive it by `sync`.
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

/// The conversation with this id, unless it was deleted.
pub fn by_id(read: &Read<'_>, id: ConversationId) -> Result<Option<Conversation>> {
    read.first(
        sql!("SELECT ", COLUMNS, " FROM conversations c WHERE c.id = $1 AND c.deleted_at IS NULL"),
        params![id],
        |row| from_row(row, 0),
    )
}

/// The numbers that a new message gets, and whether anything may be said.
#[derive(Clone, Copy, Debug)]
pub struct Numbers {
    /// The message's own.
    pub seq: i64,
    /// The change's.
    pub change: i64,
    /// Whether the conversation can only be read.
    pub locked: bool,
}

/// The numbers of the message that is being said. Others wait here until it is committed, so they become visible in
/// order and without gaps. `None` where the conversation was just deleted. The tick of a conversation is the highest
/// of all that was ever changed in it: on PostgreSQL whoever waited here may have a lower one.
pub fn next_message(tx: &mut Write<'_>, id: ConversationId) -> Result<Option<Numbers>> {
    let (now, tick) = (tx.now(), sync::tick(tx)?);
    tx.first(
        sql!(
            "UPDATE conversations SET last_seq = last_seq + 1, last_change = last_change + 1, active_at = $1,
                 tick = CASE WHEN tick < $2 THEN $2 ELSE tick END
             WHERE id = $3 AND deleted_at IS NULL RETURNING last_seq, last_change, locked"
        ),
        params![now, tick, id],
        |row| Ok(Numbers { seq: row.get(0)?, change: row.get(1)?, locked: row.get(2)? }),
    )
}

/// The number of the change that is being made, which is no new message. Others wait here, too.
pub fn next_change(tx: &mut Write<'_>, id: ConversationId) -> Result<Option<i64>> {
    let tick = sync::tick(tx)?;
    tx.first(
        sql!(
            "UPDATE conversations SET last_change = last_change + 1,
                                      tick = CASE WHEN tick < $1 THEN $1 ELSE tick END
             WHERE id = $2 AND deleted_at IS NULL RETURNING last_change"
        ),
        params![tick, id],
        |row| row.get(0),
    )
}

/// Gives it another name.
pub fn rename(tx: &mut Write<'_>, id: ConversationId, name: &str) -> Result<()> {
    tx.execute(sql!("UPDATE conversations SET name = $1 WHERE id = $2"), params![name, id]).map(drop)
}

/// Lets people only read, or write again.
pub fn lock(tx: &mut Write<'_>, id: ConversationId, locked: bool) -> Result<()> {
    tx.execute(sql!("UPDATE conversations SET locked = $1 WHERE id = $2"), params![locked, id]).map(drop)
}

/// From now on files may be sent along.
pub fn allow_files(tx: &mut Write<'_>, id: ConversationId) -> Result<()> {
    tx.execute(sql!("UPDATE conversations SET files = TRUE WHERE id = $1"), params![id]).map(drop)
}

/// Gives it to somebody else, or to nobody.
pub fn set_owner(tx: &mut Write<'_>, id: ConversationId, owner: Option<AccountId>) -> Result<()> {
    tx.execute(sql!("UPDATE conversations SET owner_id = $1 WHERE id = $2"), params![owner, id]).map(drop)
}

/// Takes it away from everyone; its rows go later, by [`clear`].
pub fn delete(tx: &mut Write<'_>, id: ConversationId) -> Result<()> {
    let now = tx.now();
    sync::depart(tx, id, now - sync::AWAY)?;
    tx.execute(
        sql!("UPDATE conversations SET deleted_at = $1, last_change = last_change + 1 WHERE id = $2"),
        params![now, id],
    )?;
    Ok(())
}

/// The conversation as the account sees it: only while it is in it.
pub fn seen_by(
    read: &Read<'_>,
    id: ConversationId,
    account: AccountId,
) -> Result<Option<(Conversation, Seat)>> {
    let found = read.first(
        sql!(
            "SELECT ",
            COLUMNS,
            ", ",
            SEAT,
            " FROM conversations c JOIN participants p ON p.conversation_id = c.id
             WHERE c.id = $1 AND c.deleted_at IS NULL AND p.account_id = $2 AND p.left_at IS NULL"
        ),
        params![id, account],
        |row| Ok((from_row(row, 0)?, seat(row, WIDTH)?)),
    )?;
    Ok(found.and_then(|(conversation, seat)| Some((conversation, seat?))))
}

/// The kind of a conversation that the account is or was in, itself or behind a mask; also of one that is deleted and
/// not yet cleared away.
pub fn kind_for(read: &Read<'_>, id: ConversationId, account: AccountId) -> Result<Option<Kind>> {
    read.first(
        sql!(
            "SELECT c.kind FROM conversations c
             WHERE c.id = $1 AND EXISTS (SELECT 1 FROM participants p JOIN accounts a ON a.id = p.account_id
                                         WHERE p.conversation_id = c.id AND (p.account_id = $2 OR a.mask_of = $2))"
        ),
        params![id, account],
        |row| row.get(0),
    )
}

/// The mask that stands for the account in this conversation, if one does.
pub fn mask(read: &Read<'_>, id: ConversationId, account: AccountId) -> Result<Option<Account>> {
    read.first(
        sql!(
            "SELECT ",
            accounts::COLUMNS,
            " FROM accounts a JOIN participants p ON p.account_id = a.id
             WHERE a.mask_of = $1 AND p.conversation_id = $2 AND p.left_at IS NULL"
        ),
        params![account, id],
        accounts::from_row,
    )
}

/// Someone behind a mask.
#[derive(Clone, Debug)]
pub struct Masked {
    /// Where.
    pub conversation: ConversationId,
    /// The mask.
    pub mask: AccountId,
    /// What the mask is called.
    pub name: String,
    /// Who it is.
    pub account: AccountId,
    /// Where it came in from, as a keyed hash.
    pub place: String,
    /// Whether it is a guest.
    pub guest: bool,
}

/// Who is or was in the conversation behind which mask.
pub fn masks(read: &Read<'_>, id: ConversationId) -> Result<Vec<Masked>> {
    read.all(
        sql!(
            "SELECT p.account_id, a.name, b.id, COALESCE(p.place, ''), b.kind = 'guest'
             FROM participants p JOIN accounts a ON a.id = p.account_id JOIN accounts b ON b.id = a.mask_of
             WHERE p.conversation_id = $1 ORDER BY p.account_id"
        ),
        params![id],
        |row| {
            Ok(Masked {
                conversation: id,
                mask: row.get(0)?,
                name: row.get(1)?,
                account: row.get(2)?,
                place: row.get(3)?,
                guest: row.get(4)?,
            })
        },
    )
}

/// Holds the conversation until the transaction ends. False where it is gone.
pub fn hold(tx: &mut Write<'_>, id: ConversationId) -> Result<bool> {
    let held = tx.execute(
        sql!("UPDATE conversations SET size = size WHERE id = $1 AND deleted_at IS NULL"),
        params![id],
    )?;
    Ok(held == 1)
}

/// Counts one more who is in it, or one fewer; how many there are then. Others who come in wait here
/// until it is committed, so they know of each other.
pub fn resize(tx: &mut Write<'_>, id: ConversationId, by: i64) -> Result<i64> {
    tx.one(
        sql!("UPDATE conversations SET size = size + $1 WHERE id = $2 RETURNING size"),
        params![by, id],
        |row| row.get(0),
    )
}

/// The conversations that the account is in.
pub fn ids_of(read: &Read<'_>, account: AccountId) -> Result<Vec<ConversationId>> {
    read.all(
        sql!("SELECT conversation_id FROM participants WHERE account_id = $1 AND left_at IS NULL"),
        params![account],
        |row| row.get(0),
    )
}

/// The deleted conversation whose rows are to go next.
pub fn next_to_clear(read: &Read<'_>) -> Result<Option<ConversationId>> {
    read.first(
        sql!("SELECT id FROM conversations WHERE deleted_at IS NOT NULL ORDER BY deleted_at, id LIMIT 1"),
        params![],
        |row| row.get(0),
    )
}

/// Takes away a stretch of a deleted conversation's rows. Gives the files to be deleted, and whether
/// nothing is left of it.
pub fn clear(tx: &mut Write<'_>, id: ConversationId, limit: i64) -> Result<(Vec<AttachmentId>, bool)> {
    let files = tx.all(
        sql!(
            "DELETE FROM attachments WHERE id IN
                 (SELECT id FROM attachments WHERE conversation_id = $1 LIMIT $2) RETURNING id"
        ),
        params![id, limit],
        |row| row.get(0),
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
        |row| row.get(0),
    )?;
    for sql in [
        sql!("DELETE FROM participants WHERE conversation_id = $1"),
        sql!("DELETE FROM hooks WHERE conversation_id = $1"),
        sql!("DELETE FROM bars WHERE conversation_id = $1"),
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
