//! The search for partners by match keys, which [`super`] explains.

use std::time::Duration;

use super::{
    left_queue,
    search::{ANYONE_AT_ALL, tags},
    talk::give_up,
    tell,
};
use crate::{
    Result,
    clock::Time,
    db::Read,
    domain::blocks::{self, Party},
    events::Tx,
    ids::{AccountId, ConversationId},
    store::{
        self,
        conversations::NewMembership,
        matches::{Pool, State, Ticket},
    },
};

/// The time after which a search is relaxed, and after which it is relaxed once more.
pub const RELAXES_AFTER: Duration = Duration::from_secs(10);

/// The last step of relaxation: the ticket accepts anyone.
const ANYONE: i64 = 2;

/// The number of last partners with whom an account is not matched again while others wait.
const RECENT: i64 = 5;

/// The fewest accounts with which a group begins, and the most that a group holds.
const FEWEST: usize = 3;
const MOST: usize = 8;

/// The most tickets that are read for one match key, and the most open groups that are tried for one ticket.
const CANDIDATES: i64 = 16;

/// The most tickets in one transaction, which stays short, so that nobody waits for its locks.
const BATCH: i64 = 32;

/// The names of masks in a group, where "Stranger" would be the name of every mask.
const BIRDS: [&str; 24] = [
    "Siskin", "Wagtail", "Wren", "Dunnock", "Linnet", "Plover", "Heron", "Magpie", "Lapwing", "Swift",
    "Martin", "Curlew", "Robin", "Nuthatch", "Redstart", "Avocet", "Jackdaw", "Dipper", "Grebe", "Kestrel",
    "Teal", "Rook", "Whimbrel", "Starling",
];

/// Searches partners for the tickets that are due, and removes the tickets that have run out. Returns true while more
/// tickets may be due. Several servers may call this function: a lock makes them take turns, and tickets that another
/// transaction has locked are skipped.
pub fn run_matching(tx: &mut Tx<'_>) -> Result<bool> {
    store::matches::lock_matching(tx)?;
    let lost = store::matches::lost(tx, BATCH)?;
    for account in &lost {
        give_up(tx, *account)?;
    }
    let due = store::matches::due(tx, BATCH)?;
    for account in &due {
        // An earlier ticket of this batch may have been matched with this one.
        if let Some(ticket) = store::matches::hold(tx, *account)? {
            match_ticket(tx, ticket)?;
        }
    }
    Ok(!due.is_empty() || !lost.is_empty())
}

/// Returns when [`run_matching`] is to run next, if no event comes before.
pub fn next_run(read: &Read<'_>) -> Result<Option<Time>> {
    store::matches::next_due(read)
}

/// The result of one search.
enum Found {
    Matched,
    Nobody,
    /// The only partner is one who is accepted only while nobody else waits, and somebody else waits.
    Deferred,
    /// A possible partner's ticket is locked by another transaction, so the search is repeated at once.
    Taken,
}

fn match_ticket(tx: &mut Tx<'_>, ticket: Ticket) -> Result<()> {
    let before = ticket.relaxation;
    let (relaxation, widens_at) = widen(tx, &ticket)?;
    let ticket = Ticket { relaxation, ..ticket };
    let found = match ticket.pool {
        Pool::Pair => match_pair(tx, &ticket)?,
        Pool::Group => match_group(tx, &ticket)?,
    };
    let (run_at, deferred) = match found {
        Found::Matched => return Ok(()),
        Found::Nobody => (widens_at, false),
        Found::Deferred => (widens_at, true),
        Found::Taken => (Some(tx.now()), false),
    };
    store::matches::set_relaxation(tx, ticket.account, relaxation, run_at, deferred)?;
    if relaxation != before {
        tell(tx, ticket.account);
    }
    Ok(())
}

