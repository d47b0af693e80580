//! Weekly pairs: each Monday everyone who takes part is paired with somebody whom it has not met for longest.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use petgraph::{algo::maximum_matching, graph::UnGraph};

use super::{
    accounts::Member,
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

/// With so many, everyone is held against everyone. Beyond it each is held against so many: that leaves
/// nobody out who could have somebody new, and does not take all night.
const EVERYONE: usize = 200;
const SOME: usize = 24;

impl Member {
    /// Takes part in the weekly pairs from the next Monday on.
    pub fn join_weekly(&self, tx: &mut Tx<'_>) -> Result<()> {
        store::pairings::join(tx, self.id())
    }

    /// Takes part no more.
    pub fn leave_weekly(&self, tx: &mut Tx<'_>) -> Result<()> {
        store::pairings::leave(tx, self.id())
    }
}

/// How someone stands with the weekly pairs.
#[derive(Clone, Debug)]
pub struct Weekly {
    /// Whether it takes part.
    pub takes_part: bool,
    /// How many do.
    pub members: i64,
    /// When the next pairs are made.
    pub next: Time,
    /// Where it talks with whom this week.
    pub talk: Option<(ConversationId, Vec<Account>)>,
}

/// How the account stands with the weekly pairs.
pub fn weekly(read: &Read<'_>, account: AccountId) -> Result<Weekly> {
    let monday = monday(read.now());
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

/// Midnight at the beginning of the week's Monday, in UTC.
fn monday(now: Time) -> Time {
    const DAY: i64 = 24 * 3600 * 1000;
    // The first of January 1970 was a Thursday.
    let days = now.ms().div_euclid(DAY);
    Time::from_ms((days - (days + 3).rem_euclid(7)) * DAY)
}

/// Makes the pairs of this week, unless they have been made; how many talks began. Each has a conversation
/// to say hello in, and everyone is written to.
pub fn pair(tx: &mut Tx<'_>) -> Result<usize> {
    let monday = monday(tx.now());
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

/// The same people in an order that is another each week, and the same for whoever asks in that week.
fn shuffled(mut members: Vec<AccountId>, week: Time) -> Vec<AccountId> {
    let scattered = |id: &AccountId| {
        let mut x = (id.0 ^ week.ms()) as u64; // splitmix64
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ (x >> 31)
    };
    members.sort_by_key(scattered);
    members
}

/// When two have met last, the lower id first.
type Met = HashMap<(AccountId, AccountId), Time>;

/// Pairs, and one group of three where the number is odd. As many as can be are of people who have not met;
/// of the others those come first who have not met for longest.
fn groups(members: &[AccountId], met: &Met, apart: &HashSet<(AccountId, AccountId)>) -> Vec<Vec<AccountId>> {
    let key = |one: AccountId, other: AccountId| (one.min(other), one.max(other));
    let may = |one: AccountId, other: AccountId| !apart.contains(&key(one, other));
    let is_new = |one: AccountId, other: AccountId| may(one, other) && !met.contains_key(&key(one, other));
    let mut graph = UnGraph::<AccountId, ()>::new_undirected();
    let nodes: Vec<_> = members.iter().map(|member| graph.add_node(*member)).collect();
    let some = if members.len() <= EVERYONE { members.len() } else { SOME };
    for (at, one) in members.iter().enumerate() {
        // Those who stand behind it in the circle, as many as are new to it.
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
    // Nobody new is left for these.
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
    // Whoever is left over makes a pair a group of three; best where it is new to both.
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
) -> Result<Option<(Account, Vec<Account>, String)>> {
    let account = store::accounts::by_id(read, to)?;
    if store::conversations::seen_by(read, conversation, to)?.is_none() {
        return Ok(None);
    }
    let everyone = store::conversations::participants(read, conversation, 10)?;
    let others = everyone.into_iter().map(|one| one.account).filter(|one| one.id != to);
    let others: Vec<Account> = others.collect();
    Ok(store::accounts::email(read, to)?.map(|address| (account, others, address)))
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
    fn a_week_begins_on_monday() {
        let at = |text: &str| Time::parse(text).expect("a moment");
        for (now, began) in [
            ("2026-11-23T00:00:00Z", "2026-11-23T00:00:00Z"),
            ("2026-11-22T23:59:59Z", "2026-11-16T00:00:00Z"),
            ("1970-01-01T00:00:00Z", "1969-12-29T00:00:00Z"),
        ] {
            assert_eq!(monday(at(now)), at(began), "{now}");
        }
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
