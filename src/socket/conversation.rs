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
    fast_path::{Delivery, FastPath, Order},
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

/// The most messages that one query of a replay reads.
const REPLAY_BATCH: i64 = 200;

/// The most messages that are replayed. Beyond it, a page is loaded again, and a program fetches the messages that it
/// needs.
const MAX_REPLAYED_HTML: i64 = 500;
const MAX_REPLAYED: i64 = 20_000;

/// The most changed earlier messages that are replayed. Beyond it, the stream is reset.
const MAX_CHANGED: i64 = 1000;

/// The shortest interval between typing events of one socket. Pages show typing for longer than that.
const TYPING_INTERVAL: Duration = Duration::from_secs(2);

/// The most subscribers to whom typing is published. With more, the events would be too many to send and to read.
pub const MAX_TYPING_SUBSCRIBERS: usize = 300;

/// A request of an account for a conversation.
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
    /// [`ConversationStream::catch_up`] then sends the missed events.
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
            // The second read is after the subscription: no event is missed from now on, so the stream begins here.
            let lookup = move |read: &Read<'_>| {
                let participant = access.find(read)?.ok_or(Error::NotFound)?;
                let link = link_of(read, &participant.conversation)?;
                Ok((participant, link))
            };
            let joined = app.db.read(lookup).await;
            if joined.is_err() {
                mailbox.unsubscribe(&Topic::Conversation(id));
            }
            joined.map(|(participant, link)| (participant, link, fast_path))
        };
        let (participant, link, fast_path) = match subscribe.await {
            Ok(subscribed) => subscribed,
            Err(error @ Error::Internal(_)) => {
                tracing::error!(%error, "Can't subscribe to a conversation");
                return writer.close_with_error().await;
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
        let present = presence::summary(id, app.presence.people(id));
        writer.feed(presence_frame(writer.format, &present)).await?;
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

    /// Opens the fast path.
    pub(super) fn arm(&self) {
        self.fast_path.arm(self.cursor);
    }

    /// Closes the fast path.
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
            tracing::warn!(%error, "Can't store which messages were delivered");
        }
    }

    pub(super) fn id(&self) -> ConversationId {
        self.participant.conversation.id
    }

    /// Returns whether this is the room with that key (the one in the request, or the current one), or the conversation
    /// with that id.
    pub(super) fn matches(&self, key: &str, id: &str) -> bool {
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
            || app.events.subscribers(&topic) > MAX_TYPING_SUBSCRIBERS
        {
            return;
        }
        self.typed_at = Some(Instant::now());
        let typing = Typing { conversation: self.id(), person: self.participant.person() };
        app.events.publish(&topic, &Event::Typing(Arc::new(Encoded::new(typing))));
    }

    pub(super) async fn deliver(&mut self, writer: &mut SocketWriter, event: &Event) -> Result<Flow, Closed> {
        match self.fast_path.encode(&mut self.cursor, event) {
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
                let own_id = Some(self.participant.id());
                if *account == own_id || (account.is_none() && *owner != own_id) {
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

    /// Sends the missed events from the database: first the changes of messages that were sent before, then the new
    /// messages, each in its current state.
    pub(super) async fn catch_up(&mut self, writer: &mut SocketWriter) -> Result<Flow, Closed> {
        let (account, id, change) = (self.participant.account.clone(), self.id(), self.cursor.change);
        let read = writer.app.db.read(move |read| {
            let Some(participant) = find_participant(read, &account, id)? else { return Ok(None) };
            let link = link_of(read, &participant.conversation)?;
            Ok(Some((participant, link)))
        });
        let (participant, link) = match read.await {
            Ok(Some(current)) => current,
            Ok(None) => return self.end(writer).await,
            Err(_) => return writer.close_with_error().await,
        };
        // Both numbers are from one snapshot: later messages arrive as live events with the next number.
        let (last_seq, last_change) =
            (participant.conversation.last_seq, participant.conversation.last_change);
        if participant.membership.visible_after_seq != self.participant.membership.visible_after_seq {
            return self.end(writer).await; // the account left and joined again, so it may see other messages now
        }
        let old_participant = std::mem::replace(&mut self.participant, participant);
        let old_link = std::mem::replace(&mut self.link, link);
        if !self.is_unchanged(&old_participant.conversation, &old_link) {
            self.send_updated(writer, change).await?;
        }
        let limit = if writer.format == Format::Html { MAX_REPLAYED_HTML } else { MAX_REPLAYED };
        if last_seq - self.cursor.seq > limit {
            return self.reset(writer, last_seq, last_change).await;
        }
        if last_change > change {
            let (seq, participant) = (self.cursor.seq, self.participant.clone());
            let read = writer
                .app
                .db
                .read(move |read| participant.messages_changed_since(read, change, seq, MAX_CHANGED + 1));
            let Ok(changed) = read.await else { return writer.close_with_error().await };
            if changed.len() > MAX_CHANGED as usize {
                return self.reset(writer, last_seq, last_change).await;
            }
            self.send(writer, changed, false, last_change).await?;
        }
        self.cursor.change = last_change;
        while self.cursor.seq < last_seq {
            let (seq, limit) = (self.cursor.seq, REPLAY_BATCH.min(last_seq - self.cursor.seq));
            let participant = self.participant.clone();
            let read = writer.app.db.read(move |read| participant.messages_since(read, seq, limit));
            let Ok(missed) = read.await else { return writer.close_with_error().await };
            // Numbers have no gaps, so every requested message exists, unless a deleted room is being cleared.
            let Some(latest) = missed.last().map(|message| message.seq) else { break };
            self.send(writer, missed, true, last_change).await?;
            self.cursor.seq = latest;
        }
        self.record_delivered(&Arc::clone(&writer.app)).await;
        Ok(Flow::Continues)
    }

    /// Sends missed messages. The `change` of each frame is the number up to which the participant has received
    /// everything with that frame. The message's own number may be higher: the message may have changed again since the
    /// numbers were read, with other changes still to be sent.
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

    /// Returns whether everything that a `room` or `thread` frame reports is unchanged.
    fn is_unchanged(&self, old: &Conversation, old_link: &Option<Link>) -> bool {
        let current = &self.participant.conversation;
        let same_people = !current.kind.policy().shows_people || current.size == old.size;
        let reported = (&current.name, current.locked, current.owner, &self.link);
        same_people && reported == (&old.name, old.locked, old.owner, old_link)
    }

    /// Sends the current state of a room or a thread.
    async fn send_updated(&self, writer: &mut SocketWriter, change: i64) -> Result<(), Closed> {
        let conversation = &self.participant.conversation;
        let id = conversation.id;
        let people = match conversation.kind.policy().shows_people {
            true => writer.app.db.read(move |read| threads::people(read, id)).await.unwrap_or_default(),
            false => Vec::new(),
        };
        let updated = ConversationUpdated {
            id,
            change,
            name: conversation.name.clone(),
            locked: conversation.locked,
            owner: conversation.owner,
            link: self.link.clone(),
            people,
        };
        let frame = frames::conversation(&updated, writer.app.config.base_url.as_str());
        writer.feed(frame).await
    }

    /// Skips to these numbers, because more was missed than is replayed.
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
