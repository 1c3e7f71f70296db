//! Rows of who may see a concern, and of who handed it over.

use std::collections::BTreeSet;

use lapwing_proto::SchoolId;

#[cfg(test)]
use super::Store;
use super::concerns::{Undecided, read_undecided};
use super::{StoreError, Tx, id};
use crate::actor::PersonId;
use crate::ids::ConcernId;
use crate::routing::Recipient;

/// Lets `recipients` see a concern. Who sees it already keeps the older reason, unless it was for teaching the class; who
/// handed it over never sees it again.
pub(crate) async fn add(
    tx: &mut Tx,
    school: &SchoolId,
    concern: ConcernId,
    recipients: &[Recipient],
    since_us: i64,
) -> Result<(), StoreError> {
    for recipient in recipients {
        sqlx::query(
            "INSERT INTO concern_recipients (school_id, concern_id, person_id, reason, since_us)
             SELECT $1, $2, $3, $4, $5 WHERE NOT EXISTS (SELECT 1 FROM concern_recusals AS x
             WHERE x.school_id = $1 AND x.concern_id = $2 AND x.person_id = $3)
             ON CONFLICT (school_id, concern_id, person_id)
             DO UPDATE SET reason = excluded.reason WHERE concern_recipients.reason = 'class'",
        )
        .bind(school.as_str())
        .bind(concern.as_bytes().as_slice())
        .bind(recipient.person.as_bytes().as_slice())
        .bind(recipient.reason)
        .bind(since_us)
        .execute(tx.connection())
        .await?;
    }
    Ok(())
}

/// Up to `limit` concerns after `after` that routing lets `person` see, in the order of their ids.
pub(crate) async fn routed_to(
    tx: &mut Tx,
    school: &SchoolId,
    person: PersonId,
    after: Option<ConcernId>,
    limit: u32,
) -> Result<Vec<Undecided>, StoreError> {
    let rows = sqlx::query(
        "SELECT c.concern_id, c.subject_id, c.category, c.level FROM concern_recipients AS r
         JOIN concerns AS c ON c.school_id = r.school_id AND c.concern_id = r.concern_id
         WHERE r.school_id = $1 AND r.person_id = $2 AND r.concern_id > $3 AND r.reason <> 'shared_by_person'
         ORDER BY r.concern_id LIMIT $4",
    )
    .bind(school.as_str())
    .bind(person.as_bytes().as_slice())
    .bind(after.map_or_else(Vec::new, |after| after.as_bytes().to_vec()))
    .bind(i64::from(limit))
    .fetch_all(tx.connection())
    .await?;
    rows.iter().map(read_undecided).collect()
}

/// Whether `person` sees a concern.
pub(crate) async fn holds(
    tx: &mut Tx,
    school: &SchoolId,
    concern: ConcernId,
    person: PersonId,
) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM concern_recipients WHERE school_id = $1 AND concern_id = $2 AND person_id = $3)",
    )
    .bind(school.as_str())
    .bind(concern.as_bytes().as_slice())
    .bind(person.as_bytes().as_slice())
    .fetch_one(tx.connection())
    .await?)
}

/// No longer lets `person` see a concern.
pub(crate) async fn remove(
    tx: &mut Tx,
    school: &SchoolId,
    concern: ConcernId,
    person: PersonId,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM concern_recipients WHERE school_id = $1 AND concern_id = $2 AND person_id = $3")
        .bind(school.as_str())
        .bind(concern.as_bytes().as_slice())
        .bind(person.as_bytes().as_slice())
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// No longer lets those see a concern who saw it for `reason` alone.
pub(crate) async fn remove_by_reason(
    tx: &mut Tx,
    school: &SchoolId,
    concern: ConcernId,
    reason: &str,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM concern_recipients WHERE school_id = $1 AND concern_id = $2 AND reason = $3")
        .bind(school.as_str())
        .bind(concern.as_bytes().as_slice())
        .bind(reason)
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// No longer lets those see concerns who saw them for teaching a class that its subject is not in any more, or that they
/// do not teach any more.
pub(crate) async fn remove_of_other_classes(tx: &mut Tx, school: &SchoolId) -> Result<(), StoreError> {
    sqlx::query(
        "DELETE FROM concern_recipients WHERE school_id = $1 AND reason = 'class' AND NOT EXISTS
         (SELECT 1 FROM concerns AS c
          JOIN subjects AS s ON s.school_id = c.school_id AND s.subject_id = c.subject_id
          JOIN persons AS p ON p.school_id = s.school_id AND p.person_id = s.person_id
          JOIN person_classes AS t ON t.school_id = p.school_id AND t.class = p.class
          JOIN person_roles AS r ON r.school_id = t.school_id AND r.person_id = t.person_id
          WHERE c.school_id = concern_recipients.school_id AND c.concern_id = concern_recipients.concern_id
          AND p.left_us IS NULL AND t.person_id = concern_recipients.person_id
          AND r.role IN ('class_teacher', 'head_of_department'))",
    )
    .bind(school.as_str())
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Persons who may see a concern.
#[cfg(test)]
pub(crate) async fn all(store: &Store, concern: ConcernId) -> Vec<PersonId> {
    let rows = sqlx::query("SELECT person_id FROM concern_recipients WHERE concern_id = $1 ORDER BY person_id")
        .bind(concern.as_bytes().as_slice())
        .fetch_all(store.reader())
        .await
        .unwrap();
    rows.iter().map(|row| id(row, 0).unwrap()).collect()
}

/// `person` has a conflict of interest: they no longer see the concern, and nothing lets them see it again.
pub(crate) async fn recuse(
    tx: &mut Tx,
    school: &SchoolId,
    concern: ConcernId,
    person: PersonId,
    now_us: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO concern_recusals (school_id, concern_id, person_id, since_us) VALUES ($1, $2, $3, $4)
         ON CONFLICT (school_id, concern_id, person_id) DO NOTHING",
    )
    .bind(school.as_str())
    .bind(concern.as_bytes().as_slice())
    .bind(person.as_bytes().as_slice())
    .bind(now_us)
    .execute(tx.connection())
    .await?;
    remove(tx, school, concern, person).await
}

/// Who handed a concern over.
pub(crate) async fn recused(
    tx: &mut Tx,
    school: &SchoolId,
    concern: ConcernId,
) -> Result<BTreeSet<PersonId>, StoreError> {
    let rows = sqlx::query("SELECT person_id FROM concern_recusals WHERE school_id = $1 AND concern_id = $2")
        .bind(school.as_str())
        .bind(concern.as_bytes().as_slice())
        .fetch_all(tx.connection())
        .await?;
    rows.iter().map(|row| id(row, 0)).collect()
}
