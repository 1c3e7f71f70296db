//! Rows of concerns, who may see them, and what they hold.

use std::time::Duration;

use lapwing_proto::SchoolId;
use lapwing_rules::Level;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row};

use super::{Store, StoreError, Tx, id, level, parsed, visible_to};
use crate::actor::Actor;
use crate::ids::{CaptureId, ConcernId, KeyId, SubjectId};
use crate::routing::Recipient;
use crate::triage::{Candidate, State};

/// A concern to be made.
#[derive(Debug)]
pub(crate) struct NewConcern<'a> {
    pub(crate) id: ConcernId,
    pub(crate) reference: String,
    pub(crate) subject: SubjectId,
    pub(crate) category: &'a str,
    pub(crate) level: Level,
    pub(crate) seen_us: i64,
    pub(crate) hits: u64,
    pub(crate) opened_us: i64,
    pub(crate) acknowledge_by_us: Option<i64>,
}

/// What commands need to know of a concern.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    pub(crate) state: State,
    pub(crate) category: String,
    pub(crate) key: KeyId,
}

/// What routing needs to know of a concern.
#[derive(Clone, Debug)]
pub(crate) struct Undecided {
    pub(crate) id: ConcernId,
    pub(crate) subject: SubjectId,
    pub(crate) category: String,
    pub(crate) level: Level,
}

/// A capture of a concern, still sealed.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) id: CaptureId,
    pub(crate) device: Vec<u8>,
    pub(crate) received_us: i64,
    pub(crate) category: String,
    pub(crate) key: KeyId,
    pub(crate) sealed: Vec<u8>,
}

/// The undecided concern of the same subject and category that is nearest in time, within `window`.
pub(crate) async fn candidate(
    tx: &mut Tx,
    school: &SchoolId,
    subject: SubjectId,
    category: &str,
    seen_us: i64,
    window: Duration,
) -> Result<Option<Candidate>, StoreError> {
    let window_us = i64::try_from(window.as_micros()).unwrap_or(i64::MAX);
    let row = sqlx::query(
        "SELECT concern_id, state, level, captures FROM concerns
         WHERE school_id = $1 AND subject_id = $2 AND category = $3 AND last_us >= $4 AND first_us <= $5
         AND state IN ('new', 'acknowledged', 'under_review', 'reopened') ORDER BY last_us DESC LIMIT 1",
    )
    .bind(school.as_str())
    .bind(subject.as_bytes().as_slice())
    .bind(category)
    .bind(seen_us.saturating_sub(window_us))
    .bind(seen_us.saturating_add(window_us))
    .fetch_optional(tx.connection())
    .await?;
    row.as_ref().map(read_candidate).transpose()
}

/// Whether a reference is taken.
pub(crate) async fn reference_exists(tx: &mut Tx, school: &SchoolId, reference: &str) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM concerns WHERE school_id = $1 AND reference = $2)")
        .bind(school.as_str())
        .bind(reference)
        .fetch_one(tx.connection())
        .await?)
}

/// Makes a concern in state `new`.
pub(crate) async fn insert(tx: &mut Tx, school: &SchoolId, new: &NewConcern<'_>) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO concerns (school_id, concern_id, reference, subject_id, category, level, state, first_us, last_us,
         captures, opened_us, acknowledge_by_us, changed_us)
         VALUES ($1, $2, $3, $4, $5, $6, 'new', $7, $7, $8, $9, $10, $9)",
    )
    .bind(school.as_str())
    .bind(new.id.as_bytes().as_slice())
    .bind(&new.reference)
    .bind(new.subject.as_bytes().as_slice())
    .bind(new.category)
    .bind(i64::from(new.level.number()))
    .bind(new.seen_us)
    .bind(new.hits.cast_signed())
    .bind(new.opened_us)
    .bind(new.acknowledge_by_us)
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Counts a capture seen at `seen_us` towards a concern.
pub(crate) async fn count(
    tx: &mut Tx,
    school: &SchoolId,
    concern: ConcernId,
    seen_us: i64,
    hits: u64,
    now_us: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE concerns SET captures = captures + $4, changed_us = $5,
         first_us = CASE WHEN $3 < first_us THEN $3 ELSE first_us END,
         last_us = CASE WHEN $3 > last_us THEN $3 ELSE last_us END
         WHERE school_id = $1 AND concern_id = $2",
    )
    .bind(school.as_str())
    .bind(concern.as_bytes().as_slice())
    .bind(seen_us)
    .bind(hits.cast_signed())
    .bind(now_us)
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Raises a concern's level. Answers its reference.
pub(crate) async fn raise(
    tx: &mut Tx,
    school: &SchoolId,
    concern: ConcernId,
    level: Level,
    acknowledge_by_us: Option<i64>,
) -> Result<String, StoreError> {
    Ok(sqlx::query_scalar(
        "UPDATE concerns SET level = $3, acknowledge_by_us = $4
         WHERE school_id = $1 AND concern_id = $2 RETURNING reference",
    )
    .bind(school.as_str())
    .bind(concern.as_bytes().as_slice())
    .bind(i64::from(level.number()))
    .bind(acknowledge_by_us)
    .fetch_one(tx.connection())
    .await?)
}

