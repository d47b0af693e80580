//! The outbox: jobs that are promised in a transaction and done after it.

use crate::{
    Result,
    clock::Time,
    events::{Emission, Event, Topic, Tx},
    store::{self, jobs::Work},
};

impl Tx<'_> {
    /// Promises a job: it is in the outbox if and only if this transaction commits, and then it is done at least once,
    /// however often the server dies.
    pub fn enqueue(&mut self, work: &Work) -> Result<()> {
        let now = self.now();
        self.enqueue_at(work, now)
    }

    /// Promises a job that is not to be done before `run_at`.
    pub fn enqueue_at(&mut self, work: &Work, run_at: Time) -> Result<()> {
        store::jobs::insert(self, work, run_at)?;
        self.emit(Emission { topic: Topic::Outbox, event: Event::JobDue });
        Ok(())
    }
}
