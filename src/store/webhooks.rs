//! Webhooks: where apps are told what happens, what they are told, and what became of it.

use std::str::FromStr;

use crate::{
    Error, Result,
    clock::Time,
    db::{Read, Row, Write},
    ids::{AccountId, AppId, ConversationId, DeliveryId, WebhookId},
    params, sql,
};

/// Where an app is told.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// Whose it is.
    pub app: AppId,
    /// Where it is called.
    pub url: String,
    /// What calls are signed with.
    pub secret: String,
    /// What it is told of, with spaces between.
    pub events: String,
    /// When it was made.
    pub created_at: Time,
    /// Since when nothing has reached it.
    pub failing_since: Option<Time>,
    /// Until when it is left alone.
    pub retry_at: Time,
    /// When it was given up.
    pub disabled_at: Option<Time>,
}

const COLUMNS: &str = "w.id, w.app_id, w.url, w.secret, w.events, w.created_at, w.failing_since, w.retry_at,
    w.disabled_at";

fn from_row(row: &Row<'_>) -> Result<Webhook> {
    Ok(Webhook {
        id: row.get(0)?,
        app: row.get(1)?,
        url: row.get(2)?,
        secret: row.get(3)?,
        events: row.get(4)?,
        created_at: row.get(5)?,
        failing_since: row.get(6)?,
        retry_at: row.get(7)?,
        disabled_at: row.get(8)?,
    })
}

/// Adds a webhook.
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

/// An app's webhooks, the oldest first.
pub fn of(read: &Read<'_>, app: AppId) -> Result<Vec<Webhook>> {
    read.all(
        sql!("SELECT ", COLUMNS, " FROM webhooks w WHERE w.app_id = $1 ORDER BY w.id"),
        params![app],
        from_row,
    )
}

/// A webhook of an app that is still there.
pub fn by_id(read: &Read<'_>, id: WebhookId) -> Result<Option<Webhook>> {
    read.first(
        sql!(
            "SELECT ",
            COLUMNS,
            " FROM webhooks w JOIN apps x ON x.id = w.app_id WHERE w.id = $1 AND x.deleted_at IS NULL"
        ),
        params![id],
        from_row,
    )
}

/// Those that are to be told of what happens in a conversation: their apps are in it. At most `limit`.
pub fn listening(
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
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// Takes a webhook away. What it was told is swept later.
pub fn delete(tx: &mut Write<'_>, id: WebhookId) -> Result<()> {
    tx.execute(sql!("DELETE FROM webhooks WHERE id = $1"), params![id]).map(drop)
}

/// The same of all of an app.
pub fn delete_of(tx: &mut Write<'_>, app: AppId) -> Result<()> {
    tx.execute(sql!("DELETE FROM webhooks WHERE app_id = $1"), params![app]).map(drop)
}

/// Something has reached it.
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

/// It could not be reached: it is left alone until then. Since when that is so.
pub fn set_failing(tx: &mut Write<'_>, id: WebhookId, retry_at: Time) -> Result<Option<Time>> {
    let now = tx.now();
    tx.first(
        sql!(
            "UPDATE webhooks SET failing_since = COALESCE(failing_since, $1), retry_at = $2
             WHERE id = $3 RETURNING failing_since"
        ),
        params![now, retry_at, id],
        |row| row.get(0),
    )
}

/// Gives it up. False where that is done already.
pub fn disable(tx: &mut Write<'_>, id: WebhookId) -> Result<bool> {
    let now = tx.now();
    let disabled = tx.execute(
        sql!("UPDATE webhooks SET disabled_at = $1 WHERE id = $2 AND disabled_at IS NULL"),
        params![now, id],
    )?;
    Ok(disabled == 1)
}

/// Tries it again.
pub fn enable(tx: &mut Write<'_>, id: WebhookId) -> Result<()> {
    tx.execute(
        sql!("UPDATE webhooks SET disabled_at = NULL, failing_since = NULL, retry_at = 0 WHERE id = $1"),
        params![id],
    )?;
    Ok(())
}

/// What an app may be told of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum EventType {
    /// Something was said.
    MessageCreated,
    /// A message is otherwise now.
    MessageChanged,
    /// A thread is otherwise now.
    ThreadChanged,
    /// Somebody has come further in a thread.
    ReceiptChanged,
}

impl EventType {
    /// All there are.
    pub const ALL: [EventType; 4] = [
        EventType::MessageCreated,
        EventType::MessageChanged,
        EventType::ThreadChanged,
        EventType::ReceiptChanged,
    ];

    /// How programs call it.
    pub fn name(self) -> &'static str {
        match self {
            EventType::MessageCreated => "message.created",
            EventType::MessageChanged => "message.changed",
            EventType::ThreadChanged => "thread.changed",
            EventType::ReceiptChanged => "receipt.changed",
        }
    }
}

impl FromStr for EventType {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let known = EventType::ALL.into_iter().find(|event| event.name() == name);
        known.ok_or_else(|| Error::invalid("events", "There is no such event."))
    }
}

/// Something that a webhook is told.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Its id; the same over all tries.
    pub id: DeliveryId,
    /// Whom.
    pub webhook: WebhookId,
    /// What happened.
    pub event: EventType,
    /// Where.
    pub conversation: ConversationId,
    /// The message, or the account that has come further.
    pub subject: i64,
    /// `waiting`, `calling`, `done` or `failed`.
    pub state: String,
    /// From when on it is tried.
    pub wanted_at: Time,
    /// When it happened.
    pub created_at: Time,
}

