//! The model: it computes from the rules alone who may be matched with whom, and compares that with the database.

use std::collections::{BTreeMap, VecDeque};

use chitter::{
    clock::Time,
    domain::matches::{GRACE, RELAXES_AFTER},
    ids::ConversationId,
    store::matches::{Pool, State},
};

use super::simulation::{PEOPLE, Person, Phase, Simulation};

/// Pairs who blocked each other, with the address that applied at the time.
#[derive(Default)]
pub struct Blocks(Vec<[Side; 2]>);

/// One side of a block.
struct Side {
    person: usize,
    address: Option<String>,
}

impl Blocks {
    /// Returns the number of blocks.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Keeps two people apart.
    pub fn add(&mut self, people: &[Person], a: usize, b: usize) {
        let same = people[a].address == people[b].address;
        let side = |person: usize| Side {
            person,
            address: (people[person].guest && !same).then(|| people[person].address.clone()),
        };
        self.0.push([side(a), side(b)]);
    }

    fn keep_apart(&self, people: &[Person], a: usize, b: usize) -> bool {
        let applies = |side: &Side, index: usize| {
            let person = &people[index];
            side.person == index || (person.guest && side.address.as_deref() == Some(&person.address))
        };
        self.0.iter().any(|[first, second]| {
            (applies(first, a) && applies(second, b)) || (applies(first, b) && applies(second, a))
        })
    }
}

impl Simulation {
    /// Compares the database with the model, and updates the model.
    pub async fn check(&mut self, blocks: &Blocks) {
        let now = self.now();
        let before: Vec<Phase> = self.people.iter().map(|person| person.phase.clone()).collect();
        let talks = self.check_phases(&before).await;
        for (id, participants) in &talks {
            self.check_talk(blocks, &before, *id, participants);
            self.talks[usize::from(participants.len() > 2)].insert(*id);
        }
        // A conversation ends when a participant has been away for too long.
        for (person, phase) in before.iter().enumerate() {
            let Phase::Talking(id) = phase else { continue };
            if self.people[person].phase == Phase::Talking(*id) {
                assert!(!self.is_lost(person), "{person} is still in a talk after its grace period");
            }
        }
        self.check_nobody_waits_in_vain(blocks, now);
    }

    /// Checks each person's change of phase, and stores the new one. Returns the participants of each talk.
    async fn check_phases(&mut self, before: &[Phase]) -> BTreeMap<ConversationId, Vec<usize>> {
        let mut talks: BTreeMap<ConversationId, Vec<usize>> = BTreeMap::new();
        let tickets = self.tickets().await;
        for (person, (phase, ticket)) in before.iter().zip(tickets).enumerate() {
            match ticket.as_ref().map(|ticket| ticket.state) {
                Some(State::Matched) => {
                    let id = ticket.and_then(|ticket| ticket.conversation).expect("a talk");
                    assert_ne!(*phase, Phase::Idle, "{person} is matched without waiting");
                    talks.entry(id).or_default().push(person);
                    self.people[person].phase = Phase::Talking(id);
                }
                Some(State::Waiting) => {
                    assert!(matches!(phase, Phase::Waiting { .. }), "{person} waits, and was {phase:?}");
                }
                Some(State::Ended) | None => {
                    if matches!(phase, Phase::Waiting { .. }) {
                        assert!(self.is_lost(person), "{person} lost its place with an open window");
                    }
                    self.people[person].phase = Phase::Idle;
                }
            }
        }
        talks
    }

    /// Checks that a talk has two to eight participants and that its new ones were allowed to meet.
    fn check_talk(&mut self, blocks: &Blocks, before: &[Phase], id: ConversationId, participants: &[usize]) {
        assert!((2..=8).contains(&participants.len()), "{participants:?} are in {id}");
        let is_new = |person: &usize| before[*person] != Phase::Talking(id);
        let new: Vec<usize> = participants.iter().copied().filter(is_new).collect();
        for a in &new {
            for b in participants.iter().filter(|b| *b != a) {
                assert!(!blocks.keep_apart(&self.people, *a, *b), "{a} and {b} are kept apart");
                self.check_pair(blocks, before, *a, *b, participants.len());
            }
        }
        for a in &new {
            for b in participants.iter().filter(|b| *b != a) {
                remember_partner(&mut self.people[*a].met, *b);
                if !new.contains(b) {
                    remember_partner(&mut self.people[*b].met, *a);
                }
            }
        }
    }

    /// Checks the rules for two people who both waited until now.
    fn check_pair(&self, blocks: &Blocks, before: &[Phase], a: usize, b: usize, participants: usize) {
        let now = self.now();
        let (Some(pool), Some(other_pool)) = (pool_of(&before[a]), pool_of(&before[b])) else { return };
        assert_eq!(pool, other_pool);
        if pool == Pool::Pair {
            assert_eq!(participants, 2, "a pair has two participants");
            assert!(accept_each_other(&before[a], &before[b], now), "{a} and {b} do not accept each other");
            let still_waits = |third: &usize| match &self.people[*third].phase {
                Phase::Waiting { since, pool: Pool::Pair, .. } => *since <= now,
                _ => false,
            };
            let better = (0..PEOPLE).filter(still_waits).find(|third| {
                self.could_have_met(blocks, &before[a], a, *third) && !self.is_second_choice(a, *third)
            });
            if self.is_second_choice(a, b) {
                assert_eq!(better, None, "{a} was matched with {b}, although somebody else waits");
            }
        }
    }

