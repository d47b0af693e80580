//! A conversation on a socket: a room by its key, or any conversation of the account by its id.
//!
//! A conversation has two sequences of numbers. Messages are 1, 2, 3 … by their `seq`, and all changes (a message sent,
//! edited, deleted or reacted to, the room renamed, a participant removed) are 1, 2, 3 … by `change`. A subscriber
//! whose next change is not the next number reads the missed ones from the database, after a check that the account
//! is still a participant.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    conversation_encoder::{ConversationEncoder, Cursor, message_frame, presence_frame},
    fast_path::{Delivery, FastPath, Order, StreamEncoder},
    protocol::SubscribeRequest,
    stream::Flow,
    writer::{Closed, SocketWriter},
};
use crate::{
    Error, Result,
    app::App,
    db::Read,
    domain::{
        access::Access,
        conversations::{Participant, find_participant},
        rooms::{self, Key, RoomInvitee, RoomMember},
        threads,
    },
    events::{ConversationUpdated, Encoded, Event, Format, MessageEvent, Topic, Typing},
    http::session::find_or_join,
    ids::ConversationId,
    realtime::hub::Mailbox,
    services::presence::{self, Window},
    store::{accounts::Account, conversations::Conversation, messages::Message, rooms::Link},
    wire::{
        frames::{self, LeftFrame, ResetFrame, SubscribedFrame},
        rooms::Room,
    },
};

/// Messages that a replay reads at once.
const REPLAY: i64 = 200;

/// Messages that are replayed at most. A page that missed more is loaded again; a program that missed more than it can
/// use fetches what it wants.
const MAX_REPLAYED_HTML: i64 = 500;
const MAX_REPLAYED: i64 = 20_000;

/// Changed earlier messages that are replayed at most. Beyond it, the stream is reset.
const MAX_CHANGED: i64 = 1000;

/// The interval of typing events of one socket: pages show typing for longer than that.
const TYPING_INTERVAL: Duration = Duration::from_secs(2);

/// The number of subscribers beyond which typing is not published: it would be a flicker, and a flood.
pub const CROWD: usize = 300;

/// The account that asks for a conversation.
#[derive(Clone, Copy)]
pub(super) struct JoinRequest<'a> {
    pub(super) account: &'a Account,
    /// The client's address as a keyed hash.
    pub(super) ip_hash: &'a str,
    /// True if the account may join a room that it is not in yet.
    pub(super) may_join: bool,
}

/// A subscription to a conversation.
pub(super) struct ConversationStream {
    participant: Participant,
    /// The current link of a room.
    link: Option<Link>,
    /// The key in the request for a room, which may be that of an earlier link.
    key: String,
    cursor: Cursor,
    fast_path: Arc<FastPath<ConversationEncoder>>,
    typed_at: Option<Instant>,
    /// The last message that was recorded as delivered.
    delivered: i64,
    /// The window that makes the participant present; `None` for the hidden bot of an app that manages a thread.
    _window: Option<Window>,
}

