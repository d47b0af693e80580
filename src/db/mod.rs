//! The databases: SQLite in the data folder, or PostgreSQL. Both run the same synchronous closures
//! over a [`Read`] or a [`Tx`], with the same SQL text.
//!
//! Guarantees to the caller:
//! - When [`Db::write`] returns a value, the write is on disk. A write that failed, panicked or was dropped left
//!   nothing.
//! - Events are published after the commit that they belong to, in commit order, and before the writer gets its answer:
//!   a writer sees its own writes.
//! - A closure may run more than once (PostgreSQL retries conflicts), so it takes `&self` and changes nothing but the
//!   transaction.
//!
//! This module is independent of the product: `E` is the product's type of events.

mod migrations;
mod postgres;
mod row;
mod sqlite;
mod tx;
mod value;

use std::{panic, path::Path, sync::Arc};

use tokio::sync::oneshot;

pub(crate) use self::row::{Cursor, columns};
pub use self::{
    row::{FromRow, Row, from_row},
    tx::{Read, Tx, Write},
    value::{Column, Value},
};
use crate::{Error, Result, clock::Clock, ids::Ids};

/// The engine under a connection. Only `store/dialect.rs` should branch on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Engine {
    /// SQLite, in the data folder.
    Sqlite,
    /// PostgreSQL, by `CHITTER_DATABASE_URL`.
    Postgres,
}

/// The sources of every transaction's values, and the receiver of its events.
pub struct Setup<E> {
    /// The source of `now`.
    pub clock: Clock,
    /// The source of new ids.
    pub ids: Arc<Ids>,
    /// Called after each commit with its events, in commit order on SQLite; on PostgreSQL several calls may run at
    /// once. The function must be fast: on SQLite the next commit waits for it.
    pub on_commit: Arc<dyn Fn(Vec<E>) + Send + Sync>,
}

impl<E> Clone for Setup<E> {
    fn clone(&self) -> Self {
        Setup {
            clock: self.clock.clone(),
            ids: Arc::clone(&self.ids),
            on_commit: Arc::clone(&self.on_commit),
        }
    }
}

/// An open and migrated database. Clones share it.
pub struct Db<E: 'static>(Arc<Inner<E>>);

enum Inner<E: 'static> {
    Sqlite(sqlite::Sqlite<E>),
    Postgres(postgres::Postgres<E>),
}

impl<E> Clone for Db<E> {
    fn clone(&self) -> Self {
        Db(Arc::clone(&self.0))
    }
}

impl<E: Send + 'static> Db<E> {
    /// Opens the SQLite file, creates it where there is none, and migrates it.
    pub fn sqlite(file: &Path, setup: Setup<E>) -> Result<Self> {
        Ok(Db(Arc::new(Inner::Sqlite(sqlite::Sqlite::open(file, setup)?))))
    }

    /// Connects to PostgreSQL by URL and migrates it. Blocks until connected.
    pub fn postgres(url: &str, setup: &Setup<E>) -> Result<Self> {
        Ok(Db(Arc::new(Inner::Postgres(postgres::Postgres::open(url, setup)?))))
    }

    /// Runs `work` in a transaction and returns when the transaction is on disk.
    ///
    /// An error or a panic in `work` rolls back this transaction and no other. Returns [`Error::Busy`] where the queue
    /// of writes is full.
    pub async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&mut Tx<'_, E>) -> Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Job { work, result: None, reply });
        match &*self.0 {
            Inner::Sqlite(db) => db.write(job)?,
            Inner::Postgres(db) => db.write(job)?,
        }
        answer.await.map_err(|_| Error::Busy)?
    }

    /// Runs a short read. Each query reads the latest commit, which may differ between two queries: values that must
    /// be consistent with each other have to come from one query.
    ///
    /// On SQLite the read runs on the calling thread: a change of threads costs more than the query.
    pub async fn read<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&Read<'_>) -> Result<T> + Send + 'static,
    {
        match &*self.0 {
            Inner::Sqlite(db) => db.read(work),
            Inner::Postgres(db) => {
                let (reply, answer) = oneshot::channel();
                let mut reply = Some(reply);
                db.read(Box::new(move |read, last_try| {
                    let result = guarded(|| work(read));
                    let lost = matches!(&result, Err(e) if postgres::is_lost(e));
                    if (!lost || last_try)
                        && let Some(reply) = reply.take()
                    {
                        // This fails where the caller has dropped the read.
                        let _ = reply.send(result);
                    }
                    lost
                }))?;
                answer.await.map_err(|_| Error::Busy)?
            }
        }
    }

    /// Runs a read that may take long, such as a search. On SQLite it runs on a blocking thread, so that it delays
    /// nobody else.
    pub async fn read_long<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&Read<'_>) -> Result<T> + Send + 'static,
    {
        match &*self.0 {
            Inner::Sqlite(_) => {
                let db = self.clone();
                let run = move || match &*db.0 {
                    Inner::Sqlite(db) => db.read(work),
                    Inner::Postgres(_) => Err(Error::Busy), // unreachable: it was SQLite above
                };
                tokio::task::spawn_blocking(run).await.map_err(Error::internal)?
            }
            Inner::Postgres(_) => self.read(work).await,
        }
    }

    /// Returns the engine of this database.
    pub fn engine(&self) -> Engine {
        match &*self.0 {
            Inner::Sqlite(_) => Engine::Sqlite,
            Inner::Postgres(_) => Engine::Postgres,
        }
    }

    /// Refuses new work, finishes the queue and closes the files. Blocks until done.
    pub fn close(&self) {
        match &*self.0 {
            Inner::Sqlite(db) => db.close(),
            Inner::Postgres(db) => db.close(),
        }
    }
}

