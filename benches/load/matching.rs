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

/// Tickets that are created in one transaction.
const BATCH: usize = 100;

/// Pairs that join the queue at each of its lengths.
const PAIRS: usize = 200;

/// Runs the benchmark with up to this many waiting.
pub fn run(args: &[String]) {
    let max: usize = args.first().and_then(|n| n.parse().ok()).unwrap_or(20_000);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(measure(max));
}

async fn measure(max: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Clock::manual(Time::from_ms(1_795_176_000_000));
    let setup = Setup { clock: clock.clone(), ids: Arc::new(Ids::new()), on_commit: Arc::new(|_| {}) };
    let db = Db::sqlite(&folder.path().join("matching.db"), setup).expect("a database");
    println!("{:>10} {:>22} {:>22}", "waiting", "µs to find a partner", "of them, the 99th");
    let mut waiting = 0;
    for stop in [0, max / 20, max / 4, max] {
        while waiting < stop {
            let from = waiting;
            let to = stop.min(from + BATCH);
            seek(&db, from, to, |n| format!("likes {n}")).await;
            waiting = to;
        }
        run_matching(&db).await;
        let mut durations = Vec::new();
        for n in 0..PAIRS {
            // Two people with the same interest, among others who all have different ones.
            seek(&db, 1_000_000 + stop * 10 + 2 * n, 1_000_000 + stop * 10 + 2 * n + 2, move |_| {
                format!("pair {n}")
            })
            .await;
            let began = Instant::now();
            run_matching(&db).await;
            durations.push(began.elapsed().as_secs_f64() * 1e6);
        }
        durations.sort_by(f64::total_cmp);
        println!("{waiting:>10} {:>22.0} {:>22.0}", median(durations.clone()), durations[PAIRS * 99 / 100]);
    }
    // Every search has widened by now, so everyone accepts anyone.
    clock.advance(Duration::from_secs(25));
    let began = Instant::now();
    run_matching(&db).await;
    let seconds = began.elapsed().as_secs_f64();
    let left = db
        .read(|read| {
            read.one("SELECT COUNT(*) FROM tickets WHERE state = 'waiting'", &[], |row| row.get::<i64>(0))
        })
        .await
        .expect("a number");
    let pairs = (waiting as i64 - left) / 2;
    println!(
        "\n{pairs} pairs of {waiting} in {seconds:.1} s: {:.0} a second, {left} left",
        pairs as f64 / seconds
    );
}

/// Creates guests with these numbers, each with a ticket.
async fn seek(db: &Db, from: usize, to: usize, interest: impl Fn(usize) -> String + Send + Clone + 'static) {
    let begin = move |tx: &mut Tx<'_>| {
        for n in from..to {
            let account: Account = create_guest(tx, &Name::parse(&format!("Guest {n}"))?)?;
            let interest = interest(n);
            let search = Search { interests: Interests::parse([interest.as_str()])?, ..Search::default() };
            matches::seek(tx, &account, &format!("place {n}"), &search, true)?;
            matches::set_present(tx, account.id)?;
        }
        Ok(())
    };
    db.write(begin).await.expect("the tickets are stored");
}

/// Runs the matching until there is nothing left to do.
async fn run_matching(db: &Db) {
    while db.write(matches::run_matching).await.expect("the matching runs") {}
}
