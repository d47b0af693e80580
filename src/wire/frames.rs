//! The frames that the server sends on a socket: in JSON for programs, and some with rendered HTML for the site's own
//! pages. The AsyncAPI document is derived from the types here ([`schemas`]).

use bytes::Bytes;
use serde::Serialize;
use utoipa::{
    ToSchema,
    openapi::{RefOr, Schema},
};

use super::{
    avatars, bubble,
    matches::Match,
    messages::Message,
    peep_card,
    peeps::Status,
    rooms::{LinkLimits, Room, url},
};
use crate::{
    clock::Time,
    events::{self, ConversationUpdated, MessageEvent, PeepCounts, PresenceChanged, Receipt, Typing},
    ids::{AccountId, ConversationId, MessageId, PeepId},
    store::{self, peeps::Peep},
};

/// Encodes a frame as JSON text.
pub fn encode(frame: &impl Serialize) -> Bytes {
    serde_json::to_vec(frame).unwrap_or_default().into()
}

/// Declares types for the `event` member of frames: enums of the values that the member may have.
macro_rules! event_names {
    ($($name:ident { $($(#[$attribute:meta])* $value:ident),+ })+) => {$(
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $($(#[$attribute])* $value,)+
        }
    )+};
}

event_names! {
    SubscribedName { Subscribed }
    StatusName { Update, #[serde(rename = "status.update")] StatusUpdate, Delete }
    CountsName { Counts }
    MessageName { Message, Change }
    RoomName { Room }
    ThreadName { Thread }
    ReceiptName { Receipt }
    HereName { Here }
    TypingName { Typing }
    MatchName { Subscribed, Waiting, Matched, Reconnecting, Reconnected, Changed, PartnerLeft, Ended }
    LeftName { Left }
    ResetName { Reset }
    PongName { Pong }
    ErrorName { Error }
}

/// The subscription to a stream has begun: the frames that follow continue from these numbers.
#[derive(Serialize, ToSchema)]
pub struct SubscribedFrame<'a> {
    #[schema(inline)]
    event: SubscribedName,
    /// The stream as it was requested.
    stream: &'a str,
    /// The number after which the stream continues.
    seq: i64,
    /// The change after which the conversation continues.
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation_id: Option<ConversationId>,
    /// The account by which the caller takes part in the conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<AccountId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<Room>,
}

impl<'a> SubscribedFrame<'a> {
    /// Creates the frame of a subscription to the public stream.
    pub fn public(seq: i64) -> Self {
        SubscribedFrame {
            event: SubscribedName::Subscribed,
            stream: "public",
            seq,
            change: None,
            conversation_id: None,
            account_id: None,
            room: None,
        }
    }

    /// Creates the frame of a participant's subscription to a conversation. `numbers` are the `seq` and the `change`
    /// from which it continues; `room` is given if the conversation is a room.
    pub fn conversation(
        stream: &'a str,
        conversation: ConversationId,
        account: AccountId,
        numbers: (i64, i64),
        room: Option<Room>,
    ) -> Self {
        SubscribedFrame {
            event: SubscribedName::Subscribed,
            stream,
            seq: numbers.0,
            change: Some(numbers.1),
            conversation_id: Some(conversation),
            account_id: Some(account),
            room,
        }
    }
}

/// A peep is new, edited or deleted, as Mastodon’s streaming API sends it.
#[derive(Serialize, ToSchema)]
pub struct StatusFrame<'a> {
    #[schema(value_type = Vec<String>)]
    stream: [&'static str; 1],
    #[schema(inline)]
    event: StatusName,
    /// A Status as JSON within a string; the id alone of a deleted one.
    payload: &'a str,
    /// The number of the change in the public stream.
    seq: i64,
}

/// Encodes a change of the public stream. `base` is the base URL.
pub fn peep(peep: &Peep, base: &str) -> Bytes {
    let (event, payload) = match (peep.deleted_at, peep.edited_at) {
        (Some(_), _) => (StatusName::Delete, peep.id.to_string()),
        (None, edited) => (
            if edited.is_some() { StatusName::StatusUpdate } else { StatusName::Update },
            serde_json::to_string(&Status::new(peep.clone(), base)).unwrap_or_default(),
        ),
    };
    encode(&StatusFrame { stream: ["public"], event, payload: &payload, seq: peep.seq })
}

#[derive(Serialize)]
struct PeepHtmlFrame {
    event: StatusName,
    seq: i64,
    id: String,
    html: String,
}

/// Encodes a change of the public stream for the site's own pages, with the rendered peep.
pub fn peep_html(peep: &Peep, now: Time) -> Bytes {
    let (event, html) = match peep.deleted_at {
        Some(_) => (StatusName::Delete, String::new()),
        None => (StatusName::Update, peep_card::fragment(peep.clone(), None, now)),
    };
    encode(&PeepHtmlFrame { event, seq: peep.seq, id: peep.id.to_string(), html })
}

/// New counts under a peep. Not replayed; Mastodon has no such event, and its clients skip it.
#[derive(Serialize, ToSchema)]
pub struct CountsFrame {
    #[schema(inline)]
    event: CountsName,
    id: PeepId,
    likes: i64,
    /// The number of direct replies.
    replies: i64,
}

/// Encodes new counts under a peep.
pub fn counts(counts: &PeepCounts) -> Bytes {
    let PeepCounts { id, likes, replies } = *counts;
    encode(&CountsFrame { event: CountsName::Counts, id, likes, replies })
}

/// A message is new (`message`), or an earlier one has changed (`change`).
#[derive(Serialize, ToSchema)]
pub struct MessageFrame<'a> {
    #[schema(inline)]
    event: MessageName,
    conversation_id: ConversationId,
    /// The message’s number.
    seq: i64,
    /// The change up to which everything has been received with this frame.
    change: i64,
    message: &'a Message,
}

impl MessageName {
    fn of(event: &MessageEvent) -> Self {
        if event.new { MessageName::Message } else { MessageName::Change }
    }
}

/// Encodes a message that is new or has changed. `change` is the number up to which the subscriber has received
/// everything with this frame, `base` the base URL.
pub fn message(event: &MessageEvent, change: i64, base: &str) -> Bytes {
    let message = Message::new(&event.message, base);
    encode(&MessageFrame {
        event: MessageName::of(event),
        conversation_id: event.message.conversation,
        seq: event.message.seq,
        change,
        message: &message,
    })
}

#[derive(Serialize)]
struct MessageHtmlFrame {
    event: MessageName,
    conversation_id: ConversationId,
    seq: i64,
    change: i64,
    id: MessageId,
    html: String,
}

/// Encodes a message that is new or has changed for the site's own pages, with the rendered message.
pub fn message_html(event: &MessageEvent, change: i64) -> Bytes {
    let message = &event.message;
    encode(&MessageHtmlFrame {
        event: MessageName::of(event),
        conversation_id: message.conversation,
        seq: message.seq,
        change,
        id: message.id,
        html: bubble::message_fragment(message),
    })
}

/// A room has a new name, link or owner, or was locked or unlocked.
#[derive(Serialize, ToSchema)]
pub struct RoomFrame<'a> {
    #[schema(inline)]
    event: RoomName,
    conversation_id: ConversationId,
    /// The change up to which everything has been received with this frame.
    change: i64,
    room: RoomUpdate<'a>,
}

/// A room after an update.
#[derive(Serialize, ToSchema)]
struct RoomUpdate<'a> {
    id: ConversationId,
    /// The room’s only secret: everyone who has it may join.
    key: &'a str,
    /// The room’s page, and the link to share.
    url: String,
    name: &'a str,
    /// True if only the owner may write.
    locked: bool,
    #[schema(required)]
    owner_id: Option<AccountId>,
    link: LinkLimits,
}

/// A thread has a new name or owner, or other people.
#[derive(Serialize, ToSchema)]
pub struct ThreadFrame<'a> {
    #[schema(inline)]
    event: ThreadName,
    conversation_id: ConversationId,
    /// The change up to which everything has been received with this frame.
    change: i64,
    thread: ThreadUpdate<'a>,
}

