//! Rooms: conversations that anyone with the link can join.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use super::{
    conversations::{self, Participant, PeoplePosition, emit, remove_participant},
    names::skeleton,
    text::{self, Rules},
};
use crate::{
    Error, Result,
    clock::Time,
    db::Read,
    error::Faults,
    events::{ConversationUpdated, Emission, Event, Topic, Tx},
    ids::{AccountId, ConversationId, hex, random},
    store::{
        self,
        accounts::{Account, AccountKind},
        conversations::{Conversation, ConversationPage, MembershipRow, NewConversation, NewMembership},
        rooms::{JoinedRoom, Link, RoomByKey},
    },
};

/// The maximum number of people in a room. Beyond it no one could follow the conversation.
pub const MAX_SIZE: i64 = 10_000;

/// The maximum number of rooms in a member's own list; nobody reads further.
const MAX_LISTED: i64 = 200;

/// The duration of the ban on a removed guest, and on new guests from the same address.
const BAN: Duration = Duration::from_secs(3600);

/// The time without messages after which guests, and rooms that nobody can enter, are purged.
pub const IDLE_RETENTION: Duration = Duration::from_secs(30 * 24 * 3600);

/// The refusal of a link that has expired or has no uses left.
const LINK_EXPIRED: Error = Error::Forbidden("This link has run out. Ask someone inside for a new one.");

/// The refusal of managed accounts: their app chooses their names, which may equal the name of a member.
pub(super) const NOT_FROM_HERE: Error =
    Error::Forbidden("An app’s people talk in its threads, and not with the people of this place.");

/// The maximum number of guests or rooms purged in one transaction, so that other writes do not wait long for the
/// purge.
const BATCH: i64 = 200;

/// A room's name: 1 to 80 characters on one line.
#[derive(Clone, Debug)]
pub struct RoomName(String);

