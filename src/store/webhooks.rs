//! Webhooks: registered addresses, deliveries and attempts.

use std::str::FromStr;

use crate::{
    Error, Result,
    clock::Time,
    db::{Column, FromRow, Read, Row, Write, columns, from_row},
    ids::{AccountId, AppId, ConversationId, DeliveryId, WebhookId},
    params, sql,
};

columns! {
    /// An address that an app registered for events.
    #[derive(Clone, Debug)]
    pub struct Webhook as w {
        pub id: WebhookId,
        pub app: AppId = "w.app_id",
        pub url: String,
        /// The key that signs the calls.
        pub secret: String,
        /// The names of the subscribed [`EventType`]s, separated by spaces.
        pub events: String,
        pub created_at: Time,
        /// The first failure since the last success.
        pub failing_since: Option<Time>,
        /// The end of the pause after a failure: no call is made before.
        pub retry_at: Time,
        pub disabled_at: Option<Time>,
    }
}

pub fn insert(tx: &mut Write<'_>, app: AppId, url: &str, secret: &str, events: &str) -> Result<WebhookId> {
    let (id, now) = (WebhookId(tx.new_id()), tx.now());
    tx.execute(
        sql!(
            "INSERT INTO webhooks (id, app_id, url, secret, events, created_at) VALUES ($1, $2, $3, $4, $5, $6)"
        ),
        params![id, app, url, secret, events, now],
    )?;
    Ok(id)
}

/// Returns an app's webhooks, oldest first.
pub fn by_app(read: &Read<'_>, app: AppId) -> Result<Vec<Webhook>> {
    read.all(
        sql!("SELECT ", Webhook::COLUMNS, " FROM webhooks w WHERE w.app_id = $1 ORDER BY w.id"),
        params![app],
        from_row,
    )
}

/// Returns a webhook, unless its app was deleted.
pub fn by_id(read: &Read<'_>, id: WebhookId) -> Result<Option<Webhook>> {
    read.first(
        sql!(
            "SELECT ",
            Webhook::COLUMNS,
            " FROM webhooks w JOIN apps x ON x.id = w.app_id WHERE w.id = $1 AND x.deleted_at IS NULL"
        ),
        params![id],
        from_row,
    )
}

/// Returns the id and the subscribed events of at most `limit` active webhooks whose apps are in the conversation.
pub fn subscribed(
    read: &Read<'_>,
    conversation: ConversationId,
    limit: i64,
) -> Result<Vec<(WebhookId, String)>> {
    read.all(
        sql!(
            "SELECT w.id, w.events FROM webhooks w JOIN apps x ON x.id = w.app_id
             JOIN participants p ON p.conversation_id = $1 AND p.account_id = x.account_id
             WHERE w.disabled_at IS NULL AND x.deleted_at IS NULL AND p.left_at IS NULL
             ORDER BY w.id LIMIT $2"
        ),
        params![conversation, limit],
        from_row,
    )
}

/// Deletes a webhook. Its deliveries are purged later.
pub fn delete(tx: &mut Write<'_>, id: WebhookId) -> Result<()> {
    tx.execute(sql!("DELETE FROM webhooks WHERE id = $1"), params![id]).map(drop)
}

/// Deletes all webhooks of an app.
pub fn delete_of(tx: &mut Write<'_>, app: AppId) -> Result<()> {
    tx.execute(sql!("DELETE FROM webhooks WHERE app_id = $1"), params![app]).map(drop)
}

/// Records a success: ends the pause and the period of failure.
pub fn set_reached(tx: &mut Write<'_>, id: WebhookId) -> Result<()> {
    tx.execute(
        sql!(
            "UPDATE webhooks SET failing_since = NULL, retry_at = 0
             WHERE id = $1 AND (failing_since IS NOT NULL OR retry_at > 0)"
        ),
        params![id],
    )?;
    Ok(())
}

/// Records a failure: no call is made until `retry_at`. Returns when the period of failure began.
pub fn set_failing(tx: &mut Write<'_>, id: WebhookId, retry_at: Time) -> Result<Option<Time>> {
    let now = tx.now();
    tx.first(
        sql!(
            "UPDATE webhooks SET failing_since = COALESCE(failing_since, $1), retry_at = $2
             WHERE id = $3 RETURNING failing_since"
        ),
        params![now, retry_at, id],
        from_row,
    )
}

/// Disables a webhook. Returns false where it was disabled already.
pub fn disable(tx: &mut Write<'_>, id: WebhookId) -> Result<bool> {
    let now = tx.now();
    let disabled = tx.execute(
        sql!("UPDATE webhooks SET disabled_at = $1 WHERE id = $2 AND disabled_at IS NULL"),
        params![now, id],
    )?;
    Ok(disabled == 1)
}