/// A thread after an update.
#[derive(Serialize, ToSchema)]
struct ThreadUpdate<'a> {
    id: ConversationId,
    name: &'a str,
    #[schema(required)]
    owner_id: Option<AccountId>,
    users: Vec<NamedPerson<'a>>,
}

/// A person by id and name.
#[derive(Serialize, ToSchema)]
struct NamedPerson<'a> {
    id: AccountId,
    name: &'a str,
}

impl<'a> From<&'a events::Person> for NamedPerson<'a> {
    fn from(person: &'a events::Person) -> Self {
        NamedPerson { id: person.id, name: &person.name }
    }
}

/// Encodes a room or a thread after an update. `base` is the base URL.
pub fn conversation(updated: &ConversationUpdated, base: &str) -> Bytes {
    let ConversationUpdated { id, change, ref name, locked, owner: owner_id, ref link, ref people } =
        *updated;
    match link {
        Some(link) => {
            let store::rooms::Link { key, .. } = link;
            let (url, link) = (url(base, key), LinkLimits::new(link));
            let room = RoomUpdate { id, key, url, name, locked, owner_id, link };
            encode(&RoomFrame { event: RoomName::Room, conversation_id: id, change, room })
        }
        None => {
            let users = people.iter().map(NamedPerson::from).collect();
            let thread = ThreadUpdate { id, name, owner_id, users };
            encode(&ThreadFrame { event: ThreadName::Thread, conversation_id: id, change, thread })
        }
    }
}

