//! A conversation on a socket: a room by its key, or any that one is in by its id.
//!
//! It has two numbers. Messages are 1, 2, 3 … by their `seq`, and everything that happens (something
//! said, edited, deleted or reacted to, the room renamed, someone removed) is 1, 2, 3 … by `change`.
//! A listener whose next change is not the next number asks the database what it missed, and the
//! database is asked first whether the listener is still in the room.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use serde_json::json;
use tokio::time::Instant;

use super::{
    Closed, Flow, SocketWriter, SubscribeRequest,
    fast_path::{Delivery, FastPath, StreamEncoder},
};
use crate::{
    Error, Result,
    app::App,
    db::Read,
    domain::{
        conversations::{Door, Participant, still_in},
        rooms::{Inside, Key, Visitor},
        threads,
    },
    events::{ConversationUpdated, Encoded, Event, Format, MessageEvent, PresenceChanged, Topic, Typing},
    http::session::come_in,
    ids::{AccountId, ConversationId},
    realtime::hub::Mailbox,
    services::presence::{self, Window},
    store::{
        self,
        accounts::Account,
        conversations::{Conversation, Kind},
        messages::Message,
        rooms::Link,
    },
    wire::{
        frames::{self},
        rooms::Room,
    },
};

/// Messages read at once when something is replayed.
const REPLAY: i64 = 200;

/// Messages replayed at most. A page that missed more is loaded anew; a program that missed more than
/// it can use fetches what it wants.
const FAR_BEHIND_PAGE: i64 = 500;
const FAR_BEHIND: i64 = 20_000;

/// Earlier messages told anew, because they changed. Beyond it one begins anew.
const CHANGED: i64 = 1000;

/// One's typing is told once in so long; people do not look more often.
const BETWEEN_TYPING: Duration = Duration::from_secs(2);

/// With so many listening, who types is told to nobody: it would be a flicker, and a flood.
pub const CROWD: usize = 300;

/// Who wants to listen.
#[derive(Clone, Copy)]
pub(super) struct JoinRequest<'a> {
    pub(super) account: &'a Account,
    /// Where from, as a keyed hash of the address.
    pub(super) place: &'a str,
    pub(super) may_come_in: bool,
}

/// A subscription to a conversation.
pub(super) struct ConversationStream {
    participant: Participant,
    /// The link that holds, of a room.
    link: Option<Link>,
    /// The key that it was asked for by, of a room.
    key: String,
    cursor: Cursor,
    fast_path: Arc<FastPath<Encoder>>,
    typed: Option<Instant>,
    /// Up to where it was noted that everything has come to its listener.
    delivered: i64,
    /// Nobody sees an app that looks after a thread.
    _window: Option<Window>,
}

/// Up to where a listener has heard everything.
#[derive(Clone, Copy, Debug)]
struct Cursor {
    /// The number of the last message that was sent.
    seq: i64,
    /// The number of the last change that was sent, or was none of its business.
    change: i64,
}

/// Where a change stands beside a cursor.
enum Order {
    Old,
    Next,
    Gap,
}

impl Cursor {
    fn order(self, change: i64) -> Order {
        match change - self.change {
            ..=0 => Order::Old,
            1 => Order::Next,
            2.. => Order::Gap,
        }
    }
}

/// How a conversation is told to a listener.
struct Encoder {
    app: Arc<App>,
    format: Format,
    listener: AccountId,
    /// What the listener never sees: everything up to this message.
    after: i64,
}

impl StreamEncoder for Encoder {
    type Cursor = Cursor;

