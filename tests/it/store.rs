//! Tests of transactions and of the store on both engines, without a server.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, mpsc::channel},
    time::Duration,
};

use chitter::{
    Error, Result,
    clock::Time,
    db::Read,
    domain::{
        accounts::Member,
        peeps::{Body, Draft},
        text::RefusedWords,
        viewer::Viewer,
    },
    events::{Db, Emission, Event, Topic},
    ids::{AccountId, JobId, PeepId},
    store::{
        jobs::{self, Job, Work},
        peeps,
    },
};
use futures_util::future::{join_all, try_join_all};

use crate::common::{Engine, Instance, TestDb, open};

/// Returns the body of a peep.
fn body(words: &str) -> Body {
    Body::parse(words, &RefusedWords::default()).expect("a body")
}

impl TestDb {
    async fn posts(&self, member: &Member, body: &str) -> PeepId {
        posts(&self.db, member, body, None).await.expect("a peep is posted")
    }
}

async fn posts(db: &Db, member: &Member, body: &str, reply_to: Option<PeepId>) -> Result<PeepId> {
    let (member, body) = (member.clone(), Body::parse(body, &RefusedWords::default())?);
    db.write(move |tx| {
        let draft = Draft { body: body.clone(), reply_to, idempotency_key: None };
        Ok(member.post(tx, &draft)?.id)
    })
    .await
}

/// Returns an arbitrary job.
fn work(n: i64) -> Work {
    Work::MentionMail { peep: PeepId(n), to: AccountId(n) }
}

fn seqs(emitted: &[Emission]) -> Vec<i64> {
    let changes = emitted.iter().filter_map(|emission| match &emission.event {
        Event::PeepChanged(change) => Some(change.value.seq),
        _ => None,
    });
    changes.collect()
}

