//! Matches: strangers who are brought together, in pairs or in small groups.
//!
//! A waiting account has a ticket with match keys. The largest key is the set of all its interests. Relaxation adds
//! every smaller set of the interests, and at last a key that accepts anyone. Two tickets with a common match key fit.
//! [`run_matching()`] searches only for tickets that have new match keys, or whose last search was deferred or met a
//! locked ticket: any other two tickets that did not fit before do not fit now.
//!
//! Each account in a talk wears a mask, an account made for that talk. The talk is a conversation of the masks.

mod run;
mod search;
mod talk;

use std::time::Duration;

pub use self::{
    run::{RELAXES_AFTER, next_run, run_matching},
    search::{Interests, Language, Search, tags},
    talk::{
        Complaint, Evidence, REASONS, allow_pictures, block, evidence, leave, next, others, report, reveal,
    },
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

/// The time after which a ticket without a sign of life ends: enough for a train in a tunnel.
pub const GRACE: Duration = Duration::from_secs(30);

/// The time for which a sign of life from an open window is valid. Windows send one more often than this.
pub const WINDOW: Duration = Duration::from_secs(75);

/// The number of talks in a row that may be skipped without a pause. From then on each skip doubles the pause, from two
/// seconds up to [`MAX_PAUSE`].
const FREE_SKIPS: i64 = 2;
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// The time for which a talk that is over is stored, so that it can be reported. Then all of it is deleted.
const RETENTION: Duration = Duration::from_secs(3600);

/// The maximum number of deferred tickets that are retried when a ticket leaves the waiting queue. The limit is reached
/// only where very many people share one address.
const MAX_RETRIED: i64 = 100;

/// Puts the account into the waiting queue. `adult` is the account's confirmation of its age in this request, which is
/// required once. Refuses managed accounts, and accounts that are in a talk.
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
        // An account that changes its search keeps its place in the waiting queue.
        Some(ticket) if ticket.state == State::Waiting && ticket.pool == pool => ticket.since,
        Some(ticket) => now.max(ticket.changed_at + pause_after(ticket.skips)),
        None => now,
    };
    let skips = before.map_or(0, |ticket| ticket.skips);
    let waiting = Waiting {
        account: account.id,
        pool,
        language: search.language.code(),
        interests: &search.interests.stored(),
        ip_hash,
        guest: account.kind == AccountKind::Guest,
        shows_name: search.shows_name,
        since,
        alive_until: now + GRACE,
        skips,
    };
    store::matches::enqueue(tx, &waiting)?;
    wake(tx);
    notify(tx, account.id);
    Ok(())
}

/// Returns the pause after this number of skips in a row.
fn pause_after(skips: i64) -> Duration {
    match u32::try_from(skips - FREE_SKIPS) {
        Ok(beyond @ 1..) => Duration::from_secs(1 << beyond.min(6)).min(MAX_PAUSE),
        _ => Duration::ZERO,
    }
}

/// A participant of a talk, as the others in the talk see it.
#[derive(Clone, Debug)]
pub struct Partner {
    pub mask: Account,
    /// The username, once it is shown.
    pub username: Option<String>,
    /// True if the partner's last window has closed.
    pub away: bool,
    /// True if the partner offers to reveal their identity.
    pub reveals: bool,
    /// True if the partner agrees to pictures.
    pub pictures: bool,
}

/// An account's current state in the matching.
#[derive(Clone, Debug)]
pub struct Current {
    pub ticket: Ticket,
    /// The number of tickets before this one in the waiting queue, and of all tickets. Zero unless the ticket waits.
    pub queue_position: (i64, i64),
    /// The others in the current talk, or in the last one if that is over.
    pub partners: Vec<Partner>,
    /// True if all participants have revealed their identity.
    pub revealed: bool,
    /// True if all participants agree to pictures, so that pictures can be sent.
    pub pictures: bool,
}

/// Returns the account's state in the matching, or `None` if the account has no ticket.
pub fn current(read: &Read<'_>, account: AccountId) -> Result<Option<Current>> {
    let Some(ticket) = store::matches::of(read, account)? else { return Ok(None) };
    let queue_position = match ticket.state {
        State::Waiting => store::matches::queue_position(read, &ticket)?,
        _ => (0, 0),
    };
    let talk = match ticket.conversation {
        Some(id) => store::matches::in_talk(read, id)?,
        None => Vec::new(),
    };
    let talk: Vec<Ticket> = talk.into_iter().filter(|other| other.state == ticket.state).collect();
    let revealed = !talk.is_empty() && talk.iter().all(|ticket| ticket.reveals);
    let mut partners = Vec::new();
    for other in talk.iter().filter(|other| other.account != account) {
        let Some(mask) = other.mask else { continue };
        let shown = revealed || other.shows_name;
        let username = if shown { store::accounts::by_id(read, other.account)?.username } else { None };
        let mask = store::accounts::by_id(read, mask)?;
        partners.push(Partner {
            mask,
            username,
            away: other.away,
            reveals: other.reveals,
            pictures: other.pictures,
        });
    }
    let pictures = !talk.is_empty() && talk.iter().all(|ticket| ticket.pictures);
    Ok(Some(Current { ticket, queue_position, partners, revealed, pictures }))
}

