//! Rows of concerns, who may see them, and what they hold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use lapwing_proto::SchoolId;
use lapwing_rules::{Category, Level};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row};

use super::many::{Filling, MOST, Many};
use super::{Store, StoreError, Tx, escalations, id, level, parsed, visible_to};
use crate::actor::{Actor, PersonId};
use crate::ids::{CaptureId, ConcernId, KeyId, SubjectId};
use crate::triage::{State, Topic};

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
    /// Why the level is not the rule's.
    pub(crate) causes: String,
}

/// What commands need to know of a concern.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    pub(crate) state: State,
    pub(crate) category: String,
    pub(crate) key: KeyId,
    pub(crate) subject: SubjectId,
    pub(crate) level: Level,
    pub(crate) reference: String,
    /// The concern that it counts towards.
    pub(crate) merged_into: Option<ConcernId>,
    pub(crate) changed_us: i64,
}

/// A concern that captures may join or bring back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Joinable {
    pub(crate) concern: ConcernId,
    pub(crate) state: State,
    pub(crate) level: Level,
    /// Hits it holds.
    pub(crate) hits: u64,
    pub(crate) first_us: i64,
    pub(crate) last_us: i64,
}

/// What a concern gained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gain {
    pub(crate) hits: u64,
    pub(crate) first_us: i64,
    pub(crate) last_us: i64,
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

static JOINABLE: LazyLock<Many> = LazyLock::new(joinable_statement);

/// Concerns by subject and category that were seen between two times.
fn joinable_statement() -> Many {
    let joined = "AS v CROSS JOIN concerns AS c
         LEFT JOIN concerns AS m ON m.school_id = c.school_id AND m.concern_id = c.merged_into
         WHERE c.subject_id = v.column1 AND c.category = v.column2
         AND (c.last_us >= v.column3 OR m.last_us >= v.column3)
         AND +c.first_us <= v.column4 AND c.school_id = ?
         AND COALESCE(m.state, c.state) NOT IN ('signed_off', 'legal_hold')";
    // What was merged into another concern counts there, as long as that goes on. The sign before a column keeps the
    // database from looking for it among all concerns of the school rather than among those of a subject.
    let read = "SELECT c.subject_id, c.category, COALESCE(m.concern_id, c.concern_id), COALESCE(m.state, c.state),
         COALESCE(m.level, c.level), COALESCE(m.captures, c.captures), c.first_us,
         CASE WHEN m.last_us > c.last_us THEN m.last_us ELSE c.last_us END FROM";
    Many::new(read, joined, 4)
}

/// The concerns of `topics` that captures may join or bring back, each seen between two times.
pub(crate) async fn joinable(
    tx: &mut Tx,
    school: &SchoolId,
    topics: &BTreeMap<Topic, (i64, i64)>,
) -> Result<Vec<(Topic, Joinable)>, StoreError> {
    let mut found = Vec::new();
    for topics in topics.iter().collect::<Vec<_>>().chunks(MOST) {
        let row = |filling: Filling, ((subject, category), (from_us, to_us)): &(&Topic, &(i64, i64))| {
            filling.bind(subject.as_bytes().as_slice()).bind(category.as_str()).bind(*from_us).bind(*to_us).row()
        };
        let filled = topics.iter().fold(JOINABLE.filling(topics.len())?, row).filled();
        for row in filled.bind(school.as_str()).fetch_all(tx.connection()).await? {
            found.push(read_joinable(&row)?);
        }
    }
    Ok(found)
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
         captures, opened_us, acknowledge_by_us, changed_us, causes)
         VALUES ($1, $2, $3, $4, $5, $6, 'new', $7, $7, $8, $9, $10, $9, $11)",
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
    .bind(&new.causes)
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Counts what concerns gained.
pub(crate) async fn count(
    tx: &mut Tx,
    school: &SchoolId,
    gains: &BTreeMap<ConcernId, Gain>,
    now_us: i64,
) -> Result<(), StoreError> {
    static COUNT: LazyLock<Many> = LazyLock::new(|| {
        let count = "UPDATE concerns SET captures = captures + v.column2, changed_us = ?,
             first_us = CASE WHEN v.column3 < concerns.first_us THEN v.column3 ELSE concerns.first_us END,
             last_us = CASE WHEN v.column4 > concerns.last_us THEN v.column4 ELSE concerns.last_us END FROM";
        Many::new(count, "AS v WHERE concerns.concern_id = v.column1 AND concerns.school_id = ?", 4)
    });
    for gains in gains.iter().collect::<Vec<_>>().chunks(MOST) {
        let filling = COUNT.filling(gains.len())?.bind(now_us);
        let row = |filling: Filling, (concern, gain): &(&ConcernId, &Gain)| {
            let filling = filling.bind(concern.as_bytes().as_slice()).bind(gain.hits.cast_signed());
            filling.bind(gain.first_us).bind(gain.last_us).row()
        };
        let filled = gains.iter().fold(filling, row).filled();
        filled.bind(school.as_str()).execute(tx.connection()).await?;
    }
    Ok(())
}

