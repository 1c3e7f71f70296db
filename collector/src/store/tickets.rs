//! Rows of what technicians are asked to change in the filter: a host and a topic, and nothing of anybody. No time of day
//! and no reference: neither says whose page it was.

use std::str::FromStr;

use jiff::civil::Date;
use lapwing_proto::SchoolId;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{Store, StoreError, Tx, id, parsed};
use crate::ids::{InvalidId, TicketId};

/// A change to the filter that somebody asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) id: TicketId,
    pub(crate) host: String,
    pub(crate) category: String,
    pub(crate) wanted: Wanted,
    pub(crate) day: String,
}

/// What a ticket is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum About {
    /// The filter.
    Filter,
    /// A rule that somebody calls noisy.
    Rule,
}

/// What is asked of the filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The rule was right: the site should not have opened.
    Block,
    /// The rule was wrong, or nobody can tell: whether it should be allowed.
    Check,
}

impl Wanted {
    /// The one text form.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Check => "check",
        }
    }
}

impl FromStr for Wanted {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let wanted = [Self::Block, Self::Check].into_iter().find(|one| one.as_str() == text);
        wanted.ok_or(InvalidId { what: "change to the filter", expected: "block or check" })
    }
}

/// Asks for a change; one that waits already is not asked for twice.
pub(crate) async fn ask(
    tx: &mut Tx,
    school: &SchoolId,
    (host, category, wanted): (&str, &str, Wanted),
    day: Date,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO filter_tickets (school_id, ticket_id, host, category, wanted, day) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (school_id, host, category, wanted) WHERE done_us IS NULL DO NOTHING",
    )
    .bind(school.as_str())
    .bind(TicketId::random()?.as_bytes().as_slice())
    .bind(host)
    .bind(category)
    .bind(wanted.as_str())
    .bind(day.to_string())
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Up to `limit` that wait, by host.
pub(crate) async fn waiting(store: &Store, school: &SchoolId, limit: u32) -> Result<Vec<Ticket>, StoreError> {
    let rows = sqlx::query(
        "SELECT ticket_id, host, category, wanted, day FROM filter_tickets
         WHERE school_id = $1 AND done_us IS NULL ORDER BY host, category, wanted LIMIT $2",
    )
    .bind(school.as_str())
    .bind(i64::from(limit))
    .fetch_all(store.reader())
    .await?;
    rows.iter().map(read).collect()
}

/// It is done, of the filter or of a rule. Answers which, where it waited.
pub(crate) async fn done(
    tx: &mut Tx,
    school: &SchoolId,
    ticket: TicketId,
    now_us: i64,
) -> Result<Option<About>, StoreError> {
    let of_filter =
        "UPDATE filter_tickets SET done_us = $3 WHERE school_id = $1 AND ticket_id = $2 AND done_us IS NULL";
    let of_rules = "UPDATE rule_tickets SET done_us = $3 WHERE school_id = $1 AND ticket_id = $2 AND done_us IS NULL";
    for (sql, about) in [(of_filter, About::Filter), (of_rules, About::Rule)] {
        let done = sqlx::query(sql)
            .bind(school.as_str())
            .bind(ticket.as_bytes().as_slice())
            .bind(now_us)
            .execute(tx.connection())
            .await?;
        if done.rows_affected() > 0 {
            return Ok(Some(about));
        }
    }
    Ok(None)
}

fn read(row: &SqliteRow) -> Result<Ticket, StoreError> {
    let (host, category, wanted) = (row.try_get(1)?, row.try_get(2)?, parsed(row, 3)?);
    Ok(Ticket { id: id(row, 0)?, host, category, wanted, day: row.try_get(4)? })
}
