//! `GET /api/v1/streaming`: one WebSocket for everything that is live.
//!
//! A listener subscribes with the number of the last change that it has seen:
//! `{"type":"subscribe","stream":"public","since":17}`. It is subscribed at the hub first, then
//! what it missed is replayed from the database, then it goes live; what it has been sent is skipped.
//! Whenever a number is missing (the mailbox overflowed, or two nodes raced), the same
//! replay fills the gap. So nothing is lost, nothing comes twice, and all in order.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension,
    extract::{
        Query, State, WebSocketUpgrade,
        ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code},
    },
    http::{HeaderMap, header},
    response::Response,
};
use bytes::Bytes;
use futures_util::SinkExt;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::{Instant, interval_at};

use super::{api, html, limits::SocketPlace, server::Seat, session::ClientAddr};
use crate::{
    Error, Result,
    app::App,
    events::{Counted, Event, Format, Told, Topic},
    realtime::hub::{Delivery, Mailbox},
    store::{self, peeps::Peep},
};

/// Events that may wait for a slow reader: a few seconds of a lively stream. Then it lags, and
/// reads from the database what it missed.
const MAILBOX: usize = 128;

/// Changes read at once when something is replayed.
const REPLAY: i64 = 200;

/// Changes replayed at most. Whoever missed more is told to load the page anew.
const FAR_BEHIND: i64 = 1000;

/// A replay is dear, and one a connection is what it takes: whoever asks again waits this long.
const BETWEEN_REPLAYS: Duration = Duration::from_secs(2);

/// The largest message a client may send; all that it has to say is where it wants to begin.
const MESSAGE: usize = 4096;

/// How often we ask whether the other end is still there, and when we believe that it is not.
const PING: Duration = Duration::from_secs(30);
const SILENCE: Duration = Duration::from_secs(75);

/// The query: Mastodon's clients name their stream there.
#[derive(Deserialize)]
pub struct Asked {
    stream: Option<String>,
    since: Option<i64>,
    #[serde(default)]
    format: Option<String>,
}

/// What a client may say.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Said {
    Subscribe { stream: String, since: Option<i64> },
    Unsubscribe { stream: String },
    Ping,
}

/// Opens the socket, for our own pages and for programs; other sites' pages are refused.
pub async fn open(
    State(app): State<Arc<App>>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
    ClientAddr(from): ClientAddr,
    Extension(seat): Extension<Seat>,
    upgrade: WebSocketUpgrade,
) -> Result<Response> {
    if !same_origin(&app, &headers) {
        return Err(Error::Forbidden("That came from another site, so it was not done."));
    }
    let format = match asked.format.as_deref() {
        None | Some("json") => Format::Json,
        Some("html") => Format::Html,
        Some(_) => return Err(Error::invalid("format", "The formats are json and html.")),
    };
    let upgrade = upgrade.read_buffer_size(4096).max_message_size(MESSAGE).max_frame_size(MESSAGE);
    let place = app.limits.socket(from)?;
    let tasks = app.tasks.clone();
    Ok(upgrade.on_upgrade(move |socket| {
        tasks.track_future(async move {
            let mailbox = app.hub.mailbox(MAILBOX);
            let mut listener =
                Listener { app, socket, mailbox, format, last: None, replayed: None, _place: (seat, place) };
            let begun = match asked.stream {
                Some(stream) => listener.subscribe(&stream, asked.since).await,
                None => Ok(()),
            };
            if begun.is_ok() {
                // The other end went away, or was sent away: there is nobody to tell.
                let _ = listener.listen().await;
            }
        })
    }))
}

/// By the two names that Mastodon has for it.
fn is_public(stream: &str) -> bool {
    matches!(stream, "public" | "public:local")
}

/// A page of another site would send its own origin; programs send none.
fn same_origin(app: &App, headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let host = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
    origin.as_bytes() == app.config.base_url.as_str().as_bytes()
        || host.is_some_and(|host| headers.get(header::HOST).is_some_and(|h| h.as_bytes() == host.as_bytes()))
}

/// One open socket.
struct Listener {
    app: Arc<App>,
    socket: WebSocket,
    mailbox: Mailbox<Topic, Event>,
    format: Format,
    /// The number of the last change that was sent; `None` while not subscribed.
    last: Option<i64>,
    /// When something was last replayed by request.
    replayed: Option<Instant>,
    _place: (Seat, Option<SocketPlace>),
}

/// The socket is closed.
#[derive(Debug)]
struct Gone;

impl From<axum::Error> for Gone {
    fn from(_: axum::Error) -> Self {
        Gone
    }
}

impl Listener {
    async fn listen(&mut self) -> Result<(), Gone> {
        let mut ping = interval_at(Instant::now() + PING, PING);
        let mut heard = Instant::now();
        loop {
            tokio::select! {
                () = self.app.stop.cancelled() => {
                    return self.close(close_code::AWAY, "The server is going away. Come back in a moment.").await;
                }
                message = self.socket.recv() => match message {
                    Some(Ok(message)) => {
                        heard = Instant::now();
                        self.hear(message).await?;
                    }
                    Some(Err(_)) | None => return Err(Gone),
                },
                delivery = self.mailbox.receive() => self.deliver(delivery).await?,
                _ = ping.tick() => {
                    if heard.elapsed() > SILENCE {
                        return Err(Gone);
                    }
                    self.socket.send(Message::Ping(Bytes::new())).await?;
                }
            }
        }
    }

