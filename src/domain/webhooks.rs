//! Webhooks: the events of an app's conversations are sent to the app, signed according to
//! <https://www.standardwebhooks.com>.

use std::{collections::BTreeSet, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{
    accounts::Recipient,
    apps::OwnApp,
    conversations::{Participant, find_participant},
};
use crate::{
    Error, Result,
    db::Read,
    error::Faults,
    events::Tx,
    ids::{AccountId, AppId, ConversationId, DeliveryId, MessageId, WebhookId, random},
    store::{
        self,
        accounts::Account,
        conversations::{Membership, MembershipRow},
        jobs::Work,
        messages::Message,
        webhooks::{Attempt, Delivery, DeliveryState, EventType, Webhook},
    },
};

/// The maximum number of webhooks of one app.
const MAX_WEBHOOKS: usize = 10;

/// The maximum number of deliveries in the log that is shown.
const MAX_SHOWN: i64 = 50;

/// The maximum number of webhooks that one event is delivered to: as many as a few apps have.
const MAX_SUBSCRIBED: i64 = 50;

/// The age from which a delivery is not attempted again.
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(24 * 3600);

/// The time of failures after which a webhook is disabled.
const DISABLE_AFTER: Duration = Duration::from_secs(7 * 24 * 3600);

/// The shortest and the longest backoff after a failure. For a delivery, it doubles with each attempt; for all
/// deliveries to an endpoint, it grows with the time since the endpoint began to fail.
const BACKOFF_MIN: Duration = Duration::from_secs(5);
const BACKOFF_MAX: Duration = Duration::from_secs(3600);

/// The time for which deliveries are stored, for the log.
const RETENTION: Duration = Duration::from_secs(14 * 24 * 3600);

/// The number of rows that are deleted in one transaction, so that other writes do not wait long for it.
const BATCH: i64 = 500;

/// Enqueues deliveries to the webhooks of the apps in a conversation. `subject` is the message, or the account whose
/// receipt has moved.
pub(super) fn enqueue_deliveries(
    tx: &mut Tx<'_>,
    event: EventType,
    conversation: ConversationId,
    subject: i64,
) -> Result<()> {
    for (webhook, events) in store::webhooks::subscribed(tx, conversation, MAX_SUBSCRIBED)? {
        if !events.split(' ').any(|name| name == event.name()) {
            continue;
        }
        // Payloads are built at delivery time, so a pending delivery already covers this change.
        let is_pending = event != EventType::MessageCreated
            && store::webhooks::coalesce_pending(tx, webhook, event, conversation, subject)?;
        if !is_pending {
            let delivery = store::webhooks::insert_delivery(tx, webhook, event, conversation, subject)?;
            tx.enqueue(&Work::CallWebhook { delivery })?;
        }
    }
    Ok(())
}

/// The checked settings of a new webhook.
#[derive(Clone, Debug)]
pub struct NewWebhook {
    url: String,
    events: String,
}

impl NewWebhook {
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Parses a URL of http or https, and the names of [`EventType`]s.
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
        Ok(NewWebhook { url: url.unwrap_or_default(), events: names.join(" ") })
    }
}

/// Parses a URL of http or https. Refuses one with a username or a password.
fn address(raw: &str) -> Result<String> {
    let refuse = || Error::invalid("url", "Write an address as https://app.example/webhook.");
    let url = url::Url::parse(raw.trim()).map_err(|_| refuse())?;
    let fits = matches!(url.scheme(), "http" | "https") && url.has_host() && raw.len() <= 500;
    if fits && url.username().is_empty() && url.password().is_none() { Ok(url.into()) } else { Err(refuse()) }
}

/// A webhook and the log of its deliveries.
#[derive(Clone, Debug)]
pub struct Log {
    pub webhook: Webhook,
    /// The deliveries, the latest first, each with its attempts.
    pub deliveries: Vec<(Delivery, Vec<Attempt>)>,
}

impl OwnApp {
    /// Creates a webhook.
    pub fn open_webhook(&self, tx: &mut Tx<'_>, new: &NewWebhook) -> Result<()> {
        if store::webhooks::by_app(tx, self.app().id)?.len() >= MAX_WEBHOOKS {
            return Err(Error::invalid("url", "An app has ten webhooks at the most. Close one."));
        }
        let secret = format!("whsec_{}", BASE64_STANDARD.encode(random::<32>()?));
        store::webhooks::insert(tx, self.app().id, &new.url, &secret, &new.events).map(drop)
    }

