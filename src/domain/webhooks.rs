//! Webhooks: an app is told what happens in the conversations that it is in, signed the way of
//! <https://www.standardwebhooks.com>.

use std::{collections::BTreeSet, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::apps::Mine;
use crate::{
    Error, Result,
    db::Read,
    error::Faults,
    events::Tx,
    ids::{ConversationId, DeliveryId, WebhookId, random},
    store::{
        self,
        jobs::Work,
        webhooks::{Attempt, Delivery, EventType, Webhook},
    },
};

/// Webhooks of one app.
const MOST: usize = 10;

/// Deliveries in the log that is shown.
const SHOWN: i64 = 50;

/// Webhooks that one thing is told to: as many as a few apps have.
const LISTENING: i64 = 50;

/// How long a delivery is tried.
pub const PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// After how long of failing a webhook is given up.
const GIVE_UP: Duration = Duration::from_secs(7 * 24 * 3600);

/// The first pause after a failure, and the longest. It doubles with each try of a delivery, and for all of an
/// endpoint with how long nothing has reached it.
const PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// How long the log is kept.
const LOG: Duration = Duration::from_secs(14 * 24 * 3600);

/// Rows forgotten in one transaction.
const BATCH: i64 = 500;

/// Promises to tell the apps that are there. `subject` is the message, or the account that has come further.
pub(super) fn note(
    tx: &mut Tx<'_>,
    event: EventType,
    conversation: ConversationId,
    subject: i64,
) -> Result<()> {
    for (webhook, events) in store::webhooks::listening(tx, conversation, LISTENING)? {
        if !events.split(' ').any(|name| name == event.name()) {
            continue;
        }
        // It is told as it is then: what is about to be told anyway need not be told twice.
        let is_told = event != EventType::MessageCreated
            && store::webhooks::hold_waiting(tx, webhook, event, conversation, subject)?;
        if !is_told {
            let delivery = store::webhooks::insert_delivery(tx, webhook, event, conversation, subject)?;
            tx.enqueue(&Work::CallWebhook { delivery })?;
        }
    }
    Ok(())
}

/// What a webhook is to be: where, and of what.
#[derive(Clone, Debug)]
pub struct Wanted {
    url: String,
    events: String,
}

impl Wanted {
    /// Where it is to be called.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Takes an address of http or https, and names of [`EventType`]s.
    pub fn parse<'a>(url: &str, events: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let mut faults = Faults::default();
        let url = faults.check(address(url))?;
        let chosen = events.into_iter().map(str::parse).collect::<Result<BTreeSet<EventType>>>();
        let chosen = faults.check(chosen.and_then(|chosen| match chosen.is_empty() {
            true => Err(Error::invalid("events", "Choose what it is to be told of.")),
            false => Ok(chosen),
        }))?;
        faults.done()?;
        let names: Vec<_> = chosen.into_iter().flatten().map(EventType::name).collect();
        Ok(Wanted { url: url.unwrap_or_default(), events: names.join(" ") })
    }
}

/// An address of http or https, without a user in it.
fn address(raw: &str) -> Result<String> {
    let refuse = || Error::invalid("url", "Write an address as https://app.example/webhook.");
    let url = url::Url::parse(raw.trim()).map_err(|_| refuse())?;
    let fits = matches!(url.scheme(), "http" | "https") && url.has_host() && raw.len() <= 500;
    if fits && url.username().is_empty() && url.password().is_none() { Ok(url.into()) } else { Err(refuse()) }
}

/// A webhook, and the log of what it was told.
#[derive(Clone, Debug)]
pub struct Log {
    /// The webhook.
    pub webhook: Webhook,
    /// The latest first, each with its tries.
    pub deliveries: Vec<(Delivery, Vec<Attempt>)>,
}

impl Mine {
    /// Opens a webhook.
    pub fn open_webhook(&self, tx: &mut Tx<'_>, wanted: &Wanted) -> Result<()> {
        if store::webhooks::of(tx, self.app().id)?.len() >= MOST {
            return Err(Error::invalid("url", "An app has ten webhooks at the most. Close one."));
        }
        let secret = format!("whsec_{}", BASE64_STANDARD.encode(random::<32>()?));
        store::webhooks::insert(tx, self.app().id, &wanted.url, &secret, &wanted.events).map(drop)
    }

    /// The app's webhooks, and what they were told.
    pub fn webhooks(&self, read: &Read<'_>) -> Result<Vec<Log>> {
        let mut logs = Vec::new();
        for webhook in store::webhooks::of(read, self.app().id)? {
            let attempts = store::webhooks::attempts(read, webhook.id, SHOWN)?;
            let deliveries = store::webhooks::deliveries(read, webhook.id, SHOWN)?.into_iter().map(|one| {
                let tries = attempts.iter().filter(|attempt| attempt.delivery == one.id).cloned();
                let tries = tries.collect();
                (one, tries)
            });
            logs.push(Log { deliveries: deliveries.collect(), webhook });
        }
        Ok(logs)
    }

