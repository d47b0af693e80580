//! The worker of a queue: claims jobs, attempts them, and retries those that fail.
//!
//! A job is claimed with a lease, attempted, and then deleted or rescheduled with a growing backoff. If the server
//! dies, its claims are released when it starts again, or expire. After a day of failures a job is given up with a line
//! in the log.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use tokio::task::JoinSet;

use super::{Outcome, perform};
use crate::{
    Result,
    app::App,
    clock::Time,
    domain::jobs,
    events::Topic,
    ids::JobId,
    store::jobs::{Job, Queue},
};

/// The number of jobs of a queue that run at the same time: enough that a slow mail server does not delay the rest, and
/// few enough that no server gets a hundred connections at once.
const MAX_RUNNING: usize = 16;

/// The time that one attempt may take.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(60);

/// The time that a claim is valid; longer than [`ATTEMPT_TIMEOUT`].
const LEASE: Duration = Duration::from_secs(5 * 60);

/// The age from which a job that fails is not retried.
const GIVE_UP_AFTER: Duration = Duration::from_secs(24 * 3600);

/// The backoff after the first failure; it doubles with each further one, up to [`BACKOFF_MAX`].
const BACKOFF_MIN: Duration = Duration::from_secs(10);
const BACKOFF_MAX: Duration = Duration::from_secs(3600);

/// The time that running jobs have to end when the server stops.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);

/// Releases the jobs that this node had claimed when it last stopped, so that they are due at once.
pub async fn release_claims(app: &App) {
    let node = app.data.node.clone();
    match app.db.write(move |tx| jobs::release(tx, &node)).await {
        Ok(0) => {}
        Ok(released) => tracing::info!(released, "Released the jobs that the last run had claimed"),
        Err(error) => tracing::error!(%error, "Can't read the outbox"),
    }
}

/// Works through a queue until the server stops.
pub async fn run(app: &Arc<App>, queue: Queue) {
    let mut mailbox = app.events.mailbox(8);
    mailbox.subscribe(Topic::Outbox);
    let mut running = JoinSet::new();
    while !app.stop.is_cancelled() {
        let free = MAX_RUNNING.saturating_sub(running.len());
        let claimed = if free == 0 { Ok(Vec::new()) } else { claim(app, queue, free).await };
        let wake_at = match claimed {
            Ok(jobs) => {
                let more = jobs.len() == free;
                for job in jobs {
                    running.spawn(attempt(Arc::clone(app), job));
                }
                next_wake(app, queue, more && free > 0 && running.len() < MAX_RUNNING).await
            }
            Err(error) => {
                tracing::error!(%error, "Can't read the outbox");
                app.clock.now() + BACKOFF_MIN
            }
        };
        tokio::select! {
            () = app.stop.cancelled() => {}
            _ = mailbox.receive() => {}
            Some(_) = running.join_next() => {}
            () = app.clock.sleep_until(wake_at), if running.len() < MAX_RUNNING => {}
        }
    }
    // Jobs that do not end in time are aborted, and attempted again after the next start.
    let all_done = async { while running.join_next().await.is_some() {} };
    if tokio::time::timeout(SHUTDOWN_GRACE, all_done).await.is_err() {
        tracing::warn!("Some jobs were cut off; they are attempted again after the next start");
    }
}

async fn claim(app: &App, queue: Queue, limit: usize) -> Result<Vec<Job>> {
    let node = app.data.node.clone();
    app.db.write(move |tx| jobs::claim(tx, queue, &node, LEASE, limit as i64)).await
}

/// Returns the time of the next claim, if no event comes before it.
async fn next_wake(app: &App, queue: Queue, at_once: bool) -> Time {
    if at_once {
        return app.clock.now();
    }
    match app.db.read(move |read| jobs::next_due(read, queue)).await {
        Ok(Some(due)) => due,
        Ok(None) => app.clock.now() + BACKOFF_MAX,
        Err(_) => app.clock.now() + BACKOFF_MIN,
    }
}

/// Attempts a job once, and finishes or reschedules it.
async fn attempt(app: Arc<App>, job: Job) {
    let id = job.id;
    let attempt = AssertUnwindSafe(perform(&app, &job)).catch_unwind();
    let outcome = match tokio::time::timeout(ATTEMPT_TIMEOUT, attempt).await {
        Ok(Ok(Ok(outcome))) => outcome,
        Ok(Ok(Err(error))) => Outcome::Failed(error.to_string()),
        Ok(Err(_)) => Outcome::Failed("it panicked".into()),
        Err(_) => Outcome::Failed("it took too long".into()),
    };
    let recorded = match outcome {
        Outcome::Done => {
            tracing::info!(job = %id, attempts = job.attempts, "A job is done");
            app.db.write(move |tx| jobs::finish(tx, id)).await
        }
        Outcome::Obsolete => {
            tracing::info!(job = %id, "A job is no longer needed");
            app.db.write(move |tx| jobs::finish(tx, id)).await
        }
        Outcome::RetryAfter(delay) => put_off(&app, id, delay).await,
        Outcome::Failed(reason) if app.clock.now().since(job.created_at) >= GIVE_UP_AFTER => {
            let (work, attempts) = (&job.work, job.attempts);
            tracing::error!(job = %id, ?work, attempts, why = %reason, "Giving up a job after a day");
            app.db.write(move |tx| jobs::finish(tx, id)).await
        }
        Outcome::Failed(reason) => {
            let delay = backoff(job.attempts);
            tracing::warn!(job = %id, attempts = job.attempts, why = %reason, again_in = ?delay, "A job failed");
            put_off(&app, id, delay).await
        }
    };
    if let Err(error) = recorded {
        // The job is attempted again when its lease expires: jobs run at least once, not exactly once.
        tracing::error!(job = %id, %error, "Can't record the outcome of a job");
    }
}

async fn put_off(app: &App, id: JobId, delay: Duration) -> Result<()> {
    app.db.write(move |tx| jobs::put_off(tx, id, delay)).await
}

/// Returns the delay until the next attempt, after `attempts` of them.
fn backoff(attempts: i64) -> Duration {
    let doublings = u32::try_from(attempts - 1).unwrap_or(u32::MAX).min(16);
    BACKOFF_MIN.saturating_mul(1 << doublings).min(BACKOFF_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_backoff_grows_to_an_hour_and_no_further() {
        let delays: Vec<_> = (1..=11).map(|n| backoff(n).as_secs()).collect();
        assert_eq!(delays, [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]);
        assert_eq!(backoff(i64::MAX), BACKOFF_MAX);
    }
}