/// The people who have the conversation open. Not replayed.
#[derive(Serialize, ToSchema)]
pub struct PresenceFrame<'a> {
    #[schema(inline)]
    event: HereName,
    conversation_id: ConversationId,
    /// The number of all of them.
    count: usize,
    /// The number of guests among them.
    guests: usize,
    /// The first of them.
    people: Vec<PresentPerson<'a>>,
}

/// A person who has the conversation open.
#[derive(Serialize, ToSchema)]
struct PresentPerson<'a> {
    id: AccountId,
    name: &'a str,
    guest: bool,
}

impl<'a> From<&'a events::Person> for PresentPerson<'a> {
    fn from(person: &'a events::Person) -> Self {
        PresentPerson { id: person.id, name: &person.name, guest: person.guest }
    }
}

/// Encodes the people who have a conversation open.
pub fn presence(present: &PresenceChanged) -> Bytes {
    let PresenceChanged { conversation, count, guests, ref people } = *present;
    let people = people.iter().map(PresentPerson::from).collect();
    encode(&PresenceFrame { event: HereName::Here, conversation_id: conversation, count, guests, people })
}

#[derive(Serialize)]
struct PresenceHtmlFrame {
    event: HereName,
    conversation_id: ConversationId,
    text: String,
    html: String,
}

/// Encodes the people who have a conversation open for the site's own pages, as a line of text and rendered avatars.
pub fn presence_html(present: &PresenceChanged) -> Bytes {
    encode(&PresenceHtmlFrame {
        event: HereName::Here,
        conversation_id: present.conversation,
        text: avatars::here_now(present),
        html: avatars::avatars(present),
    })
}

/// Another participant is typing. Not replayed.
#[derive(Serialize, ToSchema)]
pub struct TypingFrame<'a> {
    #[schema(inline)]
    event: TypingName,
    conversation_id: ConversationId,
    account: PresentPerson<'a>,
}

/// Encodes that a participant is typing.
pub fn typing(typing: &Typing) -> Bytes {
    encode(&TypingFrame {
        event: TypingName::Typing,
        conversation_id: typing.conversation,
        account: (&typing.person).into(),
    })
}

/// A participant of a thread has received or read more messages. Not replayed.
#[derive(Serialize, ToSchema)]
pub struct ReceiptFrame<'a> {
    #[schema(inline)]
    event: ReceiptName,
    conversation_id: ConversationId,
    account: NamedPerson<'a>,
    /// Everything up to this message has reached one of the participant’s devices.
    delivered_seq: i64,
    /// Everything up to this message has been read.
    read_seq: i64,
}

/// Encodes how far a participant of a thread has received and read messages.
pub fn receipt(receipt: &Receipt) -> Bytes {
    encode(&ReceiptFrame {
        event: ReceiptName::Receipt,
        conversation_id: receipt.conversation,
        account: (&receipt.person).into(),
        delivered_seq: receipt.delivered_seq,
        read_seq: receipt.read_seq,
    })
}

/// The state of the caller’s match, sent on subscription and after each change.
#[derive(Serialize, ToSchema)]
pub struct MatchFrame {
    #[schema(inline)]
    event: MatchName,
    /// `match`
    stream: &'static str,
    #[serde(rename = "match")]
    #[schema(required)]
    current: Option<Match>,
    /// The rendered state, for the site's own pages only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    html: Option<String>,
    /// The state of the others in a few words, for the site's own pages only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    status: Option<String>,
}

impl MatchFrame {
    /// Creates a frame. `rendered` is the state as HTML and the status of the others, for the site's own pages.
    pub fn new(event: MatchName, current: Option<Match>, rendered: Option<(String, String)>) -> Self {
        let (html, status) = rendered.unzip();
        MatchFrame { event, stream: "match", current, html, status }
    }
}

