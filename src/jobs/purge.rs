//! The hourly purge of expired data, in small batches, so that no other write waits long for it.

use std::time::Duration;

use crate::{Result, app::App, domain, events::Tx};

/// The time between two purges.
const INTERVAL: Duration = Duration::from_secs(3600);

/// Purges a batch, and returns whether there may be more.
type Purge = fn(&mut Tx<'_>) -> Result<bool>;

/// The kinds of data that expire, by the name that the log shows.
const PURGES: &[(&str, Purge)] = &[
    ("sessions", |tx| domain::sessions::purge_expired(tx).map(|_| false)),
    ("tokens", |tx| domain::tokens::purge_expired(tx).map(|_| false)),
    ("idempotency keys", |tx| Ok(domain::idempotency::purge(tx)? > 0)),
    ("webhook deliveries", |tx| Ok(domain::webhooks::purge_deliveries(tx)? > 0)),
    ("tombstones", |tx| Ok(domain::sync::purge(tx)? > 0)),
    ("guests", |tx| Ok(domain::rooms::purge_guests(tx)? > 0)),
    ("rooms", |tx| Ok(domain::rooms::purge_rooms(tx)? > 0)),
    ("files", |tx| Ok(domain::attachments::purge(tx)? > 0)),
    ("contact messages", |tx| domain::pages::contact_messages::purge(tx).map(|_| false)),
    ("visits", |tx| domain::pages::visits::purge(tx).map(|_| false)),
    ("matches", |tx| domain::matches::purge(tx).map(|()| false)),
    // This is no purge, but it has the same schedule: the first run after Monday's midnight creates the weekly pairs.
    ("weekly pairs", |tx| domain::pairings::pair(tx).map(|_| false)),
];

/// Purges until the server stops. A kind that fails is tried again an hour later, and does not hold up the others.
pub async fn run(app: &App) {
    while !app.stop.is_cancelled() {
        let next = app.clock.now() + INTERVAL;
        for (kind, purge) in PURGES {
            if let Err(error) = purge_all(app, *purge).await {
                tracing::error!(kind, %error, "Can't purge");
            }
        }
        tokio::select! {
            () = app.stop.cancelled() => {}
            () = app.clock.sleep_until(next) => {}
        }
    }
}

async fn purge_all(app: &App, purge: Purge) -> Result<()> {
    while !app.stop.is_cancelled() && app.db.write(purge).await? {}
    Ok(())
}
