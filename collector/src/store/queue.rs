//! Rows of the queue: every concern an actor may know of, and no word of evidence.

use std::fmt::Write as _;

use lapwing_rules::Level;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row};

use super::snoozes::PUT_OFF;
use super::{Store, StoreError, level, visible_to};
use crate::actor::Actor;
use crate::ids::ConcernId;

/// Among which concerns a list looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Among {
    /// Those that somebody still has to do something about.
    #[default]
    Open,
    /// Those that are done.
    Closed,
    /// Both.
    All,
    /// What whoever looks put off, and is not back yet.
    PutOff,
}

/// Whether somebody took a concern up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nobody yet.
    Waiting,
    /// Somebody.
    Working,
    /// Whoever looks.
    Mine,
}

/// What a list is asked for; each part narrows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sought {
    pub(crate) among: Among,
    /// In the reference, a person's name, class or account, a rule, a device's name or room; empty: any.
    pub(crate) words: String,
    /// These levels, or all but these.
    pub(crate) levels: Option<(Vec<i64>, bool)>,
    /// These categories, or all but these.
    pub(crate) categories: Option<(Vec<String>, bool)>,
    pub(crate) standing: Option<Standing>,
    /// Seen at or after this moment, microseconds of UTC.
    pub(crate) since_us: Option<i64>,
    /// Seen before this moment.
    pub(crate) until_us: Option<i64>,
    /// This one alone.
    pub(crate) only: Option<ConcernId>,
    /// The moment of the list: what was put off beyond it is not among the open ones.
    pub(crate) now_us: i64,
}

/// A value of a condition.
enum Value {
    Text(String),
    Number(i64),
    Id(ConcernId),
}

