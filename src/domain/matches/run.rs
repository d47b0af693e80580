//! The search for partners by match keys, as described in [`super`].

use std::time::Duration;

use super::{
    after_leaving_queue, notify,
    search::{ANYONE_AT_ALL, tags},
    talk::give_up,
};
use crate::{
    Result,
    clock::Time,
    db::Read,
    domain::blocks::{self, Party, Scope},
    events::Tx,
    ids::{AccountId, ConversationId},
    store::{
        self,
        conversations::NewMembership,
        matches::{Pool, State, Ticket},
    },
};

/// The time between two steps of relaxation.
pub const RELAXES_AFTER: Duration = Duration::from_secs(10);

/// The last step of relaxation: the ticket accepts anyone.
const ANYONE: i64 = 2;

/// The number of an account's last partners, who are not matched with it again while others wait.
const RECENT_PARTNERS: i64 = 5;

/// The number of accounts with which a group begins.
const MIN_GROUP: usize = 3;
/// The maximum number of accounts in a group.
const MAX_GROUP: usize = 8;

/// The maximum number of tickets that are read for one match key, and of open groups that are tried for one ticket.
const MAX_CANDIDATES: i64 = 16;

/// The maximum number of tickets in one transaction, so that nobody waits long for its locks.
const BATCH: i64 = 32;

/// The names of masks in a group, where "Stranger" would be the name of every mask.
const BIRDS: [&str; 24] = [
    "Siskin", "Wagtail", "Wren", "Dunnock", "Linnet", "Plover", "Heron", "Magpie", "Lapwing", "Swift",
    "Martin", "Curlew", "Robin", "Nuthatch", "Redstart", "Avocet", "Jackdaw", "Dipper", "Grebe", "Kestrel",
    "Teal", "Rook", "Whimbrel", "Starling",
];

/// Searches partners for the tickets that are due, and ends the tickets that have expired. Returns true while more
/// tickets may be due. Several servers may call this function: a lock makes them take turns, and tickets that another
/// transaction has locked are skipped.
pub fn run_matching(tx: &mut Tx<'_>) -> Result<bool> {
    store::matches::lock_matching(tx)?;
    let expired = store::matches::expired(tx, BATCH)?;
    for account in &expired {
        give_up(tx, *account)?;
    }
    let due = store::matches::due(tx, BATCH)?;
    for account in &due {
        // An earlier ticket of this batch may have been matched with this one.
        if let Some(ticket) = store::matches::try_lock_waiting(tx, *account)? {
            match_ticket(tx, ticket)?;
        }
    }
    Ok(!due.is_empty() || !expired.is_empty())
}

/// Returns when [`run_matching`] is to run next, if no event comes before.
pub fn next_run(read: &Read<'_>) -> Result<Option<Time>> {
    store::matches::next_due(read)
}

/// The result of one search.
enum SearchResult {
    Matched,
    NoPartner,
    /// The possible partners are accepted only while nobody else waits, and somebody else waits.
    Deferred,
    /// A possible partner's ticket is locked by another transaction, so the search is repeated at once.
    Locked,
}

fn match_ticket(tx: &mut Tx<'_>, ticket: Ticket) -> Result<()> {
    let before = ticket.relaxation;
    let (relaxation, widens_at) = widen(tx, &ticket)?;
    let ticket = Ticket { relaxation, ..ticket };
    let result = match ticket.pool {
        Pool::Pair => match_pair(tx, &ticket)?,
        Pool::Group => match_group(tx, &ticket)?,
    };
    let (run_at, deferred) = match result {
        SearchResult::Matched => return Ok(()),
        SearchResult::NoPartner => (widens_at, false),
        SearchResult::Deferred => (widens_at, true),
        SearchResult::Locked => (Some(tx.now()), false),
    };
    store::matches::set_relaxation(tx, ticket.account, relaxation, run_at, deferred)?;
    if relaxation != before {
        notify(tx, ticket.account);
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
        store::matches::insert_match_key(tx, ticket, &ticket.interests, tags.len() as i64)?;
    }
    if relaxation >= 1 && !tags.is_empty() {
        for subset in subsets(&tags) {
            store::matches::insert_match_key(tx, ticket, &subset.join("\n"), subset.len() as i64)?;
        }
    }
    if relaxation == ANYONE {
        store::matches::insert_match_key(tx, ticket, ANYONE_AT_ALL, 0)?;
    }
    let widens_at = (relaxation < ANYONE).then(|| ticket.since + RELAXES_AFTER * (relaxation as u32 + 1));
    Ok((relaxation, widens_at))
}

