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

/// Which layout of the file this is, as its `user_version`; 0 is one from before there was a number, and the same.
const LAYOUT: i64 = 1;

/// The open key file.
#[derive(Clone, Debug)]
pub(crate) struct KeyFile(SqlitePool);

impl KeyFile {
    /// Opens or makes it, unless a newer build did. `synchronous = FULL`: a key is on disk before the capture it seals.
    pub(crate) async fn open(path: &Path) -> Result<Self, StoreError> {
        let pool = open_pool(path, connect_options(path), 1).await?;
        let found: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&pool).await?;
        if found > LAYOUT {
            pool.close().await;
            return Err(StoreError::Newer { path: path.to_owned(), found });
        }
        sqlx::query(SCHEMA).execute(&pool).await?;
        if found < LAYOUT {
            sqlx::query("PRAGMA user_version = 1").execute(&pool).await?;
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_key_file_of_a_newer_build_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.db");
        for _ in 0..2 {
            let file = KeyFile::open(&path).await.unwrap();
            let layout: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&file.0).await.unwrap();
            assert_eq!(layout, LAYOUT);
            file.close().await;
        }
        let newer = open_pool(&path, connect_options(&path), 1).await.unwrap();
        sqlx::query("PRAGMA user_version = 2").execute(&newer).await.unwrap();
        newer.close().await;
        assert!(matches!(KeyFile::open(&path).await, Err(StoreError::Newer { found: 2, .. })));
    }
}
