//! PostgreSQL: a fixed number of threads, each with a connection of its own, runs the same closures.

use std::{
    collections::HashMap,
    fmt,
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use crossbeam_channel::{Receiver, Sender};
use postgres::{Client, Config, NoTls, Statement, config::SslMode, error::SqlState, types::ToSql};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{Read, Setup, Tx, Value, Work, migrations, tx::Conn};
use crate::{Error, Result, tls};

/// The number of connections, one for each thread. PostgreSQL allows a hundred by default, which several nodes share.
const CONNECTIONS: usize = 16;

/// The maximum number of waiting tasks, as for SQLite.
const QUEUE: usize = 4096;

/// The number of attempts at a write that conflicts with others, before it fails.
const TRIES: u32 = 8;

/// A read. The argument is whether this is its last attempt. Returns whether the connection is lost: then the
/// connection must not be used again, and unless this was the last attempt the caller has no answer yet.
type ReadJob = Box<dyn FnMut(&Read<'_>, bool) -> bool + Send>;

enum Task<E> {
    Write(Box<dyn Work<E>>),
    Read(ReadJob),
}

pub(super) struct Postgres<E: 'static> {
    queue: Mutex<Option<Sender<Task<E>>>>,
    threads: Mutex<Vec<thread::JoinHandle<()>>>,
}

impl<E: Send + 'static> Postgres<E> {
    pub(super) fn open(url: &str, setup: &Setup<E>) -> Result<Self> {
        let connector = Arc::new(Connector::new(url)?);
        let now = setup.clock.now();
        // The synchronous client runs an event loop of its own, which must not be inside another.
        let first = thread::scope(|scope| {
            let migrate = || -> Result<Connection> {
                let mut conn = connector.connect()?;
                migrations::postgres(&mut conn.client, now)?;
                Ok(conn)
            };
            scope.spawn(migrate).join().unwrap_or_else(|_| Err(Error::internal("a panic while connecting")))
        })?;
        let (queue, tasks) = crossbeam_channel::bounded(QUEUE);
        let mut threads = Vec::with_capacity(CONNECTIONS);
        let mut first = Some(first);
        for n in 0..CONNECTIONS {
            let worker =
                Worker { connector: Arc::clone(&connector), conn: first.take(), setup: setup.clone() };
            let tasks = tasks.clone();
            let thread = thread::Builder::new()
                .name(format!("postgres-{n}"))
                .spawn(move || worker.run(&tasks))
                .map_err(Error::internal)?;
            threads.push(thread);
        }
        Ok(Postgres { queue: Mutex::new(Some(queue)), threads: Mutex::new(threads) })
    }

    pub(super) fn write(&self, job: Box<dyn Work<E>>) -> Result<()> {
        self.send(Task::Write(job))
    }

    pub(super) fn read(&self, job: ReadJob) -> Result<()> {
        self.send(Task::Read(job))
    }

    fn send(&self, task: Task<E>) -> Result<()> {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.as_ref().ok_or(Error::Busy)?.try_send(task).map_err(|_| Error::Busy)
    }

    pub(super) fn close(&self) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).take();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            let _ = thread.join();
        }
        tracing::info!("The database is closed");
    }
}

/// Opens connections to the server.
struct Connector {
    config: Config,
    /// TLS, unless the URL turns it off.
    tls: Option<MakeRustlsConnect>,
}

impl Connector {
    fn new(url: &str) -> Result<Self> {
        let mut config = Config::from_str(url).map_err(Error::internal)?;
        config.application_name("chitter");
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(Duration::from_secs(10));
        }
        let tls = match config.get_ssl_mode() {
            SslMode::Disable => None,
            _ => Some(MakeRustlsConnect::new(tls::client_config().map_err(Error::internal)?)),
        };
        Ok(Connector { config, tls })
    }

    fn connect(&self) -> Result<Connection> {
        let client = match &self.tls {
            Some(tls) => self.config.connect(tls.clone()),
            None => self.config.connect(NoTls),
        };
        let mut client = client.map_err(error)?;
        // Statements have time limits, because one that hangs would hold its thread and its row locks forever.
        client
            .batch_execute(
                "SET statement_timeout = '15s'; SET lock_timeout = '10s';
                 SET idle_in_transaction_session_timeout = '30s'; SET client_min_messages = warning",
            )
            .map_err(error)?;
        Ok(Connection { client, statements: HashMap::new() })
    }
}

/// A connection and its prepared statements.
pub(super) struct Connection {
    client: Client,
    statements: HashMap<&'static str, Statement>,
}

impl Connection {
    pub(super) fn query(&mut self, sql: &'static str, params: &[Value<'_>]) -> Result<Vec<postgres::Row>> {
        let statement = self.statement(sql)?;
        self.client.query(&statement, &as_sql(params)).map_err(error)
    }

    pub(super) fn execute(&mut self, sql: &'static str, params: &[Value<'_>]) -> Result<u64> {
        let statement = self.statement(sql)?;
        self.client.execute(&statement, &as_sql(params)).map_err(error)
    }

    pub(super) fn prepare(&mut self, sql: &str) -> Result<()> {
        self.client.prepare(sql).map(drop).map_err(error)
    }

    fn statement(&mut self, sql: &'static str) -> Result<Statement> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(sql).map_err(error)?;
        self.statements.insert(sql, statement.clone());
        Ok(statement)
    }

    /// Attempts a write once: begin, work, commit.
    fn attempt<E>(&mut self, job: &mut dyn Work<E>, setup: &Setup<E>) -> Attempt {
        if let Err(error) = self.execute("BEGIN", &[]) {
            return if is_lost(&error) { Attempt::Lost } else { Attempt::Failed(error) };
        }
        let mut tx = Tx::new(Conn::Postgres(self.into()), setup);
        let succeeded = job.run(&mut tx);
        let emitted = tx.into_emitted();
        if !succeeded {
            let retry = job.error().is_some_and(is_retryable);
            return match self.execute("ROLLBACK", &[]) {
                Err(_) => Attempt::Lost,
                Ok(_) if retry => Attempt::Retry,
                Ok(_) => Attempt::Refused,
            };
        }
        match self.execute("COMMIT", &[]) {
            Ok(_) => {
                if !emitted.is_empty() {
                    (setup.on_commit)(emitted);
                }
                Attempt::Done
            }
            Err(error) if is_retryable(&error) => Attempt::Retry,
            // The commit may or may not have happened. A client repeats the request with its idempotency key.
            Err(error) => Attempt::Failed(error),
        }
    }
}

