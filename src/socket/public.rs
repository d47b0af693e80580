//! The public stream on a socket.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::json;

use super::{
    Closed, SocketWriter,
    fast_path::{Delivery, FastPath, StreamEncoder},
};
use crate::{
    Result,
    app::App,
    events::{Event, Format, Topic},
    realtime::hub::Mailbox,
    store::{self, peeps::Peep},
    wire::frames,
};

/// Changes read at once when something is replayed.
const REPLAY: i64 = 200;

/// Changes replayed at most. Whoever missed more is told to load the page anew.
const FAR_BEHIND: i64 = 1000;

/// By the two names that Mastodon has for it.
pub(super) fn is_public(stream: &str) -> bool {
    matches!(stream, "public" | "public:local")
}

/// A subscription to the public stream.
pub(super) struct PublicStream {
    /// The number of the last change that was sent.
    last: i64,
    fast_path: Arc<FastPath<Encoder>>,
}

/// How the public stream is told.
struct Encoder {
    app: Arc<App>,
    format: Format,
}

impl StreamEncoder for Encoder {
    type Cursor = i64;

    fn encode<'e>(&self, last: &mut i64, event: &'e Event) -> Delivery<'e> {
        match event {
            Event::PeepChanged(change) if change.value.seq <= *last => Delivery::Ignore,
            Event::PeepChanged(change) if change.value.seq > *last + 1 => Delivery::CatchUp,
            Event::PeepChanged(change) => {
                *last = change.value.seq;
                Delivery::Send(change.frame(self.format, |peep| encode(&self.app, self.format, peep)))
            }
            // Mastodon has no such event; its clients skip it.
            Event::PeepCountsChanged(counted) => Delivery::Send(counted.frame(Format::Json, frames::counts)),
            _ => Delivery::Ignore,
        }
    }
}

impl PublicStream {
    /// Is subscribed at the hub, and says from where on it is heard. What was missed is sent by the
    /// [`PublicStream::catch_up`] after it.
    pub(super) async fn begin(
        writer: &mut SocketWriter,
        mailbox: &mut Mailbox<Topic, Event>,
        since: Option<i64>,
    ) -> Result<Self, Closed> {
        let encoder = Encoder { app: Arc::clone(&writer.app), format: writer.format };
        let fast_path = FastPath::new(encoder, &writer.connection);
        mailbox.subscribe_with(Topic::Public, Arc::clone(&fast_path) as _);
        let Ok(newest) = writer.app.db.read(store::peeps::last_seq).await else {
            return writer.broken().await;
        };
        // A number that is still to come is of another database: begin where this one is.
        let last = since.filter(|since| (0..=newest).contains(since)).unwrap_or(newest);
        writer.say(&json!({ "event": "subscribed", "stream": "public", "seq": last })).await?;
        Ok(PublicStream { last, fast_path })
    }

    pub(super) fn arm(&self) {
        self.fast_path.arm(self.last);
    }

    pub(super) fn disarm(&mut self) {
        self.last = self.fast_path.disarm().unwrap_or(self.last);
    }

    pub(super) async fn hear(&mut self, writer: &mut SocketWriter, event: &Event) -> Result<(), Closed> {
        match self.fast_path.encoder.encode(&mut self.last, event) {
            Delivery::Ignore | Delivery::Handle => Ok(()),
            Delivery::Send(frame) => writer.feed(frame.payload()).await,
            Delivery::CatchUp => self.catch_up(writer).await,
        }
    }

    /// Sends from the database what was missed.
    pub(super) async fn catch_up(&mut self, writer: &mut SocketWriter) -> Result<(), Closed> {
        loop {
            let last = self.last;
            let read = writer.app.db.read(move |read| {
                let newest = store::peeps::last_seq(read)?;
                let far = newest - last > FAR_BEHIND;
                Ok((newest, if far { Vec::new() } else { store::peeps::changed_since(read, last, REPLAY)? }))
            });
            let Ok((newest, missed)) = read.await else { return writer.broken().await };
            if newest - last > FAR_BEHIND {
                self.last = newest;
                return writer.say(&json!({ "event": "reset", "seq": newest })).await;
            }
            let Some(latest) = missed.last().map(|peep| peep.seq) else { return Ok(()) };
            for peep in &missed {
                let frame = encode(&writer.app, writer.format, peep);
                writer.feed(frame).await?;
            }
            self.last = latest;
        }
    }
}

fn encode(app: &App, format: Format, peep: &Peep) -> Bytes {
    match format {
        Format::Json => frames::peep(peep, app.config.base_url.as_str()),
        Format::Html => frames::peep_html(peep, app.clock.now()),
    }
}
