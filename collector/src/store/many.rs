//! Many rows in one statement.
//!
//! A list of `VALUES` for one of a few numbers of rows, so that the database prepares each statement once; what is too
//! many is left empty, and a row without its first column is no row. Every database knows `VALUES`, and reading them
//! costs a fraction of reading the same rows out of JSON. Where they are joined, the list stands first and `CROSS JOIN`
//! keeps it there: a database that reads it anew for each row of the table takes the product of both.
//!
//! Placeholders are `?`, filled in the order they stand in: SQLite looks for the name of a numbered one among all
//! others, which takes longer than the statement where there are thousands. A database that wants numbers is given
//! them here.

use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{AssertSqlSafe, Encode, Sqlite, Type};

use super::StoreError;

/// Rows a statement is made for.
const SIZES: [usize; 5] = [1, 4, 16, 64, MOST];
/// Rows a statement holds at most: below what a database lets a statement have in placeholders.
pub(super) const MOST: usize = 256;

/// A statement over many rows, for each of the sizes.
pub(super) struct Many {
    columns: usize,
    sql: [String; SIZES.len()],
}

/// A statement whose rows are being filled in.
pub(super) struct Filling {
    query: Query<'static, Sqlite, SqliteArguments>,
    columns: usize,
    /// Rows still to come.
    missing: usize,
}

impl Many {
    /// `before` and `after` stand around `(VALUES ...)`, whose columns are `column1` and so on.
    pub(super) fn new(before: &str, after: &str, columns: usize) -> Self {
        let row = format!("({})", vec!["?"; columns].join(", "));
        let sql = SIZES.map(|size| format!("{before} (VALUES {}) {after}", vec![row.as_str(); size].join(", ")));
        Self { columns, sql }
    }

    /// The statement for one row, as a test reads its plan.
    #[cfg(test)]
    pub(super) fn smallest(&self) -> &str {
        self.sql.first().map_or("", String::as_str)
    }

    /// The statement for `rows` rows, at most [`MOST`].
    ///
    /// # Errors
    ///
    /// When there are more.
    pub(super) fn filling(&'static self, rows: usize) -> Result<Filling, StoreError> {
        let fits = SIZES.iter().zip(&self.sql).find(|(size, _)| **size >= rows);
        let (size, sql) = fits.ok_or(StoreError::Corrupt { what: "number of rows to write" })?;
        Ok(Filling { query: sqlx::query(AssertSqlSafe(sql.as_str())), columns: self.columns, missing: *size })
    }
}

impl Filling {
    /// The next placeholder before the rows, or the next column of a row.
    pub(super) fn bind<'t, T: Encode<'t, Sqlite> + Type<Sqlite>>(mut self, value: T) -> Self {
        self.query = self.query.bind(value);
        self
    }

    /// A row is complete.
    pub(super) fn row(mut self) -> Self {
        self.missing = self.missing.saturating_sub(1);
        self
    }

    /// The statement, its other rows empty; what stands after the rows is still to be bound.
    pub(super) fn filled(self) -> Query<'static, Sqlite, SqliteArguments> {
        (0..self.missing * self.columns).fold(self.query, |query, _| query.bind(None::<i64>))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use crate::store::fixture::School;

    static ECHO: LazyLock<Many> =
        LazyLock::new(|| Many::new("SELECT ? || column1 || column2 || ? FROM", "WHERE column1 <> ?", 2));

    #[tokio::test]
    async fn as_many_rows_are_read_as_were_filled_in() {
        let school = School::open().await;
        for rows in [1, 3, 4, 5, 200, MOST] {
            let filled = (0..rows).fold(ECHO.filling(rows).unwrap().bind("r").bind("!"), |filling, row| {
                filling.bind(row.to_string()).bind(".").row()
            });
            let read = filled.filled().bind("none").fetch_all(school.store.reader()).await.unwrap();
            let read: Vec<String> = read.iter().map(|row| sqlx::Row::get(row, 0)).collect();
            assert_eq!(read, (0..rows).map(|row| format!("r{row}.!")).collect::<Vec<_>>());
        }
        assert!(ECHO.filling(MOST + 1).is_err());
    }
}
