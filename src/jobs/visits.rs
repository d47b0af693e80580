//! The counted visits to pages, written to the database in batches: every few seconds, and when the server stops.

use std::time::Duration;

use crate::{app::App, domain};

/// The time between two writes.
const INTERVAL: Duration = Duration::from_secs(5);

/// Writes until the server stops.
pub async fn run(app: &App) {
    loop {
        let next = app.clock.now() + INTERVAL;
        tokio::select! {
            () = app.stop.cancelled() => break,
            () = app.clock.sleep_until(next) => write(app).await,
        }
    }
    write(app).await;
}

async fn write(app: &App) {
    let visits = app.visits.take();
    if visits.is_empty() {
        return;
    }
    let copy = visits.clone();
    if let Err(error) = app.db.write(move |tx| domain::pages::visits::add(tx, &visits)).await {
        tracing::warn!(%error, "Can't write the visits; trying again");
        app.visits.put_back(copy);
    }
}
