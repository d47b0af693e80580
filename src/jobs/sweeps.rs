//! The broom: what ran out is swept once an hour, in small batches, so that nobody waits for it.

use std::time::Duration;

use crate::{Result, app::App, domain, events::Tx};

/// How often it is swept.
const EVERY: Duration = Duration::from_secs(3600);

/// Sweeps a batch, and says whether there is more.
type Broom = fn(&mut Tx<'_>) -> Result<bool>;

/// What is swept.
const BROOMS: &[(&str, Broom)] = &[
    ("sessions", |tx| domain::sessions::forget_stale(tx).map(|_| false)),
    ("tokens", |tx| domain::tokens::forget_expired(tx).map(|_| false)),
    ("kept answers", |tx| Ok(domain::idempotency::sweep(tx)? > 0)),
    ("what webhooks were told", |tx| Ok(domain::webhooks::sweep(tx)? > 0)),
    ("departures", |tx| Ok(domain::sync::sweep(tx)? > 0)),
    ("guests", |tx| Ok(domain::rooms::sweep_guests(tx)? > 0)),
    ("rooms", |tx| Ok(domain::rooms::sweep_rooms(tx)? > 0)),
    ("files", |tx| Ok(domain::attachments::sweep(tx)? > 0)),
    ("letters", |tx| domain::pages::letters::sweep(tx).map(|_| false)),
    ("visits", |tx| domain::pages::visits::sweep(tx).map(|_| false)),
    ("matches", |tx| domain::matches::sweep(tx).map(|()| false)),
    ("weekly pairs", |tx| domain::pairings::pair(tx).map(|_| false)),
];

/// Sweeps until the server stops. What fails is tried again an hour later, and the rest is swept all the same.
pub async fn serve(app: &App) {
    while !app.stop.is_cancelled() {
        let next = app.clock.now() + EVERY;
        for (what, broom) in BROOMS {
            if let Err(error) = sweep(app, *broom).await {
                tracing::error!(what, %error, "Can't sweep");
            }
        }
        tokio::select! {
            () = app.stop.cancelled() => {}
            () = app.clock.sleep_until(next) => {}
        }
    }
}

async fn sweep(app: &App, broom: Broom) -> Result<()> {
    while !app.stop.is_cancelled() && app.db.write(broom).await? {}
    Ok(())
}