/// Adds the match keys of the step of relaxation that the ticket has reached. Returns the step, and the time of the
/// next one.
fn widen(tx: &mut Tx<'_>, ticket: &Ticket) -> Result<(i64, Option<Time>)> {
    let waited = tx.now().since(ticket.since);
    let tags = tags(&ticket.interests);
    let relaxation = match waited {
        _ if tags.is_empty() => ANYONE,
        waited if waited < RELAXES_AFTER => 0,
        waited if waited < 2 * RELAXES_AFTER => 1,
        _ => ANYONE,
    };
    if !tags.is_empty() {
        store::matches::match_key(tx, ticket, &ticket.interests, tags.len() as i64)?;
    }
    if relaxation >= 1 && !tags.is_empty() {
        for some in subsets(&tags) {
            store::matches::match_key(tx, ticket, &some.join("\n"), some.len() as i64)?;
        }
    }
    if relaxation == ANYONE {
        store::matches::match_key(tx, ticket, ANYONE_AT_ALL, 0)?;
    }
    let widens_at = (relaxation < ANYONE).then(|| ticket.since + RELAXES_AFTER * (relaxation as u32 + 1));
    Ok((relaxation, widens_at))
}

/// Returns every non-empty subset of the tags, in their order: 31 for five tags.
fn subsets<'a>(tags: &[&'a str]) -> Vec<Vec<&'a str>> {
    let choices = 1..(1_u32 << tags.len());
    let chosen = |choice: u32| {
        let of = |at: &usize| choice & (1 << at) != 0;
        (0..tags.len()).filter(of).map(|at| tags[at]).collect()
    };
    choices.map(chosen).collect()
}

fn match_pair(tx: &mut Tx<'_>, ticket: &Ticket) -> Result<Found> {
    let mut found = Found::Nobody;
    for account in store::matches::partners(tx, ticket)? {
        match store::matches::hold(tx, account)? {
            Some(partner) => {
                bring_together(tx, &[ticket, &partner])?;
                return Ok(Found::Matched);
            }
            None => found = Found::Taken,
        }
    }
    // Partners from the same address, or met lately, are accepted only if nobody else waits for either of the two.
    let alone = !store::matches::others_wait(tx, ticket, ticket.account)?;
    for account in second_choices(tx, ticket)? {
        let Some(partner) = store::matches::hold(tx, account)? else {
            found = Found::Taken;
            continue;
        };
        if !get_along(tx, ticket, &partner)? {
            continue;
        }
        if !alone {
            return Ok(Found::Deferred);
        }
        if !store::matches::others_wait(tx, &partner, ticket.account)? {
            bring_together(tx, &[ticket, &partner])?;
            return Ok(Found::Matched);
        }
        if matches!(found, Found::Nobody) {
            found = Found::Deferred;
        }
    }
    Ok(found)
}

/// Returns the accounts that have waited longest with one of the ticket's match keys, the largest key first, each
/// account once.
fn second_choices(read: &Read<'_>, ticket: &Ticket) -> Result<Vec<AccountId>> {
    let mut choices = Vec::new();
    for match_key in store::matches::match_keys(read, ticket.account)? {
        for account in store::matches::with_match_key(read, ticket.pool, &match_key, CANDIDATES)? {
            if account != ticket.account && !choices.contains(&account) {
                choices.push(account);
            }
        }
    }
    Ok(choices)
}

fn match_group(tx: &mut Tx<'_>, ticket: &Ticket) -> Result<Found> {
    for id in store::matches::open_groups(tx, MOST as i64, CANDIDATES)? {
        if joins(tx, ticket, id)? {
            return Ok(Found::Matched);
        }
    }
    let mut found = Found::Nobody;
    for match_key in store::matches::match_keys(tx, ticket.account)? {
        let mut candidates = Vec::new();
        for account in store::matches::with_match_key(tx, ticket.pool, &match_key, CANDIDATES)? {
            if account == ticket.account {
                continue;
            }
            match store::matches::hold(tx, account)? {
                Some(other) if get_along(tx, ticket, &other)? => candidates.push(other),
                Some(_) => {}
                None => found = Found::Taken,
            }
        }
        // Accounts from other addresses come first: a group should not consist of one school class.
        candidates.sort_by_key(|other| other.ip_hash == ticket.ip_hash);
        for first in 0..candidates.len() {
            let mut group: Vec<&Ticket> = vec![ticket];
            for other in &candidates[first..] {
                let mut fits = group.len() < MOST;
                for one in &group[1..] {
                    fits = fits && get_along(tx, one, other)?;
                }
                if fits {
                    group.push(other);
                }
            }
            if group.len() >= FEWEST {
                bring_together(tx, &group)?;
                return Ok(Found::Matched);
            }
        }
    }
    Ok(found)
}

fn party(ticket: &Ticket) -> Party<'_> {
    Party { account: ticket.account, ip_hash: &ticket.ip_hash, guest: ticket.guest }
}

