//! The database: one SQLite file, and the only place that knows SQL.
//!
//! Write-ahead log with `synchronous = FULL`: what was committed survives a power cut. One connection writes, inside
//! `BEGIN IMMEDIATE`, so that writers queue instead of failing half-way; a small pool reads and never waits for it.
//! Every key begins with the school. SQL is written once, with `$1` placeholders, save that over many rows (`many`);
//! what differs between databases is in `dialect` and `many`.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use lapwing_proto::{InvalidBytes, failpoint};
use lapwing_rules::Level;
use sqlx::migrate::MigrateError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous};
use sqlx::{Connection, Row, Sqlite, SqliteConnection, SqlitePool};

use crate::durable;
use crate::ids::InvalidId;

pub(crate) mod absences;
pub(crate) mod accounts;
pub(crate) mod approved_media;
pub mod artefacts;
pub(crate) mod attributions;
pub(crate) mod audit;
pub(crate) mod canaries;
pub(crate) mod captures;
pub(crate) mod certificates;
pub(crate) mod channels;
pub(crate) mod checks;
pub(crate) mod concern_context;
pub(crate) mod concern_page;
pub(crate) mod concerns;
pub(crate) mod coverage;
pub(crate) mod deliveries;
pub(crate) mod device_health;
pub(crate) mod devices;
mod dialect;
pub(crate) mod escalations;
pub(crate) mod exemptions;
pub(crate) mod expected;
pub(crate) mod filter_alerts;
#[cfg(test)]
pub(crate) mod fixture;
pub(crate) mod holds;
pub(crate) mod images;
pub(crate) mod investigations;
pub(crate) mod joins;
pub(crate) mod keys;
pub(crate) mod losses;
mod many;
pub(crate) mod merges;
pub(crate) mod names;
pub(crate) mod notices;
pub(crate) mod outbox;
pub(crate) mod people;
mod pressing;
pub(crate) mod queue;
pub(crate) mod recipients;
pub(crate) mod recurrences;
pub(crate) mod requests;
pub(crate) mod reviews;
pub(crate) mod roll_outs;
pub(crate) mod roll_overs;
pub(crate) mod rooms;
pub(crate) mod rule_tickets;
pub(crate) mod schools;
pub(crate) mod second_steps;
#[cfg(test)]
pub(crate) mod seeded;
pub(crate) mod settings;
pub(crate) mod shadows;
pub mod sign_ins;
pub(crate) mod silences;
pub(crate) mod snoozes;
pub(crate) mod steps;
pub(crate) mod subjects;
pub(crate) mod tampering;
pub(crate) mod tickets;
pub(crate) mod tokens;
pub(crate) mod undoable;
pub(crate) mod upgrade;
pub(crate) mod verdicts;
mod visible;
pub(crate) mod web_sessions;
mod written_back;

pub use visible::{Visible, visible_to};

/// Readers: pages are short, and a waiting page is cheaper than a cold connection.
const READERS: u32 = 4;
/// How long a writer of another process (a command-line import) may keep this one waiting.
const BUSY: Duration = Duration::from_secs(10);
/// The writer's cache, in KiB as SQLite wants it: negative. Every commit touches pages of several indexes.
const CACHE_KIB: &str = "-16384";
/// Pages of the log before it is written back, 32 MiB: a page that many commits touch is then written back once.
const CHECKPOINT_PAGES: &str = "8192";

/// The collector's database.
#[derive(Clone, Debug)]
pub struct Store {
    writer: SqlitePool,
    reader: SqlitePool,
    /// Writes the log back.
    back: SqlitePool,
    /// Batches of devices that wait for the writer.
    pressing: Arc<AtomicUsize>,
}

/// A transaction; dropping it undoes it.
#[derive(Debug)]
pub struct Tx(sqlx::Transaction<'static, Sqlite>);

/// Why the database did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be opened.
    #[error("cannot open database `{path}`")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: sqlx::Error,
    },
    /// A newer build wrote the database; this one must not touch it.
    #[error("database `{path}` was written by a newer build (schema {found} is unknown here)")]
    Newer {
        /// The file.
        path: PathBuf,
        /// The first number of its schema that this build does not know.
        found: i64,
    },
    /// The database cannot be copied before it is brought up to date.
    #[error("cannot back up database `{path}` before it is brought up to date; nothing of it was changed")]
    BackUp {
        /// The file.
        path: PathBuf,
        /// Why.
        source: sqlx::Error,
    },
    /// The schema cannot be brought up to date.
    #[error("cannot migrate database `{path}`")]
    Migrate {
        /// The file.
        path: PathBuf,
        /// Why.
        source: MigrateError,
    },
    /// A statement failed.
    #[error("database statement failed")]
    Statement(#[from] sqlx::Error),
    /// A row holds what it never should.
    #[error("database holds a bad {what}")]
    Corrupt {
        /// Which column.
        what: &'static str,
    },
    /// The operating system has no randomness to give.
    #[error("no randomness for an identifier: {0}")]
    Randomness(getrandom::Error),
}

