//! The types that the domain and the store work on: a [`Read`]; a [`Write`], which can also change rows; and a [`Tx`],
//! which can also emit events.

use std::{
    cell::RefCell,
    ops::{Deref, DerefMut},
};

use super::{Engine, Row, Setup, Value, postgres::Connection};
use crate::{Error, Result, clock::Time, ids::Ids};

/// A connection to read from.
pub struct Read<'a> {
    conn: Conn<'a>,
    now: Time,
}

pub(super) enum Conn<'a> {
    Sqlite(&'a rusqlite::Connection),
    Postgres(RefCell<&'a mut Connection>),
}

impl<'a> Read<'a> {
    pub(super) fn new(conn: Conn<'a>, now: Time) -> Self {
        Read { conn, now }
    }

    /// Returns the time at which this read or transaction began.
    pub fn now(&self) -> Time {
        self.now
    }

    /// Returns the engine of the connection.
    pub fn engine(&self) -> Engine {
        match self.conn {
            Conn::Sqlite(_) => Engine::Sqlite,
            Conn::Postgres(_) => Engine::Postgres,
        }
    }

    /// Returns all rows of the result. `sql` comes from `sql!`.
    pub fn all<T>(
        &self,
        sql: &'static str,
        params: &[Value<'_>],
        mut each: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        match &self.conn {
            Conn::Sqlite(conn) => {
                let sqlite = super::sqlite::error;
                let mut statement = conn.prepare_cached(sql).map_err(sqlite)?;
                let mut rows = statement.query(rusqlite::params_from_iter(params)).map_err(sqlite)?;
                let mut out = Vec::new();
                while let Some(row) = rows.next().map_err(sqlite)? {
                    out.push(each(&Row::Sqlite(row))?);
                }
                Ok(out)
            }
            Conn::Postgres(conn) => {
                let rows = conn.borrow_mut().query(sql, params)?;
                rows.iter().map(|row| each(&Row::Postgres(row))).collect()
            }
        }
    }

    /// Returns the first row of the result.
    pub fn first<T>(
        &self,
        sql: &'static str,
        params: &[Value<'_>],
        each: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        Ok(self.all(sql, params, each)?.into_iter().next())
    }

    /// Returns the row of a result that always has one, such as that of an aggregate or of `RETURNING`.
    pub fn one<T>(
        &self,
        sql: &'static str,
        params: &[Value<'_>],
        each: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<T> {
        self.first(sql, params, each)?.ok_or_else(|| Error::internal(format!("no row returned by: {sql}")))
    }

    /// Prepares a statement without running it. An error if this engine does not accept it.
    pub fn prepare(&self, sql: &str) -> Result<()> {
        match &self.conn {
            Conn::Sqlite(conn) => conn.prepare(sql).map(drop).map_err(super::sqlite::error),
            Conn::Postgres(conn) => conn.borrow_mut().prepare(sql),
        }
    }
}

/// A transaction for the store: statements that change rows, all of which take effect together or not at all. A `Write`
/// cannot emit events, because which change causes an event is a rule of the domain.
pub struct Write<'a> {
    read: Read<'a>,
    ids: &'a Ids,
    number: Option<i64>,
}

impl<'a> Deref for Write<'a> {
    type Target = Read<'a>;
    fn deref(&self) -> &Read<'a> {
        &self.read
    }
}

impl Write<'_> {
    /// Returns a new id, greater than all earlier ones of this process.
    pub fn new_id(&self) -> i64 {
        self.ids.next(self.read.now)
    }

    /// Returns the transaction's number; `allocate` is called the first time.
    pub fn number(&mut self, allocate: impl FnOnce(&mut Self) -> Result<i64>) -> Result<i64> {
        match self.number {
            Some(number) => Ok(number),
            None => {
                let number = allocate(self)?;
                Ok(*self.number.insert(number))
            }
        }
    }

    /// Runs a statement and returns how many rows it changed.
    pub fn execute(&mut self, sql: &'static str, params: &[Value<'_>]) -> Result<u64> {
        match &self.read.conn {
            Conn::Sqlite(conn) => {
                let mut statement = conn.prepare_cached(sql).map_err(super::sqlite::error)?;
                let changed = statement.execute(rusqlite::params_from_iter(params));
                changed.map(|n| n as u64).map_err(super::sqlite::error)
            }
            Conn::Postgres(conn) => conn.borrow_mut().execute(sql, params),
        }
    }
}

/// A transaction for the domain: a [`Write`] that can also emit events.
pub struct Tx<'a, E> {
    write: Write<'a>,
    emitted: Vec<E>,
}

impl<'a, E> Deref for Tx<'a, E> {
    type Target = Write<'a>;
    fn deref(&self) -> &Write<'a> {
        &self.write
    }
}

impl<E> DerefMut for Tx<'_, E> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.write
    }
}

impl<'a, E> Tx<'a, E> {
    pub(super) fn new(conn: Conn<'a>, setup: &'a Setup<E>) -> Self {
        let read = Read::new(conn, setup.clock.now());
        Tx { write: Write { read, ids: &setup.ids, number: None }, emitted: Vec::new() }
    }

    pub(super) fn into_emitted(self) -> Vec<E> {
        self.emitted
    }

    /// Emits an event, which is published after the commit, in commit order, at most once: a crash between the commit
    /// and the publishing loses the event, so nothing may depend on an event alone.
    pub fn emit(&mut self, event: E) {
        self.emitted.push(event);
    }
}
