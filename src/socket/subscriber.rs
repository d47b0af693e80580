//! An open socket with its subscriptions.

use std::{pin::pin, time::Duration};

use axum::extract::ws::{Message, close_code};
use bytes::Bytes;
use tokio::time::{Instant, interval_at};

use super::{
    conversation::{ConversationStream, JoinRequest},
    matching::MatchStream,
    protocol::{ClientMessage, SubscribeRequest},
    public::{self, PublicStream},
    stream::{Flow, Stream},
    writer::{Closed, SocketWriter},
};
use crate::{
    Result,
    domain::tokens,
    events::{Event, Topic},
    http::session::Caller,
    ids::TokenId,
    realtime::hub::{Mailbox, Received},
    services::limits::SocketSlot,
    store::accounts::Account,
    wire::frames::{ErrorFrame, PONG},
};

/// The most events that may wait for a slow reader: a few seconds of a busy stream. Beyond it, the reader lags and the
/// missed events are read from the database.
const MAILBOX_CAPACITY: usize = 128;

/// The most streams of a socket: more than the rooms that anyone has open.
const MAX_STREAMS: usize = 50;

/// The most replays that a socket may request at once: a window with many rooms may reconnect. Each further replay
/// waits for the interval below, because a replay is expensive.
const MAX_REPLAYS: u32 = 20;
const REPLAY_INTERVAL: Duration = Duration::from_secs(2);

/// The interval of pings, and the time without any message after which the peer counts as gone.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);

/// An open socket.
pub(super) struct Subscriber {
    /// Declared before the mailbox, so that they are dropped first: when the hub drops the subscriptions, the presence
    /// in the rooms has ended too.
    streams: Vec<Stream>,
    writer: SocketWriter,
    mailbox: Mailbox<Topic, Event>,
    account: Option<Account>,
    /// The token that opened the socket. The socket is closed when the token ends.
    token: Option<TokenId>,
    may_write: bool,
    /// The client's address as a keyed hash, by which rooms recognize guests.
    ip_hash: String,
    replays: Replays,
    _permit: Option<SocketSlot>,
}

/// The limit of replays.
struct Replays {
    left: u32,
    at: Instant,
}

impl Replays {
    /// Takes one replay, and returns when it may begin.
    fn next(&mut self) -> Instant {
        let now = Instant::now();
        let earned = now.saturating_duration_since(self.at).as_secs() / REPLAY_INTERVAL.as_secs();
        if earned > 0 {
            self.left = (self.left + earned as u32).min(MAX_REPLAYS);
            self.at = now;
        }
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                now
            }
            None => {
                self.at += REPLAY_INTERVAL;
                self.at
            }
        }
    }
}

/// The reason why the task wakes up.
enum Woken {
    Received(Received<Topic, Event>),
    Message(Option<Result<Message, axum::Error>>),
    Ping,
    Stop,
}

impl Subscriber {
    /// Creates a subscriber without subscriptions.
    pub(super) fn new(
        writer: SocketWriter,
        caller: Caller,
        ip_hash: String,
        permit: Option<SocketSlot>,
    ) -> Self {
        Subscriber {
            streams: Vec::new(),
            mailbox: writer.app.events.mailbox(MAILBOX_CAPACITY),
            writer,
            may_write: caller.may_write(),
            account: caller.account,
            token: caller.grant.map(|grant| grant.id),
            ip_hash,
            replays: Replays { left: MAX_REPLAYS, at: Instant::now() },
            _permit: permit,
        }
    }

    /// Delivers events and handles messages until the socket closes.
    pub(super) async fn run(&mut self) -> Result<(), Closed> {
        let mut ping = interval_at(Instant::now() + PING_INTERVAL, PING_INTERVAL);
        let mut received_at = Instant::now();
        // Created once, not for each frame: all sockets would contend for the token's lock.
        let mut stop = pin!(self.writer.app.stop.clone().cancelled_owned());
        loop {
            self.streams.iter().for_each(Stream::arm);
            let woken = tokio::select! {
                received = self.mailbox.receive() => Woken::Received(received),
                message = self.writer.socket.recv() => Woken::Message(message),
                _ = ping.tick() => Woken::Ping,
                () = &mut stop => Woken::Stop,
            };
            self.streams.iter_mut().for_each(Stream::disarm);
            match woken {
                Woken::Received(received) => self.deliver(received).await?,
                Woken::Message(Some(Ok(message))) => {
                    received_at = Instant::now();
                    self.handle(message).await?;
                }
                Woken::Message(Some(Err(_)) | None) => return Err(Closed),
                Woken::Ping if received_at.elapsed() > IDLE_TIMEOUT => return Err(Closed),
                Woken::Ping => self.ping().await?,
                Woken::Stop => {
                    let reason = "The server is going away. Come back in a moment.";
                    return self.writer.close(close_code::AWAY, reason).await;
                }
            }
        }
    }

