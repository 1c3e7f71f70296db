//! What notifications ask of the database: who may still be told, what waits for whom, and how well the school is
//! watched.

use std::collections::BTreeSet;

use lapwing_proto::{DiagnosticCode, SchoolId};
use lapwing_rules::Level;
use sqlx::{AssertSqlSafe, Row};

use super::outbox::address_of;
use super::{Store, StoreError, Tx, checks, coverage, device_health, expected, id, level, visible_to};
use crate::actor::{Actor, PersonId, Role};
use crate::calendar::Calendar;
use crate::notify::{Condition, Digest};
use crate::triage::State;

/// Most concerns that a digest counts: more are as many to whoever reads it.
const MOST: i64 = 1000;

/// What is made once a school day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Daily {
    /// What waits.
    Digest,
    /// Whether the school is watched.
    AllWell,
}

/// Whether mail to the address in `$address` is read by the person behind the subject `s`.
macro_rules! reads {
    ($address:literal) => {
        concat!(
            "(EXISTS (SELECT 1 FROM sign_ins AS i WHERE i.school_id = $1 AND i.person_id = s.person_id
              AND LOWER(i.mail) = ",
            $address,
            ") OR EXISTS (SELECT 1 FROM persons AS p WHERE p.school_id = $1 AND p.person_id = s.person_id AND p.mail = ",
            $address,
            "))"
        )
    };
}

/// The concerns that a reference means: one's own, and those that a request of it would change.
macro_rules! meant_by {
    ($reference:literal) => {
        concat!(
            "(SELECT k.concern_id FROM concerns AS k WHERE k.school_id = $1 AND k.reference = ",
            $reference,
            " UNION ALL SELECT q.concern_id FROM requests AS q WHERE q.school_id = $1 AND q.reference = ",
            $reference,
            " AND q.concern_id IS NOT NULL)"
        )
    };
}

pub(super) use {meant_by, reads};

/// A concern `c` whose subject does not read the address in `$4`.
const UNREAD: &str = concat!(
    "NOT EXISTS (SELECT 1 FROM subjects AS s WHERE s.school_id = $1 AND s.subject_id = c.subject_id AND ",
    reads!("$4"),
    ")"
);

/// How a reader stands to whom a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// They have nothing to do with each other.
    Apart,
    /// They are the same person.
    Subject,
    /// Mail to the one is read by the other.
    SharesAddress,
}

impl Daily {
    /// The one text form.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Digest => "digest",
            Self::AllWell => "all_well",
        }
    }
}

/// Notes that a day's messages are made. Answers whether they were not before: of two who ask, one makes them.
pub(crate) async fn begin_day(
    tx: &mut Tx,
    school: &SchoolId,
    daily: Daily,
    day: i64,
    now_us: i64,
) -> Result<bool, StoreError> {
    begin(tx, school, daily.as_str(), day, now_us).await
}

/// As [`begin_day`], of any notice and number: a day, or how many days are left.
pub(crate) async fn begin(
    tx: &mut Tx,
    school: &SchoolId,
    notice: &str,
    number: i64,
    now_us: i64,
) -> Result<bool, StoreError> {
    let begun = sqlx::query(
        "INSERT INTO notices (school_id, notice, day, made_us) VALUES ($1, $2, $3, $4)
         ON CONFLICT (school_id, notice, day) DO NOTHING",
    )
    .bind(school.as_str())
    .bind(notice)
    .bind(number)
    .bind(now_us)
    .execute(tx.connection())
    .await?;
    Ok(begun.rows_affected() == 1)
}

/// Whether a day's messages were made.
pub(crate) async fn is_made(store: &Store, school: &SchoolId, daily: Daily, day: i64) -> Result<bool, StoreError> {
    is_told(store, school, daily.as_str(), day).await
}

/// As [`is_made`], of any notice and number.
pub(crate) async fn is_told(store: &Store, school: &SchoolId, notice: &str, number: i64) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM notices WHERE school_id = $1 AND notice = $2 AND day = $3)")
        .bind(school.as_str())
        .bind(notice)
        .bind(number)
        .fetch_one(store.reader())
        .await?)
}

/// When a notice was last made, no later than `now_us`.
pub(crate) async fn last_made(
    store: &Store,
    school: &SchoolId,
    notice: &str,
    now_us: i64,
) -> Result<Option<i64>, StoreError> {
    let newest = "SELECT MAX(made_us) FROM notices WHERE school_id = $1 AND notice = $2 AND made_us <= $3";
    Ok(sqlx::query_scalar(newest).bind(school.as_str()).bind(notice).bind(now_us).fetch_one(store.reader()).await?)
}

