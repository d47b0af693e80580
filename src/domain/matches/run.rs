//! Looking for partners. What is said in [`super`] of wishes is done here.

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

/// A search widens after so long, and once more after as long again.
pub const RELAXES_AFTER: Duration = Duration::from_secs(10);

/// The last step of a search: whoever accepts anyone.
const ANYONE: i64 = 2;

/// Partners whom one does not meet again while others wait.
const RECENT: i64 = 5;

/// The fewest who begin a group, and the most who are in one.
const FEWEST: usize = 3;
const MOST: usize = 8;

/// Those who are looked at for a group of a few, and groups that are looked at for one more.
const CANDIDATES: i64 = 16;

/// Seekers looked for in one transaction, so that nobody waits for it.
const BATCH: i64 = 32;

/// What masks are called in a group, where "Stranger" would be all of them.
const BIRDS: [&str; 24] = [
    "Siskin", "Wagtail", "Wren", "Dunnock", "Linnet", "Plover", "Heron", "Magpie", "Lapwing", "Swift",
    "Martin", "Curlew", "Robin", "Nuthatch", "Redstart", "Avocet", "Jackdaw", "Dipper", "Grebe", "Kestrel",
    "Teal", "Rook", "Whimbrel", "Starling",
];

/// Looks for partners for those whose turn it is, and gives up those who are lost. True while there may be
/// more to do at once. Several servers may call it: they take turns, and step over whoever is just acting.
pub fn run_matching(tx: &mut Tx<'_>) -> Result<bool> {
    store::matches::lock_matching(tx)?;
    let lost = store::matches::lost(tx, BATCH)?;
    for account in &lost {
        give_up(tx, *account)?;
    }
    let due = store::matches::due(tx, BATCH)?;
    for account in &due {
        // Someone before it in this round may have been its partner.
        if let Some(ticket) = store::matches::hold(tx, *account)? {
            match_ticket(tx, ticket)?;
        }
    }
    Ok(!due.is_empty() || !lost.is_empty())
}

/// When [`look`] has something to do, if nothing happens before.
pub fn next_run(read: &Read<'_>) -> Result<Option<Time>> {
    store::matches::next_due(read)
}

/// What became of a search for now.
enum Found {
    /// It is matched.
    Matched,
    /// Nobody is there.
    Nobody,
    /// Only somebody whom it gets when nobody else waits; and somebody does.
    Deferred,
    /// Somebody who is just doing something: it is looked for again at once.
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

/// Adds the wishes of the stage that the search has come to by now, and says when it gets to the next.
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

/// Every choice of some of the tags, in their order. Of five there are 31.
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
    // From the same place, or met lately: only if nobody else waits for either of them.
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

/// Whoever has waited longest with one of the seeker's wishes, the largest wish first; each once.
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
        // Whoever comes from elsewhere first: a group should not be one class.
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

/// Whether the two have a language in common, and nothing keeps them apart.
fn get_along(read: &Read<'_>, one: &Ticket, other: &Ticket) -> Result<bool> {
    let speak = one.language.is_empty() || other.language.is_empty() || one.language == other.language;
    Ok(speak && !blocks::apart(read, &party(one), &party(other))?)
}

/// Brings one more into a group, if there is room and everyone in it gets along with it. Whoever begins a
/// group shares a wish; a group that goes on is for anyone who accepts anyone.
fn joins(tx: &mut Tx<'_>, ticket: &Ticket, id: ConversationId) -> Result<bool> {
    if ticket.relaxation < ANYONE {
        return Ok(false);
    }
    // Its row first: others may be coming in, or the last ones going.
    if !store::conversations::hold(tx, id)? {
        return Ok(false);
    }
    let inside = store::matches::in_talk(tx, id)?;
    let inside: Vec<Ticket> = inside.into_iter().filter(|one| one.state == State::Matched).collect();
    if inside.len() < 2 || inside.len() >= MOST {
        return Ok(false);
    }
    for one in &inside {
        // What some have agreed to among themselves is not for whoever comes later.
        if (one.reveals && !one.shows_name) || one.pictures || !get_along(tx, one, ticket)? {
            return Ok(false);
        }
    }
    // Whoever left a group does not come back into it.
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

/// Makes a talk of those who were found.
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

/// Seats someone in a talk, behind a mask. Whoever shows its username has offered to say who it is.
fn add_masked(tx: &mut Tx<'_>, id: ConversationId, ticket: &Ticket, beside: &[&Ticket]) -> Result<()> {
    let account = store::accounts::by_id(tx, ticket.account)?;
    let name = match (&account.username, ticket.pool) {
        (Some(username), _) if ticket.shows_name => format!("@{username}"),
        (_, Pool::Pair) => "Stranger".into(),
        (_, Pool::Group) => bird(id, beside.len()),
    };
    let mask = store::accounts::insert_mask(tx, ticket.account, &name)?;
    store::conversations::resize(tx, id, 1)?;
    // What was said before it came is not for it.
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

/// What a mask in a group is called. A group has no more than 24 in its time, mostly.
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