/// Returns every non-empty subset of the tags, in their order: 31 for five tags.
fn subsets<'a>(tags: &[&'a str]) -> Vec<Vec<&'a str>> {
    let masks = 1..(1_u32 << tags.len());
    let subset = |mask: u32| {
        let is_in = |index: &usize| mask & (1 << index) != 0;
        (0..tags.len()).filter(is_in).map(|index| tags[index]).collect()
    };
    masks.map(subset).collect()
}

fn match_pair(tx: &mut Tx<'_>, ticket: &Ticket) -> Result<SearchResult> {
    let mut result = SearchResult::NoPartner;
    for account in store::matches::partners(tx, ticket)? {
        match store::matches::try_lock_waiting(tx, account)? {
            Some(partner) => {
                create_talk(tx, &[ticket, &partner])?;
                return Ok(SearchResult::Matched);
            }
            None => result = SearchResult::Locked,
        }
    }
    // Partners from the same address, and recent partners, are accepted only if nobody else waits for either of the
    // two.
    let alone = !store::matches::others_wait(tx, ticket, ticket.account)?;
    for account in second_choices(tx, ticket)? {
        let Some(partner) = store::matches::try_lock_waiting(tx, account)? else {
            result = SearchResult::Locked;
            continue;
        };
        if !is_compatible(tx, ticket, &partner)? {
            continue;
        }
        if !alone {
            return Ok(SearchResult::Deferred);
        }
        if !store::matches::others_wait(tx, &partner, ticket.account)? {
            create_talk(tx, &[ticket, &partner])?;
            return Ok(SearchResult::Matched);
        }
        if matches!(result, SearchResult::NoPartner) {
            result = SearchResult::Deferred;
        }
    }
    Ok(result)
}

/// Returns the accounts that have waited longest with one of the ticket's match keys, by the largest common key. Each
/// account is listed once.
fn second_choices(read: &Read<'_>, ticket: &Ticket) -> Result<Vec<AccountId>> {
    let mut choices = Vec::new();
    for match_key in store::matches::match_keys(read, ticket.account)? {
        for account in store::matches::with_match_key(read, ticket.pool, &match_key, MAX_CANDIDATES)? {
            if account != ticket.account && !choices.contains(&account) {
                choices.push(account);
            }
        }
    }
    Ok(choices)
}

fn match_group(tx: &mut Tx<'_>, ticket: &Ticket) -> Result<SearchResult> {
    for id in store::matches::open_groups(tx, MAX_GROUP as i64, MAX_CANDIDATES)? {
        if join_group(tx, ticket, id)? {
            return Ok(SearchResult::Matched);
        }
    }
    let mut result = SearchResult::NoPartner;
    for match_key in store::matches::match_keys(tx, ticket.account)? {
        let mut candidates = Vec::new();
        for account in store::matches::with_match_key(tx, ticket.pool, &match_key, MAX_CANDIDATES)? {
            if account == ticket.account {
                continue;
            }
            match store::matches::try_lock_waiting(tx, account)? {
                Some(other) if is_compatible(tx, ticket, &other)? => candidates.push(other),
                Some(_) => {}
                None => result = SearchResult::Locked,
            }
        }
        // Accounts from other addresses come first: a group should not consist of one school class.
        candidates.sort_by_key(|other| other.ip_hash == ticket.ip_hash);
        for first in 0..candidates.len() {
            let mut group: Vec<&Ticket> = vec![ticket];
            for other in &candidates[first..] {
                let mut fits = group.len() < MAX_GROUP;
                for member in &group[1..] {
                    fits = fits && is_compatible(tx, member, other)?;
                }
                if fits {
                    group.push(other);
                }
            }
            if group.len() >= MIN_GROUP {
                create_talk(tx, &group)?;
                return Ok(SearchResult::Matched);
            }
        }
    }
    Ok(result)
}

