//! A bounded pool for work that keeps a core busy: hashing passwords, decoding pictures. A hundred who
//! ask at once wait for each other, and nobody else waits for them.

use std::{num::NonZero, sync::Arc, thread::available_parallelism};

use tokio::sync::Semaphore;

use crate::{Error, Result};

/// The pool.
pub struct Pool {
    turns: Arc<Semaphore>,
    queue: Semaphore,
}

impl Pool {
    /// A pool of half the cores, so that the other half goes on serving. Beyond `waiting` who wait
    /// or are at work, one is told to come back.
    pub fn new(waiting: usize) -> Self {
        let cores = available_parallelism().map_or(1, NonZero::get);
        Pool { turns: Arc::new(Semaphore::new((cores / 2).max(1))), queue: Semaphore::new(waiting) }
    }

    /// Does the work when its turn comes.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let _waiting = self.queue.try_acquire().map_err(|_| Error::Busy)?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(Error::internal)?;
        // The turn goes along: if the client hangs up, the work still counts until it ends.
        let work = move || {
            let _turn = turn;
            work()
        };
        tokio::task::spawn_blocking(work).await.map_err(Error::internal)?
    }
}
