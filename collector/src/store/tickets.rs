//! Rows of what technicians are asked to change in the filter: a host and a topic, and nothing of anybody. No time of day
//! and no reference: neither says whose page it was.

use jiff::civil::Date;
use lapwing_proto::SchoolId;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{Store, StoreError, Tx, id};
use crate::ids::TicketId;

/// A change to the filter that somebody asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) id: TicketId,
    pub(crate) host: String,
    pub(crate) category: String,
    pub(crate) day: String,
}

/// Asks for a change; one that waits already is not asked for twice.
pub(crate) async fn ask(
    tx: &mut Tx,
    school: &SchoolId,
    (host, category): (&str, &str),
    day: Date,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO filter_tickets (school_id, ticket_id, host, category, day) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (school_id, host, category) WHERE done_us IS NULL DO NOTHING",
    )
    .bind(school.as_str())
    .bind(TicketId::random()?.as_bytes().as_slice())
    .bind(host)
    .bind(category)
    .bind(day.to_string())
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Up to `limit` that wait, by host.
pub(crate) async fn waiting(store: &Store, school: &SchoolId, limit: u32) -> Result<Vec<Ticket>, StoreError> {
    let rows = sqlx::query(
        "SELECT ticket_id, host, category, day FROM filter_tickets
         WHERE school_id = $1 AND done_us IS NULL ORDER BY host, category LIMIT $2",
    )
    .bind(school.as_str())
    .bind(i64::from(limit))
    .fetch_all(store.reader())
    .await?;
    rows.iter().map(read).collect()
}

/// It is done. Answers whether it waited.
pub(crate) async fn done(tx: &mut Tx, school: &SchoolId, ticket: TicketId, now_us: i64) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE filter_tickets SET done_us = $3 WHERE school_id = $1 AND ticket_id = $2 AND done_us IS NULL",
    )
    .bind(school.as_str())
    .bind(ticket.as_bytes().as_slice())
    .bind(now_us)
    .execute(tx.connection())
    .await?;
    Ok(done.rows_affected() > 0)
}

fn read(row: &SqliteRow) -> Result<Ticket, StoreError> {
    Ok(Ticket { id: id(row, 0)?, host: row.try_get(1)?, category: row.try_get(2)?, day: row.try_get(3)? })
}
