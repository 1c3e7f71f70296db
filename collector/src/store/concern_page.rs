//! What stands around a concern on its page: where it came from, what else was flagged, and what was done. Evidence and
//! notes are not read here: the desk of triage unseals them, after the act of opening is in the log.

use lapwing_rules::Level;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, Row, Sqlite};

use super::dialect::as_written;
use super::{Store, StoreError, id, level, visible_to};
use crate::actor::{Actor, PersonId, Role};
use crate::ids::{ConcernId, StepId};
use crate::triage::Cause;

/// Other concerns listed beside one, each way.
const OTHERS: i64 = 20;
/// Steps listed; a concern has a handful.
const STEPS: i64 = 500;
/// How near in time another concern on the same device counts as around this one.
const AROUND_US: i64 = 15 * 60_000_000;
/// How long before this one another that still goes on may have begun: captures more than an hour apart are two concerns,
/// and no school day is this long.
const GOES_ON_US: i64 = 24 * 60 * 60_000_000;

/// What was decided about a concern so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Decided {
    pub(crate) opened_us: i64,
    pub(crate) verdict: Option<String>,
    pub(crate) outcome: Option<String>,
    /// When it comes back, if it does.
    pub(crate) review_us: Option<i64>,
    /// Its reference in another system; may be empty.
    pub(crate) elsewhere: String,
    /// Why the level is not the rule's.
    pub(crate) causes: Vec<Cause>,
    /// It is about one log-on session of a class log-on.
    pub(crate) is_session: bool,
    /// Somebody said whose it is.
    pub(crate) is_attributed: bool,
}

/// Somebody who may be let in on a concern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Colleague {
    pub(crate) person: PersonId,
    pub(crate) name: String,
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
    pub(crate) step: StepId,
    pub(crate) at_us: i64,
    /// `None`: the product.
    pub(crate) person: Option<PersonId>,
    pub(crate) name: Option<String>,
    pub(crate) kind: String,
    pub(crate) to_state: String,
}

/// What was decided, where `actor` may know of the concern.
pub(crate) async fn decided(store: &Store, actor: &Actor, concern: ConcernId) -> Result<Option<Decided>, StoreError> {
    let sql =
        "SELECT c.opened_us, c.verdict, c.outcome, c.review_us, c.recorded_elsewhere, c.causes, s.kind = 'session',
         EXISTS (SELECT 1 FROM attributions AS a WHERE a.school_id = c.school_id AND a.concern_id = c.concern_id
         AND a.undone_us IS NULL) FROM concerns AS c
         JOIN subjects AS s ON s.school_id = c.school_id AND s.subject_id = c.subject_id
         WHERE {} AND c.concern_id = $3";
    let rows = rows(store, actor, concern, sql, 0, 0).await?;
    let read = |row: &SqliteRow| {
        let causes: &str = row.try_get(5)?;
        Ok(Decided {
            opened_us: row.try_get(0)?,
            verdict: row.try_get(1)?,
            outcome: row.try_get(2)?,
            review_us: row.try_get(3)?,
            elsewhere: row.try_get(4)?,
            causes: causes.split(',').filter_map(|cause| cause.parse().ok()).collect(),
            is_session: row.try_get(6)?,
            is_attributed: row.try_get(7)?,
        })
    };
    rows.first().map(read).transpose()
}

/// What counts towards it, as far as `actor` may know of it, and what it counts towards.
pub(crate) async fn merged(
    store: &Store,
    actor: &Actor,
    concern: ConcernId,
) -> Result<(Vec<Other>, Option<Other>), StoreError> {
    let columns = "SELECT c.reference, c.category, c.level, c.state, c.first_us FROM concerns AS c";
    let towards = "WHERE {} AND c.merged_into = $3 ORDER BY c.first_us, c.reference LIMIT $4";
    let into = "JOIN concerns AS this ON this.school_id = c.school_id AND this.merged_into = c.concern_id
         WHERE {} AND this.concern_id = $3 LIMIT $4";
    let towards = rows(store, actor, concern, &format!("{columns} {towards}"), OTHERS, 0).await?;
    let into = rows(store, actor, concern, &format!("{columns} {into}"), 1, 0).await?;
    Ok((towards.iter().map(other).collect::<Result<_, _>>()?, into.first().map(other).transpose()?))
}