    fn encode<'e>(&self, cursor: &mut Cursor, event: &'e Event) -> Delivery<'e> {
        match event {
            Event::MessageChanged(said) => {
                let Message { seq, change, .. } = said.value.message;
                if quotes(&said.value.message, self.after) {
                    return Delivery::Handle;
                }
                match cursor.order(change) {
                    Order::Old => return Delivery::Ignore,
                    Order::Gap => return Delivery::CatchUp,
                    Order::Next => cursor.change = change,
                }
                if (said.value.new && seq <= cursor.seq) || seq <= self.after {
                    return Delivery::Ignore; // it came with a replay, or is from before the listener came
                }
                cursor.seq = cursor.seq.max(seq);
                Delivery::Send(said.frame(self.format, |said| encode(&self.app, self.format, said, change)))
            }
            Event::PresenceChanged(here) => {
                Delivery::Send(here.frame(self.format, |here| presence_frame(self.format, here)))
            }
            Event::ReceiptChanged(receipt) => Delivery::Send(receipt.frame(Format::Json, frames::receipt)),
            Event::Typing(typing) if typing.value.who.id == self.listener => Delivery::Ignore,
            Event::Typing(typing) => Delivery::Send(typing.frame(Format::Json, frames::typing)),
            Event::ConversationUpdated(_) | Event::ParticipantLeft { .. } | Event::ConversationDeleted => {
                Delivery::Handle
            }
            Event::PeepChanged(_)
            | Event::PeepCountsChanged(_)
            | Event::PageChanged(_)
            | Event::JobDue
            | Event::MatchChanged
            | Event::WaitingQueueChanged(_) => Delivery::Ignore,
        }
    }
}