impl StoreError {
    /// Whether the same call may work later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Statement(error) => match error.as_database_error() {
                // 5 SQLITE_BUSY, 6 SQLITE_LOCKED, 13 SQLITE_FULL, 10 SQLITE_IOERR; extended codes in the upper bytes
                Some(database) => {
                    let code = database.code().and_then(|code| code.parse::<u32>().ok()).unwrap_or(0);
                    matches!(code & 0xff, 5 | 6 | 10 | 13)
                }
                None => matches!(error, sqlx::Error::PoolTimedOut | sqlx::Error::Io(_)),
            },
            Self::Randomness(_) => true,
            Self::Open { .. }
            | Self::Newer { .. }
            | Self::BackUp { .. }
            | Self::Migrate { .. }
            | Self::Corrupt { .. } => false,
        }
    }
}

impl From<getrandom::Error> for StoreError {
    fn from(error: getrandom::Error) -> Self {
        Self::Randomness(error)
    }
}

impl From<InvalidBytes> for StoreError {
    fn from(_: InvalidBytes) -> Self {
        Self::Corrupt { what: "identifier" }
    }
}

impl From<InvalidId> for StoreError {
    fn from(invalid: InvalidId) -> Self {
        Self::Corrupt { what: invalid.what }
    }
}

impl Store {
    /// Opens the database, making it or bringing its schema up to date.
    ///
    /// # Errors
    ///
    /// [`StoreError::Newer`] when a newer build wrote it; otherwise when it cannot be opened or migrated.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        // Its log and index beside it get the permissions of the file.
        durable::own(path).map_err(|error| StoreError::Open { path: path.to_owned(), source: error.into() })?;
        let options = connect_options(path);
        let writer = options.clone().pragma("cache_size", CACHE_KIB).pragma("wal_autocheckpoint", CHECKPOINT_PAGES);
        let writer = open_pool(path, writer, 1).await?;
        failpoint!("store.migrate", upgrade::migrate(path, &writer).await?);
        let back = open_pool(path, options.clone(), 1).await?;
        let reader = open_pool(path, options.pragma("query_only", "ON"), READERS).await?;
        Ok(Self { writer, reader, back, pressing: Arc::default() })
    }

    /// Connections that only read.
    #[must_use]
    pub const fn reader(&self) -> &SqlitePool {
        &self.reader
    }

    /// Begins a write transaction, waiting for the one before it.
    ///
    /// # Errors
    ///
    /// When the database stays busy or cannot be written.
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        Ok(Tx(failpoint!("store.begin", self.writer.begin_with("BEGIN IMMEDIATE").await?)))
    }

    /// Begins a transaction that only reads, from one moment's view; it waits for no writer.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub async fn view(&self) -> Result<Tx, StoreError> {
        Ok(Tx(self.reader.begin().await?))
    }

    /// Closes every connection, writing the log back into the file.
    pub async fn close(&self) {
        self.back.close().await;
        self.reader.close().await;
        self.writer.close().await;
    }
}

impl Tx {
    /// The connection to run statements on.
    pub(crate) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.0
    }

    /// Makes it durable.
    ///
    /// # Errors
    ///
    /// When the database cannot be written; then nothing of it happened.
    pub async fn commit(self) -> Result<(), StoreError> {
        Ok(failpoint!("store.commit", self.0.commit().await)?)
    }
}

pub(crate) fn connect_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY)
        .pragma("secure_delete", "ON")
}

pub(crate) async fn open_pool(
    path: &Path,
    options: SqliteConnectOptions,
    connections: u32,
) -> Result<SqlitePool, StoreError> {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .min_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        // A file does not hang up; each question would cost a change of threads.
        .test_before_acquire(false)
        .after_release(|connection, _| Box::pin(is_whole(connection)))
        .connect_with(options)
        .await
        .map_err(|source| StoreError::Open { path: path.to_owned(), source })
}