/// A write in the queue, with its type erased.
trait Work<E>: Send {
    /// Returns false when the caller has dropped the write, so that it need not run.
    fn is_awaited(&self) -> bool;
    /// Runs the work inside an open transaction. Returns whether to commit rather than roll back.
    fn run(&mut self, tx: &mut Tx<'_, E>) -> bool;
    /// Returns the error of [`Work::run`], when that returned false.
    fn error(&self) -> Option<&Error>;
    /// Sends the result, after the commit or the rollback.
    fn answer(self: Box<Self>);
    /// Sends `error`, or the work's own error if it had one, because the transaction failed.
    fn fail(self: Box<Self>, error: Error);
}

struct Job<F, T> {
    work: F,
    result: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<E, F, T> Work<E> for Job<F, T>
where
    T: Send,
    F: Fn(&mut Tx<'_, E>) -> Result<T> + Send,
{
    fn is_awaited(&self) -> bool {
        !self.reply.is_closed()
    }

    fn run(&mut self, tx: &mut Tx<'_, E>) -> bool {
        let result = guarded(|| (self.work)(tx));
        self.result.insert(result).is_ok()
    }

    fn error(&self) -> Option<&Error> {
        self.result.as_ref()?.as_ref().err()
    }

    fn answer(self: Box<Self>) {
        let _ = self.reply.send(self.result.unwrap_or(Err(Error::Busy)));
    }

    fn fail(self: Box<Self>, error: Error) {
        let answer = match self.result {
            // The domain's error is more specific than the engine's.
            Some(Err(refusal)) if !matches!(refusal, Error::Internal(_)) => Err(refusal),
            _ => Err(error),
        };
        let _ = self.reply.send(answer);
    }
}

/// Runs a closure of the domain. A panic becomes an error, and the thread continues.
fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    panic::catch_unwind(panic::AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(Error::internal("a panic in a transaction")))
}

/// Joins the parts of one statement, so that queries can share their columns. The text is `'static`, so that each
/// connection prepares a statement once; and `tests/it/statements.rs` finds the statements by `sql!` and prepares each
/// on both engines.
#[macro_export]
macro_rules! sql {
    ($text:literal) => { $text };
    ($($part:expr),+ $(,)?) => { ::const_format::concatcp!($($part),+) };
}

/// Creates the parameters of a statement, in the order of `$1`, `$2` …
#[macro_export]
macro_rules! params {
    ($($value:expr),* $(,)?) => { &[$($crate::db::Value::from($value)),*] };
}