// Transactions.
on_both! {
    async fn a_write_that_fails_or_panics_is_rolled_back_alone(test_db: TestDb) {
        let (holds, blocked) = test_db.block_writers().await;
        // All of these writes wait together, so on SQLite they share one commit.
        let writes = (0..30).map(|n: i64| {
            let db = test_db.db.clone();
            tokio::spawn(async move {
                db.write(move |tx| {
                    tx.enqueue(&work(n))?;
                    match n % 3 {
                        0 => Ok(n),
                        1 => Err(Error::Conflict("Someone was faster.")),
                        _ => panic!("write {n} panics on purpose"),
                    }
                })
                .await
            })
        });
        let writes: Vec<_> = writes.collect();
        tokio::task::yield_now().await;
        drop(holds);
        for (n, write) in (0..).zip(join_all(writes).await) {
            match (n % 3, write.expect("a running writer")) {
                (0, Ok(answer)) => assert_eq!(answer, n),
                (1, Err(Error::Conflict(_))) => {}
                (2, Err(Error::Internal(error))) => {
                    assert_eq!(error.to_string(), "a panic in a transaction", "without the panic's message");
                }
                (_, other) => panic!("write {n}: {other:?}"),
            }
        }
        join_all(blocked).await.into_iter().for_each(|write| write.expect("no panic").expect("a write"));
        assert_eq!(test_db.count("SELECT COUNT(*) FROM jobs").await, 10);
        assert_eq!(test_db.emitted().len(), 10, "rolled-back writes emit no event");
    }

    async fn a_failed_statement_does_not_affect_concurrent_writes(test_db: TestDb) {
        let writes = (0..20).map(|n: i64| {
            test_db.db.write(move |tx| {
                let id = if n % 2 == 0 { n } else { 0 };
                tx.execute(
                    "INSERT INTO instance (key, value) VALUES ($1, 'x')",
                    &[id.to_string().as_str().into()],
                )?;
                if n % 4 == 2 {
                    // A check constraint fails.
                    tx.execute(
                        "INSERT INTO accounts (id, kind, name, created_at) VALUES ($1, 'king', 'x', 0)",
                        &[n.into()],
                    )?;
                }
                Ok(())
            })
        });
        let results: Vec<_> = join_all(writes).await.iter().map(Result::is_ok).collect();
        assert_eq!(results.iter().filter(|ok| **ok).count(), 5, "0, 4, 8, 12 and 16 succeed: {results:?}");
        assert_eq!(test_db.count("SELECT COUNT(*) FROM instance").await, 5);
        assert_eq!(test_db.count("SELECT COUNT(*) FROM accounts").await, 0);
    }

    async fn events_are_emitted_after_the_commit_and_before_the_result(test_db: TestDb) {
        let nell = test_db.member("nell").await;
        let mut visible = Vec::new();
        // A second handle on the database checks which rows are visible at the moment of emission.
        let (sender, emissions) = channel::<Emission>();
        let db = open(&test_db.instance, sender).await;
        let outside = test_db.db.clone();
        for n in 0..5 {
            let id = posts(&db, &nell, &format!("peep {n}"), None).await.expect("a peep is posted");
            let emitted: Vec<_> = emissions.try_iter().collect();
            assert_eq!(seqs(&emitted), [n + 1], "emitted before the write returns");
            visible.push(outside.read(move |read| peeps::by_id(read, None, id)).await.is_ok());
        }
        assert_eq!(visible, [true; 5]);
    }

    async fn nothing_is_emitted_before_the_commit(test_db: TestDb) {
        let emitted = Arc::new(Mutex::new(0));
        let (count, receiver) = (Arc::clone(&emitted), Arc::new(test_db.emitted));
        let inside = Arc::clone(&receiver);
        test_db.db
            .write(move |tx| {
                tx.emit(Emission { topic: Topic::Outbox, event: Event::JobDue });
                tx.enqueue(&work(1))?;
                *count.lock().expect("no panic") += inside.lock().expect("no panic").try_iter().count();
                Ok(())
            })
            .await
            .expect("a write");
        assert_eq!(*emitted.lock().expect("no panic"), 0);
        assert_eq!(receiver.lock().expect("no panic").try_iter().count(), 2);
    }

    async fn a_cancelled_write_is_not_started(test_db: TestDb) {
        let (holds, blocked) = test_db.block_writers().await;
        let mut cancelled = Box::pin(test_db.db.write(|tx| tx.enqueue(&work(1))));
        assert!(futures_util::poll!(&mut cancelled).is_pending(), "the write is queued");
        drop(cancelled);
        let next = test_db.db.write(|tx| tx.enqueue(&work(2)));
        drop(holds);
        next.await.expect("the next write");
        join_all(blocked).await;
        assert_eq!(test_db.count("SELECT COUNT(*) FROM jobs").await, 1);
    }

    async fn writes_beyond_the_queue_are_refused_at_once(test_db: TestDb) {
        let (holds, blocked) = test_db.block_writers().await;
        let mut waiting: Vec<_> = (0..4096).map(|_| Box::pin(test_db.db.write(|_| Ok(())))).collect();
        for write in &mut waiting {
            assert!(futures_util::poll!(write).is_pending());
        }
        let refused = test_db.db.write(|tx| tx.enqueue(&work(1))).await;
        assert!(matches!(refused, Err(Error::Busy)), "{refused:?}");
        drop(holds);
        join_all(waiting).await.into_iter().for_each(|done| done.expect("a queued write"));
        join_all(blocked).await;
        test_db.db.write(|tx| tx.enqueue(&work(2))).await.expect("a write after the queue was full");
        assert_eq!(test_db.count("SELECT COUNT(*) FROM jobs").await, 1);
    }

    async fn a_read_that_fails_or_panics_does_not_affect_others(test_db: TestDb) {
        test_db.member("nell").await;
        for _ in 0..40 {
            let panics = test_db.db.read(|_: &Read<'_>| -> Result<()> { panic!("on purpose") }).await;
            assert!(matches!(panics, Err(Error::Internal(_))));
            let fails = test_db
                .db
                .read(|read| read.first("SELECT nothing FROM nowhere", &[], |row| row.get::<i64>(0)))
                .await;
            assert!(matches!(fails, Err(Error::Internal(_))));
            assert_eq!(test_db.count("SELECT COUNT(*) FROM accounts").await, 1);
        }
    }

    async fn a_closed_database_refuses_writes(test_db: TestDb) {
        test_db.member("nell").await;
        let db = test_db.db.clone();
        tokio::task::spawn_blocking(move || db.close()).await.expect("no panic");
        assert!(matches!(test_db.db.write(|tx| tx.enqueue(&work(1))).await, Err(Error::Busy)));
    }

    async fn time_stands_still_within_a_transaction(test_db: TestDb) {
        let (clock, began) = (test_db.instance.clock.clone(), test_db.instance.clock.now());
        let (before, after) = test_db
            .db
            .write(move |tx| {
                let before = tx.now();
                clock.advance(Duration::from_secs(60));
                Ok((before, tx.now()))
            })
            .await
            .expect("a write");
        assert_eq!((before, after), (began, began));
    }
}

/// Tests of concurrent writes.
mod concurrency {
    use std::sync::mpsc::channel;

    use chitter::domain::peeps::history;

    use super::{
        BTreeSet, Instance, PeepId, TestDb, Viewer, join_all, open, peeps, posts, seqs, try_join_all,
    };

    on_both! {
        async fn fifty_concurrent_peeps_are_numbered_without_a_gap(test_db: TestDb) {
            let nell = test_db.member("nell").await;
            let bodies: Vec<_> = (0..50).map(|n| format!("peep {n}")).collect();
            let ids = try_join_all(bodies.iter().map(|body| posts(&test_db.db, &nell, body, None)))
                .await
                .expect("every peep is posted");
            assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 50, "the ids are unique");
            let changes =
                test_db.db.read(|read| peeps::changed_since(read, None, 0, 1000)).await.expect("the changes");
            assert_eq!(changes.iter().map(|peep| peep.seq).collect::<Vec<_>>(), (1..=50).collect::<Vec<_>>());
            let mut emitted = seqs(&test_db.emitted());
            if test_db.writers() == 1 {
                assert_eq!(emitted, (1..=50).collect::<Vec<_>>(), "on SQLite in the order of the commits");
            }
            emitted.sort_unstable();
            assert_eq!(emitted, (1..=50).collect::<Vec<_>>());
        }

        async fn a_rolled_back_write_leaves_no_gap_in_the_numbers(test_db: TestDb) {
            let nell = test_db.member("nell").await;
            let writes = (0..30).map(|n| {
                let (nell, db) = (nell.clone(), test_db.db.clone());
                async move {
                    db.write(move |tx| {
                        let draft =
                            super::Draft { body: super::body("x"), reply_to: None, idempotency_key: None };
                        nell.post(tx, &draft)?;
                        if n % 3 == 0 { Err(super::Error::Conflict("Never mind.")) } else { Ok(()) }
                    })
                    .await
                }
            });
            join_all(writes).await;
            let changes =
                test_db.db.read(|read| peeps::changed_since(read, None, 0, 1000)).await.expect("the changes");
            assert_eq!(changes.iter().map(|peep| peep.seq).collect::<Vec<_>>(), (1..=20).collect::<Vec<_>>());
            assert_eq!(test_db.db.read(peeps::last_seq).await.ok(), Some(20));
        }

        async fn concurrent_edits_are_all_kept_and_one_is_the_last(test_db: TestDb) {
            let nell = test_db.member("nell").await;
            let id = test_db.posts(&nell, "version 0").await;
            let edits = (1..=12).map(|n| {
                let (nell, body) = (nell.clone(), super::body(&format!("version {n}")));
                test_db.db.write(move |tx| nell.edit(tx, id, &body))
            });
            try_join_all(edits).await.expect("every edit");
            let history = test_db.db.read(move |read| history(read, Viewer::STRANGER, id)).await;
            let (peep, versions) = history.expect("a history");
            let texts: BTreeSet<_> = versions.iter().map(|version| version.body.clone()).collect();
            assert_eq!((versions.len(), texts.len()), (13, 13), "each version is stored once");
            assert_eq!((peep.body.as_str(), peep.seq), (versions[12].body.as_str(), 13));
        }

        async fn concurrent_likes_and_replies_are_all_counted(test_db: TestDb) {
            let names = ["a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8"];
            let mut members = Vec::new();
            for name in names {
                members.push(test_db.member(name).await);
            }
            let id = test_db.posts(&members[0], "Hello").await;
            let likes = members
                .iter()
                .flat_map(|member| (0..3).map(move |_| member.clone()))
                .map(|member| test_db.db.write(move |tx| member.like(tx, id, true)));
            let replies = members.iter().map(|member| posts(&test_db.db, member, "Welcome", Some(id)));
            let (likes, replies) = tokio::join!(try_join_all(likes), try_join_all(replies));
            likes.expect("every like");
            let replies = replies.expect("every reply");
            let counts = || {
                test_db.db.read(move |read| peeps::by_id(read, None, id).map(|peep| (peep.likes, peep.replies)))
            };
            assert_eq!(counts().await.ok(), Some((8, 8)));
            let undo = members.iter().zip(&replies).enumerate().map(|(n, (member, reply))| {
                let (member, reply) = (member.clone(), *reply);
                test_db.db
                    .write(move |tx| if n % 2 == 0 { member.delete(tx, reply) } else { member.like(tx, id, false) })
            });
            try_join_all(undo).await.expect("every deletion and every unlike");
            assert_eq!(counts().await.ok(), Some((4, 4)));
            assert_eq!(test_db.count("SELECT COUNT(*) FROM likes").await, 4);
        }

        async fn a_reply_and_the_deletion_of_its_peep_are_serialized(test_db: TestDb) {
            let (nell, ify) = (test_db.member("nell").await, test_db.member("ify").await);
            for n in 0..20 {
                let id = test_db.posts(&nell, "Who mends hub gears?").await;
                let deletes = {
                    let nell = nell.clone();
                    test_db.db.write(move |tx| nell.delete(tx, id))
                };
                let (deleted, replied) = if n % 2 == 0 {
                    tokio::join!(deletes, posts(&test_db.db, &ify, "Me", Some(id)))
                } else {
                    let (replied, deleted) = tokio::join!(posts(&test_db.db, &ify, "Me", Some(id)), deletes);
                    (deleted, replied)
                };
                deleted.expect("a deletion by the author");
                let replies =
                    test_db.db.read(move |read| peeps::by_id(read, None, id)).await.expect("a row").replies;
                assert_eq!(
                    replies,
                    i64::from(replied.is_ok()),
                    "a reply is counted if and only if it was posted"
                );
            }
        }

        async fn two_servers_on_one_database_number_without_a_gap(test_db: TestDb) {
            if test_db.writers() == 1 {
                return; // a SQLite file belongs to one process
            }
            let nell = test_db.member("nell").await;
            let (sender, _emissions) = channel();
            let other = open(&test_db.instance, sender).await;
            let bodies: Vec<_> = (0..40).map(|n| format!("peep {n}")).collect();
            let both = bodies
                .iter()
                .enumerate()
                .map(|(n, body)| posts(if n % 2 == 0 { &test_db.db } else { &other }, &nell, body, None));
            let ids: BTreeSet<PeepId> = try_join_all(both).await.expect("every peep is posted").into_iter().collect();
            assert_eq!(ids.len(), 40);
            let changes = other.read(|read| peeps::changed_since(read, None, 0, 1000)).await.expect("the changes");
            assert_eq!(changes.iter().map(|peep| peep.seq).collect::<Vec<_>>(), (1..=40).collect::<Vec<_>>());
        }

        async fn servers_that_start_at_once_migrate_once(instance: Instance) {
            if instance.settings.database_url.is_none() {
                return; // a SQLite file belongs to one process
            }
            let opened = join_all((0..4).map(|_| open(&instance, channel().0))).await;
            for db in opened {
                let migrations = db
                    .read(|read| read.one("SELECT COUNT(*) FROM migrations", &[], |row| row.get::<i64>(0)))
                    .await;
                assert!(migrations.is_ok_and(|count| count > 0));
            }
        }
    }
}

