//! Rows of concerns that still have to climb or to be told again: at most one a concern.

use std::collections::BTreeMap;

use lapwing_proto::SchoolId;
use lapwing_rules::Level;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{StoreError, Tx, id, level};
use crate::ids::{ConcernId, SubjectId};

/// A concern that nobody has acknowledged, and when it climbs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) concern: ConcernId,
    pub(crate) reference: String,
    pub(crate) subject: SubjectId,
    pub(crate) category: String,
    pub(crate) level: Level,
    pub(crate) due_us: i64,
    /// Times it climbed or was told again.
    pub(crate) step: u32,
}

/// Lets a concern climb at `due_us`, as one that has not climbed yet.
pub(crate) async fn start(tx: &mut Tx, school: &SchoolId, concern: ConcernId, due_us: i64) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO escalations (school_id, concern_id, due_us, step) VALUES ($1, $2, $3, 0)
         ON CONFLICT (school_id, concern_id) DO UPDATE SET due_us = excluded.due_us, step = 0",
    )
    .bind(school.as_str())
    .bind(concern.as_bytes().as_slice())
    .bind(due_us)
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// It climbed, and does so next at `due_us`.
pub(crate) async fn climbed(
    tx: &mut Tx,
    school: &SchoolId,
    concern: ConcernId,
    step: u32,
    due_us: i64,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE escalations SET step = $3, due_us = $4 WHERE school_id = $1 AND concern_id = $2")
        .bind(school.as_str())
        .bind(concern.as_bytes().as_slice())
        .bind(i64::from(step))
        .bind(due_us)
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// It climbs no further.
pub(crate) async fn stop(tx: &mut Tx, school: &SchoolId, concern: ConcernId) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM escalations WHERE school_id = $1 AND concern_id = $2")
        .bind(school.as_str())
        .bind(concern.as_bytes().as_slice())
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// Up to `limit` of those that are due at `now_us`, the most urgent first.
pub(crate) async fn due(tx: &mut Tx, school: &SchoolId, now_us: i64, limit: u32) -> Result<Vec<Waiting>, StoreError> {
    let rows = sqlx::query(
        "SELECT e.concern_id, c.reference, c.subject_id, c.category, c.level, e.due_us, e.step FROM escalations AS e
         JOIN concerns AS c ON c.school_id = e.school_id AND c.concern_id = e.concern_id
         WHERE e.school_id = $1 AND e.due_us <= $2 ORDER BY c.level DESC, e.due_us, e.concern_id LIMIT $3",
    )
    .bind(school.as_str())
    .bind(now_us)
    .bind(i64::from(limit))
    .fetch_all(tx.connection())
    .await?;
    rows.iter().map(read_waiting).collect()
}

/// When the next one is due.
pub(crate) async fn next_due(tx: &mut Tx, school: &SchoolId) -> Result<Option<i64>, StoreError> {
    Ok(sqlx::query_scalar("SELECT MIN(due_us) FROM escalations WHERE school_id = $1")
        .bind(school.as_str())
        .fetch_one(tx.connection())
        .await?)
}

/// Brings forward what is due later than its level could be if it were opened now: a clock that was ahead wrote it.
pub(crate) async fn bring_forward(
    tx: &mut Tx,
    school: &SchoolId,
    latest: &BTreeMap<Level, i64>,
) -> Result<(), StoreError> {
    for (level, latest_us) in latest {
        sqlx::query(
            "UPDATE escalations SET due_us = $3 WHERE school_id = $1 AND due_us > $3 AND EXISTS
             (SELECT 1 FROM concerns AS c WHERE c.school_id = $1 AND c.concern_id = escalations.concern_id
              AND c.level = $2)",
        )
        .bind(school.as_str())
        .bind(i64::from(level.number()))
        .bind(latest_us)
        .execute(tx.connection())
        .await?;
    }
    Ok(())
}

/// Up to `limit` of those that have not climbed yet, whenever they are due: somebody may have gone away.
pub(crate) async fn fresh(tx: &mut Tx, school: &SchoolId, limit: u32) -> Result<Vec<Waiting>, StoreError> {
    let rows = sqlx::query(
        "SELECT e.concern_id, c.reference, c.subject_id, c.category, c.level, e.due_us, e.step FROM escalations AS e
         JOIN concerns AS c ON c.school_id = e.school_id AND c.concern_id = e.concern_id
         WHERE e.school_id = $1 AND e.step = 0 AND c.level >= 4 ORDER BY c.level DESC, e.due_us, e.concern_id LIMIT $2",
    )
    .bind(school.as_str())
    .bind(i64::from(limit))
    .fetch_all(tx.connection())
    .await?;
    rows.iter().map(read_waiting).collect()
}

fn read_waiting(row: &SqliteRow) -> Result<Waiting, StoreError> {
    Ok(Waiting {
        concern: id(row, 0)?,
        reference: row.try_get(1)?,
        subject: id(row, 2)?,
        category: row.try_get(3)?,
        level: level(row, 4)?,
        due_us: row.try_get(5)?,
        step: row.try_get(6)?,
    })
}