    /// Returns the app's webhooks with their logs.
    pub fn webhooks(&self, read: &Read<'_>) -> Result<Vec<Log>> {
        let mut logs = Vec::new();
        for webhook in store::webhooks::by_app(read, self.app().id)? {
            let attempts = store::webhooks::attempts(read, webhook.id, MAX_SHOWN)?;
            let deliveries =
                store::webhooks::deliveries(read, webhook.id, MAX_SHOWN)?.into_iter().map(|delivery| {
                    let attempts = attempts.iter().filter(|attempt| attempt.delivery == delivery.id);
                    let attempts = attempts.cloned().collect();
                    (delivery, attempts)
                });
            logs.push(Log { deliveries: deliveries.collect(), webhook });
        }
        Ok(logs)
    }

    fn webhook(&self, read: &Read<'_>, id: WebhookId) -> Result<Webhook> {
        let webhook = store::webhooks::by_id(read, id)?;
        webhook.filter(|webhook| webhook.app == self.app().id).ok_or(Error::NotFound)
    }

    /// Deletes a webhook.
    pub fn close_webhook(&self, tx: &mut Tx<'_>, id: WebhookId) -> Result<()> {
        self.webhook(tx, id)?;
        store::webhooks::delete(tx, id)
    }

    /// Enables a webhook that was disabled.
    pub fn enable_webhook(&self, tx: &mut Tx<'_>, id: WebhookId) -> Result<()> {
        self.webhook(tx, id)?;
        store::webhooks::enable(tx, id)
    }

    /// Delivers an event once more, with the same `webhook-id`.
    pub fn replay(&self, tx: &mut Tx<'_>, id: DeliveryId) -> Result<()> {
        let delivery = store::webhooks::delivery_by_id(tx, id)?.ok_or(Error::NotFound)?;
        self.webhook(tx, delivery.webhook)?;
        if store::webhooks::reschedule(tx, id)? {
            tx.enqueue(&Work::CallWebhook { delivery: id })
        } else {
            Ok(())
        }
    }
}

/// The result of an attempt at a delivery.
#[derive(Clone, Debug)]
pub struct AttemptResult {
    /// The status of the response, if there was one.
    pub status: Option<u16>,
    /// The reason of a failure.
    pub problem: Option<String>,
    pub took: Duration,
}

/// Records an attempt, and returns the delay until the next one; `None` after the last.
pub fn record_attempt(
    tx: &mut Tx<'_>,
    delivery: DeliveryId,
    webhook: WebhookId,
    result: &AttemptResult,
) -> Result<Option<Duration>> {
    let took = i64::try_from(result.took.as_millis()).unwrap_or(i64::MAX);
    let status = result.status.map(i64::from);
    store::webhooks::insert_attempt(tx, delivery, status, result.problem.as_deref(), took)?;
    if result.problem.is_none() {
        store::webhooks::set_reached(tx, webhook)?;
        store::webhooks::set_state(tx, delivery, DeliveryState::Done)?;
        return Ok(None);
    }
    store::webhooks::set_state(tx, delivery, DeliveryState::Waiting)?;
    let now = tx.now();
    let failing_since = store::webhooks::by_id(tx, webhook)?.and_then(|webhook| webhook.failing_since);
    let failing = failing_since.map_or(Duration::ZERO, |since| now.since(since));
    let doublings =
        u32::try_from(store::webhooks::count_attempts(tx, delivery)? - 1).unwrap_or_default().min(16);
    let backoff = failing.clamp(BACKOFF_MIN, BACKOFF_MAX);
    let since = store::webhooks::set_failing(tx, webhook, now + backoff)?;
    if since.is_some_and(|since| now.since(since) >= DISABLE_AFTER) && store::webhooks::disable(tx, webhook)?
    {
        tx.enqueue(&Work::WebhookMail { webhook })?;
    }
    Ok(Some(backoff.max(BACKOFF_MIN.saturating_mul(1 << doublings).min(BACKOFF_MAX))))
}