/// Colleagues who may be let in on a concern: seniors who can sign in, and it is not about them. Nobody where
/// `actor` may not know of it.
pub(crate) async fn colleagues(store: &Store, actor: &Actor, concern: ConcernId) -> Result<Vec<Colleague>, StoreError> {
    let roles = Role::ALL.into_iter().filter(|role| role.is_senior()).map(|role| format!("'{role}'"));
    let sql = "SELECT DISTINCT p.person_id, p.name FROM concerns AS c
         JOIN subjects AS s ON s.school_id = c.school_id AND s.subject_id = c.subject_id
         JOIN persons AS p ON p.school_id = c.school_id AND p.left_us IS NULL
         JOIN person_roles AS r ON r.school_id = p.school_id AND r.person_id = p.person_id AND r.role IN (ROLES)
         JOIN sign_ins AS i ON i.school_id = p.school_id AND i.person_id = p.person_id
         WHERE {} AND c.concern_id = $3 AND p.person_id <> $2 AND s.person_id IS DISTINCT FROM p.person_id
         ORDER BY p.name, p.person_id LIMIT $4";
    let sql = sql.replace("ROLES", &roles.collect::<Vec<_>>().join(", "));
    let rows = rows(store, actor, concern, &sql, STEPS, 0).await?;
    rows.iter().map(|row| Ok(Colleague { person: id(row, 0)?, name: row.try_get(1)? })).collect()
}

/// The rules of its captures, each the highest of its own.
pub(crate) async fn rules(store: &Store, actor: &Actor, concern: ConcernId) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT DISTINCT k.rule FROM concerns AS c
         JOIN concern_captures AS l ON l.school_id = c.school_id AND l.concern_id = c.concern_id
         JOIN captures AS k ON k.school_id = l.school_id AND k.capture_id = l.capture_id
         WHERE {} AND c.concern_id IN (SELECT $3
         UNION ALL SELECT m.concern_id FROM concerns AS m WHERE m.school_id = $1 AND m.merged_into = $3) ORDER BY k.rule LIMIT $4";
    rows(store, actor, concern, sql, OTHERS, 0).await?.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Whether whom it is about is marked as vulnerable, for the DSL's team where they may know of the concern; no for
/// everybody else.
pub(crate) async fn is_marked(store: &Store, actor: &Actor, concern: ConcernId) -> Result<bool, StoreError> {
    if !actor.has(Role::Dsl) && !actor.has(Role::DeputyDsl) {
        return Ok(false);
    }
    let sql = "SELECT 1 FROM concerns AS c
         JOIN subjects AS s ON s.school_id = c.school_id AND s.subject_id = c.subject_id
         JOIN persons AS p ON p.school_id = s.school_id AND p.person_id = s.person_id
         WHERE {} AND c.concern_id = $3 AND p.vulnerable = 1";
    Ok(!rows(store, actor, concern, sql, 0, 0).await?.is_empty())
}

