//! The matching of strangers: who waits for whom, talks between them, and reports about these.

mod queue;
mod reports;
mod talk;

pub use self::{
    queue::{
        Waiting, due, line, look_alone, look_for_held, lost, next_due, others_wait, partners, place_in_line,
        set_alive, set_stage, wait, wish, wishes, with_wish,
    },
    reports::{Report, insert_report},
    talk::{
        forget_ended, in_talk, meet, open_groups, set_ended, set_matched, set_pictures, set_reveals, unlink,
    },
};
use super::{blocks::Somebody, dialect};
use crate::{
    Result,
    clock::Time,
    db::{Column, Read, Write, columns, from_row},
    ids::{AccountId, ConversationId},
    params, sql,
};

/// How far someone is in the matching.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// It waits for somebody.
    Waiting,
    /// It is in a talk.
    Matched,
    /// Its talk is over.
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

/// Among whom someone looks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Pool {
    /// Those who want to talk with one other.
    Pair,
    /// Those who want to talk with a few.
    Group,
}

impl Pool {
    /// As it is stored.
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
    /// An account's part in the matching.
    #[derive(Clone, Debug)]
    pub struct Seeker as s {
        pub account: AccountId = "s.account_id",
        pub state: State,
        pub pool: Pool,
        /// The code of the language to talk in; empty for any.
        pub language: String,
        /// Normalized tags, sorted, a line each.
        pub interests: String,
        /// The client's address, as a keyed hash.
        pub place: String,
        /// Whether the account is a guest.
        pub guest: bool,
        /// Whether the username is shown from the beginning.
        pub shows_name: bool,
        /// The start of the wait; in the future during a pause.
        pub since: Time,
        /// How far the criteria have been relaxed.
        pub stage: i64,
        /// The ticket is removed then, unless its client is seen before.
        pub alive_until: Time,
        /// Whether the last window has closed.
        pub away: bool,
        /// The number of talks in a row that were left at once.
        pub skips: i64,
        /// The current talk, or the last one.
        pub conversation: Option<ConversationId> = "s.conversation_id",
        /// The mask worn in that talk.
        pub mask: Option<AccountId> = "s.mask_id",
        /// Whether the account offers to reveal its identity.
        pub reveals: bool,
        /// Whether the account agrees to pictures.
        pub pictures: bool,
        /// Whether the account itself ended its last talk.
        pub went: bool,
        /// When the state last changed.
        pub changed_at: Time,
    }
}

impl Seeker {
    /// As blocks know it.
    pub fn somebody(&self) -> Somebody {
        Somebody::new(self.account, self.guest.then_some(&self.place))
    }
}

/// The part that an account has in the matching, if it has one.
pub fn of(read: &Read<'_>, account: AccountId) -> Result<Option<Seeker>> {
    read.first(
        sql!("SELECT ", Seeker::COLUMNS, " FROM seekers s WHERE s.account_id = $1"),
        params![account],
        from_row,
    )
}

/// Holds someone who waits until the transaction ends. `None` where it does not wait any more, or someone
/// else holds it.
pub fn hold(tx: &mut Write<'_>, account: AccountId) -> Result<Option<Seeker>> {
    let held = dialect::hold_seeker(tx.engine());
    if tx.first(held, params![account], from_row::<AccountId>)?.is_none() {
        return Ok(None);
    }
    of(tx, account)
}

/// Holds whatever part the account has until the transaction ends: whoever holds it is waited for.
pub fn lock(tx: &mut Write<'_>, account: AccountId) -> Result<()> {
    let lock = dialect::lock_seeker(tx.engine());
    tx.first(lock, params![account], from_row::<AccountId>).map(drop)
}
