//! The outbox: jobs promised in a transaction.

use serde::{Deserialize, Serialize};

use super::dialect;
use crate::{
    Error, Result,
    clock::Time,
    db::{Read, Row, Write, from_row},
    ids::{AccountId, AttachmentId, ConversationId, DeliveryId, JobId, LetterId, PeepId, WebhookId},
    params, sql,
};

/// What is to be done. Ids only: addresses and words are looked up when it is done, so that what
/// was deleted or turned off meanwhile is respected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Work {
    /// Tell a member by email that a peep mentions it.
    MentionMail {
        /// The peep.
        peep: PeepId,
        /// The member.
        to: AccountId,
    },
    /// Clear away what deleted conversations held.
    ClearConversations,
    /// Tell a member by email with whom it is paired this week.
    PairMail {
        /// Where they talk.
        conversation: ConversationId,
        /// The member.
        to: AccountId,
    },
    /// Forget a match that has been over for a while.
    ForgetMatch {
        /// The talk.
        conversation: ConversationId,
    },
    /// Tell an app what happened.
    CallWebhook {
        /// What.
        delivery: DeliveryId,
    },
    /// Tell a member by email that a webhook was given up.
    WebhookMail {
        /// Which.
        webhook: WebhookId,
    },
    /// Pass on a letter to the owner of a page.
    LetterMail {
        /// Which.
        letter: LetterId,
    },
    /// Delete the bytes of files that nobody can see any more.
    DeleteFiles {
        /// The files.
        files: Vec<AttachmentId>,
    },
}

/// A job that this node has claimed.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its id; the same over all tries.
    pub id: JobId,
    /// What is to be done.
    pub work: Work,
    /// How many tries there were, with this one.
    pub attempts: i64,
    /// When it was promised.
    pub created_at: Time,
}

/// A queue of jobs. Each has its own places, so that nothing waits for slow servers of others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Queue {
    /// Work of the server itself, and mail.
    Internal,
    /// Calls to other people's servers.
    Outbound,
}

impl Queue {
    fn of(work: &Work) -> Self {
        match work {
            Work::CallWebhook { .. } => Queue::Outbound,
            _ => Queue::Internal,
        }
    }

    /// The name that is stored.
    fn as_str(self) -> &'static str {
        match self {
            Queue::Internal => "internal",
            Queue::Outbound => "outbound",
        }
    }
}

/// Adds a job, which is due at `run_at`.
pub fn insert(tx: &mut Write<'_>, work: &Work, run_at: Time) -> Result<()> {
    let (id, now) = (JobId(tx.new_id()), tx.now());
    let text = serde_json::to_string(work).map_err(Error::internal)?;
    tx.execute(
        sql!("INSERT INTO jobs (id, queue, work, run_at, created_at) VALUES ($1, $2, $3, $4, $5)"),
        params![id, Queue::of(work).as_str(), &text, run_at, now],
    )?;
    Ok(())
}

/// Claims up to `limit` jobs that are due. Nobody else gets them until `lease_ends`; each is to be
/// [`finish`]ed or [`put_off`] before then.
pub fn claim(tx: &mut Write<'_>, queue: Queue, node: &str, lease_ends: Time, limit: i64) -> Result<Vec<Job>> {
    let sql = dialect::claim_jobs(tx.engine());
    let claimed = tx.all(sql, params![node, lease_ends, tx.now(), queue.as_str(), limit], job)?;
    Ok(claimed.into_iter().flatten().collect())
}

/// A job; `None` where it is of a kind that only a newer version knows. It is left to that one, and
/// comes up again when its lease ends: it must not hold up the others.
fn job(row: &Row<'_>) -> Result<Option<Job>> {
    let (id, work, attempts, created_at): (JobId, String, _, _) = from_row(row)?;
    let Ok(work) = serde_json::from_str(&work) else {
        tracing::error!(job = %id, "There is a job in the outbox that this version can't read");
        return Ok(None);
    };
    Ok(Some(Job { id, work, attempts, created_at }))
}

/// The job is done, or given up: forgets it.
pub fn finish(tx: &mut Write<'_>, id: JobId) -> Result<()> {
    tx.execute(sql!("DELETE FROM jobs WHERE id = $1"), params![id])?;
    Ok(())
}

/// The job is to be tried again at `run_at`.
pub fn put_off(tx: &mut Write<'_>, id: JobId, run_at: Time) -> Result<()> {
    tx.execute(sql!("UPDATE jobs SET node = NULL, run_at = $1 WHERE id = $2"), params![run_at, id])?;
    Ok(())
}

/// Makes due at once what `node` had claimed when it died: it has just started anew.
pub fn release(tx: &mut Write<'_>, node: &str) -> Result<u64> {
    let now = tx.now();
    tx.execute(sql!("UPDATE jobs SET node = NULL, run_at = $1 WHERE node = $2"), params![now, node])
}

/// When the next job of a queue is due, if there is one.
pub fn next_due(read: &Read<'_>, queue: Queue) -> Result<Option<Time>> {
    read.one(sql!("SELECT MIN(run_at) FROM jobs WHERE queue = $1"), params![queue.as_str()], from_row)
}
