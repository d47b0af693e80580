//! The outbox: jobs that a transaction adds, and that workers run after its commit.

use serde::{Deserialize, Serialize};

use super::dialect;
use crate::{
    Error, Result,
    clock::Time,
    db::{Read, Row, Write, from_row},
    ids::{AccountId, AttachmentId, ContactMessageId, ConversationId, DeliveryId, JobId, PeepId, WebhookId},
    params, sql,
};

/// The work of a job. It holds ids only: addresses and texts are read when the job runs, so that deletions and changed
/// settings take effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Work {
    /// Sends a member an email about a mention in a peep.
    MentionMail { peep: PeepId, to: AccountId },
    /// Deletes the rows of deleted conversations.
    ClearConversations,
    /// Sends a member an email about this week's pair.
    PairMail {
        /// The pair's conversation.
        conversation: ConversationId,
        to: AccountId,
    },
    /// Deletes a match some time after its end.
    ForgetMatch { conversation: ConversationId },
    /// Calls an app's webhook.
    CallWebhook { delivery: DeliveryId },
    /// Sends a member an email about a disabled webhook.
    WebhookMail { webhook: WebhookId },
    /// Forwards a contact message to the owner of a page.
    LetterMail { letter: ContactMessageId },
    /// Deletes the bytes of files whose rows were deleted.
    DeleteFiles { files: Vec<AttachmentId> },
}

/// A job that this node has claimed.
#[derive(Clone, Debug)]
pub struct Job {
    /// The id, which is the same over all attempts.
    pub id: JobId,
    pub work: Work,
    /// The number of attempts, with the current one.
    pub attempts: i64,
    pub created_at: Time,
}

/// A queue of jobs. Each queue has workers of its own, so that slow servers of others do not delay internal work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Queue {
    /// Work of the server itself, and mail.
    Internal,
    /// Calls to other people's servers.
    Outbound,
}

impl Queue {
    fn for_work(work: &Work) -> Self {
        match work {
            Work::CallWebhook { .. } => Queue::Outbound,
            _ => Queue::Internal,
        }
    }

    /// Returns the stored name.
    fn as_str(self) -> &'static str {
        match self {
            Queue::Internal => "internal",
            Queue::Outbound => "outbound",
        }
    }
}

/// Adds a job that is due at `run_at`.
pub fn insert(tx: &mut Write<'_>, work: &Work, run_at: Time) -> Result<()> {
    let (id, now) = (JobId(tx.new_id()), tx.now());
    let text = serde_json::to_string(work).map_err(Error::internal)?;
    tx.execute(
        sql!("INSERT INTO jobs (id, queue, work, run_at, created_at) VALUES ($1, $2, $3, $4, $5)"),
        params![id, Queue::for_work(work).as_str(), &text, run_at, now],
    )?;
    Ok(())
}

/// Claims up to `limit` due jobs, and returns the oldest first. No other node can claim them until `lease_ends`; each
/// has to be [`finish`]ed or [`put_off`] before then.
pub fn claim(tx: &mut Write<'_>, queue: Queue, node: &str, lease_ends: Time, limit: i64) -> Result<Vec<Job>> {
    let sql = dialect::claim_jobs(tx.engine());
    let claimed = tx.all(sql, params![node, lease_ends, tx.now(), queue.as_str(), limit], job)?;
    let mut jobs: Vec<Job> = claimed.into_iter().flatten().collect();
    // Neither engine guarantees the order in which `RETURNING` lists rows.
    jobs.sort_by_key(|job| job.id);
    Ok(jobs)
}

/// Reads a job. Returns `None` for a kind that only a newer version can read. Such a job does not block the others: it
/// is due again when its lease ends, and that version can run it.
fn job(row: &Row<'_>) -> Result<Option<Job>> {
    let (id, work, attempts, created_at): (JobId, String, _, _) = from_row(row)?;
    let Ok(work) = serde_json::from_str(&work) else {
        tracing::error!(job = %id, "A job in the outbox can't be read by this version");
        return Ok(None);
    };
    Ok(Some(Job { id, work, attempts, created_at }))
}

/// Deletes a job that is done or given up.
pub fn finish(tx: &mut Write<'_>, id: JobId) -> Result<()> {
    tx.execute(sql!("DELETE FROM jobs WHERE id = $1"), params![id])?;
    Ok(())
}

/// Schedules another attempt at `run_at`.
pub fn put_off(tx: &mut Write<'_>, id: JobId, run_at: Time) -> Result<()> {
    tx.execute(sql!("UPDATE jobs SET node = NULL, run_at = $1 WHERE id = $2"), params![run_at, id])?;
    Ok(())
}

/// Makes the jobs due that `node` had claimed before it restarted.
pub fn release(tx: &mut Write<'_>, node: &str) -> Result<u64> {
    let now = tx.now();
    tx.execute(sql!("UPDATE jobs SET node = NULL, run_at = $1 WHERE node = $2"), params![now, node])
}

/// Returns when the next job of a queue is due.
pub fn next_due(read: &Read<'_>, queue: Queue) -> Result<Option<Time>> {
    read.one(sql!("SELECT MIN(run_at) FROM jobs WHERE queue = $1"), params![queue.as_str()], from_row)
}
