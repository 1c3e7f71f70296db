//! Rows of acts that can be taken back: how a concern stood before the last of them.
//!
//! One a concern, and good for as long as nothing else happens to it: whatever does moves its time of change.

use std::collections::BTreeMap;

use lapwing_proto::SchoolId;
use serde::{Deserialize, Serialize};
use sqlx::Row as _;

use super::{Store, StoreError, Tx, escalations, verdicts};
use crate::actor::PersonId;
use crate::ids::ConcernId;

/// How long an act can be taken back: ten times the ten seconds in which most people notice, for whoever needs longer (WCAG
/// 2.2, success criterion 2.2.1).
pub(crate) const WITHIN_US: i64 = 100 * 1_000_000;

/// How a concern stood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Before {
    pub(crate) state: String,
    verdict: Option<String>,
    outcome: Option<String>,
    review_us: Option<i64>,
    elsewhere: String,
    acknowledge_by_us: Option<i64>,
    /// When it would have climbed, and how often it had.
    climbs: Option<(i64, u32)>,
    rules: BTreeMap<String, String>,
}

/// How a concern stands now.
pub(crate) async fn before(tx: &mut Tx, school: &SchoolId, concern: ConcernId) -> Result<Before, StoreError> {
    let row = sqlx::query(
        "SELECT c.state, c.verdict, c.outcome, c.review_us, c.recorded_elsewhere, c.acknowledge_by_us, e.due_us, e.step
         FROM concerns AS c LEFT JOIN escalations AS e ON e.school_id = c.school_id AND e.concern_id = c.concern_id
         WHERE c.school_id = $1 AND c.concern_id = $2",
    )
    .bind(school.as_str())
    .bind(concern.as_bytes().as_slice())
    .fetch_one(tx.connection())
    .await?;
    let (due_us, step): (Option<i64>, Option<u32>) = (row.try_get(6)?, row.try_get(7)?);
    Ok(Before {
        state: row.try_get(0)?,
        verdict: row.try_get(1)?,
        outcome: row.try_get(2)?,
        review_us: row.try_get(3)?,
        elsewhere: row.try_get(4)?,
        acknowledge_by_us: row.try_get(5)?,
        climbs: due_us.zip(step),
        rules: verdicts::of(tx, school, concern).await?,
    })
}

/// Remembers how a concern stood before what `person` just did, and forgets what nobody can take back any more.
pub(crate) async fn remember(
    tx: &mut Tx,
    school: &SchoolId,
    (concern, person): (ConcernId, PersonId),
    before: &Before,
    now_us: i64,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM undoable WHERE school_id = $1 AND at_us < $2")
        .bind(school.as_str())
        .bind(now_us.saturating_sub(WITHIN_US))
        .execute(tx.connection())
        .await?;
    let before = serde_json::to_string(before).map_err(|_| StoreError::Corrupt { what: "act to be undone" })?;
    sqlx::query(
        "INSERT INTO undoable (school_id, concern_id, person_id, at_us, changed_us, before)
         SELECT $1, $2, $3, $4, c.changed_us, $5 FROM concerns AS c WHERE c.school_id = $1 AND c.concern_id = $2
         ON CONFLICT (school_id, concern_id) DO UPDATE SET person_id = excluded.person_id, at_us = excluded.at_us,
         changed_us = excluded.changed_us, before = excluded.before",
    )
    .bind(school.as_str())
    .bind(concern.as_bytes().as_slice())
    .bind(person.as_bytes().as_slice())
    .bind(now_us)
    .bind(before)
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// What `person` did last of a concern and can take back at `now_us`.
macro_rules! standing {
    ($what:literal) => {
        concat!(
            "SELECT ",
            $what,
            " FROM undoable AS u JOIN concerns AS c ON c.school_id = u.school_id AND c.concern_id = u.concern_id
             WHERE u.school_id = $1 AND u.concern_id = $2 AND u.person_id = $3 AND u.changed_us = c.changed_us
             AND u.at_us BETWEEN $4 - $5 AND $4 AND c.merged_into IS NULL"
        )
    };
}

/// Whether `person` can take something back.
pub(crate) async fn is_offered(
    store: &Store,
    school: &SchoolId,
    (concern, person): (ConcernId, PersonId),
    now_us: i64,
) -> Result<bool, StoreError> {
    let row = sqlx::query(standing!("1"))
        .bind(school.as_str())
        .bind(concern.as_bytes().as_slice())
        .bind(person.as_bytes().as_slice())
        .bind(now_us)
        .bind(WITHIN_US)
        .fetch_optional(store.reader())
        .await?;
    Ok(row.is_some())
}

/// Takes the last act of `person` out, where it can be taken back still.
pub(crate) async fn take(
    tx: &mut Tx,
    school: &SchoolId,
    (concern, person): (ConcernId, PersonId),
    now_us: i64,
) -> Result<Option<Before>, StoreError> {
    let row = sqlx::query(standing!("u.before"))
        .bind(school.as_str())
        .bind(concern.as_bytes().as_slice())
        .bind(person.as_bytes().as_slice())
        .bind(now_us)
        .bind(WITHIN_US)
        .fetch_optional(tx.connection())
        .await?;
    let Some(row) = row else { return Ok(None) };
    sqlx::query("DELETE FROM undoable WHERE school_id = $1 AND concern_id = $2")
        .bind(school.as_str())
        .bind(concern.as_bytes().as_slice())
        .execute(tx.connection())
        .await?;
    let before = serde_json::from_str(row.try_get(0)?);
    before.map(Some).map_err(|_| StoreError::Corrupt { what: "act to be undone" })
}

/// Lets a concern stand as it did.
pub(crate) async fn restore(
    tx: &mut Tx,
    school: &SchoolId,
    concern: ConcernId,
    before: &Before,
    now_us: i64,
) -> Result<(), StoreError> {
    verdicts::take_back(tx, school, concern).await?;
    sqlx::query(
        "UPDATE concerns SET state = $3, verdict = $4, outcome = $5, review_us = $6, recorded_elsewhere = $7,
         acknowledge_by_us = $8, changed_us = $9 WHERE school_id = $1 AND concern_id = $2",
    )
    .bind(school.as_str())
    .bind(concern.as_bytes().as_slice())
    .bind(&before.state)
    .bind(before.verdict.as_deref())
    .bind(before.outcome.as_deref())
    .bind(before.review_us)
    .bind(&before.elsewhere)
    .bind(before.acknowledge_by_us)
    .bind(now_us)
    .execute(tx.connection())
    .await?;
    for (rule, verdict) in &before.rules {
        verdicts::set(tx, school, concern, (rule, verdict), now_us).await?;
    }
    match before.climbs {
        Some((due_us, step)) => {
            escalations::start(tx, school, concern, due_us).await?;
            escalations::climbed(tx, school, concern, step, due_us).await?;
        }
        None => escalations::stop(tx, school, concern).await?,
    }
    Ok(())
}
