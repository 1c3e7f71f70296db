//! Review dates of concerns: when one comes back to the lists, and who is told.

use lapwing_proto::SchoolId;
use lapwing_rules::Level;
use sqlx::Row as _;

use super::{StoreError, Tx, id, level, parsed};
use crate::actor::PersonId;
use crate::ids::ConcernId;
use crate::triage::State;

/// A concern whose review date has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) concern: ConcernId,
    pub(crate) reference: String,
    pub(crate) level: Level,
    pub(crate) state: State,
}

/// Sets the review date; `None`: none is needed.
pub(crate) async fn set(
    tx: &mut Tx,
    school: &SchoolId,
    concern: ConcernId,
    review_us: Option<i64>,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE concerns SET review_us = $3 WHERE school_id = $1 AND concern_id = $2")
        .bind(school.as_str())
        .bind(concern.as_bytes().as_slice())
        .bind(review_us)
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// The date has come, or is no longer needed.
pub(crate) async fn clear(tx: &mut Tx, school: &SchoolId, concern: ConcernId) -> Result<(), StoreError> {
    set(tx, school, concern, None).await
}

/// Up to `limit` concerns whose review date has come at `now_us`.
pub(crate) async fn due(tx: &mut Tx, school: &SchoolId, now_us: i64, limit: u32) -> Result<Vec<Due>, StoreError> {
    let rows = sqlx::query(
        "SELECT concern_id, reference, level, state FROM concerns
         WHERE school_id = $1 AND review_us IS NOT NULL AND review_us <= $2 ORDER BY review_us, concern_id LIMIT $3",
    )
    .bind(school.as_str())
    .bind(now_us)
    .bind(i64::from(limit))
    .fetch_all(tx.connection())
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Due { concern: id(row, 0)?, reference: row.try_get(1)?, level: level(row, 2)?, state: parsed(row, 3)? })
        })
        .collect()
}

/// Who sees a concern and can sign in, and is not whom it is about.
pub(crate) async fn readers(tx: &mut Tx, school: &SchoolId, concern: ConcernId) -> Result<Vec<PersonId>, StoreError> {
    let rows = sqlx::query(
        "SELECT r.person_id FROM concern_recipients AS r
         JOIN concerns AS c ON c.school_id = r.school_id AND c.concern_id = r.concern_id
         JOIN subjects AS s ON s.school_id = c.school_id AND s.subject_id = c.subject_id
         WHERE r.school_id = $1 AND r.concern_id = $2 AND s.person_id IS DISTINCT FROM r.person_id AND EXISTS
         (SELECT 1 FROM sign_ins AS i WHERE i.school_id = r.school_id AND i.person_id = r.person_id)
         ORDER BY r.person_id",
    )
    .bind(school.as_str())
    .bind(concern.as_bytes().as_slice())
    .fetch_all(tx.connection())
    .await?;
    rows.iter().map(|row| id(row, 0)).collect()
}
