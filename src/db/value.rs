//! Parameters of statements and values of columns, over both engines.

use std::fmt;

use postgres::types::{FromSqlOwned, IsNull, ToSql, Type, private::BytesMut, to_sql_checked};
use rusqlite::types::{FromSql, ToSqlOutput, ValueRef};

use crate::clock::Time;

/// A parameter of a statement. `Debug` leaves the text out, because drivers log their parameters.
#[derive(Clone, Copy)]
pub enum Value<'a> {
    /// SQL's NULL.
    Null,
    /// `BIGINT`: ids, times, counts.
    Int(i64),
    /// `BOOLEAN`.
    Bool(bool),
    /// `TEXT`. PostgreSQL refuses U+0000, so the domain does too.
    Text(&'a str),
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("Null"),
            Value::Int(v) => write!(f, "Int({v})"),
            Value::Bool(v) => write!(f, "Bool({v})"),
            Value::Text(v) => write!(f, "Text({} bytes)", v.len()),
        }
    }
}

impl From<i64> for Value<'_> {
    fn from(v: i64) -> Self {
        Value::Int(v)
    }
}

impl From<bool> for Value<'_> {
    fn from(v: bool) -> Self {
        Value::Bool(v)
    }
}

impl From<Time> for Value<'_> {
    fn from(v: Time) -> Self {
        Value::Int(v.ms())
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(v: &'a str) -> Self {
        Value::Text(v)
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(v: &'a String) -> Self {
        Value::Text(v)
    }
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(v: Option<T>) -> Self {
        v.map_or(Value::Null, Into::into)
    }
}

impl rusqlite::ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Null => ValueRef::Null,
            Value::Int(v) => ValueRef::Integer(*v),
            Value::Bool(v) => ValueRef::Integer(i64::from(*v)),
            Value::Text(v) => ValueRef::Text(v.as_bytes()),
        }))
    }
}

impl ToSql for Value<'_> {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> std::result::Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Value::Null => Ok(IsNull::Yes),
            Value::Int(v) if <i64 as ToSql>::accepts(ty) => v.to_sql(ty, out),
            Value::Bool(v) if <bool as ToSql>::accepts(ty) => v.to_sql(ty, out),
            Value::Text(v) if <&str as ToSql>::accepts(ty) => v.to_sql(ty, out),
            other => Err(format!("the statement expects {ty}, not {other:?}").into()),
        }
    }

    fn accepts(_: &Type) -> bool {
        true // `to_sql` checks the value as well, and returns an error where it does not fit
    }

    to_sql_checked!();
}

/// A type that a single column can be read as.
pub trait Column: Sized {
    /// The type that both drivers read.
    type Raw: FromSql + FromSqlOwned;
    /// Converts the value that was read.
    fn from_raw(raw: Self::Raw) -> Self;
}

macro_rules! plain_columns {
    ($($ty:ty),*) => {$(
        impl Column for $ty {
            type Raw = $ty;
            fn from_raw(raw: $ty) -> Self {
                raw
            }
        }
    )*};
}

plain_columns!(i64, bool, String);

impl Column for Time {
    type Raw = i64;
    fn from_raw(raw: i64) -> Self {
        Time::from_ms(raw)
    }
}

impl<T: Column> Column for Option<T> {
    type Raw = Option<T::Raw>;
    fn from_raw(raw: Option<T::Raw>) -> Self {
        raw.map(T::from_raw)
    }
}
