//! A small simulated population that joins, waits, talks, skips, blocks, drops out and returns.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::mpsc::channel,
    time::Duration,
};

use chitter::{
    clock::Time,
    db::Read,
    domain::{
        accounts::create_guest,
        matches::{self, Current, Interests, Language, Search},
        names::Name,
    },
    events::{Db, Tx},
    ids::{AccountId, ConversationId},
    store::{
        self,
        accounts::Account,
        matches::{Pool, State, Ticket},
    },
};
use futures_util::future::join_all;

use crate::common::{Engine, Fixture, Rng, TestDb, open};

/// The number of people in the simulation.
pub const PEOPLE: usize = 40;

/// The number of addresses that the people share.
const ADDRESSES: u64 = 7;

/// The database under test, and the people in the simulation.
pub struct Simulation {
    pub test_db: TestDb,
    /// The handles that run the matching: on PostgreSQL two servers at once.
    matchers: Vec<Db>,
    pub people: Vec<Person>,
    /// The pairs and the groups that have formed. The test counts them, because a model that sees no match
    /// proves nothing.
    pub talks: [BTreeSet<ConversationId>; 2],
}

/// A person, and the state that the model expects. Other code refers to people by their indexes.
pub struct Person {
    pub account: Account,
    pub address: String,
    pub guest: bool,
    /// True if a window is open; `closed_at` is when the last one was closed.
    pub here: bool,
    pub closed_at: Time,
    pub phase: Phase,
    /// The last five partners.
    pub met: VecDeque<usize>,
}

/// The state of a person's search.
#[derive(Clone, PartialEq, Debug)]
pub enum Phase {
    Idle,
    Waiting { since: Time, pool: Pool, tags: BTreeSet<&'static str>, language: &'static str },
    Talking(ConversationId),
}

impl Fixture for Simulation {
    async fn on(engine: Engine) -> Self {
        let test_db = TestDb::on(engine).await;
        let mut matchers = vec![test_db.db.clone()];
        if engine == Engine::Postgres {
            matchers.push(open(&test_db.instance, channel().0).await);
        }
        let mut sim = Simulation { test_db, matchers, people: Vec::new(), talks: Default::default() };
        let mut rng = Rng(0xBEAD);
        for n in 0..PEOPLE {
            sim.add_person(n, &format!("place {}", rng.below(ADDRESSES))).await;
        }
        sim
    }
}

impl Simulation {
    /// Creates a person; every third one is a member.
    async fn add_person(&mut self, n: usize, address: &str) {
        let guest = !n.is_multiple_of(3);
        let account = if guest {
            let name = Name::parse(&format!("Visitor {n}")).expect("a name");
            self.test_db.db.write(move |tx| create_guest(tx, &name)).await.expect("a guest")
        } else {
            self.test_db.member(Box::leak(format!("member{n}").into_boxed_str())).await.account
        };
        self.people.push(Person {
            account,
            address: address.into(),
            guest,
            here: false,
            closed_at: self.now(),
            phase: Phase::Idle,
            met: VecDeque::new(),
        });
    }

    /// Gives everyone an address of their own. Returns the indexes of all people.
    pub fn separate_addresses(&mut self) -> Vec<usize> {
        for (n, person) in self.people.iter_mut().enumerate() {
            person.address = format!("home {n}");
        }
        (0..self.people.len()).collect()
    }

    pub fn now(&self) -> Time {
        self.test_db.instance.clock.now()
    }

    /// Returns the index of the person with this account.
    pub fn index_of(&self, account: AccountId) -> usize {
        self.people
            .iter()
            .position(|person| person.account.id == account)
            .expect("a person of the simulation")
    }

    /// Returns the state of a person's search, if there is one.
    pub async fn current(&self, person: usize) -> Option<Current> {
        let account = self.people[person].account.id;
        self.test_db.db.read(move |read| matches::current(read, account)).await.expect("the current state")
    }

    /// Returns everyone's ticket. One transaction reads all of them, because the test does this after each action.
    pub async fn tickets(&self) -> Vec<Option<Ticket>> {
        let accounts: Vec<AccountId> = self.people.iter().map(|person| person.account.id).collect();
        let read = move |read: &Read<'_>| accounts.iter().map(|id| store::matches::of(read, *id)).collect();
        self.test_db.db.read(read).await.expect("the tickets")
    }

    /// Sends the sign of life of everyone who has a window open.
    pub async fn send_signs_of_life(&self) {
        let present: Vec<AccountId> =
            self.people.iter().filter(|person| person.here).map(|person| person.account.id).collect();
        let send = move |tx: &mut Tx<'_>| present.iter().try_for_each(|id| matches::set_present(tx, *id));
        self.test_db.db.write(send).await.expect("stored");
    }

    /// Returns those of these people who are waiting.
    pub async fn waiting(&self, people: &[usize]) -> Vec<usize> {
        let mut waiting = Vec::new();
        for person in people {
            let current = self.current(*person).await;
            if current.is_some_and(|current| current.ticket.state == State::Waiting) {
                waiting.push(*person);
            }
        }
        waiting
    }

    /// Starts a search.
    pub async fn seeks(&mut self, person: usize, tags: &[&'static str], language: &'static str, group: bool) {
        let search = Search {
            interests: Interests::parse(tags.iter().copied()).expect("interests"),
            language: Language::parse(language).expect("a language"),
            group,
            shows_name: false,
        };
        let (account, address) = (self.people[person].account.clone(), self.people[person].address.clone());
        self.test_db
            .db
            .write(move |tx| {
                matches::seek(tx, &account, &address, &search, true)?;
                matches::set_present(tx, account.id)
            })
            .await
            .expect("a search");
        let current = self.current(person).await.expect("a ticket");
        self.people[person].here = true;
        self.people[person].phase = Phase::Waiting {
            since: current.ticket.since,
            pool: if group { Pool::Group } else { Pool::Pair },
            tags: tags.iter().copied().collect(),
            language,
        };
    }

    /// Performs an action as this person.
    pub async fn does(
        &self,
        person: usize,
        action: impl Fn(&mut Tx<'_>, &Account, &str) -> chitter::Result<()> + Send + 'static,
    ) -> chitter::Result<()> {
        let (account, address) = (self.people[person].account.clone(), self.people[person].address.clone());
        self.test_db.db.write(move |tx| action(tx, &account, &address)).await
    }

    /// Runs the matching until there is nothing left to do, on all handles at once.
    pub async fn run_matching(&self) {
        let run = |db: &Db| {
            let db = db.clone();
            async move { while db.write(matches::run_matching).await.expect("the matching runs") {} }
        };
        join_all(self.matchers.iter().map(run)).await;
        // A handle that has just stopped may have left work to another one, so one more run follows.
        run(&self.test_db.db).await;
    }

    /// Advances the clock second by second, and runs the matching after each.
    pub async fn pass(&self, seconds: u64) {
        for _ in 0..seconds {
            self.test_db.instance.clock.advance(Duration::from_secs(1));
            self.run_matching().await;
        }
    }
}