/// Conditions that narrow a list, and what their placeholders take.
struct Narrowing {
    sql: String,
    values: Vec<Value>,
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
    /// Name of whoever deals with it, as long as they are here and see it.
    pub(crate) assigned: Option<String>,
    pub(crate) changed_us: i64,
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
     c.acknowledge_by_us, s.audience, s.account, p.name, p.class, p.band, d.hostname, d.room, c.from_filter, a.name, c.changed_us";
const TABLES: &str = "concerns AS c \
     JOIN subjects AS s ON s.school_id = c.school_id AND s.subject_id = c.subject_id \
     LEFT JOIN persons AS p ON p.school_id = s.school_id AND p.person_id = s.person_id \
     LEFT JOIN devices AS d ON d.school_id = s.school_id AND d.device_id = s.device_id \
     LEFT JOIN persons AS a ON a.school_id = c.school_id AND a.person_id = c.assigned_to AND a.left_us IS NULL \
     AND EXISTS (SELECT 1 FROM concern_recipients AS q WHERE q.school_id = c.school_id AND q.concern_id = c.concern_id \
     AND q.person_id = c.assigned_to)";
const DONE: &str = "('closed', 'signed_off')";
/// Words in what is known of a concern besides its evidence. Names in the cases of ASCII are the same.
const HOLDS_WORDS: &str = "(c.reference LIKE {} ESCAPE '\\' OR p.name LIKE {} ESCAPE '\\' OR p.class LIKE {} ESCAPE '\\' \
     OR s.account LIKE {} ESCAPE '\\' OR EXISTS (SELECT 1 FROM concern_captures AS l \
     JOIN captures AS x ON x.school_id = l.school_id AND x.capture_id = l.capture_id \
     JOIN devices AS e ON e.school_id = x.school_id AND e.device_id = x.device_id \
     WHERE l.school_id = c.school_id AND l.concern_id = c.concern_id AND (x.rule LIKE {} ESCAPE '\\' \
     OR e.hostname LIKE {} ESCAPE '\\' OR e.room LIKE {} ESCAPE '\\')))";

/// Up to `limit` concerns: the most urgent first, among equals those nobody acknowledged, then the oldest; closed ones the
/// latest first.
pub(crate) async fn rows(
    store: &Store,
    actor: &Actor,
    sought: &Sought,
    limit: u32,
) -> Result<Vec<QueueRow>, StoreError> {
    let (visible, narrowing) = (visible_to(actor), Narrowing::of(sought));
    let (among, order) = match sought.among {
        Among::Open | Among::PutOff => (
            format!("AND c.state NOT IN {DONE}"),
            "c.level DESC, (c.state IN ('new', 'reopened', 'transferred')) DESC, c.opened_us, c.reference",
        ),
        Among::Closed => (format!("AND c.state IN {DONE}"), "c.changed_us DESC, c.reference"),
        Among::All => (String::new(), "c.changed_us DESC, c.reference"),
    };
    let sql = format!(
        "SELECT {COLUMNS} FROM {TABLES} WHERE {} AND c.merged_into IS NULL {among}{} ORDER BY {order} LIMIT $3",
        if sought.only.is_some() { visible.sql } else { visible.sql_of_many },
        narrowing.sql
    );
    let query = sqlx::query(AssertSqlSafe(sql)).bind(visible.school()).bind(visible.person()).bind(i64::from(limit));
    let query = narrowing.values.into_iter().fold(query, |query, value| match value {
        Value::Text(text) => query.bind(text),
        Value::Number(number) => query.bind(number),
        Value::Id(id) => query.bind(id.as_bytes().to_vec()),
    });
    query.fetch_all(store.reader()).await?.iter().map(queue_row).collect()
}

impl Narrowing {
    fn of(sought: &Sought) -> Self {
        let mut narrowing = Self { sql: String::new(), values: Vec::new() };
        if let Some((levels, is_not)) = &sought.levels {
            narrowing.among("c.level", levels.iter().copied().map(Value::Number), *is_not);
        }
        if let Some((categories, is_not)) = &sought.categories {
            narrowing.among("c.category", categories.iter().cloned().map(Value::Text), *is_not);
        }
        match sought.standing {
            Some(Standing::Waiting) => narrowing.sql.push_str(" AND c.state IN ('new', 'reopened', 'transferred')"),
            Some(Standing::Working) => narrowing.sql.push_str(" AND c.state NOT IN ('new', 'reopened', 'transferred')"),
            Some(Standing::Mine) => narrowing.sql.push_str(" AND c.assigned_to = $2"),
            None => {}
        }
        if let Some(since_us) = sought.since_us {
            narrowing.and("c.last_us >= {}", Value::Number(since_us));
        }
        if let Some(until_us) = sought.until_us {
            narrowing.and("c.first_us < {}", Value::Number(until_us));
        }
        narrowing.put_off(sought);
        if let Some(only) = sought.only {
            narrowing.and("c.concern_id = {}", Value::Id(only));
        }
        if !sought.words.is_empty() {
            let escaped = sought.words.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
            narrowing.and(HOLDS_WORDS, Value::Text(format!("%{escaped}%")));
        }
        narrowing
    }

    /// Leaves out what was put off, or shows that alone.
    fn put_off(&mut self, sought: &Sought) {
        let not = match sought.among {
            Among::Open => "NOT ",
            Among::PutOff => "",
            Among::Closed | Among::All => return,
        };
        self.and(&format!("{not}{PUT_OFF}"), Value::Number(sought.now_us));
    }

    /// A value of a column among those of a list, or not.
    fn among(&mut self, column: &str, list: impl Iterator<Item = Value>, is_not: bool) {
        let placeholders: Vec<String> = list.map(|value| self.placeholder(value)).collect();
        let not = if is_not { "NOT " } else { "" };
        // Writing to a string cannot fail.
        let _ = write!(self.sql, " AND {column} {not}IN ({})", placeholders.join(", "));
    }

    /// A further condition; `{}` in it is its value.
    fn and(&mut self, condition: &str, value: Value) {
        let placeholder = self.placeholder(value);
        self.sql.push_str(" AND ");
        self.sql.push_str(&condition.replace("{}", &placeholder));
    }

    /// What stands for `value`. The first three are the school, the person and the limit.
    fn placeholder(&mut self, value: Value) -> String {
        self.values.push(value);
        format!("${}", self.values.len() + 3)
    }
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
        assigned: row.try_get(17)?,
        changed_us: row.try_get(18)?,
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
