//! What the domain and the store work on: a [`Read`], or a [`Tx`] that can do all that a `Read`
//! can, and write.

use std::{cell::RefCell, ops::Deref};

use super::{Engine, Row, Setup, Value, postgres::Connection};
use crate::{Error, Result, clock::Time};

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

    /// When this began. It stands still for as long as it runs.
    pub fn now(&self) -> Time {
        self.now
    }

    /// Which engine answers.
    pub fn engine(&self) -> Engine {
        match self.conn {
            Conn::Sqlite(_) => Engine::Sqlite,
            Conn::Postgres(_) => Engine::Postgres,
        }
    }

    /// All rows of the answer. `sql` comes from `sql!`.
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

    /// The first row of the answer, if there is one.
    pub fn first<T>(
        &self,
        sql: &'static str,
        params: &[Value<'_>],
        each: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        Ok(self.all(sql, params, each)?.into_iter().next())
    }

    /// The one row of an answer that always has one, as of an aggregate or of `RETURNING`.
    pub fn one<T>(
        &self,
        sql: &'static str,
        params: &[Value<'_>],
        each: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<T> {
        self.first(sql, params, each)?.ok_or_else(|| Error::internal(format!("no row came back from: {sql}")))
    }

    /// Prepares a statement without running it: an error if this engine does not take it.
    pub fn prepare(&self, sql: &str) -> Result<()> {
        match &self.conn {
            Conn::Sqlite(conn) => conn.prepare(sql).map(drop).map_err(super::sqlite::error),
            Conn::Postgres(conn) => conn.borrow_mut().prepare(sql),
        }
    }
}

/// A transaction. Everything done through it happens together or not at all.
pub struct Tx<'a, E> {
    read: Read<'a>,
    setup: &'a Setup<E>,
    emitted: Vec<E>,
    number: Option<i64>,
}

impl<'a, E> Deref for Tx<'a, E> {
    type Target = Read<'a>;
    fn deref(&self) -> &Read<'a> {
        &self.read
    }
}

impl<'a, E> Tx<'a, E> {
    pub(super) fn new(conn: Conn<'a>, setup: &'a Setup<E>) -> Self {
        Tx { read: Read::new(conn, setup.clock.now()), setup, emitted: Vec::new(), number: None }
    }

    pub(super) fn into_emitted(self) -> Vec<E> {
        self.emitted
    }

    /// A fresh id, above all that this process made before.
    pub fn new_id(&self) -> i64 {
        self.setup.ids.next(self.read.now)
    }

    /// A number that the transaction has: `take` is asked for it once, and then it is remembered.
    pub fn number(&mut self, take: impl FnOnce(&mut Self) -> Result<i64>) -> Result<i64> {
        match self.number {
            Some(number) => Ok(number),
            None => {
                let number = take(self)?;
                Ok(*self.number.insert(number))
            }
        }
    }

    /// Promises to hand `event` out after the commit, in commit order. At most once: a crash
    /// between the commit and the handing-out loses it, so nobody may depend on it alone.
    pub fn emit(&mut self, event: E) {
        self.emitted.push(event);
    }

    /// Runs a statement and says how many rows it touched.
    pub fn execute(&mut self, sql: &'static str, params: &[Value<'_>]) -> Result<u64> {
        match &self.read.conn {
            Conn::Sqlite(conn) => {
                let mut statement = conn.prepare_cached(sql).map_err(super::sqlite::error)?;
                let touched = statement.execute(rusqlite::params_from_iter(params));
                touched.map(|n| n as u64).map_err(super::sqlite::error)
            }
            Conn::Postgres(conn) => conn.borrow_mut().execute(sql, params),
        }
    }
}
