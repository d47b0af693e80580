//! Weekly pairs: each Monday every participant is paired with somebody new, or else with the person it met longest ago.

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

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The number of participants up to which each is a candidate for every other. Beyond it, each has [`MAX_CANDIDATES`]
/// candidates: enough to find somebody new for everyone, and few enough for a fast matching.
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
    let talk = match store::pairings::talk_of(read, account, monday)? {
        Some((id, others)) => {
            let others = others.into_iter().map(|other| store::accounts::by_id(read, other));
            Some((id, others.collect::<Result<Vec<_>>>()?))
        }
        None => None,
    };
    Ok(Weekly {
        takes_part: store::pairings::takes_part(read, account)?,
        members: store::pairings::count(read)?,
        next: monday + 7 * DAY,
        talk,
    })
}

/// Creates the pairs of this week, unless they exist, and returns their number. Each pair gets a conversation, and each
/// participant a mail.
pub fn pair(tx: &mut Tx<'_>) -> Result<usize> {
    let monday = tx.now().monday();
    if !store::pairings::claim_week(tx, monday)? {
        return Ok(0);
    }
    let members = store::pairings::members(tx)?;
    let met = store::pairings::history(tx)?.into_iter().map(|(one, other, at)| ((one, other), at)).collect();
    let apart = store::blocks::between_accounts(tx)?;
    let groups = groups(&shuffled(members, monday), &met, &apart);
    for group in &groups {
        let people = group.iter().map(|account| store::accounts::by_id(tx, *account));
        let people = people.collect::<Result<Vec<_>>>()?;
        let id = threads::insert(tx, None, &ThreadName::default(), &people)?;
        for (index, account) in group.iter().enumerate() {
            for other in &group[..index] {
                store::pairings::pair(tx, *account, *other, id)?;
            }
            tx.enqueue(&Work::PairMail { conversation: id, to: *account })?;
        }
    }
    Ok(groups.len())
}

/// Returns the members in an order that differs from week to week, and is the same for every attempt at one week's
/// pairs.
fn shuffled(mut members: Vec<AccountId>, week: Time) -> Vec<AccountId> {
    members.shuffle(&mut SmallRng::seed_from_u64(week.ms().unsigned_abs()));
    members
}

/// The times when two accounts last met, the lower id first.
type Met = HashMap<(AccountId, AccountId), Time>;

/// Returns pairs, and one group of three where the number of members is odd. As many pairs as possible are of people
/// who have not met; among the others, those who met longest ago are paired first.
fn groups(members: &[AccountId], met: &Met, apart: &HashSet<(AccountId, AccountId)>) -> Vec<Vec<AccountId>> {
    let key = |one: AccountId, other: AccountId| (one.min(other), one.max(other));
    let may_meet = |one: AccountId, other: AccountId| !apart.contains(&key(one, other));
    let is_new =
        |one: AccountId, other: AccountId| may_meet(one, other) && !met.contains_key(&key(one, other));
    let mut graph = UnGraph::<AccountId, ()>::new_undirected();
    let nodes: Vec<_> = members.iter().map(|member| graph.add_node(*member)).collect();
    let candidates = if members.len() <= MAX_COMPLETE { members.len() } else { MAX_CANDIDATES };
    for (index, member) in members.iter().enumerate() {
        // The candidates are the members that follow in the shuffled circle, except those that the member has met.
        let others = (1..members.len()).map(|step| (index + step) % members.len());
        for other in others.filter(|other| is_new(*member, members[*other])).take(candidates) {
            graph.update_edge(nodes[index], nodes[other], ());
        }
    }
    let matching = maximum_matching(&graph);
    let mut pairs: Vec<Vec<AccountId>> =
        matching.edges().map(|(one, other)| vec![graph[one], graph[other]]).collect();
    let mut left: Vec<AccountId> =
        nodes.iter().filter(|node| !matching.contains_node(**node)).map(|node| graph[*node]).collect();
    // The rest are paired with people whom they have met before.
    let mut repeated: Vec<_> = Vec::new();
    for (index, one) in left.iter().enumerate() {
        for other in left[index + 1..].iter().filter(|other| may_meet(*one, **other)) {
            repeated.push((met.get(&key(*one, *other)).copied(), *one, *other));
        }
    }
    repeated.sort_unstable();
    for (_, one, other) in repeated {
        if left.contains(&one) && left.contains(&other) {
            left.retain(|member| *member != one && *member != other);
            pairs.push(vec![one, other]);
        }
    }
    // A last member without a pair joins a pair, preferably one with two people whom the member has not met.
    for last in left {
        let fits =
            |pair: &&mut Vec<AccountId>| pair.len() == 2 && pair.iter().all(|other| may_meet(last, *other));
        let count_met =
            |pair: &&mut Vec<AccountId>| pair.iter().filter(|other| !is_new(last, **other)).count();
        if let Some(pair) = pairs.iter_mut().filter(fits).min_by_key(count_met) {
            pair.push(last);
        }
    }
    pairs
}