enum Attempt {
    Done,
    Refused,
    Retry,
    /// The connection was lost before anything was committed.
    Lost,
    Failed(Error),
}

fn as_sql<'a>(params: &'a [Value<'a>]) -> Vec<&'a (dyn ToSql + Sync)> {
    params.iter().map(|p| p as &(dyn ToSql + Sync)).collect()
}

/// A thread with its connection.
struct Worker<E: 'static> {
    connector: Arc<Connector>,
    conn: Option<Connection>,
    setup: Setup<E>,
}

impl<E: 'static> Worker<E> {
    fn run(mut self, queue: &Receiver<Task<E>>) {
        while let Ok(task) = queue.recv() {
            match task {
                Task::Write(job) => self.write(job),
                Task::Read(job) => self.read(job),
            }
        }
    }

    fn write(&mut self, mut job: Box<dyn Work<E>>) {
        if !job.is_awaited() {
            return;
        }
        for try_no in 0..TRIES {
            let conn = match connected(&mut self.conn, &self.connector) {
                Ok(conn) => conn,
                Err(error) => return job.fail(error),
            };
            match conn.attempt(&mut *job, &self.setup) {
                Attempt::Done | Attempt::Refused => return job.answer(),
                Attempt::Failed(error) => {
                    tracing::error!(%error, "A commit failed");
                    self.conn = None;
                    return job.fail(error);
                }
                Attempt::Retry => thread::sleep(backoff(try_no)),
                Attempt::Lost => self.conn = None,
            }
        }
        tracing::warn!(tries = TRIES, "A write conflicted with others at every attempt");
        job.fail(Error::Busy);
    }

    fn read(&mut self, mut job: ReadJob) {
        for last_try in [false, true] {
            // Without a connection the job is dropped, and its caller gets `Error::Busy`.
            let Ok(conn) = connected(&mut self.conn, &self.connector) else { return };
            let now = self.setup.clock.now();
            if !job(&Read::new(Conn::Postgres(conn.into()), now), last_try) {
                return;
            }
            self.conn = None;
        }
    }
}

/// Returns the worker's connection, reopened if it was closed.
fn connected<'a>(conn: &'a mut Option<Connection>, connector: &Connector) -> Result<&'a mut Connection> {
    if conn.as_ref().is_some_and(|c| c.client.is_closed()) {
        *conn = None;
    }
    match conn {
        Some(conn) => Ok(conn),
        None => match connector.connect() {
            Ok(new) => Ok(conn.insert(new)),
            Err(error) => {
                tracing::error!(%error, "PostgreSQL can't be reached");
                Err(Error::Busy)
            }
        },
    }
}

/// Returns a delay that doubles: 1, 2, 4 … 128 ms, so that two writes that conflicted do not conflict again.
fn backoff(try_no: u32) -> Duration {
    Duration::from_millis(1 << try_no.min(7))
}

fn driver_error(error: &Error) -> Option<&postgres::Error> {
    match error {
        Error::Internal(source) => source.downcast_ref().map(|Failure(error)| error),
        _ => None,
    }
}

/// Returns whether another attempt can succeed, because the transaction was rolled back in favour of another one. After
/// a unique violation the next attempt reads the row that the other transaction inserted.
fn is_retryable(error: &Error) -> bool {
    let retryable =
        [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED, SqlState::UNIQUE_VIOLATION];
    driver_error(error).and_then(postgres::Error::code).is_some_and(|code| retryable.contains(code))
}

/// Returns whether the connection is lost: cut by the network, or by a server that is about to restart.
pub(super) fn is_lost(error: &Error) -> bool {
    let codes = [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::CANNOT_CONNECT_NOW];
    driver_error(error).is_some_and(|e| e.is_closed() || e.code().is_some_and(|code| codes.contains(code)))
}

/// Converts an error of the driver.
pub(super) fn error(error: postgres::Error) -> Error {
    match error.code() {
        Some(code) if *code == SqlState::DISK_FULL => Error::Full,
        Some(code) if *code == SqlState::LOCK_NOT_AVAILABLE => Error::Busy,
        _ => Error::internal(Failure(error)),
    }
}

/// The driver's error, displayed without the server's `DETAIL`: that holds values of columns, such as people's texts
/// and addresses, which must not be logged.
#[derive(Debug)]
struct Failure(postgres::Error);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_db_error() {
            Some(e) => write!(f, "PostgreSQL: {} ({})", e.message(), e.code().code()),
            None => write!(f, "PostgreSQL: {}", self.0),
        }
    }
}

impl std::error::Error for Failure {}
