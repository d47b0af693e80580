//! The short way of an event to a socket that is up to date.
//!
//! While a connection waits for something to happen, its streams lend what they know of their listener
//! to the hub's dispatchers. An event that needs nothing else is then written to the socket by the
//! dispatcher itself: the connection's task sleeps on. What can't go the short way (the other end is
//! slow, a number is missing, the room itself has changed) comes to the task by letter, and what came
//! both ways is skipped by its number.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{
    events::Event,
    http::connection::{Line, Sent},
    realtime::{frame::Frame, hub::Ear},
};

/// What an event is for a listener.
pub(super) enum Heard<'e> {
    /// None of its business, or old.
    Nothing,
    /// What it is to be sent.
    Frame(&'e Frame),
    /// Something before it is missing.
    Gap,
    /// Something that its stream itself has to look at.
    Itself,
}

/// How a stream tells events.
pub(super) trait Tells: Send + Sync + 'static {
    /// Up to where its listener has heard everything.
    type Cursor: Copy + Send;

    /// What the event is for a listener who has heard so much; moves the cursor past it where that
    /// is nothing or a frame.
    fn tell<'e>(&self, cursor: &mut Self::Cursor, event: &'e Event) -> Heard<'e>;
}

/// A stream's short way.
pub(super) struct Shortcut<S: Tells> {
    pub(super) stream: S,
    line: Arc<Line>,
    /// There while it is lent.
    cursor: Mutex<Option<S::Cursor>>,
}

impl<S: Tells> Shortcut<S> {
    /// It is closed until a cursor is lent.
    pub(super) fn new(stream: S, line: &Arc<Line>) -> Arc<Self> {
        Arc::new(Shortcut { stream, line: Arc::clone(line), cursor: Mutex::new(None) })
    }

    /// Opens it. All that the connection itself had to write is written.
    pub(super) fn lend(&self, cursor: S::Cursor) {
        *self.cursor() = Some(cursor);
    }

    /// Closes it, and says where the cursor is now if it was open.
    pub(super) fn take_back(&self) -> Option<S::Cursor> {
        self.cursor().take()
    }

    fn cursor(&self) -> MutexGuard<'_, Option<S::Cursor>> {
        self.cursor.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Tells> Ear<Event> for Shortcut<S> {
    fn hear(&self, event: &Event) -> bool {
        let mut lent = self.cursor();
        let Some(mut cursor) = *lent else { return false };
        let (moved, done) = match self.stream.tell(&mut cursor, event) {
            Heard::Nothing => (true, true),
            Heard::Frame(frame) => match self.line.send(frame.bytes()) {
                Sent::Whole => (true, true),
                // The letter wakes the task, which sends the rest.
                Sent::Begun => (true, false),
                Sent::Not => (false, false),
            },
            Heard::Gap | Heard::Itself => (false, false),
        };
        if moved {
            *lent = Some(cursor);
        }
        done
    }
}
