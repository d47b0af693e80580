//! The databases: SQLite in the data folder, or PostgreSQL. Both run the same synchronous closures
//! over a [`Read`] or a [`Tx`], with the same SQL text.
//!
//! What the caller can rely on:
//! - An answered [`Db::write`] is on disk. A write that failed, panicked or was dropped left nothing.
//! - What a transaction emits is handed out after its commit, in commit order, and before the
//!   writer has its answer: whoever wrote sees what they wrote.
//! - A closure may run more than once (PostgreSQL retries conflicts), so it takes `&self` and
//!   touches nothing but the transaction.
//!
//! This module knows nothing of peeps or people: `E` is whatever the product emits.

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

/// Which engine is under a connection. Only `store/dialect.rs` should need to ask.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Engine {
    /// SQLite, in the data folder.
    Sqlite,
    /// PostgreSQL, by `CHITTER_DATABASE_URL`.
    Postgres,
}

/// What every transaction is given, and who hears of its commit.
pub struct Setup<E> {
    /// Where `now` comes from.
    pub clock: Clock,
    /// Where new ids come from.
    pub ids: Arc<Ids>,
    /// Called after each commit with what it emitted, in commit order on SQLite; on PostgreSQL
    /// several may run at once. It must be quick: on SQLite it stands between two commits.
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

/// A database that is open and migrated. Clones share it.
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
    /// Opens the SQLite file, makes it where there is none, and migrates it.
    pub fn sqlite(file: &Path, setup: Setup<E>) -> Result<Self> {
        Ok(Db(Arc::new(Inner::Sqlite(sqlite::Sqlite::open(file, setup)?))))
    }

    /// Connects to PostgreSQL by URL and migrates it. Blocks until connected.
    pub fn postgres(url: &str, setup: &Setup<E>) -> Result<Self> {
        Ok(Db(Arc::new(Inner::Postgres(postgres::Postgres::open(url, setup)?))))
    }

    /// Runs `work` in a transaction and answers when it is on disk.
    ///
    /// An error or a panic in `work` rolls it back, and only it. [`Error::Busy`] where more writes
    /// wait than we promise to do soon.
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

    /// Runs a short read. Each query sees the latest commit; where two must agree, make them one.
    ///
    /// On SQLite this runs on the calling thread: a thread hop costs more than the query.
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
                        // Nobody waits any more: that is theirs to decide.
                        let _ = reply.send(result);
                    }
                    lost
                }))?;
                answer.await.map_err(|_| Error::Busy)?
            }
        }
    }

    /// Runs a read that may take long, such as a search: on SQLite on a thread of its own, so that
    /// nobody else waits for it.
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
                    Inner::Postgres(_) => Err(Error::Busy), // it was SQLite a line above
                };
                tokio::task::spawn_blocking(run).await.map_err(Error::internal)?
            }
            Inner::Postgres(_) => self.read(work).await,
        }
    }

    /// Which engine this is.
    pub fn engine(&self) -> Engine {
        match &*self.0 {
            Inner::Sqlite(_) => Engine::Sqlite,
            Inner::Postgres(_) => Engine::Postgres,
        }
    }

    /// Takes no more work, finishes what waits and closes the files. Blocks until done.
    pub fn close(&self) {
        match &*self.0 {
            Inner::Sqlite(db) => db.close(),
            Inner::Postgres(db) => db.close(),
        }
    }
}

/// A write that waits for its turn, with its type erased.
trait Work<E>: Send {
    /// False when nobody waits for the answer any more, so that it need not be begun.
    fn wanted(&self) -> bool;
    /// Does the work inside an open transaction. True: keep it. False: roll it back.
    fn run(&mut self, tx: &mut Tx<'_, E>) -> bool;
    /// What [`Work::run`] came to, when it was to be rolled back.
    fn error(&self) -> Option<&Error>;
    /// Its transaction is on disk, or was rolled back as it wished: answers.
    fn answer(self: Box<Self>);
    /// Its transaction is lost: answers with `error`, or with its own if it had one.
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
    fn wanted(&self) -> bool {
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
            // What the engine did to it says less than why it was given up.
            Some(Err(own)) if !matches!(own, Error::Internal(_)) => Err(own),
            _ => Err(error),
        };
        let _ = self.reply.send(answer);
    }
}

/// Runs a closure of the domain's; its panic becomes an error of its own, and the thread lives on.
fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    panic::catch_unwind(panic::AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(Error::internal("a panic in a transaction")))
}

/// The SQL of one statement. Its text is `'static`, so statements are prepared once per
/// connection; and it stands in `sql!`, so `tests/statements.rs` can prepare every one of them on
/// both engines. Several parts are joined, so that queries can share their columns.
#[macro_export]
macro_rules! sql {
    ($text:literal) => { $text };
    ($($part:expr),+ $(,)?) => { ::const_format::concatcp!($($part),+) };
}

/// The parameters of a statement, in the order of `$1`, `$2` …
#[macro_export]
macro_rules! params {
    ($($value:expr),* $(,)?) => { &[$($crate::db::Value::from($value)),*] };
}
