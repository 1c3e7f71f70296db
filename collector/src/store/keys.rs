//! The key file: evidence keys, wrapped, in a database of their own.

use std::path::Path;
use std::sync::LazyLock;

use lapwing_proto::{SchoolId, failpoint};
use sqlx::{Row, SqlitePool};

use super::many::{Filling, MOST, Many};
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
        static INSERT: LazyLock<Many> = LazyLock::new(|| {
            let insert = "INSERT INTO keys (school_id, created_us, key_id, wrapped) SELECT ?, ?, column1, column2 FROM";
            Many::new(insert, "WHERE column1 IS NOT NULL", 2)
        });
        for keys in keys.chunks(MOST) {
            let filling = INSERT.filling(keys.len())?.bind(school.as_str()).bind(created_us);
            let row = |filling: Filling, (id, wrapped): &(KeyId, Vec<u8>)| {
                filling.bind(id.as_bytes().as_slice()).bind(wrapped.as_slice()).row()
            };
            let insert = keys.iter().fold(filling, row).filled();
            failpoint!("keys.insert", insert.execute(&self.0).await?);
        }
        Ok(())
    }

    /// The wrapped keys among `keys` that were not erased.
    pub(crate) async fn wrapped(&self, school: &SchoolId, keys: &[KeyId]) -> Result<Vec<(KeyId, Vec<u8>)>, StoreError> {
        static READ: LazyLock<Many> =
            LazyLock::new(|| Many::new("SELECT key_id, wrapped FROM keys WHERE school_id = ? AND key_id IN", "", 1));
        let mut found = Vec::with_capacity(keys.len());
        for keys in keys.chunks(MOST) {
            let filling = READ.filling(keys.len())?.bind(school.as_str());
            let row = |filling: Filling, key: &KeyId| filling.bind(key.as_bytes().as_slice()).row();
            for row in keys.iter().fold(filling, row).filled().fetch_all(&self.0).await? {
                found.push((id(&row, 0)?, row.try_get(1)?));
            }
        }
        Ok(found)
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