    /// Checks that no two people wait who could be matched with each other, and no three who could be a group.
    fn check_nobody_waits_in_vain(&self, blocks: &Blocks, now: Time) {
        let waiting = |pool: Pool| -> Vec<usize> {
            let waits = |person: &usize| match &self.people[*person].phase {
                Phase::Waiting { since, pool: in_pool, .. } => *in_pool == pool && *since <= now,
                _ => false,
            };
            (0..self.people.len()).filter(waits).collect()
        };
        let pairs = waiting(Pool::Pair);
        for (at, a) in pairs.iter().enumerate() {
            for b in &pairs[at + 1..] {
                let (phase, other_phase) = (&self.people[*a].phase, &self.people[*b].phase);
                if !self.could_meet(blocks, *a, *b) || !accept_each_other(phase, other_phase, now) {
                    continue;
                }
                let has_first_choice = |person: usize, except: usize| {
                    pairs.iter().any(|third| {
                        ![person, except].contains(third)
                            && self.could_meet(blocks, person, *third)
                            && !self.is_second_choice(person, *third)
                    })
                };
                let deferred =
                    self.is_second_choice(*a, *b) && (has_first_choice(*a, *b) || has_first_choice(*b, *a));
                assert!(deferred, "{a} and {b} wait, although they could be matched");
            }
        }
        let accepts_anyone = |person: &usize| relaxation(&self.people[*person].phase, now) == 2;
        let group: Vec<usize> = waiting(Pool::Group).into_iter().filter(accepts_anyone).collect();
        for (at_a, a) in group.iter().enumerate() {
            for (at_b, b) in group.iter().enumerate().skip(at_a + 1) {
                for c in &group[at_b + 1..] {
                    let pairs = [(a, b), (a, c), (b, c)];
                    let could_meet = pairs.iter().all(|(x, y)| self.could_meet(blocks, **x, **y));
                    assert!(!could_meet, "{a}, {b} and {c} could be a group");
                }
            }
        }
    }

    /// Returns whether the person's last window was closed longer ago than the grace period.
    fn is_lost(&self, person: usize) -> bool {
        !self.people[person].here && self.people[person].closed_at + GRACE <= self.now()
    }

    /// Returns whether no block is between the two, and they have a language in common.
    fn could_meet(&self, blocks: &Blocks, a: usize, b: usize) -> bool {
        self.could_have_met(blocks, &self.people[a].phase, a, b)
    }

    /// Returns the same as `could_meet`, with the phase of `a` before it was matched.
    fn could_have_met(&self, blocks: &Blocks, phase: &Phase, a: usize, b: usize) -> bool {
        let language_of = |person: usize| match if person == a { phase } else { &self.people[person].phase } {
            Phase::Waiting { language, .. } => *language,
            _ => "",
        };
        let (language, other_language) = (language_of(a), language_of(b));
        let common = language.is_empty() || other_language.is_empty() || language == other_language;
        common && !blocks.keep_apart(&self.people, a, b)
    }

    /// Returns whether the two are matched only if nobody else waits: same address, or recent partners.
    fn is_second_choice(&self, a: usize, b: usize) -> bool {
        let (person, other) = (&self.people[a], &self.people[b]);
        person.address == other.address || person.met.contains(&b) || other.met.contains(&a)
    }
}

fn remember_partner(met: &mut VecDeque<usize>, partner: usize) {
    met.retain(|earlier| *earlier != partner);
    met.push_front(partner);
    met.truncate(5);
}

fn pool_of(phase: &Phase) -> Option<Pool> {
    match phase {
        Phase::Waiting { pool, .. } => Some(*pool),
        _ => None,
    }
}

/// Returns the relaxation of a search: 0 all interests, 1 any, 2 anyone.
fn relaxation(phase: &Phase, now: Time) -> i64 {
    match phase {
        Phase::Waiting { tags, .. } if tags.is_empty() => 2,
        Phase::Waiting { since, .. } if now.since(*since) < RELAXES_AFTER => 0,
        Phase::Waiting { since, .. } if now.since(*since) < 2 * RELAXES_AFTER => 1,
        _ => 2,
    }
}

/// Returns whether each accepts the other at the current relaxation of its search.
fn accept_each_other(a: &Phase, b: &Phase, now: Time) -> bool {
    let accepts = |seeker: &Phase, other: &Phase| {
        let (Phase::Waiting { tags, .. }, Phase::Waiting { tags: other_tags, .. }) = (seeker, other) else {
            return false;
        };
        match relaxation(seeker, now) {
            0 => tags.is_subset(other_tags),
            1 => !tags.is_disjoint(other_tags),
            _ => relaxation(other, now) == 2 || !tags.is_disjoint(other_tags),
        }
    };
    accepts(a, b) && accepts(b, a)
}
