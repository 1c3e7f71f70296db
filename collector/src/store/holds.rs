//! Rows of what an illegal case keeps: everything of its subject and device, until it is closed.

use lapwing_proto::{DeviceId, SchoolId};

use super::{StoreError, Tx, id};
use crate::ids::{ConcernId, HoldId, SubjectId};

/// Keeps everything of `subject` and `device` while `concern` stands; what is kept already stays kept.
pub(crate) async fn keep(
    tx: &mut Tx,
    school: &SchoolId,
    concern: ConcernId,
    (subject, device): (SubjectId, DeviceId),
    now_us: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO holds (school_id, hold_id, concern_id, subject_id, device_id, since_us)
         SELECT $1, $2, $3, $4, $5, $6 WHERE NOT EXISTS (SELECT 1 FROM holds WHERE school_id = $1
         AND concern_id = $3 AND subject_id = $4 AND device_id = $5 AND released_us IS NULL)",
    )
    .bind(school.as_str())
    .bind(HoldId::random()?.as_bytes().as_slice())
    .bind(concern.as_bytes().as_slice())
    .bind(subject.as_bytes().as_slice())
    .bind(device.as_bytes().as_slice())
    .bind(now_us)
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// What `concern` keeps, it keeps of `subject` too: somebody said whose it is.
pub(crate) async fn follow(
    tx: &mut Tx,
    school: &SchoolId,
    concern: ConcernId,
    subject: SubjectId,
    now_us: i64,
) -> Result<(), StoreError> {
    let rows = sqlx::query(
        "SELECT DISTINCT device_id FROM holds WHERE school_id = $1 AND concern_id = $2 AND released_us IS NULL",
    )
    .bind(school.as_str())
    .bind(concern.as_bytes().as_slice())
    .fetch_all(tx.connection())
    .await?;
    for row in &rows {
        keep(tx, school, concern, (subject, id(row, 0)?), now_us).await?;
    }
    Ok(())
}

/// What `concern` let go of, it keeps again: it was taken up again.
pub(crate) async fn again(tx: &mut Tx, school: &SchoolId, concern: ConcernId, now_us: i64) -> Result<(), StoreError> {
    let rows = sqlx::query("SELECT DISTINCT subject_id, device_id FROM holds WHERE school_id = $1 AND concern_id = $2")
        .bind(school.as_str())
        .bind(concern.as_bytes().as_slice())
        .fetch_all(tx.connection())
        .await?;
    for row in &rows {
        keep(tx, school, concern, (id(row, 0)?, id(row, 1)?), now_us).await?;
    }
    Ok(())
}

/// Lets go of what `concern` kept.
pub(crate) async fn release(tx: &mut Tx, school: &SchoolId, concern: ConcernId, now_us: i64) -> Result<(), StoreError> {
    sqlx::query("UPDATE holds SET released_us = $3 WHERE school_id = $1 AND concern_id = $2 AND released_us IS NULL")
        .bind(school.as_str())
        .bind(concern.as_bytes().as_slice())
        .bind(now_us)
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// Whether anything of `subject` is kept: it is then neither merged, erased nor purged.
pub(crate) async fn keeps_subject(tx: &mut Tx, school: &SchoolId, subject: SubjectId) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM holds WHERE school_id = $1 AND subject_id = $2 AND released_us IS NULL)",
    )
    .bind(school.as_str())
    .bind(subject.as_bytes().as_slice())
    .fetch_one(tx.connection())
    .await?)
}
