//! The public stream on a socket.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    fast_path::{Delivery, FastPath, Order, StreamEncoder},
    writer::{Closed, SocketWriter},
};
use crate::{
    Result,
    app::App,
    domain::{peeps, viewer::Viewer},
    events::{Event, Format, Topic},
    realtime::hub::Mailbox,
    store::peeps::Peep,
    wire::frames::{self, ResetFrame, SubscribedFrame},
};

/// The most changes that one query of a replay reads.
const REPLAY_BATCH: i64 = 200;

/// The most changes that are replayed. A client that missed more receives a `reset` and loads the page again.
const MAX_REPLAYED: i64 = 1000;

/// Returns whether this is one of Mastodon's two names for the public stream.
pub(super) fn is_public(stream: &str) -> bool {
    matches!(stream, "public" | "public:local")
}

/// A subscription to the public stream.
pub(super) struct PublicStream {
    /// The number of the last change that was sent.
    last: i64,
    fast_path: Arc<FastPath<Encoder>>,
}

/// The encoder of the public stream.
struct Encoder {
    app: Arc<App>,
    format: Format,
}

impl StreamEncoder for Encoder {
    type Cursor = i64;

    fn encode<'e>(&self, last: &mut i64, event: &'e Event) -> Delivery<'e> {
        match event {
            Event::PeepChanged(peep) => {
                let Some(number) = event.number() else { return Delivery::Ignore };
                match Order::of(number, *last) {
                    Order::Old => return Delivery::Ignore,
                    Order::Gap => return Delivery::CatchUp,
                    Order::Next => *last = number,
                }
                Delivery::Send(peep.frame(self.format, |peep| peep_frame(&self.app, self.format, peep)))
            }
            // Mastodon has no such event; its clients skip it.
            Event::PeepCountsChanged(counts) => Delivery::Send(counts.frame(Format::Json, frames::counts)),
            _ => Delivery::Ignore,
        }
    }
}

impl PublicStream {
    /// Subscribes at the hub, and sends the number from which the stream continues. [`PublicStream::catch_up`] then
    /// sends the missed events.
    pub(super) async fn begin(
        writer: &mut SocketWriter,
        mailbox: &mut Mailbox<Topic, Event>,
        since: Option<i64>,
    ) -> Result<Self, Closed> {
        let encoder = Encoder { app: Arc::clone(&writer.app), format: writer.format };
        let fast_path = FastPath::new(encoder, &writer.connection);
        mailbox.subscribe_with(Topic::Public, Arc::clone(&fast_path) as _);
        let Ok(newest) = writer.app.db.read(peeps::last_seq).await else {
            return writer.close_with_error().await;
        };
        // A number in the future is from another database: the stream begins at the end of this one.
        let last = since.filter(|since| (0..=newest).contains(since)).unwrap_or(newest);
        writer.send(&SubscribedFrame::public(last)).await?;
        Ok(PublicStream { last, fast_path })
    }

    pub(super) fn arm(&self) {
        self.fast_path.arm(self.last);
    }

    pub(super) fn disarm(&mut self) {
        self.last = self.fast_path.disarm().unwrap_or(self.last);
    }

    pub(super) async fn deliver(&mut self, writer: &mut SocketWriter, event: &Event) -> Result<(), Closed> {
        match self.fast_path.encode(&mut self.last, event) {
            Delivery::Ignore | Delivery::Handle => Ok(()),
            Delivery::Send(frame) => writer.feed(frame.payload()).await,
            Delivery::CatchUp => self.catch_up(writer).await,
        }
    }

    /// Sends the missed changes from the database.
    pub(super) async fn catch_up(&mut self, writer: &mut SocketWriter) -> Result<(), Closed> {
        loop {
            let last = self.last;
            let read = writer.app.db.read(move |read| {
                let newest = peeps::last_seq(read)?;
                let is_too_far = newest - last > MAX_REPLAYED;
                Ok((
                    newest,
                    if is_too_far {
                        Vec::new()
                    } else {
                        peeps::changed_since(read, Viewer::STRANGER, last, REPLAY_BATCH)?
                    },
                ))
            });
            let Ok((newest, missed)) = read.await else { return writer.close_with_error().await };
            if newest - last > MAX_REPLAYED {
                self.last = newest;
                return writer.send(&ResetFrame::public(newest)).await;
            }
            let Some(latest) = missed.last().map(|peep| peep.seq) else { return Ok(()) };
            for peep in &missed {
                let frame = peep_frame(&writer.app, writer.format, peep);
                writer.feed(frame).await?;
            }
            self.last = latest;
        }
    }
}

fn peep_frame(app: &App, format: Format, peep: &Peep) -> Bytes {
    match format {
        Format::Json => frames::peep(peep, app.config.base_url.as_str()),
        Format::Html => frames::peep_html(peep, app.clock.now()),
    }
}
