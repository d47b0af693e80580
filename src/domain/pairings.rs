//! Weekly pairs: each Monday every participant is paired with somebody new, or else with whom it met longest ago.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use petgraph::{algo::maximum_matching, graph::UnGraph};
use rand::{SeedableRng, rngs::SmallRng, seq::SliceRandom};

use super::{
    accounts::{Member, Recipient},
    threads::{self, ThreadName},
};
use crate::{
    Result,
    clock::Time,
    db::Read,
    events::Tx,
    ids::{AccountId, ConversationId},
    store::{self, accounts::Account, jobs::Work},
};

const A_DAY: Duration = Duration::from_secs(24 * 3600);

/// Up to [`MAX_COMPLETE`] participants, each is a candidate for every other. Beyond it, each has [`MAX_CANDIDATES`]
/// candidates: enough to find somebody new for everyone, and matched in a short time.
const MAX_COMPLETE: usize = 200;
const MAX_CANDIDATES: usize = 24;

impl Member {
    /// Joins the weekly pairs from the next Monday on.
    pub fn join_weekly(&self, tx: &mut Tx<'_>) -> Result<()> {
        store::pairings::join(tx, self.id())
    }

    /// Leaves the weekly pairs.
    pub fn leave_weekly(&self, tx: &mut Tx<'_>) -> Result<()> {
        store::pairings::leave(tx, self.id())
    }
}

/// The state of the weekly pairs for an account.
#[derive(Clone, Debug)]
pub struct Weekly {
    pub takes_part: bool,
    /// The number of participants.
    pub members: i64,
    /// The time of the next pairs.
    pub next: Time,
    /// The conversation of this week, and the others in it.
    pub talk: Option<(ConversationId, Vec<Account>)>,
}

/// Returns the state of the weekly pairs for an account.
pub fn weekly(read: &Read<'_>, account: AccountId) -> Result<Weekly> {
    let monday = read.now().monday();
    let talk = match store::pairings::of(read, account, monday)? {
        Some((id, others)) => {
            let others = others.into_iter().map(|other| store::accounts::by_id(read, other));
            Some((id, others.collect::<Result<Vec<_>>>()?))
        }
        None => None,
    };
    Ok(Weekly {
        takes_part: store::pairings::takes_part(read, account)?,
        members: store::pairings::count(read)?,
        next: monday + 7 * A_DAY,
        talk,
    })
}

/// Makes the pairs of this week, unless they have been made, and returns their number. Each pair gets a conversation,
/// and each participant a mail.
pub fn pair(tx: &mut Tx<'_>) -> Result<usize> {
    let monday = tx.now().monday();
    if !store::pairings::take_week(tx, monday)? {
        return Ok(0);
    }
    let members = store::pairings::members(tx)?;
    let met = store::pairings::history(tx)?.into_iter().map(|(one, other, at)| ((one, other), at)).collect();
    let apart = store::blocks::between_accounts(tx)?;
    let groups = groups(&shuffled(members, monday), &met, &apart);
    for group in &groups {
        let people = group.iter().map(|account| store::accounts::by_id(tx, *account));
        let people = people.collect::<Result<Vec<_>>>()?;
        let id = threads::found(tx, None, &ThreadName::default(), &people)?;
        for (at, account) in group.iter().enumerate() {
            for other in &group[..at] {
                store::pairings::pair(tx, *account, *other, id)?;
            }
            tx.enqueue(&Work::PairMail { conversation: id, to: *account })?;
        }
    }
    Ok(groups.len())
}

/// Returns the people in an order that differs from week to week. The order is the same for every attempt at one week's
/// pairs.
fn shuffled(mut members: Vec<AccountId>, week: Time) -> Vec<AccountId> {
    members.shuffle(&mut SmallRng::seed_from_u64(week.ms().unsigned_abs()));
    members
}

/// The times when two accounts last met, the lower id first.
type Met = HashMap<(AccountId, AccountId), Time>;

