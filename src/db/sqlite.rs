//! SQLite: one thread writes, and commits the whole queue as one transaction. Reads run on any thread.

use std::{
    path::{Path, PathBuf},
    sync::Mutex,
    thread,
};

use crossbeam_channel::{Receiver, Sender, TrySendError};
use rusqlite::{Connection, ErrorCode, OpenFlags, config::DbConfig};

use super::{Read, Setup, Tx, Work, guarded, migrations, tx::Conn};
use crate::{Error, Result, clock::Clock};

/// The maximum number of waiting writes; more are refused with [`Error::Busy`]. At ten thousand a second this is half a
/// second of waiting, and a longer queue would only make every request time out.
const QUEUE: usize = 4096;

/// The maximum number of writes in one commit: enough that the fsync is a small part of the cost, and few enough that
/// the first write does not wait for long.
const BATCH: usize = 256;

/// The number of prepared statements that a connection caches; more than the store has.
const STATEMENTS: usize = 256;

/// The maximum number of idle connections for reads. One per worker thread is in use at a time.
const READERS: usize = 64;

pub(super) struct Sqlite<E: 'static> {
    queue: Mutex<Option<Sender<Box<dyn Work<E>>>>>,
    writer: Mutex<Option<thread::JoinHandle<()>>>,
    readers: Mutex<Vec<Connection>>,
    file: PathBuf,
    clock: Clock,
}

