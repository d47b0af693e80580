//! A bounded pool for work that keeps a core busy, such as hashing passwords or decoding pictures. A hundred requests
//! for such work at once wait for each other, and no other request waits for them.

use std::{num::NonZero, sync::Arc, thread::available_parallelism};

use tokio::sync::Semaphore;

use crate::{Error, Result};

/// A limit on the threads that do such work, and on the tasks that wait for them.
pub struct Pool {
    running: Arc<Semaphore>,
    queue: Semaphore,
}

impl Pool {
    /// Creates a pool of half the cores, so that the other half continues to serve. Beyond `max_waiting` tasks that
    /// wait or run, further ones are refused as [`Error::Busy`].
    pub fn new(max_waiting: usize) -> Self {
        let cores = available_parallelism().map_or(1, NonZero::get);
        Pool { running: Arc::new(Semaphore::new((cores / 2).max(1))), queue: Semaphore::new(max_waiting) }
    }

    /// Runs the work when a thread is free.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let _waiting = self.queue.try_acquire().map_err(|_| Error::Busy)?;
        let permit = Arc::clone(&self.running).acquire_owned().await.map_err(Error::internal)?;
        // The permit moves into the work: if the client disconnects, the work still counts until it ends.
        let work = move || {
            let _permit = permit;
            work()
        };
        tokio::task::spawn_blocking(work).await.map_err(Error::internal)?
    }
}
