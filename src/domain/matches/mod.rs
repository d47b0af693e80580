//! Matches: strangers who are brought together, one to one or a few at a time.
//!
//! Whoever waits has wishes: the largest is all of its interests; after a while any of them will do, and at
//! last anyone. Two who have a wish in common take each other. So a search that widens gets more wishes,
//! and whoever has just got some is looked for, in [`run_matching()`]. Nobody else has to be: between two who wait
//! nothing changes unless one of them does.
//!
//! In a talk everyone wears a mask, an account made for it, and the talk is a conversation of the masks.

mod run;
mod search;
mod talk;

use std::time::Duration;

pub use self::{
    run::{RELAXES_AFTER, next_run, run_matching},
    search::{Interests, Language, Search, tags},
    talk::{Complaint, REASONS, allow_pictures, block, leave, next, others, report, reveal},
};
use super::{conversations, rooms::NOT_FROM_HERE};
use crate::{
    Error, Result,
    clock::Time,
    db::Read,
    events::{Emission, Event, Topic, Tx},
    ids::{AccountId, ConversationId},
    store::{
        self,
        accounts::{Account, AccountKind},
        matches::{Pool, State, Ticket, Waiting},
    },
};

/// How long the place of somebody is kept who is not heard of any more: a tunnel.
pub const GRACE: Duration = Duration::from_secs(30);

/// A window that is open says so more often than this.
pub const WINDOW: Duration = Duration::from_secs(75);

/// So many may be skipped in a row without a pause; then it doubles from two seconds up to a minute.
const FREE_SKIPS: i64 = 2;
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How long a talk that is over is kept for reports: then nothing is left of it.
const KEPT: Duration = Duration::from_secs(3600);

/// Those who are looked for anew when somebody has gone for whom they had to wait: all of them, unless a
/// whole town sits behind one address.
const MAX_RETRIED: i64 = 100;

/// Begins to wait. `adult` is what the account says now; it has to be said once.
pub fn seek(tx: &mut Tx<'_>, account: &Account, ip_hash: &str, search: &Search, adult: bool) -> Result<()> {
    if account.kind == AccountKind::Managed {
        return Err(NOT_FROM_HERE);
    }
    if !store::accounts::is_adult(tx, account.id)? {
        if !adult {
            return Err(Error::invalid("adult", "Please confirm your age first."));
        }
        store::accounts::set_adult(tx, account.id)?;
    }
    if search.shows_name && account.username.is_none() {
        return Err(Error::invalid("shows_name", "Only a member has a username to show."));
    }
    store::matches::lock(tx, account.id)?;
    let before = store::matches::of(tx, account.id)?;
    let now = tx.now();
    let pool = if search.group { Pool::Group } else { Pool::Pair };
    let since = match &before {
        Some(ticket) if ticket.state == State::Matched => {
            return Err(Error::Conflict("You are talking with somebody. Leave first."));
        }
        // Whoever thinks again keeps the place in the line.
        Some(ticket) if ticket.state == State::Waiting && ticket.pool == pool => ticket.since,
        Some(ticket) => now.max(ticket.changed_at + pause_after(ticket.skips)),
        None => now,
    };
    let skips = before.map_or(0, |ticket| ticket.skips);
    let waiting = Waiting {
        account: account.id,
        pool,
        language: search.language.code(),
        interests: &search.interests.kept(),
        ip_hash,
        guest: account.kind == AccountKind::Guest,
        shows_name: search.shows_name,
        since,
        alive_until: now + GRACE,
        skips,
    };
    store::matches::wait(tx, &waiting)?;
    wake(tx);
    tell(tx, account.id);
    Ok(())
}

/// The pause that one gets who has skipped so many in a row.
fn pause_after(skips: i64) -> Duration {
    match u32::try_from(skips - FREE_SKIPS) {
        Ok(beyond @ 1..) => Duration::from_secs(1 << beyond.min(6)).min(LONGEST_PAUSE),
        _ => Duration::ZERO,
    }
}

