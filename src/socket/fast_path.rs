//! The short way of an event to a socket that is up to date.
//!
//! While a connection waits for something to happen, its streams arm what they know of their listener
//! to the hub's dispatchers. An event that needs nothing else is then written to the socket by the
//! dispatcher itself: the connection's task sleeps on. What can't go the short way (the other end is
//! slow, a number is missing, the room itself has changed) comes to the task by letter, and what came
//! both ways is skipped by its number.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{
    events::Event,
    http::connection::{Connection, WriteOutcome},
    realtime::{frame::Frame, hub::DirectSink},
};

/// What an event is for a listener.
pub(super) enum Delivery<'e> {
    /// None of its business, or old.
    Ignore,
    /// What it is to be sent.
    Send(&'e Frame),
    /// Something before it is missing.
    CatchUp,
    /// Something that its stream itself has to look at.
    Handle,
}

/// How a stream tells events.
pub(super) trait StreamEncoder: Send + Sync + 'static {
    /// Up to where its listener has heard everything.
    type Cursor: Copy + Send;

    /// What the event is for a listener who has heard so much; moves the cursor past it where that
    /// is nothing or a frame.
    fn encode<'e>(&self, cursor: &mut Self::Cursor, event: &'e Event) -> Delivery<'e>;
}

/// A stream's short way.
pub(super) struct FastPath<S: StreamEncoder> {
    pub(super) encoder: S,
    connection: Arc<Connection>,
    /// There while it is lent.
    cursor: Mutex<Option<S::Cursor>>,
}

impl<S: StreamEncoder> FastPath<S> {
    /// It is closed until a cursor is lent.
    pub(super) fn new(encoder: S, connection: &Arc<Connection>) -> Arc<Self> {
        Arc::new(FastPath { encoder, connection: Arc::clone(connection), cursor: Mutex::new(None) })
    }

    /// Opens it. All that the connection itself had to write is written.
    pub(super) fn arm(&self, cursor: S::Cursor) {
        *self.cursor() = Some(cursor);
    }

    /// Closes it, and says where the cursor is now if it was open.
    pub(super) fn disarm(&self) -> Option<S::Cursor> {
        self.cursor().take()
    }

    fn cursor(&self) -> MutexGuard<'_, Option<S::Cursor>> {
        self.cursor.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: StreamEncoder> DirectSink<Event> for FastPath<S> {
    fn try_deliver(&self, event: &Event) -> bool {
        let mut lent = self.cursor();
        let Some(mut cursor) = *lent else { return false };
        let (moved, done) = match self.encoder.encode(&mut cursor, event) {
            Delivery::Ignore => (true, true),
            Delivery::Send(frame) => match self.connection.send(frame.bytes()) {
                WriteOutcome::Complete => (true, true),
                // The letter wakes the task, which sends the rest.
                WriteOutcome::Partial => (true, false),
                WriteOutcome::Refused => (false, false),
            },
            Delivery::CatchUp | Delivery::Handle => (false, false),
        };
        if moved {
            *lent = Some(cursor);
        }
        done
    }
}