impl ConversationStream {
    /// Comes in, is subscribed at the hub, and says from where on the room is heard. What was missed is
    /// sent by the [`ConversationStream::catch_up`] after it.
    pub(super) async fn begin(
        writer: &mut SocketWriter,
        mailbox: &mut Mailbox<Topic, Event>,
        join: JoinRequest<'_>,
        request: &SubscribeRequest,
    ) -> Result<Result<Self, Error>, Closed> {
        let app = Arc::clone(&writer.app);
        let subscribe = async {
            let JoinRequest { account, place, may_come_in } = join;
            let door = if request.stream == "room" {
                let key = Key::parse(&request.room)?;
                Door::Room(Visitor { account: account.clone(), key, place: place.into(), may_come_in })
            } else {
                let id = request.conversation.parse().map_err(|_| Error::NotFound)?;
                Door::Conversation { account: account.clone(), id, kind: None }
            };
            let participant = come_in(&app, &door).await?;
            let id = participant.conversation.id;
            let encoder = Encoder {
                app: Arc::clone(&app),
                format: writer.format,
                listener: participant.id(),
                after: participant.seat.sees_after,
            };
            let fast_path = FastPath::new(encoder, &writer.connection);
            mailbox.subscribe_with(Topic::Conversation(id), Arc::clone(&fast_path) as _);
            // Once more: from now on nothing is missed, so these are the numbers to begin with.
            let begin = move |read: &Read<'_>| {
                let participant = door.inside(read)?.ok_or(Error::NotFound)?;
                let link = link_of(read, &participant.conversation)?;
                Ok((participant, link))
            };
            let begun = app.db.read(begin).await;
            if begun.is_err() {
                mailbox.unsubscribe(&Topic::Conversation(id));
            }
            begun.map(|(participant, link)| (participant, link, fast_path))
        };
        let (participant, link, fast_path) = match subscribe.await {
            Ok(begun) => begun,
            Err(error @ Error::Internal(_)) => {
                tracing::error!(%error, "Can't subscribe to a conversation");
                return writer.broken().await;
            }
            Err(error) => return Ok(Err(error)),
        };
        let (last_seq, last_change) =
            (participant.conversation.last_seq, participant.conversation.last_change);
        // Numbers that are still to come are of another database: begin where this one is.
        let seq = request.since.filter(|since| (0..=last_seq).contains(since)).unwrap_or(last_seq);
        let seq = seq.max(participant.seat.sees_after);
        let change =
            request.change.filter(|change| (0..=last_change).contains(change)).unwrap_or(last_change);
        let id = participant.conversation.id;
        let mut subscribed = json!({
            "event": "subscribed", "stream": request.stream, "conversation_id": id,
            "account_id": participant.id(), "seq": seq, "change": change,
        });
        if let Some(link) = &link {
            let inside = Inside { participant: participant.clone(), link: link.clone() };
            subscribed["room"] = json!(Room::new(&inside, app.config.base_url.as_str()));
        }
        writer.say(&subscribed).await?;
        let window = (!participant.seat.hidden).then(|| app.presence.open(&participant));
        // Whoever comes is told who is here at once; the others hear of it when it is told next.
        let here = presence::here(id, app.presence.people(id));
        writer.feed(presence_frame(writer.format, &here)).await?;
        let key = request.room.clone();
        let cursor = Cursor { seq, change };
        Ok(Ok(ConversationStream {
            participant,
            link,
            key,
            cursor,
            fast_path,
            typed: None,
            delivered: 0,
            _window: window,
        }))
    }

    pub(super) fn arm(&self) {
        self.fast_path.arm(self.cursor);
    }

    pub(super) fn disarm(&mut self) {
        self.cursor = self.fast_path.disarm().unwrap_or(self.cursor);
    }

    /// Notes how far it has come to its listener, where others are told of that.
    pub(super) async fn note_delivered(&mut self, app: &App) {
        let (participant, seq) = (self.participant.clone(), self.cursor.seq);
        if !participant.has_receipts() || seq <= self.delivered.max(participant.seat.delivered_seq) {
            return;
        }
        self.delivered = seq;
        if let Err(error) = app.db.write(move |tx| participant.receive(tx, seq)).await {
            tracing::warn!(%error, "Can't note what was delivered");
        }
    }

    pub(super) fn id(&self) -> ConversationId {
        self.participant.conversation.id
    }

    /// Whether this is the room with that key (the one that it was asked for by, or the one that holds), or
    /// the conversation with that id.
    pub(super) fn is(&self, key: &str, id: &str) -> bool {
        let holds = self.link.as_ref().is_some_and(|link| link.key == key);
        (!key.is_empty() && (self.key == key || holds)) || id.parse() == Ok(self.id())
    }

    /// Its listener is typing.
    pub(super) fn type_on(&mut self, app: &App) {
        let topic = Topic::Conversation(self.id());
        let soon = self.typed.is_some_and(|typed| typed.elapsed() < BETWEEN_TYPING);
        if soon
            || !self.participant.may_write()
            || self.participant.seat.hidden
            || app.events.subscribers(&topic) > CROWD
        {
            return;
        }
        self.typed = Some(Instant::now());
        let typing = Typing { conversation: self.id(), who: self.participant.person() };
        app.events.publish(&topic, &Event::Typing(Arc::new(Encoded::new(typing))));
    }

    pub(super) async fn hear(&mut self, writer: &mut SocketWriter, event: &Event) -> Result<Flow, Closed> {
        match self.fast_path.encoder.encode(&mut self.cursor, event) {
            Delivery::Ignore => Ok(Flow::GoesOn),
            Delivery::Send(frame) => writer.feed(frame.payload()).await.map(|()| Flow::GoesOn),
            Delivery::CatchUp => self.catch_up(writer).await,
            Delivery::Handle => self.look(writer, event).await,
        }
    }

    /// Something happened to the room, or to who is in it.
    async fn look(&mut self, writer: &mut SocketWriter, event: &Event) -> Result<Flow, Closed> {
        let change = match event {
            Event::MessageChanged(said) => said.value.message.change,
            Event::ConversationUpdated(altered) => altered.value.change,
            Event::ParticipantLeft { change, .. } => *change,
            Event::ConversationDeleted => return self.end(writer).await,
            _ => return Ok(Flow::GoesOn),
        };
        match self.cursor.order(change) {
            Order::Old => return Ok(Flow::GoesOn),
            Order::Gap => return self.catch_up(writer).await,
            Order::Next => self.cursor.change = change,
        }
        match event {
            Event::MessageChanged(said) => return self.without_quote(writer, &said.value).await,
            Event::ConversationUpdated(altered) => {
                self.link.clone_from(&altered.value.link);
                self.participant.conversation.name.clone_from(&altered.value.name);
                self.participant.conversation.locked = altered.value.locked;
                self.participant.conversation.owner = altered.value.owner;
                let base = writer.app.config.base_url.as_str();
                let frame = altered.frame(Format::Json, |altered| frames::conversation(altered, base));
                writer.feed(frame.payload()).await?;
            }
            Event::ParticipantLeft { account, owner, .. } => {
                let mine = Some(self.participant.id());
                if *account == mine || (account.is_none() && *owner != mine) {
                    return self.end(writer).await;
                }
            }
            _ => {}
        }
        Ok(Flow::GoesOn)
    }

    /// Something was said in answer to what this listener never sees: it is told without that.
    async fn without_quote(
        &mut self,
        writer: &mut SocketWriter,
        said: &MessageEvent,
    ) -> Result<Flow, Closed> {
        let (seq, change) = (said.message.seq, said.message.change);
        if (said.new && seq <= self.cursor.seq) || seq <= self.participant.seat.sees_after {
            return Ok(Flow::GoesOn);
        }
        let message = said.message.clone().seen_after(self.participant.seat.sees_after);
        self.cursor.seq = self.cursor.seq.max(seq);
        let frame = encode(&writer.app, writer.format, &MessageEvent { message, new: said.new }, change);
        writer.feed(frame).await.map(|()| Flow::GoesOn)
    }

    /// It is not for this listener any more.
    async fn end(&mut self, writer: &mut SocketWriter) -> Result<Flow, Closed> {
        // At once, and not after the while that a closed window is given.
        writer.app.presence.remove(self.id(), self.participant.id());
        writer.say(&json!({ "event": "left", "conversation_id": self.id(), "room": self.key })).await?;
        Ok(Flow::Ended)
    }

    /// Sends from the database what was missed: first what changed of what was sent before, then what
    /// is new, each as it is now.
    pub(super) async fn catch_up(&mut self, writer: &mut SocketWriter) -> Result<Flow, Closed> {
        let (account, id, change) = (self.participant.account.clone(), self.id(), self.cursor.change);
        let read = writer.app.db.read(move |read| {
            let Some(participant) = still_in(read, &account, id)? else { return Ok(None) };
            let link = link_of(read, &participant.conversation)?;
            Ok(Some((participant, link)))
        });
        let (participant, link) = match read.await {
            Ok(Some(found)) => found,
            Ok(None) => return self.end(writer).await,
            Err(_) => return writer.broken().await,
        };
        // The numbers first, both of one moment: what is said after it comes live, by the next number.
        let (last_seq, last_change) =
            (participant.conversation.last_seq, participant.conversation.last_change);
        if participant.seat.sees_after != self.participant.seat.sees_after {
            return self.end(writer).await; // it left and came back: it may see something else now
        }
        let before = (std::mem::replace(&mut self.participant, participant), self.link.clone());
        self.link = link;
        if !self.is_as(&before.0.conversation, &before.1) {
            self.altered(writer, change).await?;
        }
        let far = if writer.format == Format::Html { FAR_BEHIND_PAGE } else { FAR_BEHIND };
        if last_seq - self.cursor.seq > far {
            return self.reset(writer, last_seq, last_change).await;
        }
        let sight = self.participant.sight();
        if last_change > change {
            let seq = self.cursor.seq;
            let read = writer
                .app
                .db
                .read(move |read| store::messages::changed_since(read, sight, change, seq, CHANGED + 1));
            let Ok(changed) = read.await else { return writer.broken().await };
            if changed.len() > CHANGED as usize {
                return self.reset(writer, last_seq, last_change).await;
            }
            self.send(writer, changed, false, last_change).await?;
        }
        self.cursor.change = last_change;
        while self.cursor.seq < last_seq {
            let (seq, limit) = (self.cursor.seq, REPLAY.min(last_seq - self.cursor.seq));
            let read = writer.app.db.read(move |read| store::messages::since(read, sight, seq, limit));
            let Ok(missed) = read.await else { return writer.broken().await };
            // There is no gap, so as many as were asked for are there; unless the room is just being
            // cleared away.
            let Some(latest) = missed.last().map(|message| message.seq) else { break };
            self.send(writer, missed, true, last_change).await?;
            self.cursor.seq = latest;
        }
        self.note_delivered(&Arc::clone(&writer.app)).await;
        Ok(Flow::GoesOn)
    }

    /// Sends what was missed. Each frame says up to which change the listener has heard everything when
    /// it has heard it: a message may have changed again since the numbers were read, with others still
    /// to come, so that is not always the message's own.
    async fn send(
        &self,
        writer: &mut SocketWriter,
        messages: Vec<Message>,
        new: bool,
        last_change: i64,
    ) -> Result<(), Closed> {
        for message in messages {
            let heard = if new { last_change } else { message.change.min(last_change) };
            let frame = encode(&writer.app, writer.format, &MessageEvent { message, new }, heard);
            writer.feed(frame).await?;
        }
        Ok(())
    }

    /// Whether the room looks as it did.
    fn is_as(&self, before: &Conversation, link: &Option<Link>) -> bool {
        let now = &self.participant.conversation;
        let same_people = now.kind != Kind::Thread || now.size == before.size;
        let same = (&now.name, now.locked, now.owner, &self.link);
        same_people && same == (&before.name, before.locked, before.owner, link)
    }

    /// How the room is now.
    async fn altered(&self, writer: &mut SocketWriter, change: i64) -> Result<(), Closed> {
        let room = &self.participant.conversation;
        let id = room.id;
        let people = match room.kind {
            Kind::Thread => {
                writer.app.db.read(move |read| threads::people(read, id)).await.unwrap_or_default()
            }
            Kind::Room | Kind::Match => Vec::new(),
        };
        let altered = ConversationUpdated {
            id: room.id,
            change,
            name: room.name.clone(),
            locked: room.locked,
            owner: room.owner,
            link: self.link.clone(),
            people,
        };
        let frame = frames::conversation(&altered, writer.app.config.base_url.as_str());
        writer.feed(frame).await
    }

    async fn reset(&mut self, writer: &mut SocketWriter, seq: i64, change: i64) -> Result<Flow, Closed> {
        self.cursor = Cursor { seq, change };
        let id = self.id();
        writer.say(&json!({ "event": "reset", "conversation_id": id, "seq": seq, "change": change })).await?;
        Ok(Flow::GoesOn)
    }
}

/// Whether the message quotes one of those up to `after`.
fn quotes(message: &Message, after: i64) -> bool {
    message.reply_to.as_ref().is_some_and(|quote| quote.seq <= after)
}

/// The link of a room that holds now; other conversations have none.
fn link_of(read: &Read<'_>, conversation: &Conversation) -> Result<Option<Link>> {
    match conversation.kind {
        Kind::Room => store::rooms::current_link(read, conversation.id).map(Some),
        Kind::Match | Kind::Thread => Ok(None),
    }
}

fn presence_frame(format: Format, here: &PresenceChanged) -> Bytes {
    match format {
        Format::Json => frames::presence(here),
        Format::Html => frames::presence_html(here),
    }
}

/// `change` is the number up to which the listener has received everything with this frame.
fn encode(app: &App, format: Format, said: &MessageEvent, change: i64) -> Bytes {
    match format {
        Format::Json => frames::message(said, change, app.config.base_url.as_str()),
        Format::Html => frames::message_html(said, change),
    }
}
