//! The fast path: an event is written to an up-to-date socket without waking the connection's task.
//!
//! While a connection waits, each of its streams is armed with the cursor of its subscriber, and the hub's dispatcher
//! writes events that need nothing else directly to the socket. Everything that cannot take the fast path (a slow peer,
//! a missing number, a change of the conversation itself) reaches the task by the mailbox. Events that arrive on both
//! paths are skipped by their number.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{
    events::Event,
    http::connection::{Connection, WriteOutcome},
    realtime::{frame::Frame, hub::DirectSink},
};

/// The action that a socket takes for an event.
pub(super) enum Delivery<'e> {
    /// Nothing: the event is old or not for this subscriber.
    Ignore,
    Send(&'e Frame),
    /// A replay from the database, because an earlier event is missing.
    CatchUp,
    /// A decision by the stream itself, on the connection's task.
    Handle,
}

/// The position of a numbered event relative to the last number that a subscriber has received.
pub(super) enum Order {
    Old,
    Next,
    /// Events before this one are missing.
    Gap,
}

impl Order {
    pub(super) fn of(number: i64, last: i64) -> Self {
        match number - last {
            ..=0 => Order::Old,
            1 => Order::Next,
            2.. => Order::Gap,
        }
    }
}

/// The encoding of a stream's events for one subscriber.
pub(super) trait StreamEncoder: Send + Sync + 'static {
    /// The position up to which the subscriber has received everything.
    type Cursor: Copy + Send;

    /// Returns the action for an event, and advances the cursor past it where that is [`Delivery::Ignore`] or
    /// [`Delivery::Send`].
    fn encode<'e>(&self, cursor: &mut Self::Cursor, event: &'e Event) -> Delivery<'e>;
}

/// The fast path of one stream.
pub(super) struct FastPath<S: StreamEncoder> {
    encoder: S,
    connection: Arc<Connection>,
    /// The subscriber's cursor while the path is armed, else `None`.
    cursor: Mutex<Option<S::Cursor>>,
}

impl<S: StreamEncoder> FastPath<S> {
    /// Creates a path that is not armed yet.
    pub(super) fn new(encoder: S, connection: &Arc<Connection>) -> Arc<Self> {
        Arc::new(FastPath { encoder, connection: Arc::clone(connection), cursor: Mutex::new(None) })
    }

    /// Opens the path. The caller has flushed everything that it wrote itself.
    pub(super) fn arm(&self, cursor: S::Cursor) {
        *self.cursor() = Some(cursor);
    }

    /// Closes the path and returns the advanced cursor, or `None` if the path was not armed.
    pub(super) fn disarm(&self) -> Option<S::Cursor> {
        self.cursor().take()
    }

    /// Returns the action for an event. Both paths call it, so that a subscriber receives the same by either.
    pub(super) fn encode<'e>(&self, cursor: &mut S::Cursor, event: &'e Event) -> Delivery<'e> {
        self.encoder.encode(cursor, event)
    }

    fn cursor(&self) -> MutexGuard<'_, Option<S::Cursor>> {
        self.cursor.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: StreamEncoder> DirectSink<Event> for FastPath<S> {
    fn try_deliver(&self, event: &Event) -> bool {
        let mut armed = self.cursor();
        let Some(mut cursor) = *armed else { return false };
        let (advances, is_done) = match self.encode(&mut cursor, event) {
            Delivery::Ignore => (true, true),
            Delivery::Send(frame) => match self.connection.send(frame.bytes()) {
                WriteOutcome::Complete => (true, true),
                // The event in the mailbox wakes the task, which sends the rest.
                WriteOutcome::Partial => (true, false),
                WriteOutcome::Refused => (false, false),
            },
            Delivery::CatchUp | Delivery::Handle => (false, false),
        };
        if advances {
            *armed = Some(cursor);
        }
        is_done
    }
}