impl<E: Send + 'static> Sqlite<E> {
    pub(super) fn open(file: &Path, setup: Setup<E>) -> Result<Self> {
        let conn = connect(file, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
        migrations::sqlite(&conn, setup.clock.now())?;
        let (queue, jobs) = crossbeam_channel::bounded(QUEUE);
        let clock = setup.clock.clone();
        let writer = thread::Builder::new()
            .name("sqlite-writer".into())
            .spawn(move || Writer { conn, setup, writes: 0, commits: 0 }.run(&jobs))
            .map_err(Error::internal)?;
        Ok(Sqlite {
            queue: Mutex::new(Some(queue)),
            writer: Mutex::new(Some(writer)),
            readers: Mutex::default(),
            file: file.to_owned(),
            clock,
        })
    }

    pub(super) fn write(&self, job: Box<dyn Work<E>>) -> Result<()> {
        match lock(&self.queue).as_ref().map(|queue| queue.try_send(job)) {
            Some(Ok(())) => Ok(()),
            None | Some(Err(TrySendError::Full(_) | TrySendError::Disconnected(_))) => Err(Error::Busy),
        }
    }

    pub(super) fn read<T>(&self, work: impl FnOnce(&Read<'_>) -> Result<T>) -> Result<T> {
        let pooled = lock(&self.readers).pop();
        let conn = match pooled {
            Some(conn) => conn,
            None => connect(&self.file, OpenFlags::SQLITE_OPEN_READ_ONLY)?,
        };
        let result = guarded(|| work(&Read::new(Conn::Sqlite(&conn), self.clock.now())));
        let mut readers = lock(&self.readers);
        if readers.len() < READERS {
            readers.push(conn);
        }
        result
    }

    pub(super) fn close(&self) {
        lock(&self.queue).take();
        lock(&self.readers).clear();
        if let Some(writer) = lock(&self.writer).take() {
            // A panic of the writer has been logged already.
            let _ = writer.join();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn connect(file: &Path, flags: OpenFlags) -> Result<Connection> {
    let conn = Connection::open_with_flags(file, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(error)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    // QPSG: each statement is planned once. Otherwise SQLite plans a statement again when the values of its parameters
    // change, which costs more than running it.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(error)?;
    // WAL: readers never wait for the writer. FULL: an acknowledged write survives a power cut. The busy timeout is for
    // an administrator's `sqlite3` shell on the same file.
    conn.execute_batch(
        "PRAGMA busy_timeout = 5000;
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA foreign_keys = ON;
         PRAGMA trusted_schema = OFF;
         PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -32768;
         PRAGMA mmap_size = 268435456;
         PRAGMA journal_size_limit = 67108864;",
    )
    .map_err(error)?;
    Ok(conn)
}

/// The thread that writes.
struct Writer<E: 'static> {
    conn: Connection,
    setup: Setup<E>,
    writes: u64,
    commits: u64,
}

impl<E: 'static> Writer<E> {
    fn run(mut self, queue: &Receiver<Box<dyn Work<E>>>) {
        while let Ok(first) = queue.recv() {
            let mut batch = vec![first];
            batch.extend(queue.try_iter().take(BATCH - 1));
            self.commit(batch);
        }
        tracing::info!(writes = self.writes, commits = self.commits, "The database is closed");
    }

    /// Commits the batch as one transaction, or, where that fails, each write alone: a write that does not fit on the
    /// disk must not fail the smaller ones beside it.
    fn commit(&mut self, batch: Vec<Box<dyn Work<E>>>) {
        let alone = batch.len() == 1;
        match self.try_commit(batch) {
            Ok(()) => {}
            Err((batch, error)) if alone => {
                tracing::error!(%error, "A commit failed");
                batch.into_iter().for_each(|job| job.fail(self::error(clone(&error))));
            }
            Err((batch, error)) => {
                tracing::warn!(%error, jobs = batch.len(), "A shared commit failed: trying each job alone");
                batch.into_iter().for_each(|job| self.commit(vec![job]));
            }
        }
    }

    #[expect(clippy::type_complexity, reason = "the batch is returned with the error, to be tried again")]
    fn try_commit(
        &mut self,
        mut batch: Vec<Box<dyn Work<E>>>,
    ) -> Result<(), (Vec<Box<dyn Work<E>>>, rusqlite::Error)> {
        let mut emitted = Vec::new();
        batch.retain(|job| job.is_awaited());
        if let Err(error) = self.run_all(&mut batch, &mut emitted) {
            if !self.conn.is_autocommit() {
                let _ = self.statement("ROLLBACK");
            }
            return Err((batch, error));
        }
        self.writes += batch.len() as u64;
        self.commits += 1;
        if !emitted.is_empty() {
            (self.setup.on_commit)(emitted);
        }
        batch.into_iter().for_each(Work::answer);
        Ok(())
    }

    fn run_all(&self, batch: &mut [Box<dyn Work<E>>], emitted: &mut Vec<E>) -> rusqlite::Result<()> {
        self.statement("BEGIN IMMEDIATE")?;
        for job in batch {
            self.statement("SAVEPOINT job")?;
            let mut tx = Tx::new(Conn::Sqlite(&self.conn), &self.setup);
            if job.run(&mut tx) {
                emitted.extend(tx.into_emitted());
            } else if self.conn.is_autocommit() {
                // Some errors, such as a full disk, make SQLite roll back the whole transaction.
                return Err(rusqlite::Error::SqliteFailure(
                    rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_ABORT_ROLLBACK),
                    job.error().map(ToString::to_string),
                ));
            } else {
                self.statement("ROLLBACK TO job")?;
            }
            self.statement("RELEASE job")?;
        }
        self.statement("COMMIT")
    }

    fn statement(&self, sql: &'static str) -> rusqlite::Result<()> {
        self.conn.prepare_cached(sql)?.execute([]).map(drop)
    }
}

/// Converts an error of the driver.
pub(super) fn error(error: rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Error::Full,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::Busy,
        _ => Error::internal(error),
    }
}

/// Copies an error, because SQLite's cannot be cloned: each writer of a failed commit gets one with the same code.
fn clone(error: &rusqlite::Error) -> rusqlite::Error {
    let code = error.sqlite_error().map_or(rusqlite::ffi::SQLITE_ERROR, |e| e.extended_code);
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), Some(error.to_string()))
}
