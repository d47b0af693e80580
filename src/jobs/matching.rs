//! The matching worker. Runs whenever an account begins to wait, leaves the waiting queue, or has waited long enough
//! for the next step of relaxation. Several servers may run the worker on one database.

use std::{sync::Arc, time::Duration};

use crate::{
    app::App,
    clock::Time,
    domain::matches,
    events::{Event, Topic},
};

/// The delay before the next run after an error of the database.
const RETRY_DELAY: Duration = Duration::from_secs(5);

/// The time between two updates of the waiting queue to everyone in it. More frequent updates would flicker on the page
/// and flood the sockets.
const UPDATE_INTERVAL: Duration = Duration::from_secs(2);

/// Matches until the server stops.
pub async fn run(app: Arc<App>) {
    let mut mailbox = app.events.mailbox(8);
    mailbox.subscribe(Topic::MatchWorker);
    let mut updates = QueueUpdates { sent_at: Time::from_ms(0), stale: true };
    while !app.stop.is_cancelled() {
        let wake_at = match app.db.write(matches::run_matching).await {
            Ok(true) => {
                updates.stale = true;
                continue;
            }
            Ok(false) => next_wake(&app, &mut updates).await,
            Err(error) => {
                tracing::error!(%error, "Can't run the matching");
                Some(app.clock.now() + RETRY_DELAY)
            }
        };
        let wake = async {
            match wake_at {
                Some(at) => app.clock.sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = app.stop.cancelled() => {}
            _ = mailbox.receive() => updates.stale = true,
            () = wake => {}
        }
    }
}

/// The state of the updates that waiting accounts receive.
struct QueueUpdates {
    sent_at: Time,
    /// True if the queue has changed since the last update.
    stale: bool,
}

/// Publishes the waiting queue if an update is due, and returns the time of the next run, if no event comes before it.
async fn next_wake(app: &App, updates: &mut QueueUpdates) -> Option<Time> {
    let now = app.clock.now();
    let mut wake_at = match app.db.read(matches::next_run).await {
        Ok(at) => at,
        Err(_) => Some(now + RETRY_DELAY),
    };
    if updates.stale && app.events.subscribers(&Topic::WaitingQueue) > 0 {
        let due = updates.sent_at + UPDATE_INTERVAL;
        if due <= now {
            *updates = QueueUpdates { sent_at: now, stale: false };
            if let Ok(waiting) = app.db.read(matches::waiting).await {
                app.events.publish(&Topic::WaitingQueue, &Event::WaitingQueueChanged(Arc::new(waiting)));
            }
        } else {
            wake_at = Some(wake_at.map_or(due, |at| at.min(due)));
        }
    }
    wake_at
}