impl ConversationStream {
    /// Joins where that is needed, subscribes at the hub, and sends the numbers from which the stream continues.
    /// [`ConversationStream::catch_up`] then sends what was missed.
    pub(super) async fn begin(
        writer: &mut SocketWriter,
        mailbox: &mut Mailbox<Topic, Event>,
        join: JoinRequest<'_>,
        request: &SubscribeRequest,
    ) -> Result<Result<Self, Error>, Closed> {
        let app = Arc::clone(&writer.app);
        let subscribe = async {
            let JoinRequest { account, ip_hash, may_join } = join;
            let access = if request.stream == "room" {
                let key = Key::parse(&request.room)?;
                Access::Room(RoomInvitee { account: account.clone(), key, ip_hash: ip_hash.into(), may_join })
            } else {
                let id = request.conversation.parse().map_err(|_| Error::NotFound)?;
                Access::Conversation { account: account.clone(), id, kind: None }
            };
            let participant = find_or_join(&app, &access).await?;
            let id = participant.conversation.id;
            let encoder = ConversationEncoder {
                app: Arc::clone(&app),
                format: writer.format,
                account: participant.id(),
                visible_after: participant.membership.visible_after_seq,
            };
            let fast_path = FastPath::new(encoder, &writer.connection);
            mailbox.subscribe_with(Topic::Conversation(id), Arc::clone(&fast_path) as _);
            // Read again after the subscription: no event is missed from now on, so the stream begins here.
            let begin = move |read: &Read<'_>| {
                let participant = access.find(read)?.ok_or(Error::NotFound)?;
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
        // Numbers in the future are from another database: the stream begins at the end of this one.
        let seq = request.since.filter(|since| (0..=last_seq).contains(since)).unwrap_or(last_seq);
        let seq = seq.max(participant.membership.visible_after_seq);
        let change =
            request.change.filter(|change| (0..=last_change).contains(change)).unwrap_or(last_change);
        let id = participant.conversation.id;
        let room = link.as_ref().map(|link| {
            let room_member = RoomMember { participant: participant.clone(), link: link.clone() };
            Room::new(&room_member, app.config.base_url.as_str())
        });
        let (stream, account) = (request.stream.as_str(), participant.id());
        writer.send(&SubscribedFrame::conversation(stream, id, account, (seq, change), room)).await?;
        let window = (!participant.membership.hidden).then(|| app.presence.open(&participant));
        // The new subscriber receives the people present at once, the others with the next event.
        let here = presence::summary(id, app.presence.people(id));
        writer.feed(presence_frame(writer.format, &here)).await?;
        let key = request.room.clone();
        let cursor = Cursor { seq, change };
        Ok(Ok(ConversationStream {
            participant,
            link,
            key,
            cursor,
            fast_path,
            typed_at: None,
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

    /// Records the delivered messages, in conversations that have receipts.
    pub(super) async fn record_delivered(&mut self, app: &App) {
        let (participant, seq) = (self.participant.clone(), self.cursor.seq);
        if !participant.has_receipts() || seq <= self.delivered.max(participant.membership.delivered_seq) {
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

    /// Checks for the room with that key (the one in the request, or the current one), or the conversation with that
    /// id.
    pub(super) fn is(&self, key: &str, id: &str) -> bool {
        let is_current = self.link.as_ref().is_some_and(|link| link.key == key);
        (!key.is_empty() && (self.key == key || is_current)) || id.parse() == Ok(self.id())
    }

    /// Publishes that the participant is typing.
    pub(super) fn publish_typing(&mut self, app: &App) {
        let topic = Topic::Conversation(self.id());
        let recently = self.typed_at.is_some_and(|typed_at| typed_at.elapsed() < TYPING_INTERVAL);
        if recently
            || !self.participant.may_write()
            || self.participant.membership.hidden
            || app.events.subscribers(&topic) > CROWD
        {
            return;
        }
        self.typed_at = Some(Instant::now());
        let typing = Typing { conversation: self.id(), person: self.participant.person() };
        app.events.publish(&topic, &Event::Typing(Arc::new(Encoded::new(typing))));
    }

    pub(super) async fn deliver(&mut self, writer: &mut SocketWriter, event: &Event) -> Result<Flow, Closed> {
        match self.fast_path.encoder.encode(&mut self.cursor, event) {
            Delivery::Ignore => Ok(Flow::Continues),
            Delivery::Send(frame) => writer.feed(frame.payload()).await.map(|()| Flow::Continues),
            Delivery::CatchUp => self.catch_up(writer).await,
            Delivery::Handle => self.handle(writer, event).await,
        }
    }

    /// Handles an event that changes the conversation itself or its participants, or a message that needs a
    /// frame of its own for this participant.
    async fn handle(&mut self, writer: &mut SocketWriter, event: &Event) -> Result<Flow, Closed> {
        if matches!(event, Event::ConversationDeleted) {
            return self.end(writer).await;
        }
        let Some(change) = event.number() else { return Ok(Flow::Continues) };
        match Order::of(change, self.cursor.change) {
            Order::Old => return Ok(Flow::Continues),
            Order::Gap => return self.catch_up(writer).await,
            Order::Next => self.cursor.change = change,
        }
        match event {
            Event::MessageChanged(message) => return self.send_without_quote(writer, &message.value).await,
            Event::ConversationUpdated(updated) => {
                self.link.clone_from(&updated.value.link);
                self.participant.conversation.name.clone_from(&updated.value.name);
                self.participant.conversation.locked = updated.value.locked;
                self.participant.conversation.owner = updated.value.owner;
                let base = writer.app.config.base_url.as_str();
                let frame = updated.frame(Format::Json, |updated| frames::conversation(updated, base));
                writer.feed(frame.payload()).await?;
            }
            Event::ParticipantLeft { account, owner, .. } => {
                let me = Some(self.participant.id());
                if *account == me || (account.is_none() && *owner != me) {
                    return self.end(writer).await;
                }
            }
            _ => {}
        }
        Ok(Flow::Continues)
    }

    /// Sends a message without its quote, because the quoted message is from before the participant joined.
    async fn send_without_quote(
        &mut self,
        writer: &mut SocketWriter,
        event: &MessageEvent,
    ) -> Result<Flow, Closed> {
        let (seq, change) = (event.message.seq, event.message.change);
        if (event.new && seq <= self.cursor.seq) || seq <= self.participant.membership.visible_after_seq {
            return Ok(Flow::Continues);
        }
        let message = event.message.clone().visible_from(self.participant.membership.visible_after_seq);
        self.cursor.seq = self.cursor.seq.max(seq);
        let frame =
            message_frame(&writer.app, writer.format, &MessageEvent { message, new: event.new }, change);
        writer.feed(frame).await.map(|()| Flow::Continues)
    }

    /// Ends the stream: the account is no longer a participant, or the conversation was deleted.
    async fn end(&mut self, writer: &mut SocketWriter) -> Result<Flow, Closed> {
        // At once, without the grace period of a closed window.
        writer.app.presence.remove(self.id(), self.participant.id());
        writer.send(&LeftFrame::new(self.id(), &self.key)).await?;
        Ok(Flow::Ended)
    }

    /// Sends from the database what was missed: first the changes of messages that were sent before, then the new
    /// messages, each in its current state.
    pub(super) async fn catch_up(&mut self, writer: &mut SocketWriter) -> Result<Flow, Closed> {
        let (account, id, change) = (self.participant.account.clone(), self.id(), self.cursor.change);
        let read = writer.app.db.read(move |read| {
            let Some(participant) = find_participant(read, &account, id)? else { return Ok(None) };
            let link = link_of(read, &participant.conversation)?;
            Ok(Some((participant, link)))
        });
        let (participant, link) = match read.await {
            Ok(Some(found)) => found,
            Ok(None) => return self.end(writer).await,
            Err(_) => return writer.broken().await,
        };
        // Both numbers are of one moment: later messages arrive as live events with the next number.
        let (last_seq, last_change) =
            (participant.conversation.last_seq, participant.conversation.last_change);
        if participant.membership.visible_after_seq != self.participant.membership.visible_after_seq {
            return self.end(writer).await; // the account left and joined again, so it may see other messages now
        }
        let before = (std::mem::replace(&mut self.participant, participant), self.link.clone());
        self.link = link;
        if !self.is_unchanged(&before.0.conversation, &before.1) {
            self.send_updated(writer, change).await?;
        }
        let limit = if writer.format == Format::Html { MAX_REPLAYED_HTML } else { MAX_REPLAYED };
        if last_seq - self.cursor.seq > limit {
            return self.reset(writer, last_seq, last_change).await;
        }
        if last_change > change {
            let (seq, asked) = (self.cursor.seq, self.participant.clone());
            let read = writer
                .app
                .db
                .read(move |read| asked.messages_changed_since(read, change, seq, MAX_CHANGED + 1));
            let Ok(changed) = read.await else { return writer.broken().await };
            if changed.len() > MAX_CHANGED as usize {
                return self.reset(writer, last_seq, last_change).await;
            }
            self.send(writer, changed, false, last_change).await?;
        }
        self.cursor.change = last_change;
        while self.cursor.seq < last_seq {
            let (seq, limit) = (self.cursor.seq, REPLAY.min(last_seq - self.cursor.seq));
            let asked = self.participant.clone();
            let read = writer.app.db.read(move |read| asked.messages_since(read, seq, limit));
            let Ok(missed) = read.await else { return writer.broken().await };
            // Numbers have no gaps, so all requested messages are there, unless a deleted room is just being cleared.
            let Some(latest) = missed.last().map(|message| message.seq) else { break };
            self.send(writer, missed, true, last_change).await?;
            self.cursor.seq = latest;
        }
        self.record_delivered(&Arc::clone(&writer.app)).await;
        Ok(Flow::Continues)
    }

    /// Sends missed messages. The `change` of each frame is the number up to which the participant has received
    /// everything with it. That is not always the message's own: the message may have changed again since the numbers
    /// were read, with other changes still to be sent.
    async fn send(
        &self,
        writer: &mut SocketWriter,
        messages: Vec<Message>,
        new: bool,
        last_change: i64,
    ) -> Result<(), Closed> {
        for message in messages {
            let received = if new { last_change } else { message.change.min(last_change) };
            let frame = message_frame(&writer.app, writer.format, &MessageEvent { message, new }, received);
            writer.feed(frame).await?;
        }
        Ok(())
    }

    /// Checks that nothing which a `room` or `thread` frame reports has changed.
    fn is_unchanged(&self, before: &Conversation, link: &Option<Link>) -> bool {
        let now = &self.participant.conversation;
        let same_people = !now.kind.policy().shows_people || now.size == before.size;
        let same = (&now.name, now.locked, now.owner, &self.link);
        same_people && same == (&before.name, before.locked, before.owner, link)
    }

    /// Sends the current state of a room or a thread.
    async fn send_updated(&self, writer: &mut SocketWriter, change: i64) -> Result<(), Closed> {
        let room = &self.participant.conversation;
        let id = room.id;
        let people = match room.kind.policy().shows_people {
            true => writer.app.db.read(move |read| threads::people(read, id)).await.unwrap_or_default(),
            false => Vec::new(),
        };
        let updated = ConversationUpdated {
            id: room.id,
            change,
            name: room.name.clone(),
            locked: room.locked,
            owner: room.owner,
            link: self.link.clone(),
            people,
        };
        let frame = frames::conversation(&updated, writer.app.config.base_url.as_str());
        writer.feed(frame).await
    }

    /// Skips to these numbers, because too much was missed.
    async fn reset(&mut self, writer: &mut SocketWriter, seq: i64, change: i64) -> Result<Flow, Closed> {
        self.cursor = Cursor { seq, change };
        writer.send(&ResetFrame::conversation(self.id(), seq, change)).await?;
        Ok(Flow::Continues)
    }
}

/// Returns the current link of a room; other conversations have none.
fn link_of(read: &Read<'_>, conversation: &Conversation) -> Result<Option<Link>> {
    match conversation.kind.policy().by_link {
        true => rooms::current_link(read, conversation.id).map(Some),
        false => Ok(None),
    }
}