/// Makes pairs, and one group of three where the number is odd. As many pairs as possible are of people who have not
/// met; among the others, those who met longest ago are paired first.
fn groups(members: &[AccountId], met: &Met, apart: &HashSet<(AccountId, AccountId)>) -> Vec<Vec<AccountId>> {
    let key = |one: AccountId, other: AccountId| (one.min(other), one.max(other));
    let may = |one: AccountId, other: AccountId| !apart.contains(&key(one, other));
    let is_new = |one: AccountId, other: AccountId| may(one, other) && !met.contains_key(&key(one, other));
    let mut graph = UnGraph::<AccountId, ()>::new_undirected();
    let nodes: Vec<_> = members.iter().map(|member| graph.add_node(*member)).collect();
    let some = if members.len() <= MAX_COMPLETE { members.len() } else { MAX_CANDIDATES };
    for (at, one) in members.iter().enumerate() {
        // The candidates follow the account in the shuffled circle, as far as they are new to it.
        let others = (1..members.len()).map(|step| (at + step) % members.len());
        for other in others.filter(|other| is_new(*one, members[*other])).take(some) {
            graph.update_edge(nodes[at], nodes[other], ());
        }
    }
    let matching = maximum_matching(&graph);
    let mut pairs: Vec<Vec<AccountId>> =
        matching.edges().map(|(one, other)| vec![graph[one], graph[other]]).collect();
    let mut left: Vec<AccountId> =
        nodes.iter().filter(|node| !matching.contains_node(**node)).map(|node| graph[*node]).collect();
    // The rest have nobody new left, so they meet again.
    let mut again: Vec<_> = Vec::new();
    for (at, one) in left.iter().enumerate() {
        for other in left[at + 1..].iter().filter(|other| may(*one, **other)) {
            again.push((met.get(&key(*one, *other)).copied(), *one, *other));
        }
    }
    again.sort_unstable();
    for (_, one, other) in again {
        if left.contains(&one) && left.contains(&other) {
            left.retain(|who| *who != one && *who != other);
            pairs.push(vec![one, other]);
        }
    }
    // A last one without a pair joins a pair, preferably one in which both are new to it.
    for one in left {
        let fits = |pair: &&mut Vec<AccountId>| pair.len() == 2 && pair.iter().all(|other| may(one, *other));
        let stale = |pair: &&mut Vec<AccountId>| pair.iter().filter(|other| !is_new(one, **other)).count();
        if let Some(pair) = pairs.iter_mut().filter(fits).min_by_key(stale) {
            pair.push(one);
        }
    }
    pairs
}

/// An account that is told about its pair of this week, with the others in it and its email; `None` where it has left
/// the conversation, or has no address.
pub fn pair_notice(
    read: &Read<'_>,
    conversation: ConversationId,
    to: AccountId,
) -> Result<Option<(Recipient, Vec<Account>)>> {
    if store::conversations::seen_by(read, conversation, to)?.is_none() {
        return Ok(None);
    }
    let everyone = store::conversations::participants(read, conversation, 10)?;
    let others = everyone.into_iter().map(|one| one.account).filter(|one| one.id != to);
    let others: Vec<Account> = others.collect();
    Ok(Recipient::find(read, to)?.map(|to| (to, others)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn people(count: i64) -> Vec<AccountId> {
        (1..=count).map(AccountId).collect()
    }

    fn note(met: &mut Met, groups: &[Vec<AccountId>], week: i64) -> usize {
        let mut again = 0;
        for group in groups {
            for (at, one) in group.iter().enumerate() {
                for other in &group[..at] {
                    let key = (*one.min(other), *one.max(other));
                    again += usize::from(met.insert(key, Time::from_ms(week)).is_some());
                }
            }
        }
        again
    }

    #[test]
    fn nobody_meets_somebody_again_while_there_is_somebody_new() {
        let members = people(20);
        let mut met = Met::new();
        for week in 0..10 {
            let groups = groups(&shuffled(members.clone(), Time::from_ms(week)), &met, &HashSet::new());
            assert_eq!(groups.len(), 10);
            assert_eq!(
                note(&mut met, &groups, week),
                0,
                "week {week}: of twenty there are ten weeks of new ones"
            );
        }
    }

    #[test]
    fn when_everyone_has_met_those_meet_who_have_not_for_longest() {
        let mut met = Met::new();
        for (week, groups) in [[[1, 2], [3, 4]], [[1, 3], [2, 4]], [[1, 4], [2, 3]]].into_iter().enumerate() {
            let groups = groups.map(|group| group.map(AccountId).to_vec());
            note(&mut met, &groups, week as i64);
        }
        let mut again = groups(&people(4), &met, &HashSet::new());
        again.iter_mut().for_each(|group| group.sort());
        again.sort();
        assert_eq!(again, [[AccountId(1), AccountId(2)], [AccountId(3), AccountId(4)]]);
    }

    #[test]
    fn an_odd_number_makes_one_group_of_three() {
        for count in [3, 7, 251] {
            let groups = groups(&people(count), &Met::new(), &HashSet::new());
            let mut sizes: Vec<_> = groups.iter().map(Vec::len).collect();
            sizes.sort_unstable();
            assert_eq!((sizes.pop(), sizes.pop().unwrap_or(2)), (Some(3), 2), "{count}");
            assert_eq!(groups.iter().flatten().collect::<HashSet<_>>().len() as i64, count);
        }
        assert!(groups(&people(1), &Met::new(), &HashSet::new()).is_empty());
    }

    #[test]
    fn those_who_are_kept_apart_are_never_paired() {
        let apart = HashSet::from([(AccountId(1), AccountId(2))]);
        assert!(groups(&people(2), &Met::new(), &apart).is_empty());
        for group in groups(&people(3), &Met::new(), &apart) {
            assert_eq!(group.len(), 2, "the third can't sit with both");
        }
    }
}
