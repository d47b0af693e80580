//! The public stream on a socket.

use bytes::Bytes;
use serde::Serialize;
use serde_json::json;

use super::{Gone, Outlet};
use crate::{
    Result,
    app::App,
    events::{Counted, Event, Format, Told},
    store::{self, peeps::Peep},
    web::{api, html},
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
}

impl PublicStream {
    /// Says from where on it is heard. What was missed is sent by the [`PublicStream::catch_up`] after it.
    pub(super) async fn begin(outlet: &mut Outlet, since: Option<i64>) -> Result<Self, Gone> {
        let Ok(newest) = outlet.app.db.read(store::peeps::last_seq).await else {
            return outlet.broken().await;
        };
        // A number that is still to come is of another database: begin where this one is.
        let last = since.filter(|since| (0..=newest).contains(since)).unwrap_or(newest);
        outlet.say(&json!({ "event": "subscribed", "stream": "public", "seq": last })).await?;
        Ok(PublicStream { last })
    }

    pub(super) async fn hear(&mut self, outlet: &mut Outlet, event: &Event) -> Result<(), Gone> {
        match event {
            Event::Changed(change) => self.change(outlet, change).await,
            // Mastodon has no such event; its clients skip it.
            Event::Counted(counted) => outlet.feed(counted.frame(Format::Json, counts_frame)).await,
            _ => Ok(()),
        }
    }

    async fn change(&mut self, outlet: &mut Outlet, change: &Told<Peep>) -> Result<(), Gone> {
        match change.what.seq {
            seq if seq <= self.last => Ok(()),
            seq if seq == self.last + 1 => {
                let frame = change.frame(outlet.format, |peep| encode(outlet, peep));
                self.last = seq;
                outlet.feed(frame).await
            }
            _ => self.catch_up(outlet).await,
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
                let frame = encode(outlet, peep);
                outlet.feed(frame).await?;
            }
            self.last = latest;
        }
    }
}

fn encode(outlet: &Outlet, peep: &Peep) -> Bytes {
    match outlet.format {
        Format::Json => api::status_frame(peep, outlet.app.config.base_url.as_str()).into(),
        Format::Html => fragment_frame(&outlet.app, peep).into(),
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