const DELIVERY: &str =
    "d.id, d.webhook_id, d.event, d.conversation_id, d.subject_id, d.state, d.wanted_at, d.created_at";

fn delivery(row: &Row<'_>) -> Result<Delivery> {
    Ok(Delivery {
        id: row.get(0)?,
        webhook: row.get(1)?,
        event: row.get::<String>(2)?.parse()?,
        conversation: row.get(3)?,
        subject: row.get(4)?,
        state: row.get(5)?,
        wanted_at: row.get(6)?,
        created_at: row.get(7)?,
    })
}

/// Adds something to be told.
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

/// Whether a webhook is about to be told of this anyway, as it is when this transaction is committed: until then
/// nobody begins to tell it.
pub fn hold_waiting(
    tx: &mut Write<'_>,
    webhook: WebhookId,
    event: EventType,
    conversation: ConversationId,
    subject: i64,
) -> Result<bool> {
    let held = tx.execute(
        sql!(
            "UPDATE deliveries SET wanted_at = wanted_at WHERE subject_id = $1 AND webhook_id = $2 AND event = $3
                 AND conversation_id = $4 AND state = 'waiting'"
        ),
        params![subject, webhook, event.name(), conversation],
    )?;
    Ok(held > 0)
}

/// Begins to tell it: what changes from now on is told anew. False where it is not to be told any more.
pub fn begin(tx: &mut Write<'_>, id: DeliveryId) -> Result<bool> {
    let begun = tx.execute(
        sql!("UPDATE deliveries SET state = 'calling' WHERE id = $1 AND state IN ('waiting', 'calling')"),
        params![id],
    )?;
    Ok(begun == 1)
}

/// It is not told any more, if it is not told yet.
pub fn give_up(tx: &mut Write<'_>, id: DeliveryId) -> Result<()> {
    tx.execute(
        sql!("UPDATE deliveries SET state = 'failed' WHERE id = $1 AND state IN ('waiting', 'calling')"),
        params![id],
    )
    .map(drop)
}

/// It is to be told once more. False where it is about to be anyway.
pub fn want_again(tx: &mut Write<'_>, id: DeliveryId) -> Result<bool> {
    let now = tx.now();
    let wanted = tx.execute(
        sql!("UPDATE deliveries SET state = 'waiting', wanted_at = $1 WHERE id = $2 AND state IN ('done', 'failed')"),
        params![now, id],
    )?;
    Ok(wanted == 1)
}

/// How often it was tried.
pub fn count_attempts(read: &Read<'_>, id: DeliveryId) -> Result<i64> {
    read.one(sql!("SELECT COUNT(*) FROM attempts WHERE delivery_id = $1"), params![id], |row| row.get(0))
}

/// Something that is or was told.
pub fn delivery_by_id(read: &Read<'_>, id: DeliveryId) -> Result<Option<Delivery>> {
    read.first(sql!("SELECT ", DELIVERY, " FROM deliveries d WHERE d.id = $1"), params![id], delivery)
}

/// What a webhook was told, the latest first.
pub fn deliveries(read: &Read<'_>, webhook: WebhookId, limit: i64) -> Result<Vec<Delivery>> {
    read.all(
        sql!("SELECT ", DELIVERY, " FROM deliveries d WHERE d.webhook_id = $1 ORDER BY d.id DESC LIMIT $2"),
        params![webhook, limit],
        delivery,
    )
}

/// Notes what became of it.
pub fn set_state(tx: &mut Write<'_>, id: DeliveryId, state: &str) -> Result<()> {
    tx.execute(sql!("UPDATE deliveries SET state = $1 WHERE id = $2"), params![state, id]).map(drop)
}

/// One try.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// At what.
    pub delivery: DeliveryId,
    /// When.
    pub created_at: Time,
    /// What it was answered with.
    pub status: Option<i64>,
    /// What went wrong.
    pub problem: Option<String>,
    /// How long it took.
    pub took_ms: i64,
}

/// Notes a try.
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

/// The tries at what a webhook was told last, the first first.
pub fn attempts(read: &Read<'_>, webhook: WebhookId, limit: i64) -> Result<Vec<Attempt>> {
    read.all(
        sql!(
            "SELECT a.delivery_id, a.created_at, a.status, a.problem, a.took_ms FROM attempts a
             WHERE a.delivery_id IN
                 (SELECT d.id FROM deliveries d WHERE d.webhook_id = $1 ORDER BY d.id DESC LIMIT $2)
             ORDER BY a.created_at"
        ),
        params![webhook, limit],
        |row| {
            Ok(Attempt {
                delivery: row.get(0)?,
                created_at: row.get(1)?,
                status: row.get(2)?,
                problem: row.get(3)?,
                took_ms: row.get(4)?,
            })
        },
    )
}

/// Forgets what was told before `before`; at most `limit`.
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

/// Whom to tell that a webhook was given up: the member who registered the app, and what that is called.
pub fn keeper(read: &Read<'_>, id: WebhookId) -> Result<Option<(AccountId, AppId, String)>> {
    read.first(
        sql!(
            "SELECT x.owner_id, x.id, x.name FROM webhooks w JOIN apps x ON x.id = w.app_id
             WHERE w.id = $1 AND x.deleted_at IS NULL AND w.disabled_at IS NOT NULL"
        ),
        params![id],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )
}
