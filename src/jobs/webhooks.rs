//! Deliveries to webhooks: each is attempted for a day, and an endpoint that fails is called less and less often.

use std::time::{Duration, Instant};

use serde_json::json;

use super::Outcome;
use crate::{
    Result,
    app::App,
    domain::webhooks::{self, AttemptResult, GIVE_UP_AFTER, record_attempt, sign},
    ids::DeliveryId,
    wire,
};

/// Returns the delay of a delivery whose endpoint is busy. The delay differs between deliveries, so that they are not
/// all retried at once.
fn delay(id: DeliveryId) -> Duration {
    Duration::from_millis(2000 + id.0.unsigned_abs() % 4000)
}

/// The number of calls to one endpoint at the same time, so that a slow endpoint does not occupy the whole queue.
const MAX_CALLS: usize = 8;

/// Delivers an event to a webhook, unless the webhook, the delivery or the subject of the event was deleted.
pub async fn deliver(app: &App, id: DeliveryId) -> Result<Outcome> {
    let pending = app.db.read(move |read| webhooks::delivery(read, id)).await?;
    let Some((delivery, webhook)) = pending else { return Ok(Outcome::Obsolete) };
    let now = app.clock.now();
    if webhook.disabled_at.is_some() || now.since(delivery.scheduled_at) >= GIVE_UP_AFTER {
        return give_up(app, id).await;
    }
    if webhook.retry_at > now {
        return Ok(Outcome::RetryAfter(webhook.retry_at.since(now).max(delay(id))));
    }
    if app.webhook_calls.count(&webhook.id) >= MAX_CALLS {
        return Ok(Outcome::RetryAfter(delay(id)));
    }
    let _call = app.webhook_calls.hold_one(webhook.id);
    // The delivery is marked as begun before its payload is read: a change after the read enqueues a new delivery.
    if !app.db.write(move |tx| webhooks::begin(tx, id)).await? {
        return Ok(Outcome::Obsolete); // it was delivered meanwhile
    }
    let subject = {
        let (delivery, webhook) = (delivery.clone(), webhook.clone());
        app.db.read(move |read| webhooks::subject(read, &delivery, &webhook)).await?
    };
    let Some(subject) = subject else { return give_up(app, id).await };
    let data = wire::webhooks::payload(&delivery, &subject, app.config.base_url.as_str())?;
    let message =
        json!({ "type": delivery.event.name(), "timestamp": delivery.created_at.rfc3339(), "data": data });
    let body = message.to_string().into_bytes();
    let (message_id, seconds) = (format!("msg_{id}"), now.ms().div_euclid(1000));
    let headers = [
        ("webhook-signature", sign(&webhook.secret, &message_id, seconds, &body)?),
        ("webhook-id", message_id),
        ("webhook-timestamp", seconds.to_string()),
    ];
    let began = Instant::now();
    let answer = app.outbound.post(&webhook.url, &headers, body).await;
    let result = AttemptResult {
        took: began.elapsed(),
        status: answer.as_ref().ok().copied(),
        problem: match answer {
            Ok(200..300) => None,
            Ok(status) => Some(format!("it answered {status}")),
            Err(reason) => Some(reason),
        },
    };
    let webhook = webhook.id;
    let retry_after = app.db.write(move |tx| record_attempt(tx, id, webhook, &result)).await?;
    Ok(retry_after.map_or(Outcome::Done, Outcome::RetryAfter))
}

/// Ends a delivery without another attempt.
async fn give_up(app: &App, id: DeliveryId) -> Result<Outcome> {
    app.db.write(move |tx| webhooks::give_up(tx, id)).await?;
    Ok(Outcome::Obsolete)
}
