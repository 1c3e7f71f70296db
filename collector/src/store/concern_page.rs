//! What stands around a concern on its page: where it came from, what else was flagged, and what was done. Evidence and
//! notes are not read here: the desk of triage unseals them, after the act of opening is in the log.

use lapwing_rules::Level;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, Row, Sqlite};

use super::dialect::as_written;
use super::{Store, StoreError, level, visible_to};
use crate::actor::{Actor, PersonId};
use crate::ids::ConcernId;

/// Other concerns listed beside one, each way.
const OTHERS: i64 = 20;
/// Steps listed; a concern has a handful.
const STEPS: i64 = 500;
/// How near in time another concern on the same device counts as around this one.
const AROUND_US: i64 = 15 * 60_000_000;

/// What was decided about a concern so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Decided {
    pub(crate) opened_us: i64,
    pub(crate) verdict: Option<String>,
    pub(crate) outcome: Option<String>,
}

/// A device that captures of a concern came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Whereabouts {
    pub(crate) device: Vec<u8>,
    pub(crate) hostname: String,
    pub(crate) room: String,
}

/// Another concern that the same actor may know of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Other {
    pub(crate) reference: String,
    pub(crate) category: String,
    pub(crate) level: Level,
    pub(crate) state: String,
    pub(crate) first_us: i64,
}

/// A step in a concern's life, without its note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StepFacts {
    pub(crate) at_us: i64,
    /// `None`: the product.
    pub(crate) person: Option<PersonId>,
    pub(crate) name: Option<String>,
    pub(crate) kind: String,
    pub(crate) to_state: String,
}

/// What was decided, where `actor` may know of the concern.
pub(crate) async fn decided(store: &Store, actor: &Actor, concern: ConcernId) -> Result<Option<Decided>, StoreError> {
    let sql = "SELECT c.opened_us, c.verdict, c.outcome FROM concerns AS c WHERE {} AND c.concern_id = $3";
    let rows = rows(store, actor, concern, sql, 0, 0).await?;
    let read = |row: &SqliteRow| {
        Ok(Decided { opened_us: row.try_get(0)?, verdict: row.try_get(1)?, outcome: row.try_get(2)? })
    };
    rows.first().map(read).transpose()
}

/// The devices its captures came from.
pub(crate) async fn whereabouts(
    store: &Store,
    actor: &Actor,
    concern: ConcernId,
) -> Result<Vec<Whereabouts>, StoreError> {
    let sql = "SELECT DISTINCT d.device_id, d.hostname, d.room FROM concerns AS c
         JOIN concern_captures AS l ON l.school_id = c.school_id AND l.concern_id = c.concern_id
         JOIN captures AS k ON k.school_id = l.school_id AND k.capture_id = l.capture_id
         JOIN devices AS d ON d.school_id = k.school_id AND d.device_id = k.device_id
         WHERE {} AND c.concern_id = $3 ORDER BY d.room, d.hostname LIMIT $4";
    let rows = rows(store, actor, concern, sql, OTHERS, 0).await?;
    let read =
        |row: &SqliteRow| Ok(Whereabouts { device: row.try_get(0)?, hostname: row.try_get(1)?, room: row.try_get(2)? });
    rows.iter().map(read).collect()
}

/// What else was flagged on the same devices within a quarter of an hour, as far as `actor` may know of it.
pub(crate) async fn around(store: &Store, actor: &Actor, concern: ConcernId) -> Result<Vec<Other>, StoreError> {
    let sql = "SELECT c.reference, c.category, c.level, c.state, c.first_us FROM concerns AS c
         JOIN concerns AS this ON this.school_id = c.school_id AND this.concern_id = $3
         WHERE {} AND c.concern_id <> $3 AND c.last_us >= this.first_us - $5 AND c.first_us <= this.last_us + $5
         AND EXISTS (SELECT 1 FROM concern_captures AS l
             JOIN captures AS k ON k.school_id = l.school_id AND k.capture_id = l.capture_id
             JOIN concern_captures AS this_l ON this_l.school_id = c.school_id AND this_l.concern_id = $3
             JOIN captures AS this_k ON this_k.school_id = c.school_id AND this_k.capture_id = this_l.capture_id
             WHERE l.school_id = c.school_id AND l.concern_id = c.concern_id AND k.device_id = this_k.device_id
             AND k.wall_us BETWEEN this_k.wall_us - $5 AND this_k.wall_us + $5)
         ORDER BY c.first_us DESC, c.reference LIMIT $4";
    rows(store, actor, concern, sql, OTHERS, AROUND_US).await?.iter().map(other).collect()
}

/// Earlier concerns about the same subject, as far as `actor` may know of them, the latest first.
pub(crate) async fn before(store: &Store, actor: &Actor, concern: ConcernId) -> Result<Vec<Other>, StoreError> {
    let sql = "SELECT c.reference, c.category, c.level, c.state, c.first_us FROM concerns AS c
         JOIN concerns AS this ON this.school_id = c.school_id AND this.concern_id = $3
         WHERE {} AND c.concern_id <> $3 AND c.subject_id = this.subject_id AND c.opened_us <= this.opened_us
         ORDER BY c.first_us DESC, c.reference LIMIT $4";
    rows(store, actor, concern, sql, OTHERS, 0).await?.iter().map(other).collect()
}

/// What was done, oldest first.
pub(crate) async fn steps(store: &Store, actor: &Actor, concern: ConcernId) -> Result<Vec<StepFacts>, StoreError> {
    let sql = concat!(
        "SELECT t.at_us, t.person_id, p.name, t.kind, t.to_state FROM concerns AS c
         JOIN concern_steps AS t ON t.school_id = c.school_id AND t.concern_id = c.concern_id
         LEFT JOIN persons AS p ON p.school_id = t.school_id AND p.person_id = t.person_id
         WHERE {} AND c.concern_id = $3 ORDER BY t.at_us, ",
        as_written!("t"),
        " LIMIT $4"
    );
    rows(store, actor, concern, sql, STEPS, 0).await?.iter().map(step).collect()
}

/// Runs `sql` with the condition of [`visible_to`] for `{}`; `$4` is a limit, `$5` a stretch of time.
async fn rows(
    store: &Store,
    actor: &Actor,
    concern: ConcernId,
    sql: &'static str,
    limit: i64,
    stretch_us: i64,
) -> Result<Vec<SqliteRow>, StoreError> {
    let visible = visible_to(actor);
    let query: Query<'_, Sqlite, SqliteArguments> = sqlx::query(AssertSqlSafe(sql.replace("{}", visible.sql)));
    let query = query.bind(visible.school()).bind(visible.person()).bind(concern.as_bytes().as_slice());
    Ok(query.bind(limit).bind(stretch_us).fetch_all(store.reader()).await?)
}

fn other(row: &SqliteRow) -> Result<Other, StoreError> {
    Ok(Other {
        reference: row.try_get(0)?,
        category: row.try_get(1)?,
        level: level(row, 2)?,
        state: row.try_get(3)?,
        first_us: row.try_get(4)?,
    })
}

fn step(row: &SqliteRow) -> Result<StepFacts, StoreError> {
    let person: Option<Vec<u8>> = row.try_get(1)?;
    Ok(StepFacts {
        at_us: row.try_get(0)?,
        person: person.map(|bytes| PersonId::try_from(bytes.as_slice())).transpose()?,
        name: row.try_get(2)?,
        kind: row.try_get(3)?,
        to_state: row.try_get(4)?,
    })
}