/// Tests of a PostgreSQL server that closes connections.
mod reconnecting {
    use super::{Engine, Instance, TestDb, channel, open, posts};

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn connections_closed_by_the_server_are_reopened_unnoticed() {
        let mut instance = Instance::new(Engine::Postgres);
        // A separate role distinguishes these connections from those of other tests.
        let role = format!("cut_{}", std::process::id());
        instance.run_sql(&format!("CREATE ROLE {role} LOGIN SUPERUSER"));
        let (test_db, terminate) = {
            let admin = instance.settings.database_url.clone();
            let as_role = admin.as_ref().map(|url| url.replacen("postgres@", &format!("{role}@"), 1));
            instance.settings.database_url = as_role;
            let (sender, emitted) = channel();
            let db = open(&instance, sender).await;
            instance.settings.database_url = admin;
            (
                TestDb { db, instance, emitted: emitted.into() },
                format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'"),
            )
        };
        let nell = test_db.member("nell").await;
        for round in 0..3 {
            // Every worker thread has a connection.
            let (holds, blocked) = test_db.block_writers().await;
            drop(holds);
            for write in blocked {
                write.await.expect("no panic").expect("a write");
            }
            test_db.instance.run_sql(&terminate);
            for n in 0..40 {
                if n % 2 == 0 {
                    posts(&test_db.db, &nell, &format!("{round} {n}"), None).await.expect("a peep is posted");
                } else {
                    test_db.count("SELECT COUNT(*) FROM peeps").await;
                }
            }
        }
        assert_eq!(test_db.count("SELECT COUNT(*) FROM peeps").await, 60);
        let db = test_db.db.clone();
        tokio::task::spawn_blocking(move || db.close()).await.expect("no panic");
        test_db.instance.run_sql(&format!("REASSIGN OWNED BY {role} TO postgres; DROP ROLE {role}"));
    }
}

