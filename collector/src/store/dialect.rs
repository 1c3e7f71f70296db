//! What differs between databases. SQLite stands here; another database gives the same macros.

/// What orders the rows of `table` as they were written, within a moment.
macro_rules! as_written {
    ($table:literal) => {
        concat!($table, ".rowid")
    };
}

/// Writes the log back beside whoever writes. Answers whether it was kept from it, the pages of the log, and those of
/// them that are written back.
pub(super) const WRITE_BACK: &str = "PRAGMA wal_checkpoint(PASSIVE)";

pub(super) use as_written;