/// Signs a call according to Standard Webhooks: `v1,` and base64 of HMAC-SHA256 over the id, the time and the body.
pub fn sign(secret: &str, id: &str, seconds: i64, body: &[u8]) -> Result<String> {
    let key = BASE64_STANDARD.decode(secret.trim_start_matches("whsec_")).map_err(Error::internal)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(Error::internal)?;
    mac.update(format!("{id}.{seconds}.").as_bytes());
    mac.update(body);
    Ok(format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes())))
}

/// Deletes a batch of old deliveries, and returns their number.
pub fn purge_deliveries(tx: &mut Tx<'_>) -> Result<u64> {
    let before = tx.now() - RETENTION;
    store::webhooks::purge_deliveries(tx, before, BATCH)
}

/// Returns a delivery with its webhook; `None` where one of them was deleted.
pub fn delivery(read: &Read<'_>, id: DeliveryId) -> Result<Option<(Delivery, Webhook)>> {
    let Some(delivery) = store::webhooks::delivery_by_id(read, id)? else { return Ok(None) };
    Ok(store::webhooks::by_id(read, delivery.webhook)?.map(|webhook| (delivery, webhook)))
}

/// The current state of what a delivery is about.
pub enum Subject {
    Message(Message),
    /// A thread as the app's bot sees it, with its people.
    Thread(Participant, Vec<MembershipRow>),
    /// The receipt of a participant.
    Receipt(Account, Membership),
}

/// Returns the subject of a delivery; `None` where it was deleted, or the app is no longer in the conversation.
pub fn subject(read: &Read<'_>, delivery: &Delivery, webhook: &Webhook) -> Result<Option<Subject>> {
    let Some(app) = store::apps::by_id(read, webhook.app)? else { return Ok(None) };
    let bot = store::accounts::by_id(read, app.bot)?;
    let Some(participant) = find_participant(read, &bot, delivery.conversation)? else { return Ok(None) };
    match delivery.event {
        EventType::MessageCreated | EventType::MessageChanged => {
            match store::messages::by_id(read, participant.history(), MessageId(delivery.subject)) {
                Ok(message) => Ok(Some(Subject::Message(message))),
                Err(Error::NotFound) => Ok(None),
                Err(error) => Err(error),
            }
        }
        EventType::ThreadChanged => {
            let people = participant.everyone(read)?;
            Ok(Some(Subject::Thread(participant, people)))
        }
        EventType::ReceiptChanged => {
            let id = AccountId(delivery.subject);
            let found = store::conversations::with_membership(read, delivery.conversation, id)?;
            let Some((_, membership)) = found else { return Ok(None) };
            Ok(Some(Subject::Receipt(store::accounts::by_id(read, id)?, membership)))
        }
    }
}

/// Marks a delivery as under way. Returns false where the delivery is not pending any more.
pub fn begin(tx: &mut Tx<'_>, id: DeliveryId) -> Result<bool> {
    store::webhooks::begin(tx, id)
}

/// Marks a delivery as given up.
pub fn give_up(tx: &mut Tx<'_>, id: DeliveryId) -> Result<()> {
    store::webhooks::give_up(tx, id)
}

/// Returns the values of the mail about a disabled webhook: the recipient, who registered the app, and the app with its
/// name. `None` where the webhook is enabled again or was deleted, or the member has no address.
pub fn failure_notice(read: &Read<'_>, id: WebhookId) -> Result<Option<(Recipient, AppId, String)>> {
    let Some((owner, app, name)) = store::webhooks::disabled_owner(read, id)? else { return Ok(None) };
    Ok(Recipient::find(read, owner)?.map(|owner| (owner, app, name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_of_a_call_is_that_of_the_standard() {
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
    fn a_webhook_needs_a_url_and_known_events() {
        let all = || EventType::ALL.into_iter().map(EventType::name);
        assert!(NewWebhook::parse("https://app.example/hook?x=1", all()).is_ok());
        for url in ["", "app.example", "ftp://app.example", "https://nell@app.example/", "https://"] {
            assert!(NewWebhook::parse(url, all()).is_err(), "{url}");
        }
        assert!(NewWebhook::parse("https://app.example/", []).is_err());
        assert!(NewWebhook::parse("https://app.example/", ["everything"]).is_err());
    }
}