/// Whether a connection may serve again; one that may not is closed, and another takes its place. Where the disk fails,
/// SQLite ends a transaction by itself: the driver cannot roll it back then, counts it for ever, and begins no other.
async fn is_whole(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    if !connection.is_in_transaction() {
        return Ok(true);
    }
    // What was dropped is rolled back before this is answered.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

/// Column `index` as an identifier.
pub(crate) fn id<T>(row: &SqliteRow, index: usize) -> Result<T, StoreError>
where
    T: for<'a> TryFrom<&'a [u8]>,
    for<'a> <T as TryFrom<&'a [u8]>>::Error: Into<StoreError>,
{
    let bytes: &[u8] = row.try_get(index)?;
    T::try_from(bytes).map_err(Into::into)
}

/// Column `index` as one of a closed set of words.
pub(crate) fn parsed<T>(row: &SqliteRow, index: usize) -> Result<T, StoreError>
where
    T: FromStr<Err = InvalidId>,
{
    let text: &str = row.try_get(index)?;
    Ok(text.parse()?)
}

/// Column `index` as a level.
pub(crate) fn level(row: &SqliteRow, index: usize) -> Result<Level, StoreError> {
    let number: u8 = row.try_get(index)?;
    Level::try_from(number).map_err(|_| StoreError::Corrupt { what: "level" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_database_of_a_newer_build_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lapwing.db");
        let store = Store::open(&path).await.unwrap();
        sqlx::query(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES (900, 'later', TRUE, x'00', 0)",
        )
        .execute(&store.writer)
        .await
        .unwrap();
        store.close().await;
        let error = Store::open(&path).await.unwrap_err();
        assert!(matches!(error, StoreError::Newer { found: 900, .. }), "{error}");
        assert!(!error.is_transient());
    }

    #[tokio::test]
    async fn a_dropped_transaction_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("lapwing.db")).await.unwrap();
        let insert = "INSERT INTO schools (school_id, name, zone, created_us) VALUES ($1, 'A', 'UTC', 1)";
        let mut tx = store.begin().await.unwrap();
        sqlx::query(insert).bind("dropped").execute(tx.connection()).await.unwrap();
        drop(tx);
        let mut tx = store.begin().await.unwrap();
        sqlx::query(insert).bind("kept").execute(tx.connection()).await.unwrap();
        tx.commit().await.unwrap();
        let schools: Vec<String> =
            sqlx::query_scalar("SELECT school_id FROM schools").fetch_all(store.reader()).await.unwrap();
        assert_eq!(schools, ["kept"]);
    }

    #[tokio::test]
    async fn a_database_that_was_full_is_written_again_once_it_has_room() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("lapwing.db")).await.unwrap();
        let insert = "INSERT INTO schools (school_id, name, zone, created_us)
            VALUES ($1, hex(zeroblob(500000)), 'UTC', 1)";
        let mut tx = store.begin().await.unwrap();
        // Of this connection alone, as a full disk is of this moment.
        sqlx::query("PRAGMA max_page_count = 1").execute(tx.connection()).await.unwrap();
        let full = sqlx::query(insert).bind("a").execute(tx.connection()).await;
        assert!(StoreError::from(full.unwrap_err()).is_transient());
        drop(tx);

        let mut tx = store.begin().await.unwrap();
        sqlx::query(insert).bind("b").execute(tx.connection()).await.unwrap();
        tx.commit().await.unwrap();
        let schools: Vec<String> =
            sqlx::query_scalar("SELECT school_id FROM schools").fetch_all(store.reader()).await.unwrap();
        assert_eq!(schools, ["b"]);
    }

    #[tokio::test]
    async fn the_school_comes_first_in_every_key() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("lapwing.db")).await.unwrap();
        let keys: Vec<(String, String)> = sqlx::query_as(
            "SELECT t.name, COALESCE(c.name, 'none') FROM sqlite_schema AS t
             LEFT JOIN pragma_table_info(t.name) AS c ON c.pk = 1
             WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' AND t.name <> '_sqlx_migrations'",
        )
        .fetch_all(store.reader())
        .await
        .unwrap();
        assert!(keys.len() > 20);
        let others: Vec<_> = keys.iter().filter(|(_, first)| first != "school_id").collect();
        assert!(others.is_empty(), "{others:?}");
    }

    #[tokio::test]
    async fn readers_cannot_write() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("lapwing.db")).await.unwrap();
        assert!(sqlx::query("DELETE FROM schools").execute(store.reader()).await.is_err());
    }
}