/// Notes that a concern holds something from the web filter.
pub(crate) async fn set_from_filter(tx: &mut Tx, school: &SchoolId, concern: ConcernId) -> Result<(), StoreError> {
    sqlx::query("UPDATE concerns SET from_filter = 1 WHERE school_id = $1 AND concern_id = $2 AND from_filter = 0")
        .bind(school.as_str())
        .bind(concern.as_bytes().as_slice())
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// Raises a concern's level. Answers its reference.
pub(crate) async fn raise(
    tx: &mut Tx,
    school: &SchoolId,
    concern: ConcernId,
    (level, causes): (Level, &str),
    acknowledge_by_us: Option<i64>,
) -> Result<String, StoreError> {
    Ok(sqlx::query_scalar(
        "UPDATE concerns SET level = $3, acknowledge_by_us = $4, causes = $5
         WHERE school_id = $1 AND concern_id = $2 RETURNING reference",
    )
    .bind(school.as_str())
    .bind(concern.as_bytes().as_slice())
    .bind(i64::from(level.number()))
    .bind(acknowledge_by_us)
    .bind(causes)
    .fetch_one(tx.connection())
    .await?)
}

/// Files captures under concerns.
pub(crate) async fn link(tx: &mut Tx, school: &SchoolId, links: &[(ConcernId, CaptureId)]) -> Result<(), StoreError> {
    static LINK: LazyLock<Many> = LazyLock::new(|| {
        let insert = "INSERT INTO concern_captures (school_id, concern_id, capture_id) SELECT ?, column1, column2 FROM";
        Many::new(insert, "WHERE column1 IS NOT NULL", 2)
    });
    for links in links.chunks(MOST) {
        let filling = LINK.filling(links.len())?.bind(school.as_str());
        let row = |filling: Filling, (concern, capture): &(ConcernId, CaptureId)| {
            filling.bind(concern.as_bytes().as_slice()).bind(capture.as_bytes().as_slice()).row()
        };
        links.iter().fold(filling, row).filled().execute(tx.connection()).await?;
    }
    Ok(())
}

/// Up to `limit` concerns after `after` that are not closed, in the order of their ids.
pub(crate) async fn undecided(
    tx: &mut Tx,
    school: &SchoolId,
    after: Option<ConcernId>,
    limit: u32,
) -> Result<Vec<Undecided>, StoreError> {
    let rows = sqlx::query(
        "SELECT concern_id, subject_id, category, level FROM concerns WHERE school_id = $1 AND concern_id > $2
         AND state NOT IN ('closed', 'signed_off') ORDER BY concern_id LIMIT $3",
    )
    .bind(school.as_str())
    .bind(after.map_or_else(Vec::new, |after| after.as_bytes().to_vec()))
    .bind(i64::from(limit))
    .fetch_all(tx.connection())
    .await?;
    rows.iter().map(read_undecided).collect()
}

/// What routing needs to know of one concern; no question of who asks.
pub(crate) async fn routed(
    tx: &mut Tx,
    school: &SchoolId,
    concern: ConcernId,
) -> Result<Option<Undecided>, StoreError> {
    let row = sqlx::query(
        "SELECT concern_id, subject_id, category, level FROM concerns WHERE school_id = $1 AND concern_id = $2",
    )
    .bind(school.as_str())
    .bind(concern.as_bytes().as_slice())
    .fetch_optional(tx.connection())
    .await?;
    row.as_ref().map(read_undecided).transpose()
}

/// Where a concern stands.
pub(crate) async fn state(tx: &mut Tx, school: &SchoolId, concern: ConcernId) -> Result<State, StoreError> {
    let row = sqlx::query("SELECT state FROM concerns WHERE school_id = $1 AND concern_id = $2")
        .bind(school.as_str())
        .bind(concern.as_bytes().as_slice())
        .fetch_one(tx.connection())
        .await?;
    parsed(&row, 0)
}

/// How a concern stands, unless `actor` may not know of it.
pub(crate) async fn standing(tx: &mut Tx, actor: &Actor, concern: ConcernId) -> Result<Option<Standing>, StoreError> {
    let visible = visible_to(actor);
    let sql = format!(
        "SELECT c.state, c.category, s.key_id, c.subject_id, c.level, c.reference, c.merged_into,
         c.changed_us FROM concerns AS c
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
    row.as_ref().map(read_standing).transpose()
}

/// Topics of level 3 and more that were seen of each of `subjects` since `since_us` and not judged wrong.
pub(crate) async fn lately(
    tx: &mut Tx,
    school: &SchoolId,
    subjects: &[SubjectId],
    since_us: i64,
) -> Result<BTreeMap<SubjectId, BTreeSet<Category>>, StoreError> {
    static READ: LazyLock<Many> = LazyLock::new(|| {
        let read = "SELECT DISTINCT subject_id, category FROM concerns WHERE school_id = ? AND level >= 3
             AND state <> 'false_positive' AND last_us >= ? AND subject_id IN";
        Many::new(read, "", 1)
    });
    let mut lately: BTreeMap<SubjectId, BTreeSet<Category>> = BTreeMap::new();
    for subjects in subjects.chunks(MOST) {
        let filling = READ.filling(subjects.len())?.bind(school.as_str()).bind(since_us);
        let row = |filling: Filling, subject: &SubjectId| filling.bind(subject.as_bytes().as_slice()).row();
        for row in subjects.iter().fold(filling, row).filled().fetch_all(tx.connection()).await? {
            // A category newer than this build is linked to none.
            if let Ok(category) = row.try_get::<&str, _>(1)?.parse() {
                lately.entry(id(&row, 0)?).or_default().insert(category);
            }
        }
    }
    Ok(lately)
}

/// Says who deals with it. Answers whether that was somebody else.
pub(crate) async fn assign(
    tx: &mut Tx,
    school: &SchoolId,
    concern: ConcernId,
    person: PersonId,
    now_us: i64,
) -> Result<bool, StoreError> {
    let sql = "UPDATE concerns SET assigned_to = $3, changed_us = $4
         WHERE school_id = $1 AND concern_id = $2 AND assigned_to IS DISTINCT FROM $3";
    let assigned = sqlx::query(sql)
        .bind(school.as_str())
        .bind(concern.as_bytes().as_slice())
        .bind(person.as_bytes().as_slice())
        .bind(now_us)
        .execute(tx.connection())
        .await?;
    Ok(assigned.rows_affected() > 0)
}

/// By when it should be acknowledged.
pub(crate) async fn set_due(
    tx: &mut Tx,
    school: &SchoolId,
    concern: ConcernId,
    due_us: Option<i64>,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE concerns SET acknowledge_by_us = $3 WHERE school_id = $1 AND concern_id = $2")
        .bind(school.as_str())
        .bind(concern.as_bytes().as_slice())
        .bind(due_us)
        .execute(tx.connection())
        .await?;
    Ok(())
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
    if state.is_waiting() { Ok(()) } else { escalations::stop(tx, school, concern).await }
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

/// Says where a concern is recorded besides.
pub(crate) async fn set_recorded_elsewhere(
    tx: &mut Tx,
    school: &SchoolId,
    concern: ConcernId,
    elsewhere: &str,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE concerns SET recorded_elsewhere = $3 WHERE school_id = $1 AND concern_id = $2")
        .bind(school.as_str())
        .bind(concern.as_bytes().as_slice())
        .bind(elsewhere)
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// Up to `limit` captures of a concern and of those merged into it, as far as `actor` may see them, highest level first,
/// then the latest.
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
         WHERE {} AND c.concern_id IN (SELECT $3
         UNION ALL SELECT m.concern_id FROM concerns AS m WHERE m.school_id = $1 AND m.merged_into = $3)
         ORDER BY k.lane DESC, k.wall_us DESC, k.capture_id LIMIT $4",
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

fn read_standing(row: &SqliteRow) -> Result<Standing, StoreError> {
    let merged_into: Option<Vec<u8>> = row.try_get(6)?;
    Ok(Standing {
        state: parsed(row, 0)?,
        category: row.try_get(1)?,
        key: id(row, 2)?,
        subject: id(row, 3)?,
        level: level(row, 4)?,
        reference: row.try_get(5)?,
        merged_into: merged_into.map(|bytes| ConcernId::try_from(bytes.as_slice())).transpose()?,
        changed_us: row.try_get(7)?,
    })
}

fn read_joinable(row: &SqliteRow) -> Result<(Topic, Joinable), StoreError> {
    let joinable = Joinable {
        concern: id(row, 2)?,
        state: parsed(row, 3)?,
        level: level(row, 4)?,
        hits: row.try_get::<i64, _>(5)?.unsigned_abs(),
        first_us: row.try_get(6)?,
        last_us: row.try_get(7)?,
    };
    Ok(((id(row, 0)?, row.try_get(1)?), joinable))
}

pub(super) fn read_undecided(row: &SqliteRow) -> Result<Undecided, StoreError> {
    Ok(Undecided { id: id(row, 0)?, subject: id(row, 1)?, category: row.try_get(2)?, level: level(row, 3)? })
}

pub(super) fn read_sealed(row: &SqliteRow) -> Result<Sealed, StoreError> {
    Ok(Sealed {
        id: id(row, 0)?,
        device: row.try_get(1)?,
        received_us: row.try_get(2)?,
        category: row.try_get(3)?,
        key: id(row, 4)?,
        sealed: row.try_get(5)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fixture::School;

    /// Triage asks this for every batch: among all concerns of a school it would be slower with each of them.
    #[tokio::test]
    async fn concerns_of_a_topic_are_looked_for_among_those_of_its_subject() {
        let school = School::open().await;
        let steps = school.plan(JOINABLE.smallest()).await;
        assert!(steps.iter().any(|step| step.starts_with("SEARCH c USING INDEX concerns_by_subject")), "{steps:?}");
    }
}
