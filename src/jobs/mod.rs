//! The outbox worker: does what was promised in a transaction, at least once.
//!
//! A job is claimed with a lease, tried, and then forgotten or put off with a growing pause. If
//! the server dies, its claims are released when it starts again, or run out. After a day of
//! failing a job is given up with a line in the log.

pub mod mail;
pub mod matching;
mod purge;
mod visits;
mod webhooks;

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use tokio::task::JoinSet;

use crate::{
    Result,
    app::App,
    clock::Time,
    domain,
    events::Topic,
    ids::JobId,
    store::{
        self,
        jobs::{Job, Queue, Work},
    },
};

/// Jobs done at the same time: a slow mail server should not hold up the rest, nor should we
/// open a hundred connections to it.
const AT_ONCE: usize = 16;

/// How long one try may take.
const TRY: Duration = Duration::from_secs(60);

/// How long a claim holds; longer than a try takes.
const LEASE: Duration = Duration::from_secs(5 * 60);

/// How long a job is tried.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// The first pause after a failure; it doubles each time, up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// How long jobs under way may take when the server stops.
const FAREWELL: Duration = Duration::from_secs(10);

/// What became of a try.
#[derive(Debug)]
pub enum Outcome {
    /// It is done.
    Done,
    /// It is not to be done any more: what it was about is gone, or nobody wants it.
    Moot,
    /// It is to be tried again after this long, for as long as it says so itself.
    Later(Duration),
    /// It failed. The words are for the log: no address, no text, no secret.
    Failed(String),
}

/// Works until the server stops: what is ours, and beside it what calls other people's servers.
pub async fn work(app: Arc<App>) {
    let node = app.data.node.clone();
    match app.db.write(move |tx| store::jobs::release(tx, &node)).await {
        Ok(0) => {}
        Ok(released) => tracing::info!(released, "Taking up the outbox where the last run left it"),
        Err(error) => tracing::error!(%error, "Can't look into the outbox"),
    }
    tokio::join!(
        serve(&app, Queue::Internal),
        serve(&app, Queue::Outbound),
        purge::run(&app),
        visits::serve(&app)
    );
}

/// Does the jobs of one queue.
async fn serve(app: &Arc<App>, queue: Queue) {
    let mut mailbox = app.events.mailbox(8);
    mailbox.subscribe(Topic::Outbox);
    let mut running = JoinSet::new();
    while !app.stop.is_cancelled() {
        let room = AT_ONCE.saturating_sub(running.len());
        let claimed = if room == 0 { Ok(Vec::new()) } else { claim(app, queue, room).await };
        let wake_at = match claimed {
            Ok(jobs) => {
                let more = jobs.len() == room;
                for job in jobs {
                    running.spawn(attempt(Arc::clone(app), job));
                }
                next_wake(app, queue, more && room > 0 && running.len() < AT_ONCE).await
            }
            Err(error) => {
                tracing::error!(%error, "Can't look into the outbox");
                app.clock.now() + PAUSE
            }
        };
        tokio::select! {
            () = app.stop.cancelled() => {}
            _ = mailbox.receive() => {}
            Some(_) = running.join_next() => {}
            () = app.clock.sleep_until(wake_at), if running.len() < AT_ONCE => {}
        }
    }
    // What does not end in time is cut off, and taken up again by the next start.
    let all_done = async { while running.join_next().await.is_some() {} };
    if tokio::time::timeout(FAREWELL, all_done).await.is_err() {
        tracing::warn!("Some jobs were cut off; the next start takes them up again");
    }
}

async fn claim(app: &App, queue: Queue, room: usize) -> Result<Vec<Job>> {
    let node = app.data.node.clone();
    app.db
        .write(move |tx| {
            let lease_ends = tx.now() + LEASE;
            store::jobs::claim(tx, queue, &node, lease_ends, room as i64)
        })
        .await
}