/// Somebody in a talk, as the others in it see it.
#[derive(Clone, Debug)]
pub struct Partner {
    /// Its mask.
    pub mask: Account,
    /// Its username, once it is shown.
    pub username: Option<String>,
    /// Whether it has lost its connection.
    pub away: bool,
    /// Whether it offers to say who it is.
    pub reveals: bool,
    /// Whether it agrees to pictures.
    pub pictures: bool,
}

/// How far someone is in the matching.
#[derive(Clone, Debug)]
pub struct Current {
    /// The part that it has.
    pub ticket: Ticket,
    /// How many wait in front of it, and how many wait in all: while it waits.
    pub line: (i64, i64),
    /// The others in the talk, while it is in one; and in the one that was last, if it is over.
    pub partners: Vec<Partner>,
    /// Whether everyone has said who they are.
    pub revealed: bool,
    /// Whether pictures can be sent.
    pub pictures: bool,
}

/// How far the account is in the matching; `None` where it has no part in it.
pub fn current(read: &Read<'_>, account: AccountId) -> Result<Option<Current>> {
    let Some(ticket) = store::matches::of(read, account)? else { return Ok(None) };
    let line = match ticket.state {
        State::Waiting => store::matches::queue_position(read, &ticket)?,
        _ => (0, 0),
    };
    let talk = match ticket.conversation {
        Some(id) => store::matches::in_talk(read, id)?,
        None => Vec::new(),
    };
    let talk: Vec<Ticket> = talk.into_iter().filter(|one| one.state == ticket.state).collect();
    let revealed = !talk.is_empty() && talk.iter().all(|one| one.reveals);
    let mut partners = Vec::new();
    for one in talk.iter().filter(|one| one.account != account) {
        let Some(mask) = one.mask else { continue };
        let shown = revealed || one.shows_name;
        let username = if shown { store::accounts::by_id(read, one.account)?.username } else { None };
        let mask = store::accounts::by_id(read, mask)?;
        partners.push(Partner {
            mask,
            username,
            away: one.away,
            reveals: one.reveals,
            pictures: one.pictures,
        });
    }
    let pictures = !talk.is_empty() && talk.iter().all(|one| one.pictures);
    Ok(Some(Current { ticket, line, partners, revealed, pictures }))
}

/// Leaves the line. That one has skipped many is remembered for a while.
fn leave_queue(tx: &mut Tx<'_>, ticket: &Ticket) -> Result<()> {
    store::matches::set_ended(tx, ticket.account, ticket.skips, true)?;
    tell(tx, ticket.account);
    left_queue(tx, ticket.pool)
}

/// One fewer waits: some who had to wait because of it may have somebody now.
fn left_queue(tx: &mut Tx<'_>, pool: Pool) -> Result<()> {
    store::matches::retry_deferred(tx, pool, MAX_RETRIED)?;
    wake(tx);
    Ok(())
}

/// Wakes those who look.
fn wake(tx: &mut Tx<'_>) {
    tx.emit(Emission { topic: Topic::MatchWorker, event: Event::MatchChanged });
}

/// Tells someone that something about its match is otherwise than before.
fn tell(tx: &mut Tx<'_>, account: AccountId) {
    tx.emit(Emission { topic: Topic::Account(account), event: Event::MatchChanged });
}

/// It has a window open: it is heard of again before [`WINDOW`] has passed.
pub fn is_here(tx: &mut Tx<'_>, account: AccountId) -> Result<()> {
    set_alive(tx, account, WINDOW, false)
}

/// Its last window has closed: its place is kept for [`GRACE`].
pub fn is_away(tx: &mut Tx<'_>, account: AccountId) -> Result<()> {
    set_alive(tx, account, GRACE, true)
}

/// A program has asked how far it is: that is a sign of life.
pub fn asks(tx: &mut Tx<'_>, account: AccountId) -> Result<()> {
    set_alive(tx, account, GRACE, false)
}