    /// Pings the peer, after a check of the token and a report of what the streams have delivered.
    async fn ping(&mut self) -> Result<(), Closed> {
        if let Some(token) = self.token {
            let read = self.writer.app.db.read(move |read| tokens::is_valid(read, token));
            if !read.await.unwrap_or(true) {
                return self.writer.close(close_code::POLICY, "The token has ended.").await;
            }
        }
        for stream in &mut self.streams {
            match stream {
                Stream::Match(stream) => stream.record_presence().await,
                Stream::Conversation(stream) => stream.record_delivered(&self.writer.app).await,
                Stream::Public(_) => {}
            }
        }
        Ok(self.writer.socket.send(Message::Ping(Bytes::new())).await?)
    }

    /// Handles a message of the client.
    async fn handle(&mut self, message: Message) -> Result<(), Closed> {
        let text = match message {
            Message::Text(text) => text,
            Message::Close(_) => return Err(Closed),
            Message::Binary(_) => return self.writer.close(close_code::UNSUPPORTED, "Send text.").await,
            Message::Ping(_) | Message::Pong(_) => return Ok(()),
        };
        match ClientMessage::parse(&text) {
            Some(ClientMessage::Subscribe(request)) => self.subscribe(&request).await,
            Some(ClientMessage::Unsubscribe(request)) => {
                if let Some(at) = self.position(&request) {
                    self.end(at);
                }
                Ok(())
            }
            Some(ClientMessage::Typing { room, conversation }) => {
                for stream in &mut self.streams {
                    if let Stream::Conversation(stream) = stream
                        && self.may_write
                        && stream.matches(&room, &conversation)
                    {
                        stream.publish_typing(&self.writer.app);
                    }
                }
                Ok(())
            }
            Some(ClientMessage::Ping) => self.writer.send(&PONG).await,
            None => {
                let sentence = "Say subscribe, unsubscribe, typing or ping, as JSON.";
                self.writer.send(&ErrorFrame::new(sentence)).await
            }
        }
    }

    /// Returns the index of the stream that a request names, if there is a subscription to it.
    fn position(&self, request: &SubscribeRequest) -> Option<usize> {
        self.streams.iter().position(|stream| stream.is_requested(request))
    }

    fn end(&mut self, at: usize) {
        let stream = self.streams.swap_remove(at);
        for topic in stream.topics() {
            self.mailbox.unsubscribe(&topic);
        }
    }

    /// Subscribes to a stream, in place of an earlier subscription to it, and sends the missed events.
    pub(super) async fn subscribe(&mut self, request: &SubscribeRequest) -> Result<(), Closed> {
        let existing = self.position(request);
        if existing.is_none() && self.streams.len() >= MAX_STREAMS {
            let sentence = "That is as much as one socket listens to. Open another one.";
            return self.refuse(request, sentence).await;
        }
        if let Some(at) = existing {
            self.end(at);
        }
        tokio::time::sleep_until(self.replays.next()).await;
        if public::is_public(&request.stream) {
            let mailbox = &mut self.mailbox;
            let stream = PublicStream::begin(&mut self.writer, mailbox, request.since).await?;
            self.streams.push(Stream::Public(stream));
        } else {
            if !matches!(request.stream.as_str(), "room" | "conversation" | "match") {
                return self.refuse(request, "There is no such stream.").await;
            }
            let Some(account) = self.account.clone() else {
                return self.refuse(request, "Log in first, or come in with a name.").await;
            };
            let join = JoinRequest { account: &account, ip_hash: &self.ip_hash, may_join: self.may_write };
            let (writer, mailbox) = (&mut self.writer, &mut self.mailbox);
            if request.stream == "match" {
                let stream = MatchStream::begin(writer, mailbox, account.id).await?;
                self.streams.push(Stream::Match(Box::new(stream)));
            } else {
                match ConversationStream::begin(writer, mailbox, join, request).await? {
                    Ok(stream) => self.streams.push(Stream::Conversation(Box::new(stream))),
                    Err(error) => return self.refuse(request, &error.sentence()).await,
                }
            }
        }
        let latest = self.streams.len() - 1;
        if self.streams[latest].catch_up(&mut self.writer).await? == Flow::Ended {
            self.end(latest);
        }
        self.writer.flush().await
    }

    async fn refuse(&mut self, request: &SubscribeRequest, sentence: &str) -> Result<(), Closed> {
        let SubscribeRequest { stream, room, conversation, .. } = request;
        self.writer.send(&ErrorFrame::refused(sentence, stream, room, conversation)).await
    }

    /// Sends an event and all that wait behind it in one write.
    async fn deliver(&mut self, first: Received<Topic, Event>) -> Result<(), Closed> {
        let mut next = Some(first);
        while let Some(received) = next {
            match received {
                Received::Event(topic, event) => {
                    if let Some(at) = self.streams.iter().position(|stream| stream.has_topic(&topic))
                        && self.streams[at].deliver(&mut self.writer, &event).await? == Flow::Ended
                    {
                        self.end(at);
                    }
                }
                Received::Lagged => {
                    for at in (0..self.streams.len()).rev() {
                        if self.streams[at].catch_up(&mut self.writer).await? == Flow::Ended {
                            self.end(at);
                        }
                    }
                }
            }
            next = self.mailbox.try_receive();
        }
        self.writer.flush().await
    }
}