/// Tests of the outbox.
mod outbox {
    use super::{
        BTreeSet, Db, Duration, Event, Job, JobId, Result, TestDb, Time, Topic, jobs, join_all, work,
    };

    const LEASE: Duration = Duration::from_secs(300);

    /// Enqueues this many jobs.
    async fn enqueue(test_db: &TestDb, count: i64) {
        test_db
            .db
            .write(move |tx| (0..count).try_for_each(|n| tx.enqueue(&work(n))))
            .await
            .expect("the jobs are enqueued");
    }

    async fn claim(db: &Db, node: &'static str, limit: i64) -> Vec<Job> {
        let claimed = db.write(move |tx| {
            let lease_ends = tx.now() + LEASE;
            jobs::claim(tx, jobs::Queue::Internal, node, lease_ends, limit)
        });
        claimed.await.expect("a claim")
    }

    fn ids(jobs: &[Job]) -> BTreeSet<i64> {
        jobs.iter().map(|job| job.id.0).collect()
    }

    async fn next_due(test_db: &TestDb) -> Option<Time> {
        test_db
            .db
            .read(|read| jobs::next_due(read, jobs::Queue::Internal))
            .await
            .expect("the outbox can be read")
    }

    on_both! {
        async fn a_job_exists_only_if_its_transaction_committed(test_db: TestDb) {
            let failed: Result<()> = test_db
                .db
                .write(|tx| {
                    tx.enqueue(&work(1))?;
                    Err(super::Error::Conflict("Never mind."))
                })
                .await;
            failed.expect_err("the write fails");
            assert_eq!(next_due(&test_db).await, None);
            enqueue(&test_db, 1).await;
            let emitted = test_db.emitted();
            let [emission] = emitted.as_slice() else { panic!("not one emission: {emitted:?}") };
            assert!(
                emission.topic == Topic::Outbox && matches!(emission.event, Event::JobDue),
                "{emission:?}"
            );
            assert_eq!(next_due(&test_db).await, Some(test_db.instance.clock.now()), "the job is due at once");
        }

        async fn a_peep_notifies_at_most_twenty_people(test_db: TestDb) {
            let names: Vec<String> = (0..25).map(|n| format!("next_{n}")).collect();
            for name in &names {
                test_db.member(name.clone().leak()).await;
            }
            let nell = test_db.member("nell").await;
            test_db.posts(&nell, &names.iter().map(|name| format!("@{name} ")).collect::<String>()).await;
            assert_eq!(claim(&test_db.db, "nell", 100).await.len(), 20);
            assert_eq!(test_db.count("SELECT COUNT(*) FROM mentions").await, 20);
            test_db.posts(&nell, &(0..25).map(|n| format!("#tag{n} ")).collect::<String>()).await;
            assert_eq!(test_db.count("SELECT COUNT(*) FROM tags").await, 20);
        }

        async fn a_claimed_job_can_not_be_claimed_again_before_its_lease_ends(test_db: TestDb) {
            enqueue(&test_db, 3).await;
            let first = claim(&test_db.db, "nell", 2).await;
            assert_eq!(first.len(), 2);
            assert!(first.iter().all(|job| job.attempts == 1 && job.created_at == test_db.instance.clock.now()));
            assert_eq!(
                first.iter().map(|job| job.work.clone()).collect::<Vec<_>>(),
                [work(0), work(1)],
                "the oldest jobs are claimed first"
            );
            let second = claim(&test_db.db, "ify", 10).await;
            assert_eq!(second.len(), 1);
            assert!(
                claim(&test_db.db, "ify", 10).await.is_empty() && claim(&test_db.db, "nell", 10).await.is_empty()
            );
            assert_eq!(next_due(&test_db).await, Some(test_db.instance.clock.now() + LEASE));
            test_db.instance.clock.advance(LEASE - Duration::from_millis(1));
            assert!(claim(&test_db.db, "ify", 10).await.is_empty());
            test_db.instance.clock.advance(Duration::from_millis(1));
            let again = claim(&test_db.db, "ify", 10).await;
            assert_eq!(again.len(), 3, "jobs are claimed again after their lease");
            assert!(again.iter().all(|job| job.attempts == 2));
        }

        async fn a_finished_job_is_deleted(test_db: TestDb) {
            enqueue(&test_db, 2).await;
            let claimed = claim(&test_db.db, "nell", 1).await;
            let id = claimed[0].id;
            test_db.db.write(move |tx| jobs::finish(tx, id)).await.expect("the job is finished");
            test_db.db.write(move |tx| jobs::finish(tx, id)).await.expect("finishing twice succeeds");
            test_db.instance.clock.advance(2 * LEASE);
            let rest = claim(&test_db.db, "nell", 10).await;
            assert_eq!(rest.len(), 1);
            assert!(!ids(&rest).contains(&id.0));
        }

        async fn a_postponed_job_can_be_claimed_when_it_is_due(test_db: TestDb) {
            enqueue(&test_db, 1).await;
            let id = claim(&test_db.db, "nell", 1).await[0].id;
            let due = test_db.instance.clock.now() + Duration::from_secs(10);
            test_db.db.write(move |tx| jobs::put_off(tx, id, due)).await.expect("the job is postponed");
            assert_eq!(next_due(&test_db).await, Some(due));
            assert!(claim(&test_db.db, "nell", 1).await.is_empty());
            test_db.instance.clock.set(due);
            assert_eq!(claim(&test_db.db, "ify", 1).await[0].attempts, 2, "any node can claim the job");
        }

        async fn a_restarted_node_reclaims_only_its_own_jobs(test_db: TestDb) {
            enqueue(&test_db, 5).await;
            let nells = ids(&claim(&test_db.db, "nell", 3).await);
            claim(&test_db.db, "ify", 2).await;
            assert_eq!(test_db.db.write(|tx| jobs::release(tx, "nell")).await.ok(), Some(3));
            assert_eq!(test_db.db.write(|tx| jobs::release(tx, "nell")).await.ok(), Some(0));
            assert_eq!(ids(&claim(&test_db.db, "nell", 10).await), nells);
        }

        async fn concurrent_claims_never_get_the_same_job(test_db: TestDb) {
            enqueue(&test_db, 100).await;
            let claimers = ["a", "b", "c", "d", "e", "f", "g", "h"].map(|node| {
                let db = test_db.db.clone();
                tokio::spawn(async move {
                    let mut jobs = Vec::new();
                    loop {
                        let claimed = claim(&db, node, 5).await;
                        if claimed.is_empty() {
                            return jobs;
                        }
                        jobs.extend(claimed);
                    }
                })
            });
            let claimed: Vec<Job> =
                join_all(claimers).await.into_iter().flat_map(|jobs| jobs.expect("a claimer")).collect();
            assert_eq!((claimed.len(), ids(&claimed).len()), (100, 100), "each job is claimed once");
            assert!(claimed.iter().all(|job| job.attempts == 1));
            assert!(claimed.iter().any(|job| job.id > JobId(0)));
        }
    }
}
