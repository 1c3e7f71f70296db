//! Rows of the outbox: who is to be told of which reference, and what became of it.

use lapwing_proto::SchoolId;
use lapwing_rules::Level;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{Store, StoreError, Tx, id, level};
use crate::actor::PersonId;
use crate::ids::MessageId;

/// A message claimed for sending.
#[derive(Debug)]
pub(crate) struct Claimed {
    pub(crate) id: MessageId,
    pub(crate) reference: String,
    pub(crate) level: Level,
    /// Tries, this one included.
    pub(crate) attempts: u32,
    /// `None` where nobody knows one.
    pub(crate) address: Option<String>,
}

/// Puts a mail to `person` into the outbox.
pub(crate) async fn insert(
    tx: &mut Tx,
    school: &SchoolId,
    person: PersonId,
    reference: &str,
    level: Level,
    now_us: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO outbox (school_id, message_id, channel, person_id, reference, level, created_us, due_us)
         VALUES ($1, $2, 'mail', $3, $4, $5, $6, $6)",
    )
    .bind(school.as_str())
    .bind(MessageId::random()?.as_bytes().as_slice())
    .bind(person.as_bytes().as_slice())
    .bind(reference)
    .bind(i64::from(level.number()))
    .bind(now_us)
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Claims the most urgent message that is due, until `lease_us`.
pub(crate) async fn claim(
    tx: &mut Tx,
    school: &SchoolId,
    now_us: i64,
    lease_us: i64,
) -> Result<Option<Claimed>, StoreError> {
    let row = sqlx::query(
        "UPDATE outbox SET leased_until_us = $3, attempts = attempts + 1
         WHERE school_id = $1 AND message_id = (SELECT w.message_id FROM outbox AS w
         WHERE w.school_id = $1 AND w.sent_us IS NULL AND w.dead_us IS NULL AND w.due_us <= $2
         AND w.leased_until_us <= $2 ORDER BY w.level DESC, w.due_us LIMIT 1)
         RETURNING message_id, reference, level, attempts, COALESCE(
         (SELECT NULLIF(i.mail, '') FROM sign_ins AS i
         WHERE i.school_id = $1 AND i.person_id = outbox.person_id AND i.mail <> '' ORDER BY i.login LIMIT 1),
         (SELECT NULLIF(p.mail, '') FROM persons AS p WHERE p.school_id = $1 AND p.person_id = outbox.person_id))",
    )
    .bind(school.as_str())
    .bind(now_us)
    .bind(lease_us)
    .fetch_optional(tx.connection())
    .await?;
    row.as_ref().map(read_claimed).transpose()
}

/// When the next waiting message may be claimed.
pub(crate) async fn next_due(store: &Store, school: &SchoolId) -> Result<Option<i64>, StoreError> {
    Ok(sqlx::query_scalar(
        "SELECT MIN(CASE WHEN leased_until_us > due_us THEN leased_until_us ELSE due_us END) FROM outbox
         WHERE school_id = $1 AND sent_us IS NULL AND dead_us IS NULL",
    )
    .bind(school.as_str())
    .fetch_one(store.reader())
    .await?)
}

/// Marks a message as delivered.
pub(crate) async fn set_sent(
    tx: &mut Tx,
    school: &SchoolId,
    message: MessageId,
    now_us: i64,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE outbox SET sent_us = $3, last_error = NULL WHERE school_id = $1 AND message_id = $2")
        .bind(school.as_str())
        .bind(message.as_bytes().as_slice())
        .bind(now_us)
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// Lets a message wait until `due_us`.
pub(crate) async fn set_failed(
    tx: &mut Tx,
    school: &SchoolId,
    message: MessageId,
    code: &str,
    due_us: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE outbox SET due_us = $4, leased_until_us = 0, last_error = $3
         WHERE school_id = $1 AND message_id = $2",
    )
    .bind(school.as_str())
    .bind(message.as_bytes().as_slice())
    .bind(code)
    .bind(due_us)
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Gives a message up.
pub(crate) async fn set_dead(
    tx: &mut Tx,
    school: &SchoolId,
    message: MessageId,
    code: &str,
    now_us: i64,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE outbox SET dead_us = $4, last_error = $3 WHERE school_id = $1 AND message_id = $2")
        .bind(school.as_str())
        .bind(message.as_bytes().as_slice())
        .bind(code)
        .bind(now_us)
        .execute(tx.connection())
        .await?;
    Ok(())
}

fn read_claimed(row: &SqliteRow) -> Result<Claimed, StoreError> {
    Ok(Claimed {
        id: id(row, 0)?,
        reference: row.try_get(1)?,
        level: level(row, 2)?,
        attempts: row.try_get(3)?,
        address: row.try_get(4)?,
    })
}