/// Returns the recipient of the mail about a pair, and the others in the pair; `None` where the account has left the
/// conversation, or has no address.
pub fn pair_notice(
    read: &Read<'_>,
    conversation: ConversationId,
    to: AccountId,
) -> Result<Option<(Recipient, Vec<Account>)>> {
    if store::conversations::with_membership(read, conversation, to)?.is_none() {
        return Ok(None);
    }
    let everyone = store::conversations::participants(read, conversation, 10)?;
    let others = everyone.into_iter().map(|row| row.account).filter(|account| account.id != to);
    let others: Vec<Account> = others.collect();
    Ok(Recipient::find(read, to)?.map(|to| (to, others)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn people(count: i64) -> Vec<AccountId> {
        (1..=count).map(AccountId).collect()
    }

    /// Records the meetings of a week, and returns how many of them are repeated.
    fn record(met: &mut Met, groups: &[Vec<AccountId>], week: i64) -> usize {
        let mut repeated = 0;
        for group in groups {
            for (index, one) in group.iter().enumerate() {
                for other in &group[..index] {
                    let key = (*one.min(other), *one.max(other));
                    repeated += usize::from(met.insert(key, Time::from_ms(week)).is_some());
                }
            }
        }
        repeated
    }

    #[test]
    fn nobody_meets_somebody_again_while_there_is_somebody_new() {
        let members = people(20);
        let mut met = Met::new();
        for week in 0..10 {
            let groups = groups(&shuffled(members.clone(), Time::from_ms(week)), &met, &HashSet::new());
            assert_eq!(groups.len(), 10);
            assert_eq!(
                record(&mut met, &groups, week),
                0,
                "week {week}: twenty people can meet new ones for ten weeks"
            );
        }
    }

    #[test]
    fn when_everyone_has_met_those_are_paired_who_met_longest_ago() {
        let mut met = Met::new();
        for (week, groups) in [[[1, 2], [3, 4]], [[1, 3], [2, 4]], [[1, 4], [2, 3]]].into_iter().enumerate() {
            let groups = groups.map(|group| group.map(AccountId).to_vec());
            record(&mut met, &groups, week as i64);
        }
        let mut repeated = groups(&people(4), &met, &HashSet::new());
        repeated.iter_mut().for_each(|group| group.sort());
        repeated.sort();
        assert_eq!(repeated, [[AccountId(1), AccountId(2)], [AccountId(3), AccountId(4)]]);
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
    fn two_people_with_a_block_are_never_paired() {
        let apart = HashSet::from([(AccountId(1), AccountId(2))]);
        assert!(groups(&people(2), &Met::new(), &apart).is_empty());
        for group in groups(&people(3), &Met::new(), &apart) {
            assert_eq!(group.len(), 2, "the third can't join the other two");
        }
    }
}
