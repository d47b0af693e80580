//! `GET /api/v1/streaming`: one WebSocket for everything that is live.
//!
//! A listener subscribes to a stream with the number of the last thing that it has seen:
//! `{"type":"subscribe","stream":"public","since":17}`. It is subscribed at the hub first, then
//! what it missed is replayed from the database, then it goes live; what it has been sent is skipped.
//! Whenever a number is missing (the mailbox overflowed, or two nodes raced), the same
//! replay fills the gap. So nothing is lost, nothing comes twice, and all in order.
//!
//! This file is the connection: who opens it, what is said on it, when it ends. What a client may say
//! is in [`protocol`], what a stream sends is in [`public`], [`conversation`] and [`matching`], and how it
//! is sent without waking the connection's task is in [`fast_path`].

mod conversation;
mod fast_path;
mod matching;
pub mod protocol;
mod public;

use std::{pin::pin, sync::Arc, time::Duration};

use axum::{
    Extension,
    extract::{
        State, WebSocketUpgrade,
        ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code},
    },
    http::{HeaderMap, header},
    response::Response,
};
use bytes::Bytes;
use futures_util::SinkExt;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, interval_at};

pub use self::conversation::CROWD;
use self::{
    conversation::{ConversationStream, JoinRequest},
    matching::MatchStream,
    protocol::{ClientMessage, SubscribeRequest},
    public::PublicStream,
};
use crate::{
    Error, Result,
    app::App,
    domain::tokens,
    events::{Event, Format, Topic},
    http::{
        connection::Connection,
        input::Query,
        session::{ClientAddr, Viewer, place},
    },
    ids::TokenId,
    realtime::hub::{Mailbox, Received},
    services::limits::SocketPlace,
    store::accounts::Account,
};

/// Events that may wait for a slow reader: a few seconds of a lively stream. Then it lags, and
/// reads from the database what it missed.
const MAILBOX: usize = 128;

/// Streams that one socket listens to: more rooms than anyone has open.
const STREAMS: usize = 50;

/// A replay is dear. A window full of rooms may come back at once; whoever asks more often than that
/// waits this long for each.
const REPLAYS: u32 = 20;
const BETWEEN_REPLAYS: Duration = Duration::from_secs(2);

/// The largest message a client may send; all that it has to say is where it wants to begin.
const MESSAGE: usize = 4096;

/// How often we ask whether the other end is still there, and when we believe that it is not.
const PING: Duration = Duration::from_secs(30);
const SILENCE: Duration = Duration::from_secs(75);

/// The query: Mastodon's clients name their stream there.
#[derive(Deserialize)]
pub struct StreamingQuery {
    stream: Option<String>,
    since: Option<i64>,
    #[serde(default)]
    format: Option<String>,
}

/// Opens the socket, for our own pages and for programs; other sites' pages are refused.
pub async fn open(
    State(app): State<Arc<App>>,
    Query(query): Query<StreamingQuery>,
    headers: HeaderMap,
    ClientAddr(from): ClientAddr,
    Extension(connection): Extension<Arc<Connection>>,
    viewer: Viewer,
    upgrade: WebSocketUpgrade,
) -> Result<Response> {
    if !same_origin(&app, &headers) {
        return Err(Error::Forbidden("That came from another site, so it was not done."));
    }
    let format = match query.format.as_deref() {
        None | Some("json") => Format::Json,
        Some("html") => Format::Html,
        Some(_) => return Err(Error::invalid("format", "The formats are json and html.")),
    };
    // Most sockets only listen, and there are many of them: small buffers, which grow when needed.
    let upgrade = upgrade
        .read_buffer_size(4096)
        .write_buffer_size(4096)
        .max_message_size(MESSAGE)
        .max_frame_size(MESSAGE);
    let held = app.limits.socket(from, viewer.account.as_ref().map(|account| account.id))?;
    let tasks = app.tasks.clone();
    Ok(upgrade.on_upgrade(move |socket| {
        tasks.track_future(async move {
            let mut subscriber = Subscriber {
                mailbox: app.events.mailbox(MAILBOX),
                place: place(&app, from),
                writer: SocketWriter { app, connection, socket, format },
                may_write: viewer.may_write(),
                account: viewer.account,
                token: viewer.grant.map(|grant| grant.id),
                streams: Vec::new(),
                replays: Replays { left: REPLAYS, at: Instant::now() },
                _held: held,
            };
            let begun = match query.stream {
                Some(stream) => {
                    let request =
                        SubscribeRequest { stream, since: query.since, ..SubscribeRequest::default() };
                    subscriber.subscribe(&request).await
                }
                None => Ok(()),
            };
            if begun.is_ok() {
                // The other end went away, or was sent away: there is nobody to tell.
                let _ = subscriber.listen().await;
            }
        })
    }))
}