fn party(ticket: &Ticket) -> Party<'_> {
    Party { account: ticket.account, ip_hash: &ticket.ip_hash, guest: ticket.guest }
}

/// Returns whether two accounts have a language in common and no block keeps them apart.
fn is_compatible(read: &Read<'_>, one: &Ticket, other: &Ticket) -> Result<bool> {
    let same_language =
        one.language.is_empty() || other.language.is_empty() || one.language == other.language;
    Ok(same_language && !blocks::apart(read, &party(one), &party(other), Scope::Matching)?)
}

/// Adds an account to a group, if the group has room and everyone in it is compatible with the account. Returns whether
/// the account was added. Accounts that begin a group share a match key; a group that has begun accepts only tickets
/// that accept anyone.
fn join_group(tx: &mut Tx<'_>, ticket: &Ticket, id: ConversationId) -> Result<bool> {
    if ticket.relaxation < ANYONE {
        return Ok(false);
    }
    // The conversation's row is locked first: others may be joining, or the last participants leaving.
    if !store::conversations::lock(tx, id)? {
        return Ok(false);
    }
    let group = store::matches::in_talk(tx, id)?;
    let group: Vec<Ticket> = group.into_iter().filter(|member| member.state == State::Matched).collect();
    if group.len() < 2 || group.len() >= MAX_GROUP {
        return Ok(false);
    }
    for member in &group {
        // Participants consented with regard to the people who were in the group then, and not to a later one.
        let consents = (member.reveals && !member.shows_name) || member.pictures;
        if consents || !is_compatible(tx, member, ticket)? {
            return Ok(false);
        }
    }
    // An account that left a group does not join it again.
    if store::conversations::masks(tx, id)?.iter().any(|mask| mask.account == ticket.account) {
        return Ok(false);
    }
    let everyone: Vec<&Ticket> = group.iter().chain([ticket]).collect();
    add_masked(tx, id, ticket, everyone.len())?;
    after_matching(tx, ticket, &everyone)?;
    for participant in &everyone {
        notify(tx, participant.account);
    }
    Ok(true)
}

/// Creates a talk of these accounts.
fn create_talk(tx: &mut Tx<'_>, everyone: &[&Ticket]) -> Result<()> {
    let id = store::conversations::insert(
        tx,
        &store::conversations::ConversationKind::Match.new_conversation(""),
    )?;
    for (index, ticket) in everyone.iter().enumerate() {
        add_masked(tx, id, ticket, index)?;
        after_matching(tx, ticket, &everyone[..index])?;
        notify(tx, ticket.account);
    }
    Ok(())
}

/// Adds an account to a talk, behind a new mask. In a group, `nth` selects the name of the mask. Showing the username
/// counts as the offer to reveal the identity.
fn add_masked(tx: &mut Tx<'_>, id: ConversationId, ticket: &Ticket, nth: usize) -> Result<()> {
    let account = store::accounts::by_id(tx, ticket.account)?;
    let name = match (&account.username, ticket.pool) {
        (Some(username), _) if ticket.shows_name => format!("@{username}"),
        (_, Pool::Pair) => "Stranger".into(),
        (_, Pool::Group) => bird(id, nth),
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
    let index = (id.0 as usize >> 16).wrapping_add(nth);
    BIRDS[index % BIRDS.len()].into()
}

fn after_matching(tx: &mut Tx<'_>, ticket: &Ticket, others: &[&Ticket]) -> Result<()> {
    for other in others.iter().filter(|other| other.account != ticket.account) {
        store::matches::insert_meeting(tx, ticket.account, other.account, RECENT_PARTNERS)?;
    }
    after_leaving_queue(tx, ticket.pool)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_tags_have_31_subsets() {
        assert_eq!(subsets(&["a", "b", "c", "d", "e"]).len(), 31);
        assert_eq!(subsets(&["a", "b"]), [vec!["a"], vec!["b"], vec!["a", "b"]]);
    }
}
