//! The outbox: jobs promised in a transaction.

use serde::{Deserialize, Serialize};

use super::dialect;
use crate::{
    Error, Result,
    clock::Time,
    db::{Read, Row},
    events::{Emission, Event, Topic, Tx},
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

impl Tx<'_> {
    /// Promises a job: it is in the outbox if and only if this transaction commits, and then it is
    /// done at least once, however often the server dies.
    pub fn enqueue(&mut self, work: &Work) -> Result<()> {
        let now = self.now();
        self.enqueue_at(work, now)
    }

    /// The same, but not before `run_at`.
    pub fn enqueue_at(&mut self, work: &Work, run_at: Time) -> Result<()> {
        let id = JobId(self.new_id());
        let now = self.now();
        let work = serde_json::to_string(work).map_err(Error::internal)?;
        self.execute(
            sql!("INSERT INTO jobs (id, work, run_at, created_at) VALUES ($1, $2, $3, $4)"),
            params![id, &work, run_at, now],
        )?;
        self.emit(Emission { topic: Topic::Outbox, event: Event::JobDue });
        Ok(())
    }
}

/// Whose turn a job waits for: calls to other people's servers may take long, and nothing of ours waits for them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Queue {
    /// What is done here, and mail.
    House,
    /// Calls to other people's servers.
    Outside,
}

/// How the calls begin, as they are kept.
const CALLS: &str = r#"{"do":"call_webhook"%"#;

/// Claims up to `limit` jobs that are due. Nobody else gets them until `lease_ends`; each is to be
/// [`finish`]ed or [`put_off`] before then.
pub fn claim(tx: &mut Tx<'_>, queue: Queue, node: &str, lease_ends: Time, limit: i64) -> Result<Vec<Job>> {
    let sql = dialect::claim_jobs(tx.engine());
    let outside = queue == Queue::Outside;
    let claimed = tx.all(sql, params![node, lease_ends, tx.now(), CALLS, outside, limit], job)?;
    Ok(claimed.into_iter().flatten().collect())
}

/// A job; `None` where it is of a kind that only a newer version knows. It is left to that one, and
/// comes up again when its lease ends: it must not hold up the others.
fn job(row: &Row<'_>) -> Result<Option<Job>> {
    let (id, work): (JobId, String) = (row.get(0)?, row.get(1)?);
    let Ok(work) = serde_json::from_str(&work) else {
        tracing::error!(job = %id, "There is a job in the outbox that this version can't read");
        return Ok(None);
    };
    Ok(Some(Job { id, work, attempts: row.get(2)?, created_at: row.get(3)? }))
}

/// The job is done, or given up: forgets it.
pub fn finish(tx: &mut Tx<'_>, id: JobId) -> Result<()> {
    tx.execute(sql!("DELETE FROM jobs WHERE id = $1"), params![id])?;
    Ok(())
}

/// The job is to be tried again at `run_at`.
pub fn put_off(tx: &mut Tx<'_>, id: JobId, run_at: Time) -> Result<()> {
    tx.execute(sql!("UPDATE jobs SET node = NULL, run_at = $1 WHERE id = $2"), params![run_at, id])?;
    Ok(())
}

/// Makes due at once what `node` had claimed when it died: it has just started anew.
pub fn release(tx: &mut Tx<'_>, node: &str) -> Result<u64> {
    let now = tx.now();
    tx.execute(sql!("UPDATE jobs SET node = NULL, run_at = $1 WHERE node = $2"), params![now, node])
}

/// When the next job of a queue is due, if there is one.
pub fn next_due(read: &Read<'_>, queue: Queue) -> Result<Option<Time>> {
    read.one(
        sql!("SELECT MIN(run_at) FROM jobs WHERE (work LIKE $1) = $2"),
        params![CALLS, queue == Queue::Outside],
        |row| row.get(0),
    )
}