/// Returns whether the two have a language in common and no block keeps them apart.
fn get_along(read: &Read<'_>, one: &Ticket, other: &Ticket) -> Result<bool> {
    let speak = one.language.is_empty() || other.language.is_empty() || one.language == other.language;
    Ok(speak && !blocks::apart(read, &party(one), &party(other))?)
}

/// Adds an account to a group, if the group has room and everyone in it gets along with the account. Accounts that
/// begin a group share a match key; a group that has begun takes only tickets that accept anyone.
fn joins(tx: &mut Tx<'_>, ticket: &Ticket, id: ConversationId) -> Result<bool> {
    if ticket.relaxation < ANYONE {
        return Ok(false);
    }
    // The conversation's row is locked first: others may be joining, or the last participants leaving.
    if !store::conversations::hold(tx, id)? {
        return Ok(false);
    }
    let inside = store::matches::in_talk(tx, id)?;
    let inside: Vec<Ticket> = inside.into_iter().filter(|one| one.state == State::Matched).collect();
    if inside.len() < 2 || inside.len() >= MOST {
        return Ok(false);
    }
    for one in &inside {
        // Participants gave their consent to the people who were there, not to a later one.
        if (one.reveals && !one.shows_name) || one.pictures || !get_along(tx, one, ticket)? {
            return Ok(false);
        }
    }
    // An account that left a group does not join it again.
    if store::conversations::masks(tx, id)?.iter().any(|one| one.account == ticket.account) {
        return Ok(false);
    }
    let everyone: Vec<&Ticket> = inside.iter().chain([ticket]).collect();
    add_masked(tx, id, ticket, &everyone)?;
    after_matching(tx, ticket, &everyone)?;
    for one in &everyone {
        tell(tx, one.account);
    }
    Ok(true)
}

/// Creates a talk of these accounts.
fn bring_together(tx: &mut Tx<'_>, everyone: &[&Ticket]) -> Result<()> {
    let id = store::conversations::insert(
        tx,
        &store::conversations::ConversationKind::Match.new_conversation(""),
    )?;
    for (at, one) in everyone.iter().enumerate() {
        add_masked(tx, id, one, &everyone[..at])?;
        after_matching(tx, one, &everyone[..at])?;
        tell(tx, one.account);
    }
    Ok(())
}

/// Adds an account to a talk, behind a new mask. Showing the username counts as the offer to reveal the identity.
fn add_masked(tx: &mut Tx<'_>, id: ConversationId, ticket: &Ticket, beside: &[&Ticket]) -> Result<()> {
    let account = store::accounts::by_id(tx, ticket.account)?;
    let name = match (&account.username, ticket.pool) {
        (Some(username), _) if ticket.shows_name => format!("@{username}"),
        (_, Pool::Pair) => "Stranger".into(),
        (_, Pool::Group) => bird(id, beside.len()),
    };
    let mask = store::accounts::insert_mask(tx, ticket.account, &name)?;
    store::conversations::resize(tx, id, 1)?;
    // Messages from before an account joined are not visible to that account.
    let last_seq = store::conversations::by_id(tx, id)?.map_or(0, |conversation| conversation.last_seq);
    let new = NewMembership {
        conversation: id,
        account: mask,
        alias: None,
        skeleton: "",
        read_seq: last_seq,
        visible_after_seq: last_seq,
        ip_hash: &ticket.ip_hash,
    };
    store::conversations::join(tx, &new)?;
    store::matches::set_matched(tx, ticket.account, id, mask, ticket.shows_name)
}

/// Returns the name of the `nth` mask in a group. Names repeat after 24 masks, which few groups reach.
fn bird(id: ConversationId, nth: usize) -> String {
    let at = (id.0 as usize >> 16).wrapping_add(nth);
    BIRDS[at % BIRDS.len()].into()
}

fn after_matching(tx: &mut Tx<'_>, ticket: &Ticket, others: &[&Ticket]) -> Result<()> {
    for other in others.iter().filter(|other| other.account != ticket.account) {
        store::matches::meet(tx, ticket.account, other.account, RECENT)?;
    }
    left_queue(tx, ticket.pool)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_five_tags_there_are_31_choices() {
        assert_eq!(subsets(&["a", "b", "c", "d", "e"]).len(), 31);
        assert_eq!(subsets(&["a", "b"]), [vec!["a"], vec!["b"], vec!["a", "b"]]);
    }
}
