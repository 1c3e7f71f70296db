//! What helps to judge a concern: how often before, what came of others like it, what else is like it today, and everything
//! that stands about the same subject.

use std::fmt::Write as _;

use lapwing_proto::Signal;
use lapwing_rules::Level;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row};

use super::concerns::Sealed;
use super::dialect::as_written;
use super::{Store, StoreError, id, level, visible_to};
use crate::actor::Actor;
use crate::ids::{CaptureId, ConcernId};
use crate::triage::commands::Verdict;

/// Verdicts looked back at.
const VERDICTS: i64 = 5;
/// Concerns of a chronology.
pub(crate) const CHRONOLOGY: i64 = 500;
/// Steps of a chronology.
const CHRONOLOGY_STEPS: i64 = 5_000;

/// The statement of [`history`]. The sign keeps the database from going through the school's concerns in order of time.
const HISTORY: &str =
    "SELECT COUNT(*), COALESCE(SUM(c.category = this.category), 0), COALESCE(SUM(c.opened_us >= $4), 0)
     FROM concerns AS c JOIN concerns AS this ON this.school_id = c.school_id AND this.concern_id = $3
     WHERE {} AND c.concern_id <> $3 AND c.subject_id = this.subject_id AND +c.opened_us <= this.opened_us";
/// The statement of [`verdicts_like`]. In this order whatever the database thinks: a busy rule has thousands.
const VERDICTS_LIKE: &str = "SELECT v.verdict FROM rule_verdicts AS v
     CROSS JOIN concerns AS c ON c.school_id = v.school_id AND c.concern_id = v.concern_id
     WHERE {} AND v.school_id = $1 AND v.rule = $4 AND v.concern_id <> $3 ORDER BY v.at_us DESC LIMIT $5";
/// The statement of [`elsewhere_since`], from the captures of the day on.
const ELSEWHERE: &str = "SELECT k.capture_id, k.device_id, k.received_us, k.category, k.key_id, k.sealed, c.reference,
     c.level, c.category FROM captures AS k
     CROSS JOIN concern_captures AS l ON l.school_id = k.school_id AND l.capture_id = k.capture_id
     CROSS JOIN concerns AS c ON c.school_id = l.school_id AND c.concern_id = l.concern_id
     WHERE k.school_id = $1 AND k.capture_id >= $4 AND k.signal IN ($6, $7) AND {} AND c.concern_id <> $3
     AND c.merged_into IS DISTINCT FROM $3 ORDER BY k.capture_id DESC LIMIT $5";

/// How often something was seen of the same subject before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct History {
    /// Concerns before this one.
    pub(crate) all: i64,
    /// Those of the same topic.
    pub(crate) of_topic: i64,
    /// Those opened since a moment.
    pub(crate) lately: i64,
}

/// A capture of another concern, still sealed.
#[derive(Debug)]
pub(crate) struct Elsewhere {
    pub(crate) sealed: Sealed,
    pub(crate) concern: String,
    pub(crate) concern_level: Level,
    pub(crate) concern_category: String,
}

/// One concern of a chronology.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) concern: ConcernId,
    pub(crate) reference: String,
    pub(crate) category: String,
    pub(crate) level: Level,
    pub(crate) state: String,
    pub(crate) captures: i64,
    pub(crate) first_us: i64,
    pub(crate) last_us: i64,
    pub(crate) outcome: Option<String>,
    pub(crate) elsewhere: String,
}

/// One step of a chronology.
#[derive(Clone, Debug)]
pub(crate) struct EntryStep {
    pub(crate) concern: ConcernId,
    pub(crate) at_us: i64,
    pub(crate) name: Option<String>,
    pub(crate) kind: String,
    pub(crate) to_state: String,
}

/// How often before, as far as `actor` may know; lately: since `since_us`.
pub(crate) async fn history(
    store: &Store,
    actor: &Actor,
    concern: ConcernId,
    since_us: i64,
) -> Result<History, StoreError> {
    let visible = visible_to(actor);
    let row = sqlx::query(AssertSqlSafe(HISTORY.replace("{}", visible.sql)))
        .bind(visible.school())
        .bind(visible.person())
        .bind(concern.as_bytes().as_slice())
        .bind(since_us)
        .fetch_one(store.reader())
        .await?;
    Ok(History { all: row.try_get(0)?, of_topic: row.try_get(1)?, lately: row.try_get(2)? })
}

/// The last five verdicts on `rule` about other concerns that `actor` may know of, the latest first.
pub(crate) async fn verdicts_like(
    store: &Store,
    actor: &Actor,
    concern: ConcernId,
    rule: &str,
) -> Result<Vec<Verdict>, StoreError> {
    let visible = visible_to(actor);
    let rows = sqlx::query(AssertSqlSafe(VERDICTS_LIKE.replace("{}", visible.sql)))
        .bind(visible.school())
        .bind(visible.person())
        .bind(concern.as_bytes().as_slice())
        .bind(rule)
        .bind(VERDICTS)
        .fetch_all(store.reader())
        .await?;
    let verdict = |row: &SqliteRow| {
        let text: &str = row.try_get(0)?;
        text.parse().map_err(|_| StoreError::Corrupt { what: "verdict" })
    };
    rows.iter().map(verdict).collect()
}

