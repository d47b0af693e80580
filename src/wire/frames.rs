//! The frames that the socket sends, each for programs (JSON) and where it differs for the site's own pages (HTML in
//! JSON).

use bytes::Bytes;
use serde::Serialize;
use serde_json::json;

use super::{
    avatars, bubble,
    messages::Message,
    peep_card,
    peeps::Status,
    rooms::{LinkLimits, url},
};
use crate::{
    clock::Time,
    events::{ConversationUpdated, MessageEvent, PeepCounts, PresenceChanged, Receipt, Typing},
    ids::{ConversationId, MessageId},
    store::peeps::Peep,
};

fn encode(frame: &impl Serialize) -> Bytes {
    serde_json::to_vec(frame).unwrap_or_default().into()
}

#[derive(Serialize)]
struct StatusFrame<'a> {
    stream: [&'static str; 1],
    event: &'static str,
    payload: &'a str,
    seq: i64,
}

/// A change of the public stream as Mastodon's streaming API sends it, with the stream's number added. Its `payload` is
/// JSON within a string; for a deleted peep it is the id alone. `base` is the base URL.
pub fn peep(peep: &Peep, base: &str) -> Bytes {
    let (event, payload) = match (peep.deleted_at, peep.edited_at) {
        (Some(_), _) => ("delete", peep.id.to_string()),
        (None, edited) => (
            if edited.is_some() { "status.update" } else { "update" },
            serde_json::to_string(&Status::new(peep.clone(), base)).unwrap_or_default(),
        ),
    };
    encode(&StatusFrame { stream: ["public"], event, payload: &payload, seq: peep.seq })
}

#[derive(Serialize)]
struct PeepHtmlFrame {
    event: &'static str,
    seq: i64,
    id: String,
    html: String,
}

/// A change of the public stream for the site's own pages: the peep, rendered.
pub fn peep_html(peep: &Peep, now: Time) -> Bytes {
    let (event, html) = match peep.deleted_at {
        Some(_) => ("delete", String::new()),
        None => ("update", peep_card::fragment(peep.clone(), None, now)),
    };
    encode(&PeepHtmlFrame { event, seq: peep.seq, id: peep.id.to_string(), html })
}

/// New counts under a peep. Mastodon has no such event; its clients skip it.
pub fn counts(counted: &PeepCounts) -> Bytes {
    let PeepCounts { id, likes, replies } = counted;
    encode(&json!({ "event": "counts", "id": id, "likes": likes, "replies": replies }))
}

#[derive(Serialize)]
struct MessageFrame<'a> {
    event: &'static str,
    conversation_id: ConversationId,
    seq: i64,
    change: i64,
    message: &'a Message,
}

fn message_event(said: &MessageEvent) -> &'static str {
    if said.new { "message" } else { "change" }
}

/// A message that is new or has changed. `change` is the number up to which the listener has received everything with
/// this frame. `base` is the base URL.
pub fn message(said: &MessageEvent, change: i64, base: &str) -> Bytes {
    let message = Message::new(&said.message, base);
    encode(&MessageFrame {
        event: message_event(said),
        conversation_id: said.message.conversation,
        seq: said.message.seq,
        change,
        message: &message,
    })
}

#[derive(Serialize)]
struct MessageHtmlFrame {
    event: &'static str,
    conversation_id: ConversationId,
    seq: i64,
    change: i64,
    id: MessageId,
    html: String,
}

/// A message that is new or has changed, for the site's own pages: the message, rendered.
pub fn message_html(said: &MessageEvent, change: i64) -> Bytes {
    let message = &said.message;
    encode(&MessageHtmlFrame {
        event: message_event(said),
        conversation_id: message.conversation,
        seq: message.seq,
        change,
        id: message.id,
        html: bubble::message_fragment(message),
    })
}

/// A room or a thread after a change of its name, owner, lock, link or people. `base` is the base URL.
pub fn conversation(altered: &ConversationUpdated, base: &str) -> Bytes {
    let ConversationUpdated { id, change, name, locked, owner, link, people } = altered;
    match link {
        Some(link) => {
            let room = json!({
                "id": id, "key": link.key, "url": url(base, &link.key), "name": name, "locked": locked,
                "owner_id": owner, "link": LinkLimits::new(link),
            });
            encode(&json!({ "event": "room", "conversation_id": id, "change": change, "room": room }))
        }
        None => {
            let users: Vec<_> = people.iter().map(|one| json!({ "id": one.id, "name": one.name })).collect();
            let thread = json!({ "id": id, "name": name, "owner_id": owner, "users": users });
            encode(&json!({ "event": "thread", "conversation_id": id, "change": change, "thread": thread }))
        }
    }
}

/// The people who have a conversation open.
pub fn presence(here: &PresenceChanged) -> Bytes {
    let people = here.people.iter().map(|one| json!({ "id": one.id, "name": one.name, "guest": one.guest }));
    encode(&json!({
        "event": "here", "conversation_id": here.conversation, "count": here.count, "guests": here.guests,
        "people": people.collect::<Vec<_>>(),
    }))
}

/// The people who have a conversation open, for the site's own pages: a line of text and the avatars, rendered.
pub fn presence_html(here: &PresenceChanged) -> Bytes {
    encode(&json!({
        "event": "here", "conversation_id": here.conversation, "text": avatars::here_now(here),
        "html": avatars::flock(here),
    }))
}

/// A participant is typing.
pub fn typing(typing: &Typing) -> Bytes {
    let who = json!({ "id": typing.who.id, "name": typing.who.name, "guest": typing.who.guest });
    encode(&json!({ "event": "typing", "conversation_id": typing.conversation, "account": who }))
}

/// How far a participant of a thread has received and read messages.
pub fn receipt(receipt: &Receipt) -> Bytes {
    let who = json!({ "id": receipt.who.id, "name": receipt.who.name });
    encode(&json!({
        "event": "receipt", "conversation_id": receipt.conversation, "account": who,
        "delivered_seq": receipt.delivered_seq, "read_seq": receipt.read_seq,
    }))
}