/// Who holds one of `roles` and has an address.
pub(crate) async fn reachable(
    tx: &mut Tx,
    school: &SchoolId,
    roles: &[Role],
) -> Result<BTreeSet<PersonId>, StoreError> {
    let rows = sqlx::query(concat!(
        "SELECT h.person_id, h.role FROM person_roles AS h
         JOIN persons AS n ON n.school_id = h.school_id AND n.person_id = h.person_id
         WHERE h.school_id = $1 AND n.left_us IS NULL AND ",
        address_of!("h.person_id"),
        " IS NOT NULL",
    ))
    .bind(school.as_str())
    .fetch_all(tx.connection())
    .await?;
    let mut found = BTreeSet::new();
    for row in &rows {
        if roles.contains(&super::parsed(row, 1)?) {
            found.insert(id(row, 0)?);
        }
    }
    Ok(found)
}

/// Of `people`, those who may see the concern of that reference.
pub(crate) async fn who_may_see(
    store: &Store,
    school: &SchoolId,
    reference: &str,
    people: &BTreeSet<PersonId>,
) -> Result<BTreeSet<PersonId>, StoreError> {
    let mut found = BTreeSet::new();
    for person in people {
        let actor = reader(school, *person);
        let visible = visible_to(&actor);
        let sql = format!("SELECT EXISTS (SELECT 1 FROM concerns AS c WHERE {} AND c.reference = $3)", visible.sql);
        let sees = sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(visible.school())
            .bind(visible.person())
            .bind(reference)
            .fetch_one(store.reader())
            .await?;
        if sees {
            found.insert(*person);
        }
    }
    Ok(found)
}

/// How a reader stands to whom a reference is about: a concern's, or that of the concern a request would change.
pub(crate) async fn standing(
    store: &Store,
    school: &SchoolId,
    reference: &str,
    person: PersonId,
    address: Option<&str>,
) -> Result<Standing, StoreError> {
    let product = Actor::Product { school: school.clone() };
    let visible = visible_to(&product);
    let sql = format!(
        concat!(
            "SELECT s.person_id = $4, ",
            reads!("$5"),
            " FROM concerns AS c JOIN subjects AS s ON s.school_id = c.school_id AND s.subject_id = c.subject_id
             WHERE {} AND s.person_id IS NOT NULL AND c.concern_id IN ",
            meant_by!("$3")
        ),
        visible.sql
    );
    let row = sqlx::query(AssertSqlSafe(sql))
        .bind(visible.school())
        .bind(visible.person())
        .bind(reference)
        .bind(person.as_bytes().as_slice())
        .bind(address.map(str::to_lowercase))
        .fetch_optional(store.reader())
        .await?;
    let Some(row) = row else { return Ok(Standing::Apart) };
    if row.try_get(0)? {
        return Ok(Standing::Subject);
    }
    Ok(if row.try_get(1)? { Standing::SharesAddress } else { Standing::Apart })
}

/// Whether the concern of that reference still waits to be acknowledged.
pub(crate) async fn is_waiting(store: &Store, school: &SchoolId, reference: &str) -> Result<bool, StoreError> {
    let product = Actor::Product { school: school.clone() };
    let visible = visible_to(&product);
    let sql = format!("SELECT c.state FROM concerns AS c WHERE {} AND c.reference = $3", visible.sql);
    let row = sqlx::query(AssertSqlSafe(sql))
        .bind(visible.school())
        .bind(visible.person())
        .bind(reference)
        .fetch_optional(store.reader())
        .await?;
    Ok(row.map(|row| super::parsed::<State>(&row, 0)).transpose()?.is_some_and(State::is_waiting))
}

/// The persons behind accounts, in their order; `None` where nobody knows an account.
pub(crate) async fn persons_of(
    store: &Store,
    school: &SchoolId,
    accounts: &[String],
) -> Result<Vec<Option<PersonId>>, StoreError> {
    let mut found = Vec::new();
    for account in accounts {
        let row = sqlx::query("SELECT person_id FROM accounts WHERE school_id = $1 AND account = $2")
            .bind(school.as_str())
            .bind(account)
            .fetch_optional(store.reader())
            .await?;
        found.push(row.map(|row| id(&row, 0)).transpose()?);
    }
    Ok(found)
}