    async fn hear(&mut self, message: Message) -> Result<(), Gone> {
        let text = match message {
            Message::Text(text) => text,
            Message::Close(_) => return Err(Gone),
            Message::Binary(_) => return self.close(close_code::UNSUPPORTED, "Send text.").await,
            Message::Ping(_) | Message::Pong(_) => return Ok(()),
        };
        match serde_json::from_str(&text) {
            Ok(Said::Subscribe { stream, since }) => self.subscribe(&stream, since).await,
            Ok(Said::Unsubscribe { stream }) if is_public(&stream) => {
                self.mailbox.unsubscribe(&Topic::Public);
                self.last = None;
                Ok(())
            }
            Ok(Said::Unsubscribe { .. }) => Ok(()),
            Ok(Said::Ping) => self.say(&json!({ "event": "pong" })).await,
            Err(_) => {
                self.say(
                    &json!({ "event": "error", "error": "Say subscribe, unsubscribe or ping, as JSON." }),
                )
                .await
            }
        }
    }

    async fn subscribe(&mut self, stream: &str, since: Option<i64>) -> Result<(), Gone> {
        if !is_public(stream) {
            return self.say(&json!({ "event": "error", "error": "There is no such stream." })).await;
        }
        if let Some(replayed) = self.replayed.replace(Instant::now()) {
            tokio::time::sleep_until(replayed + BETWEEN_REPLAYS).await;
        }
        self.mailbox.subscribe(Topic::Public);
        let Ok(newest) = self.app.db.read(store::peeps::last_seq).await else {
            return self.close(close_code::ERROR, "Something broke. Come back in a moment.").await;
        };
        // A number that is still to come is of another database: begin where this one is.
        let since = since.filter(|since| (0..=newest).contains(since)).unwrap_or(newest);
        self.last = Some(since);
        self.say(&json!({ "event": "subscribed", "stream": "public", "seq": since })).await?;
        self.catch_up().await?;
        Ok(self.socket.flush().await?)
    }

    /// Sends a delivery and all that wait behind it, in one write.
    async fn deliver(&mut self, first: Delivery<Topic, Event>) -> Result<(), Gone> {
        let mut next = Some(first);
        while let Some(delivery) = next {
            match delivery {
                Delivery::Letter(_, Event::Changed(change)) => self.change(&change).await?,
                Delivery::Letter(_, Event::Counted(counted)) if self.last.is_some() => {
                    // Mastodon has no such event; its clients skip it.
                    self.feed(counted.frame(Format::Json, counts_frame)).await?;
                }
                Delivery::Letter(..) => {}
                Delivery::Lagged => self.catch_up().await?,
            }
            next = self.mailbox.try_receive();
        }
        Ok(self.socket.flush().await?)
    }

    async fn change(&mut self, change: &Told<Peep>) -> Result<(), Gone> {
        let Some(last) = self.last else { return Ok(()) };
        match change.what.seq {
            seq if seq <= last => Ok(()),
            seq if seq == last + 1 => {
                let frame = change.frame(self.format, |peep| self.encode(peep));
                self.last = Some(seq);
                self.feed(frame).await
            }
            _ => self.catch_up().await,
        }
    }

    /// Sends from the database what was missed.
    async fn catch_up(&mut self) -> Result<(), Gone> {
        while let Some(last) = self.last {
            let read = self.app.db.read(move |read| {
                let newest = store::peeps::last_seq(read)?;
                let far = newest - last > FAR_BEHIND;
                Ok((newest, if far { Vec::new() } else { store::peeps::changed_since(read, last, REPLAY)? }))
            });
            let Ok((newest, missed)) = read.await else {
                return self.close(close_code::ERROR, "Something broke. Come back in a moment.").await;
            };
            if newest - last > FAR_BEHIND {
                self.last = Some(newest);
                return self.say(&json!({ "event": "reset", "seq": newest })).await;
            }
            let Some(latest) = missed.last().map(|peep| peep.seq) else { break };
            for peep in &missed {
                let frame = self.encode(peep);
                self.feed(frame).await?;
            }
            self.last = Some(latest);
        }
        Ok(())
    }

    fn encode(&self, peep: &Peep) -> Bytes {
        match self.format {
            Format::Json => api::status_frame(peep, self.app.config.base_url.as_str()).into(),
            Format::Html => fragment_frame(&self.app, peep).into(),
        }
    }

    async fn feed(&mut self, frame: Bytes) -> Result<(), Gone> {
        match Utf8Bytes::try_from(frame) {
            Ok(text) => Ok(self.socket.feed(Message::Text(text)).await?),
            Err(_) => Ok(()), // what we encode is UTF-8
        }
    }

    async fn say(&mut self, what: &serde_json::Value) -> Result<(), Gone> {
        Ok(self.socket.send(Message::Text(what.to_string().into())).await?)
    }

    async fn close(&mut self, code: u16, reason: &'static str) -> Result<(), Gone> {
        let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
        self.socket.send(Message::Close(Some(frame))).await?;
        Err(Gone)
    }
}

#[derive(Serialize)]
struct Frame {
    event: &'static str,
    seq: i64,
    id: String,
    html: String,
}

/// New numbers under a peep; the same for pages and programs.
fn counts_frame(counted: &Counted) -> Bytes {
    let Counted { id, likes, replies } = counted;
    json!({ "event": "counts", "id": id, "likes": likes, "replies": replies }).to_string().into()
}

/// A change as our own pages want it: the peep, rendered.
fn fragment_frame(app: &App, peep: &Peep) -> String {
    let (event, html) = match peep.deleted_at {
        Some(_) => ("delete", String::new()),
        None => ("update", html::fragment(peep.clone(), None, app.clock.now())),
    };
    let frame = Frame { event, seq: peep.seq, id: peep.id.to_string(), html };
    serde_json::to_string(&frame).unwrap_or_default()
}