/// Files a capture under a concern.
pub(crate) async fn link(
    tx: &mut Tx,
    school: &SchoolId,
    concern: ConcernId,
    capture: CaptureId,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO concern_captures (school_id, concern_id, capture_id) VALUES ($1, $2, $3)")
        .bind(school.as_str())
        .bind(concern.as_bytes().as_slice())
        .bind(capture.as_bytes().as_slice())
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// Lets `recipients` see a concern; who sees it already keeps the older reason.
pub(crate) async fn add_recipients(
    tx: &mut Tx,
    school: &SchoolId,
    concern: ConcernId,
    recipients: &[Recipient],
    since_us: i64,
) -> Result<(), StoreError> {
    for recipient in recipients {
        sqlx::query(
            "INSERT INTO concern_recipients (school_id, concern_id, person_id, reason, since_us)
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (school_id, concern_id, person_id) DO NOTHING",
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

/// Up to `limit` undecided concerns after `after`, in the order of their ids.
pub(crate) async fn undecided(
    tx: &mut Tx,
    school: &SchoolId,
    after: Option<ConcernId>,
    limit: u32,
) -> Result<Vec<Undecided>, StoreError> {
    let rows = sqlx::query(
        "SELECT concern_id, subject_id, category, level FROM concerns WHERE school_id = $1 AND concern_id > $2
         AND state IN ('new', 'acknowledged', 'under_review', 'reopened') ORDER BY concern_id LIMIT $3",
    )
    .bind(school.as_str())
    .bind(after.map_or_else(Vec::new, |after| after.as_bytes().to_vec()))
    .bind(i64::from(limit))
    .fetch_all(tx.connection())
    .await?;
    rows.iter().map(read_undecided).collect()
}

/// How a concern stands, unless `actor` may not know of it.
pub(crate) async fn standing(tx: &mut Tx, actor: &Actor, concern: ConcernId) -> Result<Option<Standing>, StoreError> {
    let visible = visible_to(actor);
    let sql = format!(
        "SELECT c.state, c.category, s.key_id FROM concerns AS c
         JOIN subjects AS s ON s.school_id = c.school_id AND s.subject_id = c.subject_id
         WHERE {} AND c.concern_id = $3",
        visible.sql
    );
    let row = sqlx::query(AssertSqlSafe(sql))
        .bind(visible.school())
        .bind(visible.person())
        .bind(concern.as_bytes().as_slice())
        .fetch_optional(tx.connection())
        .await?;
    row.map(|row| Ok(Standing { state: parsed(&row, 0)?, category: row.try_get(1)?, key: id(&row, 2)? })).transpose()
}

/// Moves a concern to another state.
pub(crate) async fn set_state(
    tx: &mut Tx,
    school: &SchoolId,
    concern: ConcernId,
    state: State,
    now_us: i64,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE concerns SET state = $3, changed_us = $4 WHERE school_id = $1 AND concern_id = $2")
        .bind(school.as_str())
        .bind(concern.as_bytes().as_slice())
        .bind(state.as_str())
        .bind(now_us)
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// Records verdict and outcome; `None` takes them back.
pub(crate) async fn set_verdict(
    tx: &mut Tx,
    school: &SchoolId,
    concern: ConcernId,
    verdict: Option<&str>,
    outcome: Option<&str>,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE concerns SET verdict = $3, outcome = $4 WHERE school_id = $1 AND concern_id = $2")
        .bind(school.as_str())
        .bind(concern.as_bytes().as_slice())
        .bind(verdict)
        .bind(outcome)
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// Up to `limit` captures of a concern that `actor` may see, highest level first, then the latest.
pub(crate) async fn captures(
    store: &Store,
    actor: &Actor,
    concern: ConcernId,
    limit: u32,
) -> Result<Vec<Sealed>, StoreError> {
    let visible = visible_to(actor);
    let sql = format!(
        "SELECT k.capture_id, k.device_id, k.received_us, k.category, k.key_id, k.sealed FROM concerns AS c
         JOIN concern_captures AS l ON l.school_id = c.school_id AND l.concern_id = c.concern_id
         JOIN captures AS k ON k.school_id = l.school_id AND k.capture_id = l.capture_id
         WHERE {} AND c.concern_id = $3 ORDER BY k.lane DESC, k.wall_us DESC, k.capture_id LIMIT $4",
        visible.sql
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(visible.school())
        .bind(visible.person())
        .bind(concern.as_bytes().as_slice())
        .bind(i64::from(limit))
        .fetch_all(store.reader())
        .await?;
    rows.iter().map(read_sealed).collect()
}

/// Persons who may see a concern.
#[cfg(test)]
pub(crate) async fn recipients(store: &Store, concern: ConcernId) -> Vec<crate::actor::PersonId> {
    let rows = sqlx::query("SELECT person_id FROM concern_recipients WHERE concern_id = $1 ORDER BY person_id")
        .bind(concern.as_bytes().as_slice())
        .fetch_all(store.reader())
        .await
        .unwrap();
    rows.iter().map(|row| id(row, 0).unwrap()).collect()
}

fn read_candidate(row: &SqliteRow) -> Result<Candidate, StoreError> {
    Ok(Candidate {
        concern: id(row, 0)?,
        state: parsed(row, 1)?,
        level: level(row, 2)?,
        hits: row.try_get::<i64, _>(3)?.unsigned_abs(),
    })
}

fn read_undecided(row: &SqliteRow) -> Result<Undecided, StoreError> {
    Ok(Undecided { id: id(row, 0)?, subject: id(row, 1)?, category: row.try_get(2)?, level: level(row, 3)? })
}

fn read_sealed(row: &SqliteRow) -> Result<Sealed, StoreError> {
    Ok(Sealed {
        id: id(row, 0)?,
        device: row.try_get(1)?,
        received_us: row.try_get(2)?,
        category: row.try_get(3)?,
        key: id(row, 4)?,
        sealed: row.try_get(5)?,
    })
}
