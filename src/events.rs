//! What realtime may say, and to whom; and the database's types with that filled in.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::{
    clock::Time,
    db,
    ids::{AccountId, ConversationId, PeepId},
    realtime::frame::Frame,
    store::{matches::Pool, messages::Message, peeps::Peep, rooms::Link},
};

/// The database as all of Chitter uses it.
pub type Db = db::Db<Emission>;

/// The transaction as all of Chitter uses it.
pub type Tx<'a> = db::Tx<'a, Emission>;

/// To whom something is said.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Topic {
    /// Everyone who has the public stream open.
    Public,
    /// Everyone who has this conversation open.
    Conversation(ConversationId),
    /// Whoever keeps this account's page ready.
    Page(AccountId),
    /// The worker that does the outbox's jobs.
    Outbox,
    /// The worker that looks for matches.
    Matching,
    /// Everyone who waits to be matched.
    Line,
    /// Every window of someone who has a part in the matching.
    Seeker(AccountId),
}

/// What is said.
#[derive(Clone, Debug)]
pub enum Event {
    /// A peep is new, edited or deleted. Numbered without gaps by the peep's `seq`, so that a
    /// listener can tell that it missed one, and replay it from the database.
    Changed(Arc<Told<Peep>>),
    /// A peep has other numbers under it. Unnumbered: who misses it sees the next one.
    Counted(Arc<Told<Counted>>),
    /// In a conversation a message is new, or an earlier one was edited, deleted or reacted to.
    /// Numbered without gaps by the message's `change`, together with [`Event::Altered`],
    /// [`Event::Left`] and [`Event::Closed`].
    Said(Arc<Told<Said>>),
    /// A room or a thread has another name, link or owner, other people, or is locked or no longer.
    Altered(Arc<Told<Altered>>),
    /// Someone is no longer in the conversation: `None` for everyone but its owner. Whoever that is
    /// hears nothing more.
    Left {
        /// The change's number.
        change: i64,
        /// Who.
        account: Option<AccountId>,
        /// Who stays when everyone goes.
        owner: Option<AccountId>,
    },
    /// The conversation is gone for everyone.
    Closed,
    /// Who has the conversation open. Unnumbered: the next one tells it all again.
    Here(Arc<Told<Here>>),
    /// Something has reached someone in a thread, or was read. Unnumbered.
    Receipt(Arc<Told<Receipt>>),
    /// Someone is typing. Unnumbered.
    Typing(Arc<Told<Typing>>),
    /// The account's page is otherwise now. Unnumbered.
    PageChanged(AccountId),
    /// A job was put into the outbox.
    JobDue,
    /// Who waits to be matched, in the order of the line: among whom, since when, and who. Unnumbered: the
    /// next one tells it all again.
    Line(Arc<Vec<(Pool, Time, AccountId)>>),
    /// Something about matches is otherwise than before. Unnumbered: what it is now is in the database.
    Matching,
}

/// Something said in a conversation.
#[derive(Clone, Debug)]
pub struct Said {
    /// The message as it is now.
    pub message: Message,
    /// Whether it has just been said, or was said before and changed.
    pub new: bool,
}

/// A room or a thread after it was altered.
#[derive(Clone, Debug)]
pub struct Altered {
    /// Which.
    pub id: ConversationId,
    /// The change's number.
    pub change: i64,
    /// Its name.
    pub name: String,
    /// Whether it can only be read.
    pub locked: bool,
    /// Whose it is.
    pub owner: Option<AccountId>,
    /// Its link, where it is a room.
    pub link: Option<Link>,
    /// Who is in it, where it is a thread.
    pub people: Vec<Somebody>,
}

/// Who has a conversation open.
#[derive(Clone, Debug)]
pub struct Here {
    /// Which.
    pub conversation: ConversationId,
    /// How many.
    pub count: usize,
    /// How many of them are guests.
    pub guests: usize,
    /// The first of them.
    pub people: Vec<Somebody>,
}

/// Someone who is in a conversation, as it is called there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Somebody {
    /// The account.
    pub id: AccountId,
    /// What it is called.
    pub name: String,
    /// Whether it is a guest.
    pub guest: bool,
}

/// How far someone in a thread has come.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// Where.
    pub conversation: ConversationId,
    /// Who.
    pub who: Somebody,
    /// Everything up to this message has reached one of its devices.
    pub delivered_seq: i64,
    /// Everything up to this message has been read.
    pub read_seq: i64,
}

/// Someone is typing.
#[derive(Clone, Debug)]
pub struct Typing {
    /// Where.
    pub conversation: ConversationId,
    /// Who.
    pub who: Somebody,
}

/// The numbers under a peep.
#[derive(Clone, Copy, Debug)]
pub struct Counted {
    /// Which peep.
    pub id: PeepId,
    /// How many like it now.
    pub likes: i64,
    /// How many direct replies it has now.
    pub replies: i64,
}

/// What is told, and how: encoded once per format, by whoever needs it first, and shared by all who
/// listen.
#[derive(Debug)]
pub struct Told<T> {
    /// What it is about.
    pub what: T,
    json: OnceLock<Frame>,
    html: OnceLock<Frame>,
}

/// How an event is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// For programs.
    Json,
    /// For the site's own pages.
    Html,
}

impl<T> Told<T> {
    /// Something to be told, in no format yet.
    pub fn new(what: T) -> Self {
        Told { what, json: OnceLock::new(), html: OnceLock::new() }
    }

    /// It in this format; `encode` is asked once.
    pub fn frame(&self, format: Format, encode: impl FnOnce(&T) -> Bytes) -> &Frame {
        let slot = match format {
            Format::Json => &self.json,
            Format::Html => &self.html,
        };
        slot.get_or_init(|| Frame::text(&encode(&self.what)))
    }
}

/// An event on its way out of a transaction.
#[derive(Clone, Debug)]
pub struct Emission {
    /// To whom.
    pub topic: Topic,
    /// What.
    pub event: Event,
}
