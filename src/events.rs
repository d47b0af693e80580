//! What realtime may say, and to whom; and the database's types with that filled in.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::{db, ids::PeepId, store::peeps::Peep};

/// The database as all of Chitter uses it.
pub type Db = db::Db<Emission>;

/// The transaction as all of Chitter uses it.
pub type Tx<'a> = db::Tx<'a, Emission>;

/// To whom something is said.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Topic {
    /// Everyone who has the public stream open.
    Public,
    /// The worker that does the outbox's jobs.
    Outbox,
}

/// What is said.
#[derive(Clone, Debug)]
pub enum Event {
    /// A peep is new, edited or deleted. Numbered without gaps by the peep's `seq`, so that a
    /// listener can tell that it missed one, and replay it from the database.
    Changed(Arc<Told<Peep>>),
    /// A peep has other numbers under it. Unnumbered: who misses it sees the next one.
    Counted(Arc<Told<Counted>>),
    /// A job was put into the outbox.
    JobDue,
}

/// The numbers under a peep.
#[derive(Clone, Copy, Debug)]
pub struct Counted {
    /// Which peep.
    pub id: PeepId,
    /// How many like it now.
    pub likes: i64,
    /// How many direct replies it has now.
    pub replies: i64,
}

/// What is told, and how: encoded once per format, by whoever needs it first, and shared by all who
/// listen.
#[derive(Debug)]
pub struct Told<T> {
    /// What it is about.
    pub what: T,
    json: OnceLock<Bytes>,
    html: OnceLock<Bytes>,
}

/// How an event is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// For programs.
    Json,
    /// For the site's own pages.
    Html,
}

impl<T> Told<T> {
    /// Something to be told, in no format yet.
    pub fn new(what: T) -> Self {
        Told { what, json: OnceLock::new(), html: OnceLock::new() }
    }

    /// It in this format; `encode` is asked once.
    pub fn frame(&self, format: Format, encode: impl FnOnce(&T) -> Bytes) -> Bytes {
        let slot = match format {
            Format::Json => &self.json,
            Format::Html => &self.html,
        };
        slot.get_or_init(|| encode(&self.what)).clone()
    }
}

/// An event on its way out of a transaction.
#[derive(Clone, Debug)]
pub struct Emission {
    /// To whom.
    pub topic: Topic,
    /// What.
    pub event: Event,
}