/// Up to `limit` captures of addresses and files that came since `since_us` and belong to other concerns which `actor` may
/// know of, the latest first.
pub(crate) async fn elsewhere_since(
    store: &Store,
    actor: &Actor,
    concern: ConcernId,
    (since_us, limit): (i64, u32),
) -> Result<Vec<Elsewhere>, StoreError> {
    // Ids of captures begin with the time.
    let from = CaptureId::from_time(since_us);
    let visible = visible_to(actor);
    let rows = sqlx::query(AssertSqlSafe(ELSEWHERE.replace("{}", visible.sql)))
        .bind(visible.school())
        .bind(visible.person())
        .bind(concern.as_bytes().as_slice())
        .bind(from.as_bytes().as_slice())
        .bind(i64::from(limit))
        .bind(Signal::to_wire(Signal::Url))
        .bind(Signal::to_wire(Signal::FileDrop))
        .fetch_all(store.reader())
        .await?;
    rows.iter().map(read_elsewhere).collect()
}

/// Every concern about the subject of `concern` that `actor` may know of, oldest first, and what was done with each.
pub(crate) async fn chronology(
    store: &Store,
    actor: &Actor,
    concern: ConcernId,
) -> Result<(Vec<Entry>, Vec<EntryStep>), StoreError> {
    let among = "JOIN concerns AS this ON this.school_id = c.school_id AND this.concern_id = $3
         AND this.subject_id = c.subject_id";
    let mut entries =
        "SELECT c.concern_id, c.reference, c.category, c.level, c.state, c.captures, c.first_us, c.last_us,
         c.outcome, c.recorded_elsewhere FROM concerns AS c "
            .to_owned();
    let mut steps = "SELECT t.concern_id, t.at_us, p.name, t.kind, t.to_state FROM concerns AS c
         JOIN concern_steps AS t ON t.school_id = c.school_id AND t.concern_id = c.concern_id
         LEFT JOIN persons AS p ON p.school_id = t.school_id AND p.person_id = t.person_id "
        .to_owned();
    let visible = visible_to(actor);
    // Writing to a string cannot fail.
    let _ = write!(entries, "{among} WHERE {} ORDER BY c.first_us, c.reference LIMIT $4", visible.sql);
    let _ = write!(steps, "{among} WHERE {} ORDER BY t.at_us, {} LIMIT $4", visible.sql, as_written!("t"));
    let mut found = Vec::new();
    for (sql, limit) in [(entries, CHRONOLOGY), (steps, CHRONOLOGY_STEPS)] {
        let query = sqlx::query(AssertSqlSafe(sql)).bind(visible.school()).bind(visible.person());
        found.push(query.bind(concern.as_bytes().as_slice()).bind(limit).fetch_all(store.reader()).await?);
    }
    let steps = found.pop().unwrap_or_default();
    let entries = found.pop().unwrap_or_default();
    Ok((
        entries.iter().map(read_entry).collect::<Result<_, _>>()?,
        steps.iter().map(read_step).collect::<Result<_, _>>()?,
    ))
}

fn read_elsewhere(row: &SqliteRow) -> Result<Elsewhere, StoreError> {
    Ok(Elsewhere {
        sealed: super::concerns::read_sealed(row)?,
        concern: row.try_get(6)?,
        concern_level: level(row, 7)?,
        concern_category: row.try_get(8)?,
    })
}

fn read_entry(row: &SqliteRow) -> Result<Entry, StoreError> {
    Ok(Entry {
        concern: id(row, 0)?,
        reference: row.try_get(1)?,
        category: row.try_get(2)?,
        level: level(row, 3)?,
        state: row.try_get(4)?,
        captures: row.try_get(5)?,
        first_us: row.try_get(6)?,
        last_us: row.try_get(7)?,
        outcome: row.try_get(8)?,
        elsewhere: row.try_get(9)?,
    })
}

fn read_step(row: &SqliteRow) -> Result<EntryStep, StoreError> {
    Ok(EntryStep {
        concern: id(row, 0)?,
        at_us: row.try_get(1)?,
        name: row.try_get(2)?,
        kind: row.try_get(3)?,
        to_state: row.try_get(4)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fixture::School;

    /// The page of every concern asks these: going through all that a school has, it would be slower with each of them.
    #[tokio::test]
    async fn what_helps_to_judge_is_looked_for_by_subject_rule_and_day() {
        let school = School::open().await;
        let person = school.person("dsl", crate::subject::Kind::Staff, &[crate::actor::Role::Dsl]).await;
        let actor = school.actor(person, &[crate::actor::Role::Dsl]);
        let visible = visible_to(&actor).sql;
        for (statement, expected) in [
            (HISTORY, "SEARCH c USING INDEX concerns_by_subject"),
            (VERDICTS_LIKE, "SEARCH v USING INDEX verdicts_by_time"),
            (ELSEWHERE, "SEARCH k USING INDEX sqlite_autoindex_captures_1 (school_id=? AND capture_id>?)"),
        ] {
            let steps = school.plan(&statement.replace("{}", visible)).await;
            assert!(steps.iter().any(|step| step.starts_with(expected)), "{expected}: {steps:?}");
            assert!(!steps.iter().any(|step| step.contains("TEMP B-TREE")), "{steps:?}");
        }
    }
}
