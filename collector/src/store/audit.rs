//! Rows of the audit log.

use lapwing_proto::SchoolId;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{Store, StoreError, Tx};

/// One stored leaf with what it commits to.
pub(crate) struct StoredLeaf {
    pub(crate) index: u64,
    pub(crate) leaf: Vec<u8>,
    pub(crate) salt: Option<Vec<u8>>,
    pub(crate) act: Option<String>,
}

/// The index the next leaf of `school` gets.
pub(crate) async fn next_index(tx: &mut Tx, school: &SchoolId) -> Result<u64, StoreError> {
    let last: Option<i64> = sqlx::query_scalar("SELECT MAX(leaf_index) FROM audit_leaves WHERE school_id = $1")
        .bind(school.as_str())
        .fetch_one(tx.connection())
        .await?;
    Ok(last.map_or(0, |last| last.unsigned_abs() + 1))
}

/// Stores a leaf and the act it commits to.
pub(crate) async fn insert(
    tx: &mut Tx,
    school: &SchoolId,
    index: u64,
    leaf: &[u8],
    salt: &[u8],
    act: &str,
) -> Result<(), StoreError> {
    let index = index.cast_signed();
    sqlx::query("INSERT INTO audit_leaves (school_id, leaf_index, leaf) VALUES ($1, $2, $3)")
        .bind(school.as_str())
        .bind(index)
        .bind(leaf)
        .execute(tx.connection())
        .await?;
    sqlx::query("INSERT INTO audit_acts (school_id, leaf_index, salt, act) VALUES ($1, $2, $3, $4)")
        .bind(school.as_str())
        .bind(index)
        .bind(salt)
        .bind(act)
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// Up to `limit` leaves of `school` from `from` on, in order.
pub(crate) async fn page(
    store: &Store,
    school: &SchoolId,
    from: u64,
    limit: u32,
) -> Result<Vec<StoredLeaf>, StoreError> {
    let Ok(from) = i64::try_from(from) else {
        return Ok(Vec::new());
    };
    let rows = sqlx::query(
        "SELECT l.leaf_index, l.leaf, a.salt, a.act FROM audit_leaves AS l
         LEFT JOIN audit_acts AS a ON a.school_id = l.school_id AND a.leaf_index = l.leaf_index
         WHERE l.school_id = $1 AND l.leaf_index >= $2 ORDER BY l.leaf_index LIMIT $3",
    )
    .bind(school.as_str())
    .bind(from)
    .bind(i64::from(limit))
    .fetch_all(store.reader())
    .await?;
    rows.iter().map(leaf).collect()
}

/// Acts without a leaf: somebody deleted from the log.
pub(crate) async fn acts_without_leaf(store: &Store, school: &SchoolId) -> Result<u64, StoreError> {
    let count: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM audit_acts AS a WHERE a.school_id = $1 AND NOT EXISTS
         (SELECT 1 FROM audit_leaves AS l WHERE l.school_id = a.school_id AND l.leaf_index = a.leaf_index)",
    )
    .bind(school.as_str())
    .fetch_one(store.reader())
    .await?;
    Ok(count.unsigned_abs())
}

fn leaf(row: &SqliteRow) -> Result<StoredLeaf, StoreError> {
    Ok(StoredLeaf {
        index: row.try_get::<i64, _>(0)?.unsigned_abs(),
        leaf: row.try_get(1)?,
        salt: row.try_get(2)?,
        act: row.try_get(3)?,
    })
}

/// Runs a statement that the product never would, for the tests of [`crate::audit::verify`].
#[cfg(test)]
pub(crate) async fn tamper(store: &Store, statement: &'static str) {
    let mut tx = store.begin().await.unwrap();
    sqlx::query(statement).execute(tx.connection()).await.unwrap();
    tx.commit().await.unwrap();
}