/// A page of another site would send its own origin; programs send none.
fn same_origin(app: &App, headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let host = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
    origin.as_bytes() == app.config.base_url.as_str().as_bytes()
        || host.is_some_and(|host| headers.get(header::HOST).is_some_and(|h| h.as_bytes() == host.as_bytes()))
}

/// One open socket.
struct Subscriber {
    /// First, so that they end before the mailbox does: whoever is forgotten by the hub is also on its
    /// way out of the rooms.
    streams: Vec<Stream>,
    writer: SocketWriter,
    mailbox: Mailbox<Topic, Event>,
    account: Option<Account>,
    /// The token that it came with: when that ends, so does this.
    token: Option<TokenId>,
    /// Whether that goes further than looking.
    may_write: bool,
    /// Where it comes from, as a keyed hash: rooms want to know.
    place: String,
    replays: Replays,
    _held: Option<SocketPlace>,
}

/// What a socket listens to.
enum Stream {
    Public(PublicStream),
    Conversation(Box<ConversationStream>),
    Match(Box<MatchStream>),
}

/// Whether a stream goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Flow {
    GoesOn,
    Ended,
}

impl Stream {
    /// From now on it is told by whoever publishes. All that was fed to the socket is flushed.
    fn arm(&self) {
        match self {
            Stream::Public(public) => public.arm(),
            Stream::Conversation(conversation) => conversation.arm(),
            Stream::Match(_) => {} // what it tells is its listener's alone
        }
    }

    /// From now on the connection itself tells it.
    fn disarm(&mut self) {
        match self {
            Stream::Public(public) => public.disarm(),
            Stream::Conversation(conversation) => conversation.disarm(),
            Stream::Match(_) => {}
        }
    }

    fn topics(&self) -> Vec<Topic> {
        match self {
            Stream::Public(_) => vec![Topic::Public],
            Stream::Conversation(conversation) => vec![Topic::Conversation(conversation.id())],
            Stream::Match(one) => vec![Topic::Account(one.account()), Topic::WaitingQueue],
        }
    }

    fn is_about(&self, topic: &Topic) -> bool {
        match self {
            Stream::Public(_) => *topic == Topic::Public,
            Stream::Conversation(conversation) => *topic == Topic::Conversation(conversation.id()),
            Stream::Match(one) => *topic == Topic::WaitingQueue || *topic == Topic::Account(one.account()),
        }
    }

    async fn hear(&mut self, writer: &mut SocketWriter, event: &Event) -> Result<Flow, Closed> {
        match self {
            Stream::Public(public) => public.hear(writer, event).await.map(|()| Flow::GoesOn),
            Stream::Conversation(conversation) => conversation.hear(writer, event).await,
            Stream::Match(one) => one.hear(writer, event).await.map(|()| Flow::GoesOn),
        }
    }

    /// Sends from the database what was missed.
    async fn catch_up(&mut self, writer: &mut SocketWriter) -> Result<Flow, Closed> {
        match self {
            Stream::Public(public) => public.catch_up(writer).await.map(|()| Flow::GoesOn),
            Stream::Conversation(conversation) => conversation.catch_up(writer).await,
            Stream::Match(one) => one.look(writer).await.map(|()| Flow::GoesOn),
        }
    }
}

/// How many replays may still be asked for at once.
struct Replays {
    left: u32,
    at: Instant,
}

impl Replays {
    /// When the next one may begin.
    fn next(&mut self) -> Instant {
        let now = Instant::now();
        let earned = now.saturating_duration_since(self.at).as_secs() / BETWEEN_REPLAYS.as_secs();
        if earned > 0 {
            self.left = (self.left + earned as u32).min(REPLAYS);
            self.at = now;
        }
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                now
            }
            None => {
                self.at += BETWEEN_REPLAYS;
                self.at
            }
        }
    }
}

/// What a connection wakes up for.
enum Woken {
    Received(Received<Topic, Event>),
    Message(Option<Result<Message, axum::Error>>),
    Ping,
    Stop,
}

/// The socket is closed.
#[derive(Debug)]
struct Closed;

impl From<axum::Error> for Closed {
    fn from(_: axum::Error) -> Self {
        Closed
    }
}

