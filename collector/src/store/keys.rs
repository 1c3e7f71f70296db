//! The key file: evidence keys, wrapped, in a database of their own.

use std::path::Path;

use lapwing_proto::{SchoolId, failpoint};
use sqlx::SqlitePool;

use super::{StoreError, connect_options, open_pool};
use crate::ids::KeyId;

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS keys (
    school_id   TEXT NOT NULL,
    key_id      BLOB NOT NULL,
    wrapped     BLOB NOT NULL,
    created_us  INTEGER NOT NULL,
    PRIMARY KEY (school_id, key_id)
) STRICT, WITHOUT ROWID";

/// The open key file.
#[derive(Clone, Debug)]
pub(crate) struct KeyFile(SqlitePool);

impl KeyFile {
    /// Opens or makes it. `synchronous = FULL`: a key is on disk before the capture it seals.
    pub(crate) async fn open(path: &Path) -> Result<Self, StoreError> {
        let pool = open_pool(path, connect_options(path), 1).await?;
        sqlx::query(SCHEMA).execute(&pool).await?;
        Ok(Self(pool))
    }

    /// Stores a wrapped key; durable when it returns.
    pub(crate) async fn insert(
        &self,
        school: &SchoolId,
        key: KeyId,
        wrapped: &[u8],
        created_us: i64,
    ) -> Result<(), StoreError> {
        let insert = sqlx::query("INSERT INTO keys (school_id, key_id, wrapped, created_us) VALUES ($1, $2, $3, $4)")
            .bind(school.as_str())
            .bind(key.as_bytes().as_slice())
            .bind(wrapped)
            .bind(created_us);
        failpoint!("keys.insert", insert.execute(&self.0).await?);
        Ok(())
    }

    /// The wrapped key, unless it was erased.
    pub(crate) async fn wrapped(&self, school: &SchoolId, key: KeyId) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(sqlx::query_scalar("SELECT wrapped FROM keys WHERE school_id = $1 AND key_id = $2")
            .bind(school.as_str())
            .bind(key.as_bytes().as_slice())
            .fetch_optional(&self.0)
            .await?)
    }

    /// Deletes a key from the file and from its log: `secure_delete` overwrites the row, and the checkpoint empties
    /// the log that still held it.
    pub(crate) async fn delete(&self, school: &SchoolId, key: KeyId) -> Result<bool, StoreError> {
        let deleted = sqlx::query("DELETE FROM keys WHERE school_id = $1 AND key_id = $2")
            .bind(school.as_str())
            .bind(key.as_bytes().as_slice())
            .execute(&self.0)
            .await?
            .rows_affected();
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&self.0).await?;
        Ok(deleted > 0)
    }

    /// Closes it, writing the log back into the file.
    pub(crate) async fn close(&self) {
        self.0.close().await;
    }
}
