//! The cost of matching: how long a new pair takes to be matched while many others wait in vain, and how many
//! pairs a second are matched when everyone accepts anyone. `bin/bench matching [waiting]`.
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chitter::{
    clock::{Clock, Time},
    db::Setup,
    domain::{
        accounts::create_guest,
        matches::{self, Interests, Search},
        names::Name,
    },
    events::{Db, Tx},
    ids::Ids,
    store::accounts::Account,
};

use crate::median;

/// Newcomers in one transaction, as in a lively minute.
const TOGETHER: usize = 100;

/// Pairs that join the queue at each of its lengths.
const PAIRS: usize = 200;

/// Runs the benchmark with up to this many waiting.
pub fn run(args: &[String]) {
    let most: usize = args.first().and_then(|n| n.parse().ok()).unwrap_or(20_000);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(square(most));
}

async fn square(most: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Clock::manual(Time::from_ms(1_795_176_000_000));
    let setup = Setup { clock: clock.clone(), ids: Arc::new(Ids::new()), on_commit: Arc::new(|_| {}) };
    let db = Db::sqlite(&folder.path().join("square.db"), setup).expect("a database");
    println!("{:>10} {:>22} {:>22}", "waiting", "µs to find a partner", "of them, the 99th");
    let mut waiting = 0;
    for stop in [0, most / 20, most / 4, most] {
        while waiting < stop {
            let from = waiting;
            let to = stop.min(from + TOGETHER);
            come(&db, from, to, |n| format!("likes {n}")).await;
            waiting = to;
        }
        look(&db).await;
        let mut took = Vec::new();
        for n in 0..PAIRS {
            // Two people with the same interest, among others who all have different ones.
            come(&db, 1_000_000 + stop * 10 + 2 * n, 1_000_000 + stop * 10 + 2 * n + 2, move |_| {
                format!("pair {n}")
            })
            .await;
            let began = Instant::now();
            look(&db).await;
            took.push(began.elapsed().as_secs_f64() * 1e6);
        }
        took.sort_by(f64::total_cmp);
        println!("{waiting:>10} {:>22.0} {:>22.0}", median(took.clone()), took[PAIRS * 99 / 100]);
    }
    // Every search has widened by now, so everyone accepts anyone.
    clock.advance(Duration::from_secs(25));
    let began = Instant::now();
    look(&db).await;
    let took = began.elapsed().as_secs_f64();
    let left = db
        .read(|read| {
            read.one("SELECT COUNT(*) FROM tickets WHERE state = 'waiting'", &[], |row| row.get::<i64>(0))
        })
        .await
        .expect("a number");
    let pairs = (waiting as i64 - left) / 2;
    println!("\n{pairs} pairs of {waiting} in {took:.1} s: {:.0} a second, {left} left", pairs as f64 / took);
}

/// Creates people and lets them wait.
async fn come(db: &Db, from: usize, to: usize, likes: impl Fn(usize) -> String + Send + Clone + 'static) {
    let begin = move |tx: &mut Tx<'_>| {
        for n in from..to {
            let account: Account = create_guest(tx, &Name::parse(&format!("Guest {n}"))?)?;
            let likes = likes(n);
            let search = Search { interests: Interests::parse([likes.as_str()])?, ..Search::default() };
            matches::seek(tx, &account, &format!("place {n}"), &search, true)?;
            matches::set_present(tx, account.id)?;
        }
        Ok(())
    };
    db.write(begin).await.expect("they come");
}

async fn look(db: &Db) {
    while db.write(matches::run_matching).await.expect("one can look") {}
}
