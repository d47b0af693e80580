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
    Changed(Arc<Change>),
    /// A peep has other numbers under it. Unnumbered: who misses it sees the next one.
    Counted {
        /// Which peep.
        id: PeepId,
        /// How many like it now.
        likes: i64,
        /// How many direct replies it has now.
        replies: i64,
    },
    /// A job was put into the outbox.
    JobDue,
}

/// A changed peep, seen by nobody in particular, and how it is told: encoded once per format, by
/// whoever needs it first, and shared by all who listen.
#[derive(Debug)]
pub struct Change {
    /// The peep as it now is.
    pub peep: Peep,
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

impl Change {
    /// The change that made the peep what it is. Whether its writer likes it is nobody else's.
    pub fn new(peep: Peep) -> Self {
        Change { peep: Peep { liked: false, ..peep }, json: OnceLock::new(), html: OnceLock::new() }
    }

    /// The change in this format; `encode` is asked once.
    pub fn frame(&self, format: Format, encode: impl FnOnce(&Peep) -> Bytes) -> Bytes {
        let slot = match format {
            Format::Json => &self.json,
            Format::Html => &self.html,
        };
        slot.get_or_init(|| encode(&self.peep)).clone()
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