    fn webhook(&self, read: &Read<'_>, id: WebhookId) -> Result<Webhook> {
        let found = store::webhooks::by_id(read, id)?;
        found.filter(|webhook| webhook.app == self.app().id).ok_or(Error::NotFound)
    }

    /// Closes a webhook.
    pub fn close_webhook(&self, tx: &mut Tx<'_>, id: WebhookId) -> Result<()> {
        self.webhook(tx, id)?;
        store::webhooks::delete(tx, id)
    }

    /// Tries a webhook again that was given up.
    pub fn enable_webhook(&self, tx: &mut Tx<'_>, id: WebhookId) -> Result<()> {
        self.webhook(tx, id)?;
        store::webhooks::enable(tx, id)
    }

    /// Tells it once more, with the same `webhook-id`.
    pub fn replay(&self, tx: &mut Tx<'_>, id: DeliveryId) -> Result<()> {
        let delivery = store::webhooks::delivery_by_id(tx, id)?.ok_or(Error::NotFound)?;
        self.webhook(tx, delivery.webhook)?;
        if store::webhooks::want_again(tx, id)? {
            tx.enqueue(&Work::CallWebhook { delivery: id })
        } else {
            Ok(())
        }
    }
}

/// How a try at a webhook ended.
#[derive(Clone, Debug)]
pub struct Tried {
    /// What it was answered with.
    pub status: Option<u16>,
    /// What went wrong.
    pub problem: Option<String>,
    /// How long it took.
    pub took: Duration,
}

/// Notes a try. `None` where it was the last; else how long to wait for the next.
pub fn settle(
    tx: &mut Tx<'_>,
    delivery: DeliveryId,
    webhook: WebhookId,
    tried: &Tried,
) -> Result<Option<Duration>> {
    let took = i64::try_from(tried.took.as_millis()).unwrap_or(i64::MAX);
    let status = tried.status.map(i64::from);
    store::webhooks::insert_attempt(tx, delivery, status, tried.problem.as_deref(), took)?;
    if tried.problem.is_none() {
        store::webhooks::set_reached(tx, webhook)?;
        store::webhooks::set_state(tx, delivery, "done")?;
        return Ok(None);
    }
    store::webhooks::set_state(tx, delivery, "waiting")?;
    let now = tx.now();
    let known = store::webhooks::by_id(tx, webhook)?;
    let failing =
        known.and_then(|webhook| webhook.failing_since).map_or(Duration::ZERO, |since| now.since(since));
    let doubled =
        u32::try_from(store::webhooks::count_attempts(tx, delivery)? - 1).unwrap_or_default().min(16);
    let pause = failing.clamp(PAUSE, LONGEST_PAUSE);
    let since = store::webhooks::set_failing(tx, webhook, now + pause)?;
    if since.is_some_and(|since| now.since(since) >= GIVE_UP) && store::webhooks::disable(tx, webhook)? {
        tx.enqueue(&Work::WebhookMail { webhook })?;
    }
    Ok(Some(pause.max(PAUSE.saturating_mul(1 << doubled).min(LONGEST_PAUSE))))
}

/// The signature of a call: `v1,` and base64 of HMAC-SHA256 over its id, its moment and its body.
pub fn sign(secret: &str, id: &str, seconds: i64, body: &[u8]) -> Result<String> {
    let key = BASE64_STANDARD.decode(secret.trim_start_matches("whsec_")).map_err(Error::internal)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(Error::internal)?;
    mac.update(format!("{id}.{seconds}.").as_bytes());
    mac.update(body);
    Ok(format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes())))
}

/// Deletes a batch of old deliveries, and returns their number.
pub fn purge_deliveries(tx: &mut Tx<'_>) -> Result<u64> {
    let before = tx.now() - LOG;
    store::webhooks::purge_deliveries(tx, before, BATCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_signed_as_the_standard_has_it() {
        // The example of the Standard Webhooks specification.
        let signature = sign(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signature.expect("a key"), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_webhook_has_an_address_and_something_to_be_told() {
        let all = || EventType::ALL.into_iter().map(EventType::name);
        assert!(Wanted::parse("https://app.example/hook?x=1", all()).is_ok());
        for url in ["", "app.example", "ftp://app.example", "https://nell@app.example/", "https://"] {
            assert!(Wanted::parse(url, all()).is_err(), "{url}");
        }
        assert!(Wanted::parse("https://app.example/", []).is_err());
        assert!(Wanted::parse("https://app.example/", ["everything"]).is_err());
    }
}
