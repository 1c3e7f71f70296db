//! Bringing the schema up to date: forward only, and only after a back-up that was looked through.
//!
//! ```text
//! lapwing.db of schema 14 -> lapwing.db.schema-14, checked -> lapwing.db of schema 16
//! ```
//!
//! Back-ups are kept for 28 days. Going back is: stop the collector, remove `-wal` and `-shm` beside the database, put the back-up
//! in its place, run the earlier build's `restored`, and start it. Evidence in it is sealed as it was. One process at a time
//! copies and migrates; others wait for it.

use std::ffi::OsString;
use std::fs::{DirEntry, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use lapwing_proto::failpoint;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, SqlSafeStr, SqlitePool};

use super::StoreError;
use crate::durable;

/// What a back-up is called beside its database, with the schema's number.
const BACKUP: &str = ".schema-";
/// Held by whoever brings a database up to date.
const LOCK: &str = ".upgrade";
/// A service manager waits as long for the copy of a large database on a slow disk.
const PATIENCE_US: u32 = 3_600_000_000;
/// How long a back-up is kept: a build that cannot be used has shown it by then.
const KEPT: Duration = Duration::from_secs(28 * 24 * 60 * 60);
const MIGRATIONS: [(i64, &str, &str); 17] = [
    (1, "first school day", include_str!("migrations/0001_first_school_day.sql")),
    (2, "what devices tell", include_str!("migrations/0002_what_devices_tell.sql")),
    (3, "no captures by subject", include_str!("migrations/0003_no_captures_by_subject.sql")),
    (4, "the right person", include_str!("migrations/0004_the_right_person.sql")),
    (5, "notifications", include_str!("migrations/0005_notifications.sql")),
    (6, "people", include_str!("migrations/0006_people.sql")),
    (7, "proof of monitoring", include_str!("migrations/0007_proof_of_monitoring.sql")),
    (8, "exemptions", include_str!("migrations/0008_exemptions.sql")),
    (9, "pages at scale", include_str!("migrations/0009_pages_at_scale.sql")),
    (10, "indexes that are used", include_str!("migrations/0010_indexes_that_are_used.sql")),
    (11, "from the filter", include_str!("migrations/0011_from_the_filter.sql")),
    (12, "approved media", include_str!("migrations/0012_approved_media.sql")),
    (13, "identity", include_str!("migrations/0013_identity.sql")),
    (14, "roll-outs", include_str!("migrations/0014_roll_outs.sql")),
    (15, "captured and refused", include_str!("migrations/0015_captured_and_refused.sql")),
    (16, "second steps", include_str!("migrations/0016_second_steps.sql")),
    (17, "decided in seconds", include_str!("migrations/0017_decided_in_seconds.sql")),
];

/// Brings the database at `path` up to date.
pub(super) async fn migrate(path: &Path, writer: &SqlitePool) -> Result<(), StoreError> {
    if outdated(writer).await?.is_none() {
        return run(path, writer).await;
    }
    let _alone =
        alone(path).await.map_err(|error| StoreError::BackUp { path: path.to_owned(), source: error.into() })?;
    // Whoever was first may have done it meanwhile.
    if let Some(schema) = outdated(writer).await? {
        let backup = back_up(path, writer, schema).await?;
        tracing::info!(schema, backup = %backup.display(), "the database is backed up and brought up to date");
    }
    run(path, writer).await
}

/// Keeps other processes out until it is dropped.
async fn alone(path: &Path) -> std::io::Result<File> {
    let lock = beside(path, LOCK);
    tokio::task::spawn_blocking(move || {
        durable::own(&lock)?;
        let file = File::options().write(true).open(&lock)?;
        file.lock()?;
        Ok(file)
    })
    .await
    .map_err(std::io::Error::other)?
}

async fn run(path: &Path, writer: &SqlitePool) -> Result<(), StoreError> {
    let migrations = MIGRATIONS.into_iter().map(|(version, name, sql)| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    match Migrator::with_migrations(migrations.collect()).run(writer).await {
        Ok(()) => Ok(()),
        Err(MigrateError::VersionMissing(found)) => Err(StoreError::Newer { path: path.to_owned(), found }),
        Err(source) => Err(StoreError::Migrate { path: path.to_owned(), source }),
    }
}

/// The schema of a database that an earlier build made; `None` for a new one, and for one of this build or a later.
async fn outdated(pool: &SqlitePool) -> Result<Option<i64>, StoreError> {
    let newest = MIGRATIONS.last().map_or(0, |(version, ..)| *version);
    Ok(schema(pool).await?.filter(|found| *found < newest))
}

async fn schema(pool: &SqlitePool) -> Result<Option<i64>, sqlx::Error> {
    let is_made: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = '_sqlx_migrations')")
            .fetch_one(pool)
            .await?;
    if !is_made {
        return Ok(None);
    }
    sqlx::query_scalar("SELECT MAX(version) FROM _sqlx_migrations").fetch_one(pool).await
}

