//! Rows of the queue: every concern an actor may know of, and no word of evidence.

use lapwing_rules::Level;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row};

use super::{Store, StoreError, visible_to};
use crate::actor::Actor;

/// Which concerns a list shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shelf {
    /// Those that somebody still has to do something about.
    Open,
    /// Those that are done.
    Closed,
}

/// A concern in a list.
#[derive(Clone, Debug)]
pub(crate) struct QueueRow {
    pub(crate) reference: String,
    /// Id of the category; newer than this build perhaps.
    pub(crate) category: String,
    pub(crate) level: Level,
    pub(crate) state: String,
    /// Captures in it.
    pub(crate) captures: i64,
    pub(crate) first_us: i64,
    pub(crate) last_us: i64,
    pub(crate) acknowledge_by_us: Option<i64>,
    pub(crate) subject: SubjectFacts,
}

/// Whom captures are about, as far as the school's lists know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SubjectFacts {
    /// Who they are to the school: "pupil", "staff", "shared", "unmapped_pupil", "unmapped", "guest".
    pub(crate) audience: String,
    /// Of a person.
    pub(crate) person: Option<PersonFacts>,
    /// Of an account nobody mapped, or a class log-on.
    pub(crate) account: Option<String>,
    /// Where a class log-on was used: host name and room.
    pub(crate) device: Option<(String, String)>,
}

/// A person as the school's list has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PersonFacts {
    pub(crate) name: String,
    pub(crate) class: String,
    pub(crate) band: String,
}

const COLUMNS: &str = "c.concern_id, c.reference, c.category, c.level, c.state, c.captures, c.first_us, c.last_us, \
     c.acknowledge_by_us, s.audience, s.account, p.name, p.class, p.band, d.hostname, d.room";
const TABLES: &str = "concerns AS c \
     JOIN subjects AS s ON s.school_id = c.school_id AND s.subject_id = c.subject_id \
     LEFT JOIN persons AS p ON p.school_id = s.school_id AND p.person_id = s.person_id \
     LEFT JOIN devices AS d ON d.school_id = s.school_id AND d.device_id = s.device_id";
const DONE: &str = "('closed', 'signed_off', 'transferred')";

/// Up to `limit` concerns of a shelf: the most urgent first, among equals those nobody acknowledged, then the oldest;
/// closed ones the latest first.
pub(crate) async fn rows(store: &Store, actor: &Actor, shelf: Shelf, limit: u32) -> Result<Vec<QueueRow>, StoreError> {
    let visible = visible_to(actor);
    let (condition, order) = match shelf {
        Shelf::Open => ("NOT IN", "c.level DESC, c.state = 'new' DESC, c.opened_us, c.reference"),
        Shelf::Closed => ("IN", "c.changed_us DESC, c.reference"),
    };
    let sql = format!(
        "SELECT {COLUMNS} FROM {TABLES} WHERE {} AND c.state {condition} {DONE} ORDER BY {order} LIMIT $3",
        visible.sql
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(visible.school())
        .bind(visible.person())
        .bind(i64::from(limit))
        .fetch_all(store.reader())
        .await?;
    rows.iter().map(queue_row).collect()
}

fn queue_row(row: &SqliteRow) -> Result<QueueRow, StoreError> {
    Ok(QueueRow {
        reference: row.try_get(1)?,
        category: row.try_get(2)?,
        level: level(row.try_get(3)?)?,
        state: row.try_get(4)?,
        captures: row.try_get(5)?,
        first_us: row.try_get(6)?,
        last_us: row.try_get(7)?,
        acknowledge_by_us: row.try_get(8)?,
        subject: subject(row)?,
    })
}

fn subject(row: &SqliteRow) -> Result<SubjectFacts, StoreError> {
    let name: Option<String> = row.try_get(11)?;
    let person = match name {
        Some(name) => Some(PersonFacts { name, class: row.try_get(12)?, band: row.try_get(13)? }),
        None => None,
    };
    let (hostname, room): (Option<String>, Option<String>) = (row.try_get(14)?, row.try_get(15)?);
    Ok(SubjectFacts { audience: row.try_get(9)?, person, account: row.try_get(10)?, device: hostname.zip(room) })
}

pub(super) fn level(number: i64) -> Result<Level, StoreError> {
    let level = u8::try_from(number).ok().and_then(|number| Level::try_from(number).ok());
    level.ok_or(StoreError::Corrupt { what: "level" })
}