/// When to look again if nothing happens before.
async fn next_wake(app: &App, queue: Queue, at_once: bool) -> Time {
    if at_once {
        return app.clock.now();
    }
    match app.db.read(move |read| store::jobs::next_due(read, queue)).await {
        Ok(Some(due)) => due,
        Ok(None) => app.clock.now() + LONGEST_PAUSE,
        Err(_) => app.clock.now() + PAUSE,
    }
}

/// One try at one job, and what follows from it.
async fn attempt(app: Arc<App>, job: Job) {
    let id = job.id;
    let tried = AssertUnwindSafe(perform(&app, &job)).catch_unwind();
    let outcome = match tokio::time::timeout(TRY, tried).await {
        Ok(Ok(Ok(outcome))) => outcome,
        Ok(Ok(Err(error))) => Outcome::Failed(error.to_string()),
        Ok(Err(_)) => Outcome::Failed("it panicked".into()),
        Err(_) => Outcome::Failed("it took too long".into()),
    };
    let settled = match outcome {
        Outcome::Done => {
            tracing::info!(job = %id, attempts = job.attempts, "A job is done");
            app.db.write(move |tx| store::jobs::finish(tx, id)).await
        }
        Outcome::Moot => {
            tracing::info!(job = %id, "A job is no longer needed");
            app.db.write(move |tx| store::jobs::finish(tx, id)).await
        }
        Outcome::Later(pause) => put_off(&app, id, pause).await,
        Outcome::Failed(why) if app.clock.now().since(job.created_at) >= PATIENCE => {
            tracing::error!(job = %id, work = ?job.work, attempts = job.attempts, %why, "Giving up a job after a day");
            app.db.write(move |tx| store::jobs::finish(tx, id)).await
        }
        Outcome::Failed(why) => {
            let pause = pause_after(job.attempts);
            tracing::warn!(job = %id, attempts = job.attempts, %why, again_in = ?pause, "A job failed");
            put_off(&app, id, pause).await
        }
    };
    if let Err(error) = settled {
        // Its lease runs out, and then it is tried again: at least once, not exactly once.
        tracing::error!(job = %id, %error, "Can't note what became of a job");
    }
}

async fn put_off(app: &App, id: JobId, pause: Duration) -> Result<()> {
    app.db
        .write(move |tx| {
            let again = tx.now() + pause;
            store::jobs::put_off(tx, id, again)
        })
        .await
}

fn pause_after(attempts: i64) -> Duration {
    let doubled = u32::try_from(attempts - 1).unwrap_or(u32::MAX).min(16);
    PAUSE.saturating_mul(1 << doubled).min(LONGEST_PAUSE)
}

async fn perform(app: &App, job: &Job) -> Result<Outcome> {
    match &job.work {
        Work::MentionMail { peep, to } => mail::mention(app, job.id, *peep, *to).await,
        Work::ClearConversations => {
            while app.db.write(domain::conversations::clear_deleted).await? {}
            Ok(Outcome::Done)
        }
        Work::PairMail { conversation, to } => mail::pair(app, job.id, *conversation, *to).await,
        Work::CallWebhook { delivery } => webhooks::call(app, *delivery).await,
        Work::WebhookMail { webhook } => mail::webhook(app, job.id, *webhook).await,
        Work::LetterMail { letter } => mail::letter(app, job.id, *letter).await,
        Work::ForgetMatch { conversation } => {
            let id = *conversation;
            app.db.write(move |tx| domain::matches::forget(tx, id)).await?;
            Ok(Outcome::Done)
        }
        Work::DeleteFiles { files } => {
            for file in files {
                app.files.delete(*file).await?;
            }
            Ok(Outcome::Done)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_an_hour_and_no_further() {
        let pauses: Vec<_> = (1..=11).map(|n| pause_after(n).as_secs()).collect();
        assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]);
        assert_eq!(pause_after(i64::MAX), LONGEST_PAUSE);
    }
}
