//! Model-based tests of matching: a small simulated population joins, waits, talks, skips, blocks, drops out
//! and returns at random, and a model checks who may be matched with whom.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::mpsc::channel,
    time::Duration,
};

use chitter::{
    Error,
    clock::Time,
    domain::{
        accounts::create_guest,
        matches::{self, Current, GRACE, Interests, Language, RELAXES_AFTER, Search},
        names::Name,
        text::RefusedWords,
    },
    events::Db,
    ids::{AccountId, ConversationId},
    store::{
        accounts::Account,
        matches::{Pool, State},
    },
};
use futures_util::future::join_all;

use crate::common::{Engine, Fixture, Rng, TestDb, open};

/// The number of people in the simulation, and of their addresses.
const PEOPLE: usize = 40;
const ADDRESSES: u64 = 7;
const TAGS: [&str; 5] = ["bread", "moths", "tides", "trains", "old bicycles"];

/// The database under test, and the people in the simulation.
struct Simulation {
    test_db: TestDb,
    /// The handles that run the matching: on PostgreSQL two servers at once.
    matchers: Vec<Db>,
    people: Vec<Person>,
    /// The pairs and the groups that have formed. The test counts them, because a model that sees no match
    /// proves nothing.
    talks: [BTreeSet<ConversationId>; 2],
}

/// A person, and the state that the model expects.
struct Person {
    account: Account,
    address: String,
    guest: bool,
    /// Whether a window is open; `closed_at` is when the last one was closed.
    here: bool,
    closed_at: Time,
    part: Part,
    /// The last five partners.
    met: VecDeque<usize>,
}

#[derive(Clone, PartialEq, Debug)]
enum Part {
    None,
    Waiting { since: Time, pool: Pool, tags: BTreeSet<&'static str>, language: &'static str },
    Talking(ConversationId),
}

impl Fixture for Simulation {
    async fn on(engine: Engine) -> Self {
        Simulation::new(engine, PEOPLE).await
    }
}

impl Simulation {
    async fn new(engine: Engine, people: usize) -> Self {
        let test_db = TestDb::on(engine).await;
        let mut matchers = vec![test_db.db.clone()];
        if engine == Engine::Postgres {
            matchers.push(open(&test_db.instance, channel().0).await);
        }
        let mut sim = Simulation { test_db, matchers, people: Vec::new(), talks: Default::default() };
        let mut rng = Rng(0xBEAD);
        for n in 0..people {
            sim.comes(n, &format!("place {}", rng.below(ADDRESSES))).await;
        }
        sim
    }

    /// Creates a person; every third one is a member.
    async fn comes(&mut self, n: usize, address: &str) {
        let guest = !n.is_multiple_of(3);
        let account = if guest {
            let name = Name::parse(&format!("Visitor {n}")).expect("a name");
            self.test_db.db.write(move |tx| create_guest(tx, &name)).await.expect("a guest comes in")
        } else {
            self.test_db.member(Box::leak(format!("member{n}").into_boxed_str())).await.account
        };
        self.people.push(Person {
            account,
            address: address.into(),
            guest,
            here: false,
            closed_at: self.now(),
            part: Part::None,
            met: VecDeque::new(),
        });
    }

    fn now(&self) -> Time {
        self.test_db.instance.clock.now()
    }

    fn who(&self, account: AccountId) -> usize {
        self.people.iter().position(|person| person.account.id == account).expect("one of us")
    }

