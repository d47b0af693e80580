//! Telling apps what happened: a delivery is tried for a day, and an endpoint that fails is left alone for longer
//! and longer.

use std::time::{Duration, Instant};

use serde_json::json;

use super::Outcome;
use crate::{
    Result,
    app::App,
    domain::webhooks::{self, PATIENCE, Tried, settle, sign},
    ids::DeliveryId,
    wire,
};

/// How long a call waits for its turn where too many are under way: not all of them for as long.
fn spread(id: DeliveryId) -> Duration {
    Duration::from_millis(2000 + id.0.unsigned_abs() % 4000)
}

/// Calls to one endpoint at the same time: others are not to wait for one that is slow.
const AT_ONCE: usize = 8;

/// Tells a webhook, unless it is gone, or what it would be told of.
pub async fn call(app: &App, id: DeliveryId) -> Result<Outcome> {
    let found = app.db.read(move |read| webhooks::delivery(read, id)).await?;
    let Some((delivery, webhook)) = found else { return Ok(Outcome::Moot) };
    let now = app.clock.now();
    if webhook.disabled_at.is_some() || now.since(delivery.wanted_at) >= PATIENCE {
        return give_up(app, id).await;
    }
    if webhook.retry_at > now {
        return Ok(Outcome::Later(webhook.retry_at.since(now).max(spread(id))));
    }
    if app.webhook_calls.count(&webhook.id) >= AT_ONCE {
        return Ok(Outcome::Later(spread(id)));
    }
    let _turn = app.webhook_calls.hold_one(webhook.id);
    // First it is begun, and then looked at: what changes after that look is told anew.
    if !app.db.write(move |tx| webhooks::begin(tx, id)).await? {
        return Ok(Outcome::Moot); // it was told meanwhile
    }
    let (base, of, to) = (app.config.base_url.clone(), delivery.clone(), webhook.clone());
    let Some(data) = app.db.read(move |read| wire::webhooks::payload(read, &of, &to, base.as_str())).await?
    else {
        return give_up(app, id).await;
    };
    let said =
        json!({ "type": delivery.event.name(), "timestamp": delivery.created_at.rfc3339(), "data": data });
    let body = said.to_string().into_bytes();
    let (name, seconds) = (format!("msg_{id}"), now.ms().div_euclid(1000));
    let headers = [
        ("webhook-signature", sign(&webhook.secret, &name, seconds, &body)?),
        ("webhook-id", name),
        ("webhook-timestamp", seconds.to_string()),
    ];
    let began = Instant::now();
    let answered = app.outbound.post(&webhook.url, &headers, body).await;
    let tried = Tried {
        took: began.elapsed(),
        status: answered.as_ref().ok().copied(),
        problem: match answered {
            Ok(200..300) => None,
            Ok(status) => Some(format!("it answered {status}")),
            Err(why) => Some(why),
        },
    };
    let webhook = webhook.id;
    let again = app.db.write(move |tx| settle(tx, id, webhook, &tried)).await?;
    Ok(again.map_or(Outcome::Done, Outcome::Later))
}

/// It is not told any more.
async fn give_up(app: &App, id: DeliveryId) -> Result<Outcome> {
    app.db.write(move |tx| webhooks::give_up(tx, id)).await?;
    Ok(Outcome::Moot)
}
