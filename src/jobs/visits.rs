//! Writes down who came by at whose page: every few seconds, and when the server stops.

use std::time::Duration;

use crate::{app::App, domain};

/// How often.
const EVERY: Duration = Duration::from_secs(5);

/// Writes until the server stops.
pub async fn serve(app: &App) {
    loop {
        let next = app.clock.now() + EVERY;
        tokio::select! {
            () = app.stop.cancelled() => break,
            () = app.clock.sleep_until(next) => write(app).await,
        }
    }
    write(app).await;
}

async fn write(app: &App) {
    let counted = app.visits.take();
    if counted.is_empty() {
        return;
    }
    let kept = counted.clone();
    if let Err(error) = app.db.write(move |tx| domain::pages::visits::add(tx, &counted)).await {
        tracing::warn!(%error, "Can't write down who came by; trying again");
        app.visits.put_back(kept);
    }
}