/// The devices its captures, and those of concerns merged into it, came from.
pub(crate) async fn whereabouts(
    store: &Store,
    actor: &Actor,
    concern: ConcernId,
) -> Result<Vec<Whereabouts>, StoreError> {
    let sql = "SELECT DISTINCT d.device_id, d.hostname, d.room FROM concerns AS c
         JOIN concern_captures AS l ON l.school_id = c.school_id AND l.concern_id = c.concern_id
         JOIN captures AS k ON k.school_id = l.school_id AND k.capture_id = l.capture_id
         JOIN devices AS d ON d.school_id = k.school_id AND d.device_id = k.device_id
         WHERE {} AND c.concern_id IN (SELECT $3
         UNION ALL SELECT m.concern_id FROM concerns AS m WHERE m.school_id = $1 AND m.merged_into = $3) ORDER BY d.room, d.hostname LIMIT $4";
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
         AND c.first_us >= this.first_us - $5 - $6
         AND EXISTS (SELECT 1 FROM concern_captures AS l
             JOIN captures AS k ON k.school_id = l.school_id AND k.capture_id = l.capture_id
             JOIN concern_captures AS this_l ON this_l.school_id = c.school_id AND this_l.concern_id = $3
             JOIN captures AS this_k ON this_k.school_id = c.school_id AND this_k.capture_id = this_l.capture_id
             WHERE l.school_id = c.school_id AND l.concern_id = c.concern_id AND k.device_id = this_k.device_id
             AND k.rule NOT LIKE 'filter.%'
             AND k.wall_us BETWEEN this_k.wall_us - $5 AND this_k.wall_us + $5)
         ORDER BY c.first_us DESC, c.reference LIMIT $4";
    rows(store, actor, concern, sql, OTHERS, AROUND_US).await?.iter().map(other).collect()
}

/// Earlier concerns about the same subject, as far as `actor` may know of them, the latest first.
pub(crate) async fn before(store: &Store, actor: &Actor, concern: ConcernId) -> Result<Vec<Other>, StoreError> {
    // The sign keeps the database from going through the school's concerns in order of time.
    let sql = "SELECT c.reference, c.category, c.level, c.state, c.first_us FROM concerns AS c
         JOIN concerns AS this ON this.school_id = c.school_id AND this.concern_id = $3
         WHERE {} AND c.concern_id <> $3 AND c.subject_id = this.subject_id AND c.opened_us <= this.opened_us
         ORDER BY +c.first_us DESC, c.reference LIMIT $4";
    rows(store, actor, concern, sql, OTHERS, 0).await?.iter().map(other).collect()
}

/// What was done, oldest first.
pub(crate) async fn steps(store: &Store, actor: &Actor, concern: ConcernId) -> Result<Vec<StepFacts>, StoreError> {
    let sql = concat!(
        "SELECT t.at_us, t.person_id, p.name, t.kind, t.to_state, t.step_id FROM concerns AS c
         JOIN concern_steps AS t ON t.school_id = c.school_id AND t.concern_id = c.concern_id
         LEFT JOIN persons AS p ON p.school_id = t.school_id AND p.person_id = t.person_id
         WHERE {} AND c.concern_id = $3 ORDER BY t.at_us, ",
        as_written!("t"),
        " LIMIT $4"
    );
    rows(store, actor, concern, sql, STEPS, 0).await?.iter().map(step).collect()
}

/// Runs `sql` with the condition of [`visible_to`] for `{}`; `$4` is a limit, `$5` a stretch of time, `$6`
/// [`GOES_ON_US`].
async fn rows(
    store: &Store,
    actor: &Actor,
    concern: ConcernId,
    sql: &str,
    limit: i64,
    stretch_us: i64,
) -> Result<Vec<SqliteRow>, StoreError> {
    let visible = visible_to(actor);
    let query: Query<'_, Sqlite, SqliteArguments> = sqlx::query(AssertSqlSafe(sql.replace("{}", visible.sql)));
    let query = query.bind(visible.school()).bind(visible.person()).bind(concern.as_bytes().as_slice());
    Ok(query.bind(limit).bind(stretch_us).bind(GOES_ON_US).fetch_all(store.reader()).await?)
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
        step: id(row, 5)?,
        at_us: row.try_get(0)?,
        person: person.map(|bytes| PersonId::try_from(bytes.as_slice())).transpose()?,
        name: row.try_get(2)?,
        kind: row.try_get(3)?,
        to_state: row.try_get(4)?,
    })
}
