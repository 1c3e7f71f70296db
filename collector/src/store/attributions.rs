//! Rows of who used a class log-on, as somebody says; and what moves with it.

use lapwing_proto::SchoolId;
use sqlx::Row as _;

use super::{StoreError, Tx, id};
use crate::actor::PersonId;
use crate::ids::{AttributionId, CaptureId, ConcernId, KeyId, StepId, SubjectId};

/// An attribution that stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attribution {
    pub(crate) id: AttributionId,
    pub(crate) from: SubjectId,
}

/// Something sealed that moves with a concern.
#[derive(Debug)]
pub(crate) struct Moving<T> {
    pub(crate) id: T,
    pub(crate) key: KeyId,
    pub(crate) sealed: Vec<u8>,
}

/// The attribution of a concern that stands.
pub(crate) async fn standing(
    tx: &mut Tx,
    school: &SchoolId,
    concern: ConcernId,
) -> Result<Option<Attribution>, StoreError> {
    let row = sqlx::query(
        "SELECT attribution_id, from_subject FROM attributions
         WHERE school_id = $1 AND concern_id = $2 AND undone_us IS NULL",
    )
    .bind(school.as_str())
    .bind(concern.as_bytes().as_slice())
    .fetch_optional(tx.connection())
    .await?;
    row.map(|row| Ok(Attribution { id: id(&row, 0)?, from: id(&row, 1)? })).transpose()
}

/// Records that `person` says so.
pub(crate) async fn insert(
    tx: &mut Tx,
    school: &SchoolId,
    concern: ConcernId,
    (from, to): (SubjectId, SubjectId),
    (person, now_us): (PersonId, i64),
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO attributions
         (school_id, attribution_id, concern_id, from_subject, to_subject, person_id, at_us)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(school.as_str())
    .bind(AttributionId::random()?.as_bytes().as_slice())
    .bind(concern.as_bytes().as_slice())
    .bind(from.as_bytes().as_slice())
    .bind(to.as_bytes().as_slice())
    .bind(person.as_bytes().as_slice())
    .bind(now_us)
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// It is taken back.
pub(crate) async fn undo(
    tx: &mut Tx,
    school: &SchoolId,
    attribution: AttributionId,
    now_us: i64,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE attributions SET undone_us = $3 WHERE school_id = $1 AND attribution_id = $2")
        .bind(school.as_str())
        .bind(attribution.as_bytes().as_slice())
        .bind(now_us)
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// The captures of a concern, still sealed.
pub(crate) async fn captures(
    tx: &mut Tx,
    school: &SchoolId,
    concern: ConcernId,
) -> Result<Vec<Moving<CaptureId>>, StoreError> {
    let rows = sqlx::query(
        "SELECT k.capture_id, k.key_id, k.sealed FROM concern_captures AS l
         JOIN captures AS k ON k.school_id = l.school_id AND k.capture_id = l.capture_id
         WHERE l.school_id = $1 AND l.concern_id = $2",
    )
    .bind(school.as_str())
    .bind(concern.as_bytes().as_slice())
    .fetch_all(tx.connection())
    .await?;
    rows.iter().map(|row| Ok(Moving { id: id(row, 0)?, key: id(row, 1)?, sealed: row.try_get(2)? })).collect()
}

/// The notes of a concern, still sealed.
pub(crate) async fn notes(
    tx: &mut Tx,
    school: &SchoolId,
    concern: ConcernId,
) -> Result<Vec<Moving<StepId>>, StoreError> {
    let rows = sqlx::query(
        "SELECT step_id, key_id, sealed_note FROM concern_steps
         WHERE school_id = $1 AND concern_id = $2 AND sealed_note IS NOT NULL",
    )
    .bind(school.as_str())
    .bind(concern.as_bytes().as_slice())
    .fetch_all(tx.connection())
    .await?;
    rows.iter().map(|row| Ok(Moving { id: id(row, 0)?, key: id(row, 1)?, sealed: row.try_get(2)? })).collect()
}

/// A capture, sealed anew for another subject.
pub(crate) async fn move_capture(
    tx: &mut Tx,
    school: &SchoolId,
    moved: &Moving<CaptureId>,
    subject: SubjectId,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE captures SET subject_id = $3, key_id = $4, sealed = $5 WHERE school_id = $1 AND capture_id = $2",
    )
    .bind(school.as_str())
    .bind(moved.id.as_bytes().as_slice())
    .bind(subject.as_bytes().as_slice())
    .bind(moved.key.as_bytes().as_slice())
    .bind(moved.sealed.as_slice())
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// A note, sealed anew.
pub(crate) async fn move_note(tx: &mut Tx, school: &SchoolId, moved: &Moving<StepId>) -> Result<(), StoreError> {
    sqlx::query("UPDATE concern_steps SET key_id = $3, sealed_note = $4 WHERE school_id = $1 AND step_id = $2")
        .bind(school.as_str())
        .bind(moved.id.as_bytes().as_slice())
        .bind(moved.key.as_bytes().as_slice())
        .bind(moved.sealed.as_slice())
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// Says whom a concern is about now.
pub(crate) async fn move_concern(
    tx: &mut Tx,
    school: &SchoolId,
    concern: ConcernId,
    subject: SubjectId,
    now_us: i64,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE concerns SET subject_id = $3, changed_us = $4 WHERE school_id = $1 AND concern_id = $2")
        .bind(school.as_str())
        .bind(concern.as_bytes().as_slice())
        .bind(subject.as_bytes().as_slice())
        .bind(now_us)
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// Whether a subject is one log-on session.
pub(crate) async fn is_session(tx: &mut Tx, school: &SchoolId, subject: SubjectId) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM subjects WHERE school_id = $1 AND subject_id = $2 AND kind = 'session')",
    )
    .bind(school.as_str())
    .bind(subject.as_bytes().as_slice())
    .fetch_one(tx.connection())
    .await?)
}