/// Whether it is to be noted by [`asks`] that it is heard of, or was noted a moment ago.
pub fn is_to_be_noted(ticket: &Ticket, now: Time) -> bool {
    ticket.state != State::Ended && ticket.alive_until < now + GRACE / 2
}

/// How many wait in front of someone and how many wait in all, in a line that everyone is told of: in order,
/// one pool after the other.
pub fn queue_position_in(line: &[(Pool, Time, AccountId)], ticket: &Ticket) -> (i64, i64) {
    let rank = |pool: Pool| pool.as_str();
    let begins = line.partition_point(|(pool, ..)| rank(*pool) < rank(ticket.pool));
    let line = &line[begins..];
    let mine = &line[..line.partition_point(|(pool, ..)| *pool == ticket.pool)];
    let before = mine.partition_point(|(_, since, id)| (*since, *id) < (ticket.since, ticket.account));
    (before as i64, mine.len() as i64)
}

fn set_alive(tx: &mut Tx<'_>, account: AccountId, lasts: Duration, away: bool) -> Result<()> {
    let Some(before) = store::matches::of(tx, account)? else { return Ok(()) };
    if before.state == State::Ended {
        return Ok(());
    }
    let until = tx.now() + lasts;
    // Another window may say that it is here for longer; unless the last one has closed.
    let until = if away { until } else { until.max(before.alive_until) };
    store::matches::set_alive(tx, account, until, away)?;
    if before.alive_until > until {
        wake(tx); // it is to be given up earlier than was thought
    }
    if before.away != away
        && let Some(id) = before.conversation
    {
        for other in store::matches::in_talk(tx, id)?.iter().filter(|one| one.account != account) {
            tell(tx, other.account);
        }
    }
    Ok(())
}

/// Deletes the records of those who left the queue or a match a while ago.
pub fn purge(tx: &mut Tx<'_>) -> Result<()> {
    let before = tx.now() - KEPT;
    store::matches::purge_ended(tx, before)
}

/// Forgets a talk that has been over for long enough: nothing is left of it.
pub fn forget(tx: &mut Tx<'_>, id: ConversationId) -> Result<()> {
    store::matches::unlink(tx, id)?;
    if store::conversations::by_id(tx, id)?.is_some() {
        conversations::delete(tx, id)?;
    }
    Ok(())
}

/// Everyone who waits, in the order of the waiting queue.
pub fn waiting(read: &Read<'_>) -> Result<Vec<(Pool, Time, AccountId)>> {
    store::matches::line(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_found_in_a_line_of_both_pools() {
        let at = |pool, ms, id| (pool, Time::from_ms(ms), AccountId(id));
        let line = [
            at(Pool::Group, 1, 1),
            at(Pool::Group, 5, 2),
            at(Pool::Pair, 1, 3),
            at(Pool::Pair, 2, 4),
            at(Pool::Pair, 2, 5),
        ];
        let ip_hash = |pool, ms, id| {
            let ticket = Ticket {
                account: AccountId(id),
                state: State::Waiting,
                pool,
                language: String::new(),
                interests: String::new(),
                ip_hash: String::new(),
                guest: true,
                shows_name: false,
                since: Time::from_ms(ms),
                relaxation: 0,
                alive_until: Time::from_ms(0),
                away: false,
                skips: 0,
                conversation: None,
                mask: None,
                reveals: false,
                pictures: false,
                went: false,
                changed_at: Time::from_ms(0),
            };
            queue_position_in(&line, &ticket)
        };
        assert_eq!(
            [ip_hash(Pool::Group, 5, 2), ip_hash(Pool::Pair, 1, 3), ip_hash(Pool::Pair, 2, 5)],
            [(1, 2), (0, 3), (2, 3)]
        );
    }

    #[test]
    fn whoever_skips_many_waits_longer_each_time() {
        let pauses: Vec<_> = (0..12).map(|skips| pause_after(skips).as_secs()).collect();
        assert_eq!(pauses, [0, 0, 0, 2, 4, 8, 16, 32, 60, 60, 60, 60]);
    }
}