/// Enables a disabled webhook.
pub fn enable(tx: &mut Write<'_>, id: WebhookId) -> Result<()> {
    tx.execute(
        sql!("UPDATE webhooks SET disabled_at = NULL, failing_since = NULL, retry_at = 0 WHERE id = $1"),
        params![id],
    )?;
    Ok(())
}

/// The type of an event that an app can subscribe to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum EventType {
    /// A new message.
    MessageCreated,
    /// A message was edited, deleted or reacted to.
    MessageChanged,
    /// A thread's name or participants changed.
    ThreadChanged,
    /// A participant of a thread received or read more.
    ReceiptChanged,
}

impl EventType {
    /// All types.
    pub const ALL: [EventType; 4] = [
        EventType::MessageCreated,
        EventType::MessageChanged,
        EventType::ThreadChanged,
        EventType::ReceiptChanged,
    ];

    /// Returns the public name.
    pub fn name(self) -> &'static str {
        match self {
            EventType::MessageCreated => "message.created",
            EventType::MessageChanged => "message.changed",
            EventType::ThreadChanged => "thread.changed",
            EventType::ReceiptChanged => "receipt.changed",
        }
    }
}

/// An unknown name is an error: only a newer version can have stored it.
impl FromRow for EventType {
    const WIDTH: usize = 1;

    fn from_row(row: &Row<'_>, at: usize) -> Result<Self> {
        row.get::<String>(at)?.parse()
    }
}

impl FromStr for EventType {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let event = EventType::ALL.into_iter().find(|event| event.name() == name);
        event.ok_or_else(|| Error::invalid("events", "There is no such event."))
    }
}

/// The state of a [`Delivery`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DeliveryState {
    Waiting,
    /// A call is under way. A further change needs a delivery of its own.
    Calling,
    Done,
    /// Given up.
    Failed,
}

impl DeliveryState {
    /// Returns the stored name.
    pub fn as_str(self) -> &'static str {
        match self {
            DeliveryState::Waiting => "waiting",
            DeliveryState::Calling => "calling",
            DeliveryState::Done => "done",
            DeliveryState::Failed => "failed",
        }
    }
}

impl Column for DeliveryState {
    type Raw = String;
    fn from_raw(raw: String) -> Self {
        match raw.as_str() {
            "calling" => DeliveryState::Calling,
            "done" => DeliveryState::Done,
            "failed" => DeliveryState::Failed,
            _ => DeliveryState::Waiting,
        }
    }
}

columns! {
    /// An event for a webhook.
    #[derive(Clone, Debug)]
    pub struct Delivery as d {
        /// The id, which is the same over all attempts.
        pub id: DeliveryId,
        pub webhook: WebhookId = "d.webhook_id",
        pub event: EventType,
        pub conversation: ConversationId = "d.conversation_id",
        /// The message, or the account whose receipt changed.
        pub subject: i64 = "d.subject_id",
        pub state: DeliveryState,
        /// When the delivery was scheduled; later than `created_at` after a replay.
        pub scheduled_at: Time = "d.wanted_at",
        /// When the event happened.
        pub created_at: Time,
    }
}

/// Adds a delivery.
pub fn insert_delivery(
    tx: &mut Write<'_>,
    webhook: WebhookId,
    event: EventType,
    conversation: ConversationId,
    subject: i64,
) -> Result<DeliveryId> {
    let (id, now) = (DeliveryId(tx.new_id()), tx.now());
    tx.execute(
        sql!(
            "INSERT INTO deliveries (id, webhook_id, event, conversation_id, subject_id, state, wanted_at, created_at)
             VALUES ($1, $2, $3, $4, $5, 'waiting', $6, $6)"
        ),
        params![id, webhook, event.name(), conversation, subject, now],
    )?;
    Ok(id)
}

/// Returns whether a pending delivery already covers this change, because payloads are built at delivery time. The row
/// stays locked until the commit, so that the delivery cannot begin before it.
pub fn coalesce_pending(
    tx: &mut Write<'_>,
    webhook: WebhookId,
    event: EventType,
    conversation: ConversationId,
    subject: i64,
) -> Result<bool> {
    let locked = tx.execute(
        sql!(
            "UPDATE deliveries SET wanted_at = wanted_at WHERE subject_id = $1 AND webhook_id = $2 AND event = $3
                 AND conversation_id = $4 AND state = 'waiting'"
        ),
        params![subject, webhook, event.name(), conversation],
    )?;
    Ok(locked > 0)
}

/// Marks a delivery as under way; a further change needs a new delivery. Returns false where it is done or given up.
pub fn begin(tx: &mut Write<'_>, id: DeliveryId) -> Result<bool> {
    let updated = tx.execute(
        sql!("UPDATE deliveries SET state = 'calling' WHERE id = $1 AND state IN ('waiting', 'calling')"),
        params![id],
    )?;
    Ok(updated == 1)
}

