//! The outbox: jobs that are promised in a transaction and done after it.

use std::time::Duration;

use crate::{
    Result,
    clock::Time,
    db::Read,
    events::{Emission, Event, Topic, Tx},
    ids::JobId,
    store::{
        self,
        jobs::{Job, Queue, Work},
    },
};

impl Tx<'_> {
    /// Enqueues a job. The job is in the outbox if and only if this transaction commits, and then it is done at least
    /// once, also if the server crashes meanwhile.
    pub fn enqueue(&mut self, work: &Work) -> Result<()> {
        let now = self.now();
        self.enqueue_at(work, now)
    }

    /// Enqueues a job that is not done before `run_at`.
    pub fn enqueue_at(&mut self, work: &Work, run_at: Time) -> Result<()> {
        store::jobs::insert(self, work, run_at)?;
        self.emit(Emission { topic: Topic::Outbox, event: Event::JobDue });
        Ok(())
    }
}

/// Claims up to `limit` due jobs of a queue for `node`, for as long as `lease`.
pub fn claim(tx: &mut Tx<'_>, queue: Queue, node: &str, lease: Duration, limit: i64) -> Result<Vec<Job>> {
    let lease_ends = tx.now() + lease;
    store::jobs::claim(tx, queue, node, lease_ends, limit)
}

/// Releases the jobs that `node` had claimed before it was restarted, so that they are due at once. Returns their
/// number.
pub fn release(tx: &mut Tx<'_>, node: &str) -> Result<u64> {
    store::jobs::release(tx, node)
}

/// Deletes a job that is done, obsolete or given up.
pub fn finish(tx: &mut Tx<'_>, id: JobId) -> Result<()> {
    store::jobs::finish(tx, id)
}

/// Reschedules a job after `delay`.
pub fn put_off(tx: &mut Tx<'_>, id: JobId, delay: Duration) -> Result<()> {
    let run_at = tx.now() + delay;
    store::jobs::put_off(tx, id, run_at)
}

/// Returns the time at which the next job of a queue is due, if there is one.
pub fn next_due(read: &Read<'_>, queue: Queue) -> Result<Option<Time>> {
    store::jobs::next_due(read, queue)
}
