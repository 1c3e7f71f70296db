//! What differs between databases. SQLite stands here; another database gives the same macros.

/// What orders the rows of `table` as they were written, within a moment.
macro_rules! as_written {
    ($table:literal) => {
        concat!($table, ".rowid")
    };
}

pub(super) use as_written;