/// Removes a ticket from the waiting queue. Its row and the number of skips are kept for a while, so that leaving the
/// queue does not avoid the pause.
fn leave_queue(tx: &mut Tx<'_>, ticket: &Ticket) -> Result<()> {
    store::matches::set_ended(tx, ticket.account, ticket.skips, true)?;
    notify(tx, ticket.account);
    after_leaving_queue(tx, ticket.pool)
}

/// Retries deferred tickets after a ticket has left the waiting queue: some were deferred because of that ticket, and
/// may have a partner now.
fn after_leaving_queue(tx: &mut Tx<'_>, pool: Pool) -> Result<()> {
    store::matches::retry_deferred(tx, pool, MAX_RETRIED)?;
    wake(tx);
    Ok(())
}

/// Wakes the matching workers.
fn wake(tx: &mut Tx<'_>) {
    tx.emit(Emission { topic: Topic::MatchWorker, event: Event::MatchChanged });
}

/// Notifies an account that its match has changed.
fn notify(tx: &mut Tx<'_>, account: AccountId) {
    tx.emit(Emission { topic: Topic::Account(account), event: Event::MatchChanged });
}

/// Records that the account has a window open, which is a sign of life for [`WINDOW`].
pub fn set_present(tx: &mut Tx<'_>, account: AccountId) -> Result<()> {
    set_alive(tx, account, WINDOW, false)
}

/// Records that the account's last window has closed. The ticket ends after [`GRACE`].
pub fn set_away(tx: &mut Tx<'_>, account: AccountId) -> Result<()> {
    set_alive(tx, account, GRACE, true)
}

/// Records that a program has asked for the account's state, which is a sign of life.
pub fn asks(tx: &mut Tx<'_>, account: AccountId) -> Result<()> {
    set_alive(tx, account, GRACE, false)
}

/// Returns whether a sign of life must be recorded with [`asks`]. A recent record suffices.
pub fn needs_sign_of_life(ticket: &Ticket, now: Time) -> bool {
    ticket.state != State::Ended && ticket.alive_until < now + GRACE / 2
}

/// Returns the number of tickets before this one in its pool, and of all tickets in the pool. `queue` is the waiting
/// queue as it is published to everyone: sorted, one pool after the other.
pub fn queue_position_in(queue: &[(Pool, Time, AccountId)], ticket: &Ticket) -> (i64, i64) {
    let rank = |pool: Pool| pool.as_str();
    let start = queue.partition_point(|(pool, ..)| rank(*pool) < rank(ticket.pool));
    let rest = &queue[start..];
    let pool = &rest[..rest.partition_point(|(pool, ..)| *pool == ticket.pool)];
    let before = pool.partition_point(|(_, since, id)| (*since, *id) < (ticket.since, ticket.account));
    (before as i64, pool.len() as i64)
}

fn set_alive(tx: &mut Tx<'_>, account: AccountId, duration: Duration, away: bool) -> Result<()> {
    let Some(before) = store::matches::of(tx, account)? else { return Ok(()) };
    if before.state == State::Ended {
        return Ok(());
    }
    let until = tx.now() + duration;
    // A sign of life from another window may last longer, unless the last window has closed.
    let until = if away { until } else { until.max(before.alive_until) };
    store::matches::set_alive(tx, account, until, away)?;
    if before.alive_until > until {
        wake(tx); // the ticket now ends before the worker's planned next run
    }
    if before.away != away
        && let Some(id) = before.conversation
    {
        for other in store::matches::in_talk(tx, id)?.iter().filter(|other| other.account != account) {
            notify(tx, other.account);
        }
    }
    Ok(())
}

/// Deletes the tickets that ended more than an hour ago.
pub fn purge(tx: &mut Tx<'_>) -> Result<()> {
    let before = tx.now() - RETENTION;
    store::matches::purge_ended(tx, before)
}

/// Deletes all of a talk that has been over for long enough.
pub fn delete_talk(tx: &mut Tx<'_>, id: ConversationId) -> Result<()> {
    store::matches::unlink(tx, id)?;
    if store::conversations::by_id(tx, id)?.is_some() {
        conversations::delete(tx, id)?;
    }
    Ok(())
}

/// Returns all waiting accounts, in the order of the waiting queue.
pub fn waiting(read: &Read<'_>) -> Result<Vec<(Pool, Time, AccountId)>> {
    store::matches::waiting_queue(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_position_in_a_queue_of_both_pools_counts_one_pool() {
        let entry = |pool, ms, id| (pool, Time::from_ms(ms), AccountId(id));
        let queue = [
            entry(Pool::Group, 1, 1),
            entry(Pool::Group, 5, 2),
            entry(Pool::Pair, 1, 3),
            entry(Pool::Pair, 2, 4),
            entry(Pool::Pair, 2, 5),
        ];
        let position = |pool, ms, id| {
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
            queue_position_in(&queue, &ticket)
        };
        assert_eq!(
            [position(Pool::Group, 5, 2), position(Pool::Pair, 1, 3), position(Pool::Pair, 2, 5)],
            [(1, 2), (0, 3), (2, 3)]
        );
    }

    #[test]
    fn the_pause_doubles_with_each_skip_up_to_a_minute() {
        let pauses: Vec<_> = (0..12).map(|skips| pause_after(skips).as_secs()).collect();
        assert_eq!(pauses, [0, 0, 0, 2, 4, 8, 16, 32, 60, 60, 60, 60]);
    }
}
