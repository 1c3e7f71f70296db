//! Rows of the queue: every concern an actor may know of, and no word of evidence.

use lapwing_rules::Level;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row};

use super::{Store, StoreError, level, visible_to};
use crate::actor::Actor;
use crate::ids::ConcernId;

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
    /// Whether some of it was reported by the web filter.
    pub(crate) is_from_filter: bool,
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
     c.acknowledge_by_us, s.audience, s.account, p.name, p.class, p.band, d.hostname, d.room, c.from_filter";
const TABLES: &str = "concerns AS c \
     JOIN subjects AS s ON s.school_id = c.school_id AND s.subject_id = c.subject_id \
     LEFT JOIN persons AS p ON p.school_id = s.school_id AND p.person_id = s.person_id \
     LEFT JOIN devices AS d ON d.school_id = s.school_id AND d.device_id = s.device_id";
const DONE: &str = "('closed', 'signed_off')";

/// Up to `limit` concerns of a shelf: the most urgent first, among equals those nobody acknowledged, then the oldest;
/// closed ones the latest first.
pub(crate) async fn rows(store: &Store, actor: &Actor, shelf: Shelf, limit: u32) -> Result<Vec<QueueRow>, StoreError> {
    let visible = visible_to(actor);
    let (condition, order) = match shelf {
        Shelf::Open => {
            ("NOT IN", "c.level DESC, (c.state IN ('new', 'reopened', 'transferred')) DESC, c.opened_us, c.reference")
        }
        Shelf::Closed => ("IN", "c.changed_us DESC, c.reference"),
    };
    let sql = format!(
        "SELECT {COLUMNS} FROM {TABLES} WHERE {} AND c.merged_into IS NULL AND c.state {condition} {DONE} ORDER BY {order} LIMIT $3",
        visible.sql_of_many
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(visible.school())
        .bind(visible.person())
        .bind(i64::from(limit))
        .fetch_all(store.reader())
        .await?;
    rows.iter().map(queue_row).collect()
}

/// One concern, where `actor` may know of it.
pub(crate) async fn row(store: &Store, actor: &Actor, concern: ConcernId) -> Result<Option<QueueRow>, StoreError> {
    let visible = visible_to(actor);
    let sql = format!("SELECT {COLUMNS} FROM {TABLES} WHERE {} AND c.concern_id = $3", visible.sql);
    let row = sqlx::query(AssertSqlSafe(sql))
        .bind(visible.school())
        .bind(visible.person())
        .bind(concern.as_bytes().as_slice())
        .fetch_optional(store.reader())
        .await?;
    row.as_ref().map(queue_row).transpose()
}

/// The concern of that reference, where `actor` may know of it.
pub(crate) async fn by_reference(
    store: &Store,
    actor: &Actor,
    reference: &str,
) -> Result<Option<ConcernId>, StoreError> {
    let visible = visible_to(actor);
    let sql = format!("SELECT c.concern_id FROM concerns AS c WHERE {} AND c.reference = $3", visible.sql);
    let id: Option<Vec<u8>> = sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(visible.school())
        .bind(visible.person())
        .bind(reference)
        .fetch_optional(store.reader())
        .await?;
    Ok(id.map(|id| ConcernId::try_from(id.as_slice())).transpose()?)
}

impl QueueRow {
    /// Whether somebody still has to acknowledge it.
    pub(crate) fn is_waiting(&self) -> bool {
        matches!(self.state.as_str(), "new" | "reopened" | "transferred")
    }

    /// Whether it is done with.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self.state.as_str(), "closed" | "signed_off")
    }
}

fn queue_row(row: &SqliteRow) -> Result<QueueRow, StoreError> {
    Ok(QueueRow {
        reference: row.try_get(1)?,
        category: row.try_get(2)?,
        level: level(row, 3)?,
        state: row.try_get(4)?,
        captures: row.try_get(5)?,
        first_us: row.try_get(6)?,
        last_us: row.try_get(7)?,
        acknowledge_by_us: row.try_get(8)?,
        is_from_filter: row.try_get(16)?,
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