/// The caller was removed from the conversation, or it was deleted: nothing more is sent about it.
#[derive(Serialize, ToSchema)]
pub struct LeftFrame<'a> {
    #[schema(inline)]
    event: LeftName,
    conversation_id: ConversationId,
    /// The key in the request; empty unless it named a room.
    room: &'a str,
}

impl<'a> LeftFrame<'a> {
    pub fn new(conversation_id: ConversationId, room: &'a str) -> Self {
        LeftFrame { event: LeftName::Left, conversation_id, room }
    }
}

/// More was missed than is replayed: the client fetches what it needs, and the stream continues from these numbers.
#[derive(Serialize, ToSchema)]
pub struct ResetFrame {
    #[schema(inline)]
    event: ResetName,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation_id: Option<ConversationId>,
    /// The number after which the stream continues.
    seq: i64,
    /// The change after which the conversation continues.
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<i64>,
}

impl ResetFrame {
    /// Creates the reset of the public stream.
    pub fn public(seq: i64) -> Self {
        ResetFrame { event: ResetName::Reset, conversation_id: None, seq, change: None }
    }

    /// Creates the reset of a conversation.
    pub fn conversation(id: ConversationId, seq: i64, change: i64) -> Self {
        ResetFrame { event: ResetName::Reset, conversation_id: Some(id), seq, change: Some(change) }
    }
}

/// The answer to a `ping`.
#[derive(Serialize, ToSchema)]
pub struct PongFrame {
    #[schema(inline)]
    event: PongName,
}

/// The only value of [`PongFrame`].
pub const PONG: PongFrame = PongFrame { event: PongName::Pong };

/// A message of the client was not understood, or a subscription was refused.
#[derive(Serialize, ToSchema)]
pub struct ErrorFrame<'a> {
    #[schema(inline)]
    event: ErrorName,
    /// The reason, in plain words.
    error: &'a str,
    /// The stream that was requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<&'a str>,
    /// The key that was requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<&'a str>,
    /// The conversation that was requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation: Option<&'a str>,
}

impl<'a> ErrorFrame<'a> {
    /// Creates the answer to a message that is not valid.
    pub fn new(error: &'a str) -> Self {
        ErrorFrame { event: ErrorName::Error, error, stream: None, room: None, conversation: None }
    }

    /// Creates the refusal of a subscription. An empty key or conversation is left out.
    pub fn refused(error: &'a str, stream: &'a str, room: &'a str, conversation: &'a str) -> Self {
        let non_empty = |text: &'a str| Some(text).filter(|text| !text.is_empty());
        ErrorFrame {
            stream: Some(stream),
            room: non_empty(room),
            conversation: non_empty(conversation),
            ..ErrorFrame::new(error)
        }
    }
}

/// The schema of a frame.
pub struct FrameSchema {
    /// The name of the frame in the AsyncAPI document.
    pub name: &'static str,
    pub schema: RefOr<Schema>,
    /// The schemas that the frame's schema refers to, by name.
    pub referenced: Vec<(String, RefOr<Schema>)>,
}

impl FrameSchema {
    fn of<F: ToSchema>(name: &'static str) -> Self {
        let mut referenced = Vec::new();
        F::schemas(&mut referenced);
        FrameSchema { name, schema: F::schema(), referenced }
    }
}

/// Returns the schemas of all frames in JSON, in the order of the AsyncAPI document.
pub fn schemas() -> Vec<FrameSchema> {
    vec![
        FrameSchema::of::<SubscribedFrame<'_>>("subscribed"),
        FrameSchema::of::<StatusFrame<'_>>("status"),
        FrameSchema::of::<CountsFrame>("counts"),
        FrameSchema::of::<MessageFrame<'_>>("message"),
        FrameSchema::of::<RoomFrame<'_>>("room"),
        FrameSchema::of::<ThreadFrame<'_>>("thread"),
        FrameSchema::of::<ReceiptFrame<'_>>("receipt"),
        FrameSchema::of::<PresenceFrame<'_>>("here"),
        FrameSchema::of::<TypingFrame<'_>>("typing"),
        FrameSchema::of::<MatchFrame>("match"),
        FrameSchema::of::<LeftFrame<'_>>("left"),
        FrameSchema::of::<ResetFrame>("reset"),
        FrameSchema::of::<PongFrame>("pong"),
        FrameSchema::of::<ErrorFrame<'_>>("error"),
    ]
}