impl Subscriber {
    async fn listen(&mut self) -> Result<(), Closed> {
        let mut ping = interval_at(Instant::now() + PING, PING);
        let mut heard = Instant::now();
        // Once, and not anew for each frame: all sockets would meet at its lock.
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
                    heard = Instant::now();
                    self.hear(message).await?;
                }
                Woken::Message(Some(Err(_)) | None) => return Err(Closed),
                Woken::Ping if heard.elapsed() > SILENCE => return Err(Closed),
                Woken::Ping => {
                    if let Some(token) = self.token
                        && !self
                            .writer
                            .app
                            .db
                            .read(move |read| tokens::holds(read, token))
                            .await
                            .unwrap_or(true)
                    {
                        return self.writer.close(close_code::POLICY, "The token has ended.").await;
                    }
                    for stream in &mut self.streams {
                        match stream {
                            Stream::Match(one) => one.is_here().await,
                            Stream::Conversation(one) => one.note_delivered(&self.writer.app).await,
                            Stream::Public(_) => {}
                        }
                    }
                    self.writer.socket.send(Message::Ping(Bytes::new())).await?;
                }
                Woken::Stop => {
                    let why = "The server is going away. Come back in a moment.";
                    return self.writer.close(close_code::AWAY, why).await;
                }
            }
        }
    }

    async fn hear(&mut self, message: Message) -> Result<(), Closed> {
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
                        && stream.is(&room, &conversation)
                    {
                        stream.type_on(&self.writer.app);
                    }
                }
                Ok(())
            }
            Some(ClientMessage::Ping) => self.writer.say(&json!({ "event": "pong" })).await,
            None => {
                let sentence = "Say subscribe, unsubscribe, typing or ping, as JSON.";
                self.writer.say(&json!({ "event": "error", "error": sentence })).await
            }
        }
    }

    /// Which of the streams is wanted, if it is one of them.
    fn position(&self, request: &SubscribeRequest) -> Option<usize> {
        self.streams.iter().position(|stream| match stream {
            Stream::Public(_) => public::is_public(&request.stream),
            Stream::Conversation(one) => {
                matches!(request.stream.as_str(), "room" | "conversation")
                    && one.is(&request.room, &request.conversation)
            }
            Stream::Match(_) => request.stream == "match",
        })
    }

    fn end(&mut self, at: usize) {
        let stream = self.streams.swap_remove(at);
        for topic in stream.topics() {
            self.mailbox.unsubscribe(&topic);
        }
    }

    async fn subscribe(&mut self, request: &SubscribeRequest) -> Result<(), Closed> {
        let again = self.position(request);
        if again.is_none() && self.streams.len() >= STREAMS {
            let sentence = "That is as much as one socket listens to. Open another one.";
            return self.refuse(request, sentence).await;
        }
        if let Some(at) = again {
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
            let join = JoinRequest { account: &account, place: &self.place, may_come_in: self.may_write };
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
        Ok(self.writer.socket.flush().await?)
    }

    async fn refuse(&mut self, request: &SubscribeRequest, sentence: &str) -> Result<(), Closed> {
        let mut frame = json!({ "event": "error", "stream": request.stream, "error": sentence });
        if !request.room.is_empty() {
            frame["room"] = Value::from(request.room.as_str());
        }
        if !request.conversation.is_empty() {
            frame["conversation"] = Value::from(request.conversation.as_str());
        }
        self.writer.say(&frame).await
    }

    /// Sends a delivery and all that wait behind it, in one write.
    async fn deliver(&mut self, first: Received<Topic, Event>) -> Result<(), Closed> {
        let mut next = Some(first);
        while let Some(received) = next {
            match received {
                Received::Event(topic, event) => {
                    if let Some(at) = self.streams.iter().position(|stream| stream.is_about(&topic))
                        && self.streams[at].hear(&mut self.writer, &event).await? == Flow::Ended
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
        Ok(self.writer.socket.flush().await?)
    }
}

/// Where streams write to.
struct SocketWriter {
    app: Arc<App>,
    connection: Arc<Connection>,
    socket: WebSocket,
    format: Format,
}

impl SocketWriter {
    /// Puts a frame into the next write.
    async fn feed(&mut self, frame: Bytes) -> Result<(), Closed> {
        match Utf8Bytes::try_from(frame) {
            Ok(text) => Ok(self.socket.feed(Message::Text(text)).await?),
            Err(_) => Ok(()), // what we encode is UTF-8
        }
    }

    async fn say(&mut self, what: &Value) -> Result<(), Closed> {
        Ok(self.socket.send(Message::Text(what.to_string().into())).await?)
    }

    async fn close(&mut self, code: u16, reason: &'static str) -> Result<(), Closed> {
        let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
        self.socket.send(Message::Close(Some(frame))).await?;
        Err(Closed)
    }

    /// The database can't be read: whoever listens comes back and asks again.
    async fn broken<T>(&mut self) -> Result<T, Closed> {
        self.close(close_code::ERROR, "Something broke. Come back in a moment.").await?;
        Err(Closed)
    }
}