impl RoomName {
    /// Cleans the name and joins its words with single spaces.
    pub fn parse(raw: &str) -> Result<Self> {
        let rules = Rules { field: "name", limit: 80, lines: false, empty: "Give it a name." };
        let name = text::clean(raw, rules)?;
        Ok(RoomName(name.split_whitespace().collect::<Vec<_>>().join(" ")))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A room's only secret: 128 random bits, in base64url. The type has no `Debug`, so that no key is printed.
#[derive(Clone)]
pub struct Key(String);

impl Key {
    fn random() -> Result<Self> {
        Ok(Key(BASE64_URL_SAFE_NO_PAD.encode(random::<16>()?)))
    }

    /// Reads the key in an address. Text that cannot be a key is refused as not found.
    pub fn parse(raw: &str) -> Result<Self> {
        let fits =
            raw.len() == 22 && raw.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if fits { Ok(Key(raw.into())) } else { Err(Error::NotFound) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the hash by which the room is looked up. The timing of such a lookup does not reveal how close a guess
    /// is.
    fn hash(&self) -> String {
        hex(&Sha256::digest(self.0.as_bytes()))
    }
}

/// An account with a room's key. It may be in the room already, or may be banned from it.
#[derive(Clone)]
pub struct RoomInvitee {
    pub account: Account,
    pub key: Key,
    pub ip_hash: String,
    /// True if the request may join the room. It may not with a token that has only the scope `read`.
    pub may_join: bool,
}

/// A participant of a room.
#[derive(Clone, Debug)]
pub struct RoomMember {
    pub participant: Participant,
    /// The current link. The invitee's key may belong to an older one.
    pub link: Link,
}

impl RoomInvitee {
    /// Returns the invitee as a room member, if the account is in the room. An invitee to whom the room is not open
    /// receives the same error as for a room that does not exist.
    pub fn find(&self, read: &Read<'_>) -> Result<Option<RoomMember>> {
        Ok(self.lookup(read)?.1)
    }

    /// Joins the room. No other code adds an account to a room. Changes nothing for an account that is in it already.
    pub fn join(&self, tx: &mut Tx<'_>) -> Result<RoomMember> {
        let (row, room_member) = self.lookup(tx)?;
        if let Some(room_member) = room_member {
            return Ok(room_member);
        }
        self.admit(tx, row.room.id)?;
        self.find(tx)?.ok_or(Error::NotFound)
    }

    fn lookup(&self, read: &Read<'_>) -> Result<(RoomByKey, Option<RoomMember>)> {
        let row = store::rooms::by_key(read, &self.key.hash(), self.account.id)?.ok_or(Error::NotFound)?;
        let membership = row.membership.clone().filter(|membership| membership.left_at.is_none());
        if membership.is_none() && !row.is_current {
            return Err(Error::NotFound);
        }
        let room_member = membership.map(|membership| RoomMember {
            participant: Participant {
                account: self.account.clone(),
                conversation: row.room.clone(),
                membership,
            },
            link: row.link.clone(),
        });
        Ok((row, room_member))
    }

    fn admit(&self, tx: &mut Tx<'_>, room: ConversationId) -> Result<()> {
        if self.account.kind == AccountKind::Managed {
            return Err(NOT_FROM_HERE);
        }
        if !self.may_join {
            return Err(Error::Forbidden("The token lacks the scope write: with it one comes in."));
        }
        let now = tx.now();
        // The room's row is locked first, so that everything read after it is valid until the commit.
        let size = store::conversations::resize(tx, room, 1)?;
        let (row, room_member) = self.lookup(tx)?;
        if room_member.is_some() {
            // The account joined from another tab at the same moment.
            store::conversations::resize(tx, room, -1)?;
            return Ok(());
        }
        let account_ban = row.membership.as_ref().and_then(|membership| membership.banned_until);
        let address_ban = match self.account.kind {
            AccountKind::Guest => store::rooms::banned_until(tx, room, &self.ip_hash)?,
            _ => None,
        };
        if account_ban.max(address_ban).is_some_and(|until| until > now) {
            return Err(Error::Forbidden("You were asked to leave this room."));
        }
        if size > MAX_SIZE {
            return Err(Error::Forbidden("This room is full."));
        }
        let (alias, skeleton) = self.alias(tx, room)?;
        let new = NewMembership {
            conversation: room,
            account: self.account.id,
            alias: alias.as_deref(),
            skeleton: &skeleton,
            read_seq: row.room.last_seq,
            visible_after_seq: 0,
            ip_hash: &self.ip_hash,
        };
        store::conversations::join(tx, &new)?;
        if row.link.expires_at.is_some_and(|at| at <= now) || !store::rooms::use_link(tx, room)? {
            return Err(LINK_EXPIRED);
        }
        if row.room.owner.is_none() {
            // Everyone had left the room, so there is no owner.
            store::conversations::set_owner(tx, room, Some(self.account.id))?;
        }
        Ok(())
    }

    /// Returns the alias, if any, and the skeleton of the name. A guest whose name is taken in the room gets an alias
    /// with a number, so that people can distinguish the two.
    fn alias(&self, read: &Read<'_>, room: ConversationId) -> Result<(Option<String>, String)> {
        let name = &self.account.name;
        let plain = skeleton(name);
        let is_called =
            |skeleton: &str| store::conversations::is_called(read, room, skeleton, self.account.id);
        if self.account.kind != AccountKind::Guest || !is_called(&plain)? {
            return Ok((None, plain));
        }
        for number in 2..=MAX_SIZE {
            let alias = format!("{name} {number}");
            let skeleton = skeleton(&alias);
            if !is_called(&skeleton)? {
                return Ok((Some(alias), skeleton));
            }
        }
        Ok((None, plain))
    }
}

/// Creates a room and makes its creator a member of it.
pub fn create(tx: &mut Tx<'_>, account: &Account, name: &RoomName, ip_hash: &str) -> Result<RoomMember> {
    let id = store::conversations::insert(
        tx,
        &NewConversation {
            owner: Some(account.id),
            ..store::conversations::ConversationKind::Room.new_conversation(name.as_str())
        },
    )?;
    let key = Key::random()?;
    store::rooms::insert_link(tx, id, key.as_str(), &key.hash())?;
    RoomInvitee { account: account.clone(), key, ip_hash: ip_hash.into(), may_join: true }.join(tx)
}

/// Returns the room of a key, of which a person outside may see the name and the number of people.
pub fn preview(read: &Read<'_>, key: &Key) -> Result<Conversation> {
    let row = store::rooms::by_key(read, &key.hash(), AccountId(0))?.filter(|row| row.is_current);
    row.map(|row| row.room).ok_or(Error::NotFound)
}

/// Refuses a key whose link admits nobody new, so that a guest is not asked for a name in vain.
pub fn check_link(read: &Read<'_>, key: &Key) -> Result<()> {
    let row = store::rooms::by_key(read, &key.hash(), AccountId(0))?.filter(|row| row.is_current);
    let link = row.ok_or(Error::NotFound)?.link;
    let expired = link.expires_at.is_some_and(|at| at <= read.now());
    if expired || link.uses_left == Some(0) { Err(LINK_EXPIRED) } else { Ok(()) }
}

/// Returns the rooms that the account is in, most recently active first.
pub fn joined(read: &Read<'_>, account: AccountId) -> Result<Vec<JoinedRoom>> {
    store::rooms::joined(read, &ConversationPage::first(account, MAX_LISTED))
}

/// Returns one of the account's rooms as a room member.
pub fn into_room_member(account: &Account, joined: JoinedRoom) -> RoomMember {
    let JoinedRoom { room, link, membership } = joined;
    RoomMember { participant: Participant { account: account.clone(), conversation: room, membership }, link }
}

/// Changes to a room; a field that is `None` stays as it is.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    pub name: Option<RoomName>,
    pub locked: Option<bool>,
    /// The time until which the link admits new people; `Some(None)` removes the limit.
    pub expires_at: Option<Option<Time>>,
    /// The number of people whom the link still admits; `Some(None)` removes the limit.
    pub uses_left: Option<Option<i64>>,
}

impl Changes {
    pub fn is_empty(&self) -> bool {
        self.name.is_none() && self.locked.is_none() && self.expires_at.is_none() && self.uses_left.is_none()
    }
}

/// A participant who owns the room. Having one is the permission to change the room.
#[derive(Clone, Debug)]
pub struct Owner(RoomMember);

impl RoomMember {
    /// Returns the room's owner. Refuses everyone else.
    pub fn owner(self) -> Result<Owner> {
        if self.participant.is_owner() {
            Ok(Owner(self))
        } else {
            Err(Error::Forbidden("Only the room’s owner can do that."))
        }
    }
}

impl RoomMember {
    /// Leaves the room. If the owner leaves, the next owner is the member who joined first, or else the first of the
    /// others; the change is published.
    pub fn leave(&self, tx: &mut Tx<'_>) -> Result<()> {
        leave(tx, &self.participant)
    }
}

fn leave(tx: &mut Tx<'_>, participant: &Participant) -> Result<()> {
    if participant.leave(tx)? { emit_update(tx, participant.conversation.id) } else { Ok(()) }
}

impl Owner {
    pub fn room_member(&self) -> &RoomMember {
        &self.0
    }

    fn id(&self) -> ConversationId {
        self.0.participant.conversation.id
    }

    /// Renames or locks the room, or limits its link.
    pub fn change(&self, tx: &mut Tx<'_>, changes: &Changes) -> Result<()> {
        let mut faults = Faults::default();
        if changes.uses_left.flatten().is_some_and(|uses| !(1..=MAX_SIZE).contains(&uses)) {
            faults.check::<()>(Err(Error::invalid("uses_left", "Let in between 1 and 10,000 people.")))?;
        }
        if changes.expires_at.flatten().is_some_and(|at| at <= tx.now()) {
            faults.check::<()>(Err(Error::invalid(
                "expires_at",
                "That moment has passed. Choose a later one.",
            )))?;
        }
        faults.done()?;
        let id = self.id();
        if let Some(name) = &changes.name {
            store::conversations::rename(tx, id, name.as_str())?;
        }
        if let Some(locked) = changes.locked {
            store::conversations::set_locked(tx, id, locked)?;
        }
        if changes.expires_at.is_some() || changes.uses_left.is_some() {
            let link = store::rooms::current_link(tx, id)?;
            let expires_at = changes.expires_at.unwrap_or(link.expires_at);
            let uses_left = changes.uses_left.unwrap_or(link.uses_left);
            store::rooms::limit_link(tx, id, expires_at, uses_left)?;
        }
        emit_update(tx, id)
    }

    /// Creates a new link with the limits of the old one. The old link admits nobody from then on. Unless `all_stay`,
    /// everyone but the owner is removed.
    pub fn renew_link(&self, tx: &mut Tx<'_>, all_stay: bool) -> Result<Link> {
        let (id, key) = (self.id(), Key::random()?);
        if !all_stay {
            let change = store::conversations::next_change(tx, id)?.ok_or(Error::NotFound)?;
            let owner = self.0.participant.id();
            store::conversations::leave_all_but(tx, id, Some(owner))?;
            let event = Event::ParticipantLeft { change, account: None, owner: Some(owner) };
            tx.emit(Emission { topic: Topic::Conversation(id), event });
        }
        let before = store::rooms::current_link(tx, id)?;
        store::rooms::insert_link(tx, id, key.as_str(), &key.hash())?;
        // The limits are copied, except those with which the new link would admit nobody.
        let now = tx.now();
        let (expires_at, uses_left) =
            (before.expires_at.filter(|at| *at > now), before.uses_left.filter(|uses| *uses > 0));
        store::rooms::limit_link(tx, id, expires_at, uses_left)?;
        emit_update(tx, id)?;
        store::rooms::current_link(tx, id)
    }

    /// Removes a person at once. A guest is banned for an hour, along with all new guests from the same address; a
    /// member is banned until the owner lifts the ban.
    pub fn remove(&self, tx: &mut Tx<'_>, account: AccountId) -> Result<()> {
        if account == self.0.participant.id() {
            return Err(Error::Conflict("You can’t remove yourself. You can leave, though."));
        }
        let id = self.id();
        let kind = store::accounts::by_id(tx, account)?.kind;
        let until = if kind == AccountKind::Guest { tx.now() + BAN } else { Time::from_ms(i64::MAX) };
        if kind == AccountKind::Guest
            && let Some(ip_hash) = store::conversations::ip_hash(tx, id, account)?
        {
            store::rooms::ban(tx, id, &ip_hash, until)?;
        }
        remove_participant(tx, id, account, Some(until)).map(drop)
    }

    /// Lifts a ban, so that the person can join again by the link; for a guest, also the ban on the guest's address.
    pub fn unban(&self, tx: &mut Tx<'_>, account: AccountId) -> Result<()> {
        if let Some(ip_hash) = store::conversations::ip_hash(tx, self.id(), account)? {
            store::rooms::unban(tx, self.id(), &ip_hash)?;
        }
        store::conversations::unban(tx, self.id(), account)
    }

    /// Deletes the room at once, for everyone. A job clears its contents soon after.
    pub fn delete(&self, tx: &mut Tx<'_>) -> Result<()> {
        conversations::delete(tx, self.id())
    }
}

/// Publishes the room's new state to its subscribers, under the next change number.
fn emit_update(tx: &mut Tx<'_>, id: ConversationId) -> Result<()> {
    let change = store::conversations::next_change(tx, id)?.ok_or(Error::NotFound)?;
    let room = store::conversations::by_id(tx, id)?.ok_or(Error::NotFound)?;
    let link = store::rooms::current_link(tx, id)?;
    let update = ConversationUpdated {
        id,
        change,
        name: room.name,
        locked: room.locked,
        owner: room.owner,
        link: Some(link),
        people: Vec::new(),
    };
    emit(tx, id, update, Event::ConversationUpdated);
    Ok(())
}

/// Purges a batch of guests who have written nothing for 30 days: their sessions end, they leave their rooms, and their
/// messages stay under their names. Returns the number of guests.
pub fn purge_guests(tx: &mut Tx<'_>) -> Result<usize> {
    let since = tx.now() - IDLE_RETENTION;
    let guests = store::accounts::silent_guests(tx, since, BATCH)?;
    for guest in &guests {
        let account = store::accounts::by_id(tx, *guest)?;
        for id in store::conversations::ids_of(tx, *guest)? {
            if let Some(participant) = conversations::find_participant(tx, &account, id)? {
                leave(tx, &participant)?;
            }
        }
        store::sessions::delete_of(tx, *guest)?;
        store::accounts::purge(tx, *guest)?;
    }
    Ok(guests.len())
}

/// Deletes a batch of rooms where nothing was written for 30 days and which are empty or admit nobody any more. Returns
/// the number of rooms.
pub fn purge_rooms(tx: &mut Tx<'_>) -> Result<usize> {
    let since = tx.now() - IDLE_RETENTION;
    let expired = store::rooms::expired(tx, since, BATCH)?;
    for id in &expired {
        conversations::delete(tx, *id)?;
    }
    store::rooms::purge_bans(tx)?;
    Ok(expired.len())
}

/// Returns a page of the rooms that an account is in, most recently active first.
pub fn page(read: &Read<'_>, page: &ConversationPage) -> Result<Vec<JoinedRoom>> {
    store::rooms::joined(read, page)
}

/// Returns the number of rooms with messages that the account has not read.
pub fn count_unread(read: &Read<'_>, account: AccountId) -> Result<i64> {
    store::rooms::count_unread(read, account)
}

/// A page of a room's people.
#[derive(Clone, Debug)]
pub struct People {
    pub people: Vec<MembershipRow>,
    /// The last position on this page, if another page follows.
    pub next: Option<PeoplePosition>,
}

/// Returns the room's current link. Only people in the room may see it.
pub fn current_link(read: &Read<'_>, id: ConversationId) -> Result<Link> {
    store::rooms::current_link(read, id)
}

impl RoomMember {
    /// Returns up to `limit` people after a position in the list: first the participants, then the people who were
    /// removed, each in the order of joining. Only the owner sees those who were removed.
    pub fn people(&self, read: &Read<'_>, after: PeoplePosition, limit: i64) -> Result<People> {
        let mut people = self.participant.people(read, after, limit)?;
        let position = |row: &MembershipRow| {
            (row.membership.left_at.is_some(), row.membership.joined_at, row.account.id)
        };
        let next = people.last().filter(|_| people.len() as i64 == limit).map(position);
        people.retain(|row| row.membership.left_at.is_none() || self.participant.is_owner());
        Ok(People { people, next })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_128_bits_in_base64url() {
        let key = Key::random().expect("random bits");
        assert_eq!(key.as_str().len(), 22);
        assert_eq!(Key::parse(key.as_str()).expect("a key").hash(), key.hash());
        for raw in ["", "short", "kq7Xv2mTfB9sLw0eRzUa1", "kq7Xv2mTfB9sLw0eRzUa1g0", "kq7Xv2mTfB9sLw0eRzUa/g"]
        {
            assert!(Key::parse(raw).is_err(), "{raw:?}");
        }
    }

    #[test]
    fn a_room_has_a_name_on_one_line() {
        assert_eq!(
            RoomName::parse("  Repair café,   Saturday ").expect("fine").as_str(),
            "Repair café, Saturday"
        );
        for raw in ["", " ", "a\nb", &"n".repeat(81)] {
            assert!(RoomName::parse(raw).is_err(), "{raw:?}");
        }
        assert!(RoomName::parse(&"n".repeat(80)).is_ok());
    }
}
