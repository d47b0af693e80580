//! What realtime may say, and to whom; and the database's types with that filled in.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::{
    clock::Time,
    db,
    ids::{AccountId, ConversationId, PeepId},
    realtime::{
        frame::Frame,
        hub::{Hub, Mailbox},
    },
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

impl Event {
    /// The event's number in its topic. Numbers have no gaps, so a subscriber that misses one reads it from the
    /// database; `None` for events that the next one of their kind replaces.
    pub fn number(&self) -> Option<i64> {
        match self {
            Event::Changed(peep) => Some(peep.what.seq),
            Event::Said(said) => Some(said.what.message.change),
            Event::Altered(altered) => Some(altered.what.change),
            Event::Left { change, .. } => Some(*change),
            _ => None,
        }
    }
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
    pub topic: Topic,
    pub event: Event,
}

/// Called with each event before anyone receives it. Invalidates what this process keeps in memory.
pub type Invalidation = Box<dyn Fn(&Topic, &Event) + Send + Sync>;

/// The one door through which events leave: every event of this process, from a transaction or not, is published here.
///
/// A bus between servers would carry `(topic, number)` ([`Event::number`]) from here to the same door of the others:
/// a subscriber reads what it missed from the database, so the bus may lose, repeat and reorder.
pub struct Events {
    hub: Arc<Hub<Topic, Event>>,
    invalidations: Vec<Invalidation>,
}

impl Events {
    /// Creates the door with one dispatcher for each core, so that subscribers to a topic are served in parallel.
    pub fn new(invalidations: Vec<Invalidation>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Events { hub: Arc::new(Hub::new(cores)), invalidations }
    }

    /// Publishes what a transaction emitted. Caches are invalidated before the first event is delivered, so nobody
    /// who has received an event can be shown a page from before it.
    pub fn publish_all(&self, emitted: &[Emission]) {
        for Emission { topic, event } in emitted {
            self.invalidate(topic, event);
        }
        for Emission { topic, event } in emitted {
            self.hub.publish(topic, event);
        }
    }

    /// Publishes one event that belongs to no transaction, such as a participant's typing.
    pub fn publish(&self, topic: &Topic, event: &Event) {
        self.invalidate(topic, event);
        self.hub.publish(topic, event);
    }

    fn invalidate(&self, topic: &Topic, event: &Event) {
        for invalidation in &self.invalidations {
            invalidation(topic, event);
        }
    }

    /// Creates a mailbox for up to `capacity` events, subscribed to nothing yet.
    pub fn mailbox(&self, capacity: usize) -> Mailbox<Topic, Event> {
        self.hub.mailbox(capacity)
    }

    /// Returns how many mailboxes are subscribed to the topic.
    pub fn subscribers(&self, topic: &Topic) -> usize {
        self.hub.subscribers(topic)
    }

    /// Returns the dispatchers, each to be polled by a task of its own until the server stops.
    pub fn dispatchers(&self) -> impl Iterator<Item = impl Future<Output = ()> + Send + 'static> {
        let hub = Arc::clone(&self.hub);
        (0..hub.dispatchers()).map(move |number| {
            let hub = Arc::clone(&hub);
            async move { hub.dispatch(number).await }
        })
    }
}
