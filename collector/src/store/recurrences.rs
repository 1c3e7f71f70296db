//! Rows of who wants to hear when a topic comes again about the same subject. Whoever may not see what comes hears nothing.

use lapwing_proto::SchoolId;
use sqlx::AssertSqlSafe;

use super::{Store, StoreError, Tx, id, visible_to};
use crate::actor::{Actor, PersonId};
use crate::ids::{ConcernId, SubjectId};

/// `person` wants to hear of it until `until_us`, microseconds of UTC.
pub(crate) async fn watch(
    tx: &mut Tx,
    school: &SchoolId,
    (subject, category): (SubjectId, &str),
    person: PersonId,
    (now_us, until_us): (i64, i64),
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO recurrences (school_id, subject_id, category, person_id, since_us, until_us)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (school_id, subject_id, category, person_id)
         DO UPDATE SET since_us = excluded.since_us, until_us = excluded.until_us",
    )
    .bind(school.as_str())
    .bind(subject.as_bytes().as_slice())
    .bind(category)
    .bind(person.as_bytes().as_slice())
    .bind(now_us)
    .bind(until_us)
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// `person` does not want to hear of it any more.
pub(crate) async fn end(
    tx: &mut Tx,
    school: &SchoolId,
    (subject, category): (SubjectId, &str),
    person: PersonId,
) -> Result<(), StoreError> {
    sqlx::query(
        "DELETE FROM recurrences WHERE school_id = $1 AND subject_id = $2 AND category = $3 AND person_id = $4",
    )
    .bind(school.as_str())
    .bind(subject.as_bytes().as_slice())
    .bind(category)
    .bind(person.as_bytes().as_slice())
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Who wants to hear of it at `now_us`.
pub(crate) async fn watching(
    tx: &mut Tx,
    school: &SchoolId,
    (subject, category): (SubjectId, &str),
    now_us: i64,
) -> Result<Vec<PersonId>, StoreError> {
    let rows = sqlx::query(
        "SELECT person_id FROM recurrences WHERE school_id = $1 AND subject_id = $2 AND category = $3 AND until_us > $4
         ORDER BY person_id",
    )
    .bind(school.as_str())
    .bind(subject.as_bytes().as_slice())
    .bind(category)
    .bind(now_us)
    .fetch_all(tx.connection())
    .await?;
    rows.iter().map(|row| id(row, 0)).collect()
}

/// Until when `actor` hears of it when what a concern is about comes again, where they do and may know of the concern.
pub(crate) async fn until_us(
    store: &Store,
    actor: &Actor,
    concern: ConcernId,
    now_us: i64,
) -> Result<Option<i64>, StoreError> {
    let visible = visible_to(actor);
    let sql = format!(
        "SELECT w.until_us FROM concerns AS c JOIN recurrences AS w ON w.school_id = c.school_id
         AND w.subject_id = c.subject_id AND w.category = c.category AND w.person_id = $2 AND w.until_us > $4
         WHERE {} AND c.concern_id = $3",
        visible.sql
    );
    Ok(sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(visible.school())
        .bind(visible.person())
        .bind(concern.as_bytes().as_slice())
        .bind(now_us)
        .fetch_optional(store.reader())
        .await?)
}
