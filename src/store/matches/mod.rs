//! The matching of strangers: the waiting queue, talks and reports.

mod queue;
mod reports;
mod talk;

pub use self::{
    queue::{
        Waiting, due, enqueue, expired, insert_match_key, lock_matching, match_keys, next_due, others_wait,
        partners, queue_position, retry_deferred, set_alive, set_relaxation, waiting_queue, with_match_key,
    },
    reports::{Report, insert_report, replace_report},
    talk::{
        in_talk, insert_meeting, open_groups, purge_ended, set_ended, set_matched, set_pictures, set_reveals,
        unlink,
    },
};
use super::dialect;
use crate::{
    Result,
    clock::Time,
    db::{Column, Read, Write, columns, from_row},
    ids::{AccountId, ConversationId},
    params, sql,
};

/// The state of a ticket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// The account waits for a match.
    Waiting,
    /// The account is in a talk.
    Matched,
    /// The talk is over, or the account left the queue.
    Ended,
}

impl Column for State {
    type Raw = String;
    fn from_raw(raw: String) -> Self {
        match raw.as_str() {
            "waiting" => State::Waiting,
            "matched" => State::Matched,
            _ => State::Ended,
        }
    }
}

/// The pool in which an account waits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Pool {
    /// Talks of two.
    Pair,
    /// Talks of a few.
    Group,
}

impl Pool {
    /// Returns the stored name.
    pub fn as_str(self) -> &'static str {
        match self {
            Pool::Pair => "pair",
            Pool::Group => "group",
        }
    }
}

impl Column for Pool {
    type Raw = String;
    fn from_raw(raw: String) -> Self {
        if raw == "group" { Pool::Group } else { Pool::Pair }
    }
}

columns! {
    /// An account's ticket in the matching.
    #[derive(Clone, Debug)]
    pub struct Ticket as s {
        pub account: AccountId = "s.account_id",
        pub state: State,
        pub pool: Pool,
        /// The code of the language to talk in; empty for any.
        pub language: String,
        /// Normalized and sorted tags, one on each line.
        pub interests: String,
        /// The client's address, as a keyed hash.
        pub ip_hash: String,
        /// True if the account is a guest.
        pub guest: bool,
        /// True if the username is shown from the beginning.
        pub shows_name: bool,
        /// The start of the wait; in the future during a pause.
        pub since: Time,
        /// The step up to which the criteria have been relaxed.
        pub relaxation: i64,
        /// When the ticket ends, unless there is a sign of life before.
        pub alive_until: Time,
        /// True if the last window has closed.
        pub away: bool,
        /// The number of talks in a row that were left at once.
        pub skips: i64,
        /// The current talk, or the last one.
        pub conversation: Option<ConversationId> = "s.conversation_id",
        /// The mask worn in that talk.
        pub mask: Option<AccountId> = "s.mask_id",
        /// True if the account offers to reveal its identity.
        pub reveals: bool,
        /// True if the account agrees to pictures.
        pub pictures: bool,
        /// True if the account itself left its last talk; false if the talk ended because others left.
        pub went: bool,
        /// When the state last changed.
        pub changed_at: Time,
    }
}

/// Returns the account's ticket.
pub fn of(read: &Read<'_>, account: AccountId) -> Result<Option<Ticket>> {
    read.first(
        sql!("SELECT ", Ticket::COLUMNS, " FROM tickets s WHERE s.account_id = $1"),
        params![account],
        from_row,
    )
}

/// Locks a waiting account's ticket until the transaction ends. Returns `None` where the account does not wait any
/// more, or another transaction holds the lock.
pub fn try_lock_waiting(tx: &mut Write<'_>, account: AccountId) -> Result<Option<Ticket>> {
    let sql = dialect::try_lock_ticket(tx.engine());
    if tx.first(sql, params![account], from_row::<AccountId>)?.is_none() {
        return Ok(None);
    }
    of(tx, account)
}

/// Locks an account's ticket, in whatever state, until the transaction ends. Waits while another transaction holds the
/// lock.
pub fn lock(tx: &mut Write<'_>, account: AccountId) -> Result<()> {
    let sql = dialect::lock_ticket(tx.engine());
    tx.first(sql, params![account], from_row::<AccountId>).map(drop)
}