    async fn seeks(&mut self, who: usize, tags: &[&'static str], language: &'static str, group: bool) {
        let search = Search {
            interests: Interests::parse(tags.iter().copied()).expect("interests"),
            language: Language::parse(language).expect("a language"),
            group,
            shows_name: false,
        };
        let (account, address) = (self.people[who].account.clone(), self.people[who].address.clone());
        let id = account.id;
        self.test_db
            .db
            .write(move |tx| {
                matches::seek(tx, &account, &address, &search, true)?;
                matches::set_present(tx, account.id)
            })
            .await
            .expect("it begins to wait");
        let current = self.current(id).await.expect("it has a part now");
        self.people[who].here = true;
        self.people[who].part = Part::Waiting {
            since: current.ticket.since,
            pool: if group { Pool::Group } else { Pool::Pair },
            tags: tags.iter().copied().collect(),
            language,
        };
    }

    async fn current(&self, account: AccountId) -> Option<Current> {
        self.test_db.db.read(move |read| matches::current(read, account)).await.expect("it can be looked up")
    }

    /// Performs an action as this person.
    async fn does(
        &self,
        who: usize,
        what: impl Fn(&mut chitter::events::Tx<'_>, &Account, &str) -> chitter::Result<()> + Send + 'static,
    ) -> chitter::Result<()> {
        let (account, address) = (self.people[who].account.clone(), self.people[who].address.clone());
        self.test_db.db.write(move |tx| what(tx, &account, &address)).await
    }

    /// Runs the matching until there is nothing left to do, on all handles at once.
    async fn run_matching(&self) {
        let look = |db: &Db| {
            let db = db.clone();
            async move { while db.write(matches::run_matching).await.expect("one can look") {} }
        };
        join_all(self.matchers.iter().map(look)).await;
        // A handle that has just stopped may have left work to another one, so one more run follows.
        look(&self.test_db.db).await;
    }

    /// Compares the database with the model, and updates the model.
    async fn check(&mut self, blocks: &Blocks) {
        let now = self.now();
        let mut talks: BTreeMap<ConversationId, Vec<usize>> = BTreeMap::new();
        let before: Vec<Part> = self.people.iter().map(|person| person.part.clone()).collect();
        for (who, was) in before.iter().enumerate() {
            let current = self.current(self.people[who].account.id).await;
            let state = current.as_ref().map(|current| current.ticket.state);
            match state {
                Some(State::Matched) => {
                    let id = current.and_then(|current| current.ticket.conversation).expect("a talk");
                    assert_ne!(*was, Part::None, "nobody is matched who does not wait");
                    talks.entry(id).or_default().push(who);
                    self.people[who].part = Part::Talking(id);
                }
                Some(State::Waiting) => {
                    assert!(matches!(was, Part::Waiting { .. }), "{who} waits, and was {was:?}");
                }
                Some(State::Ended) | None => {
                    let gone = !self.people[who].here && self.people[who].closed_at + GRACE <= now;
                    match was {
                        Part::Waiting { .. } => assert!(gone, "{who} has lost its place, and was here"),
                        Part::Talking(_) => {}
                        Part::None => {}
                    }
                    self.people[who].part = Part::None;
                }
            }
        }
        // Every conversation has at least two participants, and new ones are allowed to meet.
        for (id, room_member) in &talks {
            assert!(room_member.len() >= 2, "{room_member:?} are alone in {id}");
            let new: Vec<usize> =
                room_member.iter().copied().filter(|who| before[*who] != Part::Talking(*id)).collect();
            for one in &new {
                for other in room_member.iter().filter(|other| *other != one) {
                    assert!(
                        !blocks.stand_between(&self.people, *one, *other),
                        "{one} and {other} are kept apart"
                    );
                    let (Some(mine), Some(theirs)) = (pool_of(&before[*one]), pool_of(&before[*other]))
                    else {
                        continue;
                    };
                    assert_eq!(mine, theirs);
                    if mine == Pool::Pair {
                        assert_eq!(room_member.len(), 2, "a pair is two");
                        assert!(take_each_other(&before[*one], &before[*other], now), "{one} and {other}");
                        let still_waits = |third: &usize| match &self.people[*third].part {
                            Part::Waiting { since, pool: Pool::Pair, .. } => *since <= now,
                            _ => false,
                        };
                        let better = (0..PEOPLE).filter(still_waits).find(|third| {
                            self.could_have_met(blocks, &before[*one], *one, *third)
                                && !self.second_choice(*one, *third)
                        });
                        if self.second_choice(*one, *other) {
                            assert_eq!(better, None, "{one} got {other}, and somebody else waits");
                        }
                    }
                }
            }
            for one in &new {
                for other in room_member.iter().filter(|other| *other != one) {
                    meets(&mut self.people[*one].met, *other);
                    if !new.contains(other) {
                        meets(&mut self.people[*other].met, *one);
                    }
                }
            }
            assert!(room_member.len() <= 8);
            self.talks[usize::from(room_member.len() > 2)].insert(*id);
        }
        // A conversation ends when a participant has been away for too long.
        for (who, was) in before.iter().enumerate() {
            let Part::Talking(id) = was else { continue };
            let lost = |who: usize| !self.people[who].here && self.people[who].closed_at + GRACE <= now;
            if self.people[who].part == Part::Talking(*id) {
                assert!(!lost(who), "{who} is still in a talk, and long gone");
            }
        }
        self.nobody_waits_in_vain(blocks, now);
    }

    /// Asserts that no two people wait who could be matched with each other.
    fn nobody_waits_in_vain(&self, blocks: &Blocks, now: Time) {
        let waiting = |pool: Pool| -> Vec<usize> {
            let waits = |who: &usize| match &self.people[*who].part {
                Part::Waiting { since, pool: in_pool, .. } => *in_pool == pool && *since <= now,
                _ => false,
            };
            (0..self.people.len()).filter(waits).collect()
        };
        let pairs = waiting(Pool::Pair);
        for (at, one) in pairs.iter().enumerate() {
            for other in &pairs[at + 1..] {
                let (mine, theirs) = (&self.people[*one].part, &self.people[*other].part);
                if !self.could_meet(blocks, *one, *other) || !take_each_other(mine, theirs, now) {
                    continue;
                }
                let waits_for = |who: usize, except: usize| {
                    pairs.iter().any(|third| {
                        ![who, except].contains(third)
                            && self.could_meet(blocks, who, *third)
                            && !self.second_choice(who, *third)
                    })
                };
                let waits =
                    self.second_choice(*one, *other) && (waits_for(*one, *other) || waits_for(*other, *one));
                assert!(waits, "{one} and {other} wait for nobody but each other");
            }
        }
        let few: Vec<usize> = waiting(Pool::Group)
            .into_iter()
            .filter(|who| relaxation(&self.people[*who].part, now) == 2)
            .collect();
        for (a, one) in few.iter().enumerate() {
            for (b, other) in few.iter().enumerate().skip(a + 1) {
                for third in &few[b + 1..] {
                    let all = [(one, other), (one, third), (other, third)];
                    let meet = all.iter().all(|(x, y)| self.could_meet(blocks, **x, **y));
                    assert!(!meet, "{one}, {other} and {third} could be a group");
                }
            }
        }
    }

    /// Returns whether no block is between the two, and they have a language in common.
    fn could_meet(&self, blocks: &Blocks, one: usize, other: usize) -> bool {
        self.could_have_met(blocks, &self.people[one].part, one, other)
    }

    /// Returns the same as `could_meet`, with the state in which `one` waited before it was matched.
    fn could_have_met(&self, blocks: &Blocks, waited: &Part, one: usize, other: usize) -> bool {
        let language = |who: usize| match if who == one { waited } else { &self.people[who].part } {
            Part::Waiting { language, .. } => *language,
            _ => "",
        };
        let (mine, theirs) = (language(one), language(other));
        let speak = mine.is_empty() || theirs.is_empty() || mine == theirs;
        speak && !blocks.stand_between(&self.people, one, other)
    }

    /// Returns whether the two are matched only if nobody else waits: same address, or recent partners.
    fn second_choice(&self, one: usize, other: usize) -> bool {
        let (mine, theirs) = (&self.people[one], &self.people[other]);
        mine.address == theirs.address || mine.met.contains(&other) || theirs.met.contains(&one)
    }
}

fn meets(met: &mut VecDeque<usize>, who: usize) {
    met.retain(|one| *one != who);
    met.push_front(who);
    met.truncate(5);
}

fn pool_of(part: &Part) -> Option<Pool> {
    match part {
        Part::Waiting { pool, .. } => Some(*pool),
        _ => None,
    }
}

/// The relaxation of the search by now: 0 all interests, 1 any, 2 anyone.
fn relaxation(part: &Part, now: Time) -> i64 {
    match part {
        Part::Waiting { tags, .. } if tags.is_empty() => 2,
        Part::Waiting { since, .. } if now.since(*since) < RELAXES_AFTER => 0,
        Part::Waiting { since, .. } if now.since(*since) < 2 * RELAXES_AFTER => 1,
        _ => 2,
    }
}

/// Returns whether each accepts the other at the current relaxation of its search.
fn take_each_other(one: &Part, other: &Part, now: Time) -> bool {
    let accepts = |one: &Part, other: &Part| {
        let (Part::Waiting { tags: mine, .. }, Part::Waiting { tags: theirs, .. }) = (one, other) else {
            return false;
        };
        match relaxation(one, now) {
            0 => mine.is_subset(theirs),
            1 => !mine.is_disjoint(theirs),
            _ => relaxation(other, now) == 2 || !mine.is_disjoint(theirs),
        }
    };
    accepts(one, other) && accepts(other, one)
}

/// Pairs who blocked each other, with the address that applied at the time.
#[derive(Default)]
struct Blocks(Vec<[Blocked; 2]>);

struct Blocked {
    who: usize,
    address: Option<String>,
}

impl Blocks {
    fn add(&mut self, people: &[Person], one: usize, other: usize) {
        let same = people[one].address == people[other].address;
        let blocked = |who: usize| Blocked {
            who,
            address: (people[who].guest && !same).then(|| people[who].address.clone()),
        };
        self.0.push([blocked(one), blocked(other)]);
    }

    fn stand_between(&self, people: &[Person], one: usize, other: usize) -> bool {
        let is = |blocked: &Blocked, who: usize| {
            let person = &people[who];
            blocked.who == who || (person.guest && blocked.address.as_deref() == Some(&person.address))
        };
        self.0.iter().any(|[a, b]| (is(a, one) && is(b, other)) || (is(a, other) && is(b, one)))
    }
}

on_both! {
    async fn random_actions_never_match_wrongly_or_leave_a_possible_match(sim: Simulation) {
        let mut sim = sim;
        let (mut rng, mut blocks) = (Rng(0x5EED), Blocks::default());
        for _ in 0..1_500 {
            let who = rng.below(PEOPLE as u64) as usize;
            let part = sim.people[who].part.clone();
            match (part, rng.below(10)) {
                (Part::None, 0..=6) => {
                    let tags: Vec<_> = TAGS.into_iter().filter(|_| rng.below(4) == 0).collect();
                    let language = ["", "", "en", "de"][rng.below(4) as usize];
                    let group = rng.below(5) == 0;
                    sim.seeks(who, &tags, language, group).await;
                }
                (Part::Waiting { .. }, 0) => {
                    sim.does(who, |tx, account, _| matches::leave(tx, account.id)).await.expect("it leaves");
                    sim.people[who].part = Part::None;
                }
                (Part::Waiting { .. } | Part::Talking(_), 1) if sim.people[who].here => {
                    sim.does(who, |tx, account, _| matches::set_away(tx, account.id)).await.expect("noted");
                    sim.people[who].here = false;
                    sim.people[who].closed_at = sim.now();
                }
                (Part::Waiting { .. } | Part::Talking(_), 2..=3) if !sim.people[who].here => {
                    sim.does(who, |tx, account, _| matches::set_present(tx, account.id)).await.expect("noted");
                    sim.people[who].here = true;
                }
                (Part::Talking(_), 2) => {
                    sim.does(who, |tx, account, _| matches::leave(tx, account.id)).await.expect("it leaves");
                    sim.people[who].part = Part::None;
                }
                (Part::Talking(id), 4..=5) => {
                    let again = sim.current(sim.people[who].account.id).await.expect("its part").ticket;
                    sim.does(who, |tx, account, address| {
                        matches::next(tx, account, address)?;
                        matches::set_present(tx, account.id)
                    }).await.expect("the next one");
                    let now = sim.current(sim.people[who].account.id).await.expect("it waits").ticket;
                    assert_ne!(now.conversation, Some(id));
                    let tags = matches::tags(&again.interests);
                    sim.people[who].here = true;
                    sim.people[who].part = Part::Waiting {
                        since: now.since,
                        pool: again.pool,
                        tags: TAGS.into_iter().filter(|tag| tags.contains(tag)).collect(),
                        language: ["", "en", "de"].into_iter().find(|code| *code == again.language).expect("one"),
                    };
                }
                (Part::Talking(_), 6) => {
                    let me = sim.people[who].account.id;
                    let partners = sim.current(me).await.expect("its part").partners;
                    let mask = partners[rng.below(partners.len() as u64) as usize].mask.id;
                    let masks = sim.current(me).await.expect("its part").ticket.conversation;
                    let masks = sim.test_db.db
                        .read(move |read| chitter::store::conversations::masks(read, masks.expect("a talk")))
                        .await
                        .expect("masks");
                    let behind = masks.iter().find(|one| one.mask == mask).expect("a mask").account;
                    sim.does(who, move |tx, account, _| matches::block(tx, account.id, Some(mask)))
                        .await
                        .expect("it blocks");
                    let other = sim.who(behind);
                    blocks.add(&sim.people, who, other);
                    sim.people[who].part = Part::None;
                }
                _ => {
                    sim.test_db.instance.clock.advance(Duration::from_millis(rng.below(7_000)));
                    for person in 0..PEOPLE {
                        // An open window sends a sign of life regularly.
                        if sim.people[person].here {
                            sim.does(person, |tx, account, _| matches::set_present(tx, account.id))
                                .await
                                .expect("noted");
                        }
                    }
                }
            }
            sim.run_matching().await;
            sim.check(&blocks).await;
        }
        let [pairs, groups] = sim.talks.map(|talks| talks.len());
        let told = format!("{pairs} pairs, {groups} groups, {} blocks", blocks.0.len());
        assert!(pairs > 100 && groups > 10 && blocks.0.len() > 10, "{told}");
    }

    async fn a_search_widens_from_all_interests_to_any_to_anyone(sim: Simulation) {
        let mut sim = sim;
        let people = apart(&mut sim);
        let [nell, ify, teo, ada] = [people[0], people[1], people[2], people[3]];
        sim.seeks(nell, &["bread", "moths"], "", false).await;
        sim.seeks(ify, &["bread", "tides"], "", false).await;
        sim.seeks(teo, &["trains"], "", false).await;
        sim.run_matching().await;
        assert_eq!(sim.waiting(&[nell, ify, teo]).await, [nell, ify, teo], "nobody likes all the same");
        sim.passes(10).await;
        assert_eq!(sim.waiting(&[nell, ify, teo]).await, [teo], "bread is enough");
        sim.seeks(ada, &["moths"], "", false).await;
        sim.passes(10).await;
        assert_eq!(sim.waiting(&[teo, ada]).await, [teo, ada], "one of them does not take anyone yet");
        sim.passes(10).await;
        assert!(sim.waiting(&[teo, ada]).await.is_empty(), "now it does");
    }

    async fn without_interests_anyone_with_a_common_language_matches_at_once(sim: Simulation) {
        let mut sim = sim;
        let people = apart(&mut sim);
        let [nell, ify, teo] = [people[0], people[1], people[2]];
        sim.seeks(nell, &[], "de", false).await;
        sim.seeks(ify, &[], "en", false).await;
        sim.run_matching().await;
        assert_eq!(sim.waiting(&[nell, ify]).await, [nell, ify]);
        sim.seeks(teo, &[], "", false).await;
        sim.run_matching().await;
        assert_eq!(sim.waiting(&[nell, ify, teo]).await, [ify], "who waited longer was first");
    }

    async fn the_same_address_and_recent_partners_are_matched_last(sim: Simulation) {
        let mut sim = sim;
        for who in [0, 1, 2] {
            sim.people[who].address = "the school".into();
        }
        sim.people[3].address = "elsewhere".into();
        sim.seeks(3, &["trains"], "", false).await;
        sim.seeks(0, &[], "", false).await;
        sim.seeks(1, &[], "", false).await;
        sim.run_matching().await;
        assert_eq!(sim.waiting(&[0, 1, 3]).await, [0, 1, 3], "somebody from elsewhere waits");
        sim.passes(20).await;
        assert_eq!(sim.waiting(&[0, 1, 3]).await, [1], "and is taken first");
        sim.seeks(2, &[], "", false).await;
        sim.run_matching().await;
        assert!(sim.waiting(&[1, 2]).await.is_empty(), "nobody else waits now");
        sim.does(1, matches::next).await.expect("next");
        sim.does(2, matches::next).await.expect("next");
        sim.run_matching().await;
        assert!(sim.waiting(&[1, 2]).await.is_empty(), "they have met, and there is still nobody else");
    }

    async fn a_lost_connection_keeps_the_place_for_thirty_seconds(sim: Simulation) {
        let mut sim = sim;
        let people = apart(&mut sim);
        let [nell, ify] = [people[0], people[1]];
        sim.seeks(nell, &[], "", false).await;
        sim.does(nell, |tx, account, _| matches::set_away(tx, account.id)).await.expect("noted");
        sim.passes(29).await;
        assert_eq!(sim.waiting(&[nell]).await, [nell]);
        sim.does(nell, |tx, account, _| matches::set_present(tx, account.id)).await.expect("noted");
        sim.passes(40).await;
        assert_eq!(sim.waiting(&[nell]).await, [nell], "it came back");
        sim.seeks(ify, &[], "", false).await;
        sim.run_matching().await;
        let talk = sim.current(sim.people[nell].account.id).await.expect("a talk").ticket.conversation;
        sim.does(ify, |tx, account, _| matches::set_away(tx, account.id)).await.expect("noted");
        assert!(sim.current(sim.people[nell].account.id).await.expect("a talk").partners[0].away);
        sim.passes(29).await;
        let still = sim.current(sim.people[nell].account.id).await.expect("a talk").ticket;
        assert_eq!((still.state, still.conversation), (State::Matched, talk));
        sim.passes(1).await;
        assert_eq!(
            sim.current(sim.people[nell].account.id).await.expect("its part").ticket.state,
            State::Ended
        );
    }

    async fn an_ended_match_is_deleted_completely(sim: Simulation) {
        let mut sim = sim;
        let people = apart(&mut sim);
        for who in [people[0], people[1]] {
            sim.seeks(who, &[], "", false).await;
        }
        sim.run_matching().await;
        let me = sim.people[people[0]].account.clone();
        let id = sim.current(me.id).await.and_then(|current| current.ticket.conversation).expect("a talk");
        let asks = me.clone();
        sim
            .test_db
            .db
            .write(move |tx| {
                let access = chitter::domain::access::Access::Conversation { account: asks.clone(), id, kind: None };
                let body = chitter::domain::messages::Body::parse("Crust or middle?", &RefusedWords::default())?;
                access.join(tx)?.say(tx, &chitter::domain::messages::Draft::text(body), 280).map(drop)
            })
            .await
            .expect("something is said");
        sim.does(people[0], |tx, account, _| matches::leave(tx, account.id)).await.expect("it leaves");
        let asks = me.clone();
        let read = sim.test_db.db.read(move |read| {
            chitter::domain::access::Access::Conversation { account: asks.clone(), id, kind: None }.find(read)
        });
        assert!(matches!(read.await, Err(Error::NotFound)), "it is gone for both at once");
        assert_eq!(sim.test_db.count("SELECT COUNT(*) FROM messages").await, 1, "for an hour, for reports");
        sim.test_db.db.write(move |tx| matches::delete_talk(tx, id)).await.expect("forgotten");
        while sim.test_db.db.write(chitter::domain::conversations::clear_deleted).await.expect("cleared") {}
        for table in [
            "SELECT COUNT(*) FROM messages",
            "SELECT COUNT(*) FROM conversations",
            "SELECT COUNT(*) FROM participants",
            "SELECT COUNT(*) FROM accounts WHERE mask_of IS NOT NULL",
        ] {
            assert_eq!(sim.test_db.count(table).await, 0, "{table}");
        }
        assert_eq!(sim.test_db.count("SELECT COUNT(*) FROM jobs").await, 2, "it was promised");
    }
}

/// Gives everyone an address of their own. Returns the indexes of all people.
fn apart(sim: &mut Simulation) -> Vec<usize> {
    for (n, person) in sim.people.iter_mut().enumerate() {
        person.address = format!("home {n}");
    }
    (0..sim.people.len()).collect()
}

impl Simulation {
    /// Advances the clock second by second, and runs the matching after each.
    async fn passes(&self, seconds: u64) {
        for _ in 0..seconds {
            self.test_db.instance.clock.advance(Duration::from_secs(1));
            self.run_matching().await;
        }
    }

    /// Returns which of these people are waiting.
    async fn waiting(&self, who: &[usize]) -> Vec<usize> {
        let mut waiting = Vec::new();
        for one in who {
            let current = self.current(self.people[*one].account.id).await;
            if current.is_some_and(|current| current.ticket.state == State::Waiting) {
                waiting.push(*one);
            }
        }
        waiting
    }
}
