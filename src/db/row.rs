//! Rows of a result, and how types are read from them: by position, with positions that are constants.

use postgres::types::{FromSql, Type};

use super::Column;
use crate::Result;

/// A row of the result of a statement.
pub enum Row<'a> {
    /// From SQLite.
    Sqlite(&'a rusqlite::Row<'a>),
    /// From PostgreSQL.
    Postgres(&'a postgres::Row),
}

impl Row<'_> {
    /// Returns the column at `index`, counted from 0. An error where the type does not fit.
    pub fn get<T: Column>(&self, index: usize) -> Result<T> {
        match self {
            Row::Sqlite(row) => row.get(index).map_err(super::sqlite::error),
            Row::Postgres(row) => row.try_get(index).map_err(super::postgres::error),
        }
        .map(T::from_raw)
    }

    /// Returns whether the column at `index` is NULL, whatever its type.
    pub fn is_null(&self, index: usize) -> Result<bool> {
        match self {
            Row::Sqlite(row) => {
                let value = row.get_ref(index).map_err(super::sqlite::error)?;
                Ok(value == rusqlite::types::ValueRef::Null)
            }
            Row::Postgres(row) => {
                let null: IsNull = row.try_get(index).map_err(super::postgres::error)?;
                Ok(null.0)
            }
        }
    }
}

/// Reads a column of any type on PostgreSQL, only to find out whether it is NULL.
struct IsNull(bool);

impl FromSql<'_> for IsNull {
    fn from_sql(_: &Type, _: &[u8]) -> std::result::Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(IsNull(false))
    }

    fn from_sql_null(_: &Type) -> std::result::Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(IsNull(true))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// A type that is read from consecutive columns: a [`Column`], a type that [`columns!`] defines, or a tuple of these.
pub trait FromRow: Sized {
    /// The number of columns.
    const WIDTH: usize;

    /// Reads the columns from `at` on, counted from 0.
    fn from_row(row: &Row<'_>, at: usize) -> Result<Self>;
}

/// Reads a whole row. Statements whose columns are those of a `FromRow` take this as their last argument.
pub fn from_row<T: FromRow>(row: &Row<'_>) -> Result<T> {
    T::from_row(row, 0)
}

impl<T: Column> FromRow for T {
    const WIDTH: usize = 1;

    fn from_row(row: &Row<'_>, at: usize) -> Result<Self> {
        row.get(at)
    }
}

macro_rules! tuples {
    ($($($part:ident)+;)+) => {$(
        impl<$($part: FromRow),+> FromRow for ($($part,)+) {
            const WIDTH: usize = 0 $(+ $part::WIDTH)+;

            fn from_row(row: &Row<'_>, at: usize) -> Result<Self> {
                let mut cursor = Cursor::new(row, at);
                Ok(($(cursor.read::<$part>()?,)+))
            }
        }
    )+};
}

tuples! {
    A B;
    A B C;
    A B C D;
}

/// A pair of columns that are both NULL or both not, such as a width and a height.
impl<A: Column, B: Column> FromRow for Option<(A, B)> {
    const WIDTH: usize = 2;

    fn from_row(row: &Row<'_>, at: usize) -> Result<Self> {
        let (a, b): (Option<A>, Option<B>) = FromRow::from_row(row, at)?;
        Ok(a.zip(b))
    }
}

/// Reads one value after the other. The compiler turns its positions into constants.
pub(crate) struct Cursor<'a> {
    row: &'a Row<'a>,
    at: usize,
}

impl<'a> Cursor<'a> {
    #[inline]
    pub(crate) fn new(row: &'a Row<'a>, at: usize) -> Self {
        Cursor { row, at }
    }

    #[inline]
    pub(crate) fn read<T: FromRow>(&mut self) -> Result<T> {
        let value = T::from_row(self.row, self.at)?;
        self.at += T::WIDTH;
        Ok(value)
    }
}

/// Defines a struct together with the columns that it is read from:
///
/// ```ignore
/// columns! {
///     /// An app.
///     pub struct App as x {
///         pub id: AppId,
///         pub owner: AccountId = "x.owner_id",
///         pub maker: Maker = Maker::COLUMNS,
///     }
/// }
/// ```
///
/// defines `App::COLUMNS`, the SQL text `"x.id, x.owner_id, "` followed by the columns of `Maker`, for use in `sql!`;
/// and [`FromRow`] for `App` and `Option<App>`. A field is read from the column of its own name in the table that the
/// statement calls `x`, or from the constant SQL text after its `=`: another column, an expression, or as many columns
/// as its type is wide. An `Option<App>` is `None` where the first column is NULL, as after a `LEFT JOIN`, so the first
/// column of such a type must be one that is never NULL otherwise.
///
/// `tests/it/statements.rs` parses this syntax, too, to prepare the statements.
macro_rules! columns {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident as $alias:ident {
            $($(#[$field_meta:meta])* $field_vis:vis $field:ident: $ty:ty $(= $sql:expr)?),+ $(,)?
        }
    ) => {
        $(#[$meta])*
        $vis struct $name {
            $($(#[$field_meta])* $field_vis $field: $ty,)+
        }

        impl $name {
            /// The columns as SQL.
            pub(crate) const COLUMNS: &'static str = {
                const EACH: &str = ::const_format::concatcp!(
                    $($crate::db::columns!(@column $alias $field $($sql)?), ", "),+
                );
                EACH.split_at(EACH.len() - ", ".len()).0
            };
        }

        impl $crate::db::FromRow for $name {
            const WIDTH: usize = 0 $(+ <$ty as $crate::db::FromRow>::WIDTH)+;

            fn from_row(row: &$crate::db::Row<'_>, at: usize) -> $crate::Result<Self> {
                let mut cursor = $crate::db::Cursor::new(row, at);
                Ok($name { $($field: cursor.read()?,)+ })
            }
        }

        impl $crate::db::FromRow for Option<$name> {
            const WIDTH: usize = <$name as $crate::db::FromRow>::WIDTH;

            fn from_row(row: &$crate::db::Row<'_>, at: usize) -> $crate::Result<Self> {
                if row.is_null(at)? { Ok(None) } else { $crate::db::FromRow::from_row(row, at).map(Some) }
            }
        }
    };
    (@column $alias:ident $field:ident) => { concat!(stringify!($alias), ".", stringify!($field)) };
    (@column $alias:ident $field:ident $sql:expr) => { $sql };
}
pub(crate) use columns;