/// Gives up a delivery that is not done.
pub fn give_up(tx: &mut Write<'_>, id: DeliveryId) -> Result<()> {
    tx.execute(
        sql!("UPDATE deliveries SET state = 'failed' WHERE id = $1 AND state IN ('waiting', 'calling')"),
        params![id],
    )
    .map(drop)
}

/// Schedules a finished delivery once more. Returns false where it is pending.
pub fn reschedule(tx: &mut Write<'_>, id: DeliveryId) -> Result<bool> {
    let now = tx.now();
    let updated = tx.execute(
        sql!("UPDATE deliveries SET state = 'waiting', wanted_at = $1 WHERE id = $2 AND state IN ('done', 'failed')"),
        params![now, id],
    )?;
    Ok(updated == 1)
}

/// Returns the number of attempts at a delivery.
pub fn count_attempts(read: &Read<'_>, id: DeliveryId) -> Result<i64> {
    read.one(sql!("SELECT COUNT(*) FROM attempts WHERE delivery_id = $1"), params![id], from_row)
}

pub fn delivery_by_id(read: &Read<'_>, id: DeliveryId) -> Result<Option<Delivery>> {
    read.first(
        sql!("SELECT ", Delivery::COLUMNS, " FROM deliveries d WHERE d.id = $1"),
        params![id],
        from_row,
    )
}

/// Returns the deliveries of a webhook, newest first.
pub fn deliveries(read: &Read<'_>, webhook: WebhookId, limit: i64) -> Result<Vec<Delivery>> {
    read.all(
        sql!(
            "SELECT ",
            Delivery::COLUMNS,
            " FROM deliveries d WHERE d.webhook_id = $1 ORDER BY d.id DESC LIMIT $2"
        ),
        params![webhook, limit],
        from_row,
    )
}

pub fn set_state(tx: &mut Write<'_>, id: DeliveryId, state: DeliveryState) -> Result<()> {
    tx.execute(sql!("UPDATE deliveries SET state = $1 WHERE id = $2"), params![state.as_str(), id]).map(drop)
}

columns! {
    /// A call of a webhook and its outcome.
    #[derive(Clone, Debug)]
    pub struct Attempt as a {
        pub delivery: DeliveryId = "a.delivery_id",
        pub created_at: Time,
        /// The HTTP status of the answer.
        pub status: Option<i64>,
        /// The error, where the call failed.
        pub problem: Option<String>,
        /// The duration of the call in milliseconds.
        pub took_ms: i64,
    }
}

/// Records an attempt.
pub fn insert_attempt(
    tx: &mut Write<'_>,
    id: DeliveryId,
    status: Option<i64>,
    problem: Option<&str>,
    took_ms: i64,
) -> Result<()> {
    let now = tx.now();
    tx.execute(
        sql!(
            "INSERT INTO attempts (delivery_id, created_at, status, problem, took_ms) VALUES ($1, $2, $3, $4, $5)"
        ),
        params![id, now, status, problem, took_ms],
    )?;
    Ok(())
}

/// Returns the attempts at the latest deliveries of a webhook, oldest first.
pub fn attempts(read: &Read<'_>, webhook: WebhookId, limit: i64) -> Result<Vec<Attempt>> {
    read.all(
        sql!(
            "SELECT ",
            Attempt::COLUMNS,
            " FROM attempts a
             WHERE a.delivery_id IN
                 (SELECT d.id FROM deliveries d WHERE d.webhook_id = $1 ORDER BY d.id DESC LIMIT $2)
             ORDER BY a.created_at"
        ),
        params![webhook, limit],
        from_row,
    )
}

/// Deletes at most `limit` deliveries from before `before`, with their attempts.
pub fn purge_deliveries(tx: &mut Write<'_>, before: Time, limit: i64) -> Result<u64> {
    tx.execute(
        sql!(
            "DELETE FROM attempts WHERE delivery_id IN
                 (SELECT d.id FROM deliveries d WHERE d.created_at < $1 ORDER BY d.created_at, d.id LIMIT $2)"
        ),
        params![before, limit],
    )?;
    tx.execute(
        sql!(
            "DELETE FROM deliveries WHERE id IN
                 (SELECT d.id FROM deliveries d WHERE d.created_at < $1 ORDER BY d.created_at, d.id LIMIT $2)"
        ),
        params![before, limit],
    )
}

/// Returns the member who registered the app of a disabled webhook, the app, and its name.
pub fn disabled_owner(read: &Read<'_>, id: WebhookId) -> Result<Option<(AccountId, AppId, String)>> {
    read.first(
        sql!(
            "SELECT x.owner_id, x.id, x.name FROM webhooks w JOIN apps x ON x.id = w.app_id
             WHERE w.id = $1 AND x.deleted_at IS NULL AND w.disabled_at IS NOT NULL"
        ),
        params![id],
        from_row,
    )
}
