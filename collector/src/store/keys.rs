//! The key file: evidence keys, wrapped, in a database of their own.

use std::path::Path;

use data_encoding::HEXLOWER;
use lapwing_proto::{SchoolId, failpoint};
use serde_json::json;
use sqlx::{Row, SqlitePool};

use super::dialect::{bytes, each};
use super::{StoreError, connect_options, id, open_pool};
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

    /// Stores wrapped keys; durable when it returns.
    pub(crate) async fn insert(
        &self,
        school: &SchoolId,
        keys: &[(KeyId, Vec<u8>)],
        created_us: i64,
    ) -> Result<(), StoreError> {
        let hex = |bytes: &[u8]| HEXLOWER.encode(bytes);
        let keys: Vec<_> =
            keys.iter().map(|(id, wrapped)| json!({ "id": hex(id.as_bytes()), "wrapped": hex(wrapped) })).collect();
        let insert = sqlx::query(concat!(
            "INSERT INTO keys (school_id, key_id, wrapped, created_us) SELECT $1, ",
            bytes!("id"),
            ", ",
            bytes!("wrapped"),
            ", $3 FROM ",
            each!("$2")
        ));
        let insert = insert.bind(school.as_str()).bind(json!(keys).to_string()).bind(created_us);
        failpoint!("keys.insert", insert.execute(&self.0).await?);
        Ok(())
    }

    /// The wrapped keys among `keys` that were not erased.
    pub(crate) async fn wrapped(&self, school: &SchoolId, keys: &[KeyId]) -> Result<Vec<(KeyId, Vec<u8>)>, StoreError> {
        let keys: Vec<_> = keys.iter().map(|id| json!({ "id": HEXLOWER.encode(id.as_bytes()) })).collect();
        let rows = sqlx::query(concat!(
            "SELECT k.key_id, k.wrapped FROM ",
            each!("$2"),
            " JOIN keys AS k ON k.school_id = $1 AND k.key_id = ",
            bytes!("id")
        ))
        .bind(school.as_str())
        .bind(json!(keys).to_string())
        .fetch_all(&self.0)
        .await?;
        rows.iter().map(|row| Ok((id(row, 0)?, row.try_get(1)?))).collect()
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
