//! The public stream on a socket.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::json;

use super::{
    Gone, Outlet,
    shortcut::{Heard, Shortcut, Tells},
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
    shortcut: Arc<Shortcut<Telling>>,
}

/// How the public stream is told.
struct Telling {
    app: Arc<App>,
    format: Format,
}

impl Tells for Telling {
    type Cursor = i64;

    fn tell<'e>(&self, last: &mut i64, event: &'e Event) -> Heard<'e> {
        match event {
            Event::PeepChanged(change) if change.value.seq <= *last => Heard::Nothing,
            Event::PeepChanged(change) if change.value.seq > *last + 1 => Heard::Gap,
            Event::PeepChanged(change) => {
                *last = change.value.seq;
                Heard::Frame(change.frame(self.format, |peep| encode(&self.app, self.format, peep)))
            }
            // Mastodon has no such event; its clients skip it.
            Event::PeepCountsChanged(counted) => Heard::Frame(counted.frame(Format::Json, frames::counts)),
            _ => Heard::Nothing,
        }
    }
}

impl PublicStream {
    /// Is subscribed at the hub, and says from where on it is heard. What was missed is sent by the
    /// [`PublicStream::catch_up`] after it.
    pub(super) async fn begin(
        outlet: &mut Outlet,
        mailbox: &mut Mailbox<Topic, Event>,
        since: Option<i64>,
    ) -> Result<Self, Gone> {
        let telling = Telling { app: Arc::clone(&outlet.app), format: outlet.format };
        let shortcut = Shortcut::new(telling, &outlet.line);
        mailbox.subscribe_with(Topic::Public, Arc::clone(&shortcut) as _);
        let Ok(newest) = outlet.app.db.read(store::peeps::last_seq).await else {
            return outlet.broken().await;
        };
        // A number that is still to come is of another database: begin where this one is.
        let last = since.filter(|since| (0..=newest).contains(since)).unwrap_or(newest);
        outlet.say(&json!({ "event": "subscribed", "stream": "public", "seq": last })).await?;
        Ok(PublicStream { last, shortcut })
    }

    pub(super) fn lend(&self) {
        self.shortcut.lend(self.last);
    }

    pub(super) fn take_back(&mut self) {
        self.last = self.shortcut.take_back().unwrap_or(self.last);
    }

    pub(super) async fn hear(&mut self, outlet: &mut Outlet, event: &Event) -> Result<(), Gone> {
        match self.shortcut.stream.tell(&mut self.last, event) {
            Heard::Nothing | Heard::Itself => Ok(()),
            Heard::Frame(frame) => outlet.feed(frame.said()).await,
            Heard::Gap => self.catch_up(outlet).await,
        }
    }

    /// Sends from the database what was missed.
    pub(super) async fn catch_up(&mut self, outlet: &mut Outlet) -> Result<(), Gone> {
        loop {
            let last = self.last;
            let read = outlet.app.db.read(move |read| {
                let newest = store::peeps::last_seq(read)?;
                let far = newest - last > FAR_BEHIND;
                Ok((newest, if far { Vec::new() } else { store::peeps::changed_since(read, last, REPLAY)? }))
            });
            let Ok((newest, missed)) = read.await else { return outlet.broken().await };
            if newest - last > FAR_BEHIND {
                self.last = newest;
                return outlet.say(&json!({ "event": "reset", "seq": newest })).await;
            }
            let Some(latest) = missed.last().map(|peep| peep.seq) else { return Ok(()) };
            for peep in &missed {
                let frame = encode(&outlet.app, outlet.format, peep);
                outlet.feed(frame).await?;
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
