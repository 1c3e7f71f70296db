//! Rows of what technicians are asked to look at in the rules: a rule, where it fired, and the shape of what matched. Nothing
//! of anybody, no reference and no time of day.

use jiff::civil::Date;
use lapwing_proto::SchoolId;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{Store, StoreError, Tx, id};
use crate::ids::TicketId;

/// A rule that somebody calls noisy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RuleTicket {
    pub(crate) id: TicketId,
    pub(crate) rule: String,
    /// `lapwing.v1.Signal`.
    pub(crate) signal: i32,
    /// What matched, a dot for each letter.
    pub(crate) shape: String,
    pub(crate) day: String,
}

/// Asks for it; what waits already is not asked for twice.
pub(crate) async fn ask(
    tx: &mut Tx,
    school: &SchoolId,
    (rule, signal, shape): (&str, i32, &str),
    day: Date,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO rule_tickets (school_id, ticket_id, rule, signal, shape, day) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (school_id, rule, signal, shape) WHERE done_us IS NULL DO NOTHING",
    )
    .bind(school.as_str())
    .bind(TicketId::random()?.as_bytes().as_slice())
    .bind(rule)
    .bind(signal)
    .bind(shape)
    .bind(day.to_string())
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Up to `limit` that wait, by rule.
pub(crate) async fn waiting(store: &Store, school: &SchoolId, limit: u32) -> Result<Vec<RuleTicket>, StoreError> {
    let rows = sqlx::query(
        "SELECT ticket_id, rule, signal, shape, day FROM rule_tickets
         WHERE school_id = $1 AND done_us IS NULL ORDER BY rule, signal, shape LIMIT $2",
    )
    .bind(school.as_str())
    .bind(i64::from(limit))
    .fetch_all(store.reader())
    .await?;
    rows.iter().map(read).collect()
}

fn read(row: &SqliteRow) -> Result<RuleTicket, StoreError> {
    let (rule, signal, shape) = (row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
    Ok(RuleTicket { id: id(row, 0)?, rule, signal, shape, day: row.try_get(4)? })
}
