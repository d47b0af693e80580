//! The events that Chitter publishes, their topics, and the database's types with both filled in.

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

/// The subscribers that an event is for.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Topic {
    /// Sockets that have the public stream open.
    Public,
    /// Sockets that have this conversation open.
    Conversation(ConversationId),
    /// Everything that concerns one account, such as its page and its match. A subscriber ignores the events that it
    /// has no use for.
    Account(AccountId),
    /// The worker that runs the outbox's jobs.
    Outbox,
    /// The worker that matches tickets.
    MatchWorker,
    /// Sockets of everyone who waits to be matched.
    WaitingQueue,
}

/// A change that subscribers are notified of.
#[derive(Clone, Debug)]
pub enum Event {
    /// A peep is new, edited or deleted. Numbered without gaps by the peep's `seq`, so that a subscriber detects a
    /// missing one and replays it from the database.
    PeepChanged(Arc<Encoded<Peep>>),
    /// New counts of likes and replies under a peep. Unnumbered: the next event replaces it.
    PeepCountsChanged(Arc<Encoded<PeepCounts>>),
    /// A message is new, edited, deleted or reacted to. Numbered without gaps by the message's `change`, in one
    /// sequence with [`Event::ConversationUpdated`] and [`Event::ParticipantLeft`].
    MessageChanged(Arc<Encoded<MessageEvent>>),
    /// A room or a thread has a new name, link or owner, other people, or was locked or unlocked.
    ConversationUpdated(Arc<Encoded<ConversationUpdated>>),
    /// A participant left the conversation or was removed, and receives nothing after this event.
    ParticipantLeft {
        change: i64,
        /// The participant; `None` when everyone but `owner` was removed.
        account: Option<AccountId>,
        /// The owner who stays when everyone else is removed.
        owner: Option<AccountId>,
    },
    /// The conversation was deleted for everyone.
    ConversationDeleted,
    /// The people who have the conversation open. Unnumbered: each event has the complete state.
    PresenceChanged(Arc<Encoded<PresenceChanged>>),
    /// A participant of a thread has received or read more messages. Unnumbered.
    ReceiptChanged(Arc<Encoded<Receipt>>),
    /// A participant is typing. Unnumbered.
    Typing(Arc<Encoded<Typing>>),
    /// The account's published page has changed. Unnumbered.
    PageChanged(AccountId),
    /// A job was put into the outbox.
    JobDue,
    /// The waiting queue, in its order: for each ticket the pool, when it began to wait, and the account. Unnumbered:
    /// each event has all tickets.
    WaitingQueueChanged(Arc<Vec<(Pool, Time, AccountId)>>),
    /// The state of a ticket or a match has changed. Unnumbered: the database has the current state.
    MatchChanged,
}

impl Event {
    /// Returns the event's number in its topic. Numbers have no gaps, so a subscriber that misses one reads it from
    /// the database; `None` for events that the next one of their kind replaces.
    pub fn number(&self) -> Option<i64> {
        match self {
            Event::PeepChanged(peep) => Some(peep.value.seq),
            Event::MessageChanged(event) => Some(event.value.message.change),
            Event::ConversationUpdated(updated) => Some(updated.value.change),
            Event::ParticipantLeft { change, .. } => Some(*change),
            _ => None,
        }
    }

    /// Returns the account whose words or actions the event shows to others; `None` where the event shows those of
    /// several accounts, or of none.
    pub fn author(&self) -> Option<AccountId> {
        match self {
            Event::PeepChanged(peep) => Some(peep.value.author.id),
            Event::MessageChanged(event) => Some(event.value.message.author.id),
            Event::ReceiptChanged(receipt) => Some(receipt.value.person.id),
            Event::Typing(typing) => Some(typing.value.person.id),
            _ => None,
        }
    }
}

/// A message that is new or has changed.
#[derive(Clone, Debug)]
pub struct MessageEvent {
    /// The message as it is now.
    pub message: Message,
    /// True if it was just sent; false for a change of an earlier one.
    pub new: bool,
}

/// A room or a thread as it is after an update.
#[derive(Clone, Debug)]
pub struct ConversationUpdated {
    pub id: ConversationId,
    pub change: i64,
    pub name: String,
    /// True if only the owner may write.
    pub locked: bool,
    pub owner: Option<AccountId>,
    /// The current link of a room; `None` for a thread.
    pub link: Option<Link>,
    /// The people of a thread; empty for a room.
    pub people: Vec<Person>,
}

/// The people who have a conversation open.
#[derive(Clone, Debug)]
pub struct PresenceChanged {
    pub conversation: ConversationId,
    /// The number of all people, members and guests.
    pub count: usize,
    /// The number of guests among the people.
    pub guests: usize,
    /// The first people, in the order in which they opened the conversation.
    pub people: Vec<Person>,
}

/// A participant of a conversation under its name there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    pub id: AccountId,
    pub name: String,
    pub guest: bool,
}

/// The messages that a participant of a thread has received and read.
#[derive(Clone, Debug)]
pub struct Receipt {
    pub conversation: ConversationId,
    pub person: Person,
    /// The last message of those that have all reached one of the participant's devices.
    pub delivered_seq: i64,
    /// The last message of those that the participant has read.
    pub read_seq: i64,
}

/// A participant who is typing.
#[derive(Clone, Debug)]
pub struct Typing {
    pub conversation: ConversationId,
    pub person: Person,
}

/// The counts under a peep.
#[derive(Clone, Copy, Debug)]
pub struct PeepCounts {
    pub id: PeepId,
    pub likes: i64,
    /// The number of direct replies.
    pub replies: i64,
}

/// A value with its frames: encoded once per format, by the first subscriber that needs it, and shared by all.
#[derive(Debug)]
pub struct Encoded<T> {
    pub value: T,
    json: OnceLock<Frame>,
    html: OnceLock<Frame>,
}

/// The format in which a socket receives events.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// JSON for programs.
    Json,
    /// Rendered HTML within JSON, for the site's own pages.
    Html,
}

impl<T> Encoded<T> {
    /// Wraps a value that is not encoded yet.
    pub fn new(value: T) -> Self {
        Encoded { value, json: OnceLock::new(), html: OnceLock::new() }
    }

    /// Returns the frame in this format; `encode` is called once per format.
    pub fn frame(&self, format: Format, encode: impl FnOnce(&T) -> Bytes) -> &Frame {
        let slot = match format {
            Format::Json => &self.json,
            Format::Html => &self.html,
        };
        slot.get_or_init(|| Frame::text(&encode(&self.value)))
    }
}

/// An event on its way out of a transaction.
#[derive(Clone, Debug)]
pub struct Emission {
    pub topic: Topic,
    pub event: Event,
}

/// A callback that receives each event before any subscriber does, and invalidates what this process keeps in memory.
pub type Invalidation = Box<dyn Fn(&Topic, &Event) + Send + Sync>;

/// The publisher of every event of this process, from a transaction or not.
///
/// A bus between servers would carry `(topic, number)` ([`Event::number`]) from here to the publishers of the others.
/// It may lose, repeat and reorder events, because a subscriber reads what it missed from the database.
pub struct Events {
    hub: Arc<Hub<Topic, Event>>,
    invalidations: Vec<Invalidation>,
}

impl Events {
    /// Creates the publisher with one dispatcher for each core, so that subscribers to a topic are served in parallel.
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
