//! Looks for matches: whenever somebody begins to wait, goes, or has waited long enough to be content with
//! less. Several servers may do so on one database.

use std::{sync::Arc, time::Duration};

use crate::{
    app::App,
    clock::Time,
    domain::matches,
    events::{Event, Topic},
    store,
};

/// How long to wait after the database could not be read.
const PAUSE: Duration = Duration::from_secs(5);

/// Everyone who waits is told of the line once in so long: it would be a flicker, and a flood.
const TOLD: Duration = Duration::from_secs(2);

/// Looks until the server stops.
pub async fn work(app: Arc<App>) {
    let mut mailbox = app.events.mailbox(8);
    mailbox.subscribe(Topic::MatchWorker);
    let mut line = Line { told_at: Time::from_ms(0), old: true };
    while !app.stop.is_cancelled() {
        let wake_at = match app.db.write(matches::look).await {
            Ok(true) => {
                line.old = true;
                continue;
            }
            Ok(false) => next_wake(&app, &mut line).await,
            Err(error) => {
                tracing::error!(%error, "Can't look for matches");
                Some(app.clock.now() + PAUSE)
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
            _ = mailbox.receive() => line.old = true,
            () = wake => {}
        }
    }
}

/// What those who wait have been told of the line.
struct Line {
    told_at: Time,
    /// Whether it has changed since.
    old: bool,
}

/// When to look again if nothing happens before. Tells the line on the way, if it is time to.
async fn next_wake(app: &App, line: &mut Line) -> Option<Time> {
    let now = app.clock.now();
    let mut wake_at = match app.db.read(matches::next_look).await {
        Ok(at) => at,
        Err(_) => Some(now + PAUSE),
    };
    if line.old && app.events.subscribers(&Topic::WaitingQueue) > 0 {
        let due = line.told_at + TOLD;
        if due <= now {
            *line = Line { told_at: now, old: false };
            if let Ok(waiting) = app.db.read(store::matches::line).await {
                app.events.publish(&Topic::WaitingQueue, &Event::WaitingQueueChanged(Arc::new(waiting)));
            }
        } else {
            wake_at = Some(wake_at.map_or(due, |at| at.min(due)));
        }
    }
    wake_at
}