/// Copies the database whole, looks the copy through, and only then keeps it. Of a copy that is not whole nothing stays: it may
/// hold the last room there is.
async fn back_up(path: &Path, writer: &SqlitePool, schema: i64) -> Result<PathBuf, StoreError> {
    let backup = beside(path, &format!("{BACKUP}{schema}"));
    let fresh = beside(path, &format!("{BACKUP}{schema}.new"));
    // Without a service manager there is nobody to tell.
    let _ = sd_notify::notify(false, &[sd_notify::NotifyState::ExtendTimeoutUsec(PATIENCE_US)]);
    let copied = copy(writer, schema, (&fresh, &backup)).await;
    if copied.is_err()
        && let Err(error) = remove(&fresh)
    {
        tracing::warn!(error = &error as &dyn std::error::Error, "what was copied of the database stays");
    }
    copied.map_err(|source| StoreError::BackUp { path: path.to_owned(), source })?;
    Ok(backup)
}

async fn copy(writer: &SqlitePool, schema: i64, (fresh, backup): (&Path, &Path)) -> Result<(), sqlx::Error> {
    remove(fresh)?;
    durable::own(fresh)?;
    let before = counts(writer).await?;
    let copied = sqlx::query("VACUUM INTO $1").bind(fresh.to_string_lossy()).execute(writer).await;
    failpoint!("backup.copy", copied?);
    check(fresh, schema, &before).await?;
    let keep = || {
        File::open(fresh)?.sync_all()?;
        std::fs::rename(fresh, backup)?;
        durable::sync_folder_of(backup)
    };
    failpoint!("backup.keep", Ok(keep()?))
}

fn remove(file: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Whether the copy is sound, of the schema, and holds every row.
async fn check(copy: &Path, schema_before: i64, before: &[(String, i64)]) -> Result<(), sqlx::Error> {
    let unsound = |what: String| sqlx::Error::Protocol(format!("the copy is not sound: {what}"));
    let pool = SqlitePool::connect_with(SqliteConnectOptions::new().filename(copy).read_only(true)).await?;
    let found = async {
        let said: Vec<String> = sqlx::query_scalar("PRAGMA quick_check").fetch_all(&pool).await?;
        if said != ["ok"] {
            return Err(unsound(said.join("; ")));
        }
        let (copied, version) = (counts(&pool).await?, schema(&pool).await?);
        if version != Some(schema_before) || copied != before {
            return Err(unsound("rows are missing".to_owned()));
        }
        Ok(())
    };
    let found = found.await;
    pool.close().await;
    found
}

/// Every table and how many rows it has, by name.
async fn counts(pool: &SqlitePool) -> Result<Vec<(String, i64)>, sqlx::Error> {
    let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(pool).await?;
    let mut counts = Vec::with_capacity(tables.len());
    for table in tables {
        let sql = AssertSqlSafe(format!("SELECT COUNT(*) FROM \"{table}\""));
        let rows = sqlx::query_scalar(sql).fetch_one(pool).await?;
        counts.push((table, rows));
    }
    Ok(counts)
}

/// Removes back-ups made longer than [`KEPT`] before `now`: they hold what was erased since.
pub(crate) fn forget_old(path: &Path, now: SystemTime) {
    let is_past = |backup: &DirEntry| {
        let made = backup.metadata().and_then(|facts| facts.modified());
        made.is_ok_and(|made| now.duration_since(made).is_ok_and(|age| age > KEPT))
    };
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return };
    let begins = format!("{}{BACKUP}", name.to_string_lossy());
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let is_backup = entry.file_name().to_string_lossy().starts_with(&begins);
        if is_backup
            && is_past(&entry)
            && let Err(error) = std::fs::remove_file(entry.path())
        {
            tracing::warn!(error = &error as &dyn std::error::Error, "an earlier back-up stays");
        }
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

#[cfg(test)]
mod tests;