/// What waits for `person` to acknowledge it; with what came up since `week_from_us` where that is given. Of whom reads
/// the `address` too it counts nothing.
pub(crate) async fn digest(
    store: &Store,
    school: &SchoolId,
    (person, address): (PersonId, Option<&str>),
    calendar: &Calendar,
    week_from_us: Option<i64>,
) -> Result<Digest, StoreError> {
    let address = address.map(str::to_lowercase);
    let actor = reader(school, person);
    let visible = visible_to(&actor);
    let sql = format!(
        "SELECT c.reference, c.level, c.opened_us FROM concerns AS c
         WHERE {} AND {UNREAD} AND c.merged_into IS NULL AND c.state IN ('new', 'reopened', 'transferred') AND c.level >= 2
         ORDER BY c.level DESC, c.opened_us, c.reference LIMIT $3",
        visible.sql_of_many
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(visible.school())
        .bind(visible.person())
        .bind(MOST)
        .bind(address.as_deref())
        .fetch_all(store.reader())
        .await?;
    let mut digest = Digest::default();
    let mut oldest_us: Option<i64> = None;
    for row in &rows {
        digest.waiting.push((row.try_get::<String, _>(0)?, level(row, 1)?));
        let opened_us: i64 = row.try_get(2)?;
        oldest_us = Some(oldest_us.map_or(opened_us, |oldest| oldest.min(opened_us)));
    }
    digest.oldest = oldest_us.map(|at_us| calendar.date(at_us));
    if let Some(from_us) = week_from_us {
        digest.week = Some(minor(store, &actor, address.as_deref(), from_us).await?);
    }
    Ok(digest)
}

/// Concerns of levels 1 and 2 that came up since `from_us`.
async fn minor(store: &Store, actor: &Actor, address: Option<&str>, from_us: i64) -> Result<u64, StoreError> {
    let visible = visible_to(actor);
    let sql = format!(
        "SELECT COUNT(*) FROM concerns AS c
         WHERE {} AND {UNREAD} AND c.merged_into IS NULL AND c.opened_us >= $3 AND c.level <= $5",
        visible.sql_of_many
    );
    let count: i64 = sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(visible.school())
        .bind(visible.person())
        .bind(from_us)
        .bind(address)
        .bind(i64::from(Level::Low.number()))
        .fetch_one(store.reader())
        .await?;
    Ok(count.unsigned_abs())
}

/// How well the school is watched at `now_us`, on the day that began at `today_us`. Of channels and messages it says
/// nothing yet.
pub(crate) async fn condition(
    store: &Store,
    school: &SchoolId,
    now_us: i64,
    today_us: i64,
) -> Result<Condition, StoreError> {
    let heard = coverage::heard(store, school, today_us).await?;
    let sql = format!(
        "SELECT COUNT(*) FROM devices AS d
         WHERE d.school_id = $1 AND d.revoked_us IS NULL AND d.goodbye IS NULL AND d.heard_us >= $2
         AND (d.rule_set_release = 0
         OR EXISTS (SELECT 1 FROM device_diagnostics AS g WHERE g.school_id = d.school_id AND g.device_id = d.device_id
         AND g.code NOT IN ({}))
         OR EXISTS (SELECT 1 FROM device_sensors AS s WHERE s.school_id = d.school_id AND s.device_id = d.device_id
         AND s.health <> 1 AND s.reason <> 'session_ended'))",
        device_health::literals(DiagnosticCode::ALL.into_iter().filter(|code| code.is_note()))
    );
    let blind: i64 = sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(school.as_str())
        .bind(now_us.saturating_sub(coverage::SILENT_US))
        .fetch_one(store.reader())
        .await?;
    let expected = expected::coverage(store, school, today_us).await?;
    Ok(Condition {
        expected: expected.map(|coverage| coverage.expected.unsigned_abs()),
        failed_checks: checks::failed_lately(store, school).await?,
        devices: heard.devices.unsigned_abs(),
        heard: heard.today.unsigned_abs(),
        silent: heard.silent.unsigned_abs(),
        blind: blind.unsigned_abs(),
        ..Condition::default()
    })
}

/// Somebody who is sent what they may see, whatever they do at the school.
fn reader(school: &SchoolId, person: PersonId) -> Actor {
    Actor::Person { school: school.clone(), person, roles: BTreeSet::new() }
}
