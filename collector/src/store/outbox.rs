//! Rows of the outbox: who is to be told of which reference, and what became of it.
//!
//! A time further ahead than one could have been written by a clock as it stands now was written by a clock that has
//! been set back since. It is not believed: the message is due. A message that was never tried is due whatever its time.

use std::time::Duration;

use lapwing_proto::SchoolId;
use lapwing_rules::Level;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{Store, StoreError, Tx, id, level, parsed};
use crate::actor::PersonId;
use crate::calendar::Watch;
use crate::ids::MessageId;
use crate::notify::Purpose;

/// A message to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message<'a> {
    /// To whom.
    pub(crate) person: PersonId,
    /// Which fixed sentences it says.
    pub(crate) purpose: Purpose,
    /// What people say on the telephone.
    pub(crate) reference: &'a str,
    /// How urgent; of a concern, its level.
    pub(crate) level: Level,
    /// Who was promised to be watching when it was written.
    pub(crate) watch: Watch,
}

/// A message claimed for sending.
#[derive(Debug)]
pub(crate) struct Claimed {
    pub(crate) id: MessageId,
    pub(crate) purpose: Purpose,
    pub(crate) watch: Watch,
    pub(crate) reference: String,
    pub(crate) level: Level,
    /// Tries, this one included.
    pub(crate) attempts: u32,
    /// `None` where nobody knows one.
    pub(crate) address: Option<String>,
}

/// How far ahead the times of a message can lie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// What a claim holds for.
    pub(crate) lease: Duration,
    /// The wait after the first failure; it doubles with each further one.
    pub(crate) first_wait: Duration,
    /// What it doubles up to.
    pub(crate) longest_wait: Duration,
}

/// Until when message `w` waits, with `$2` now, `$3` the lease, `$4` and `$5` the first and the longest wait: what is
/// not believed counts as 0. Eight doublings are more than the longest wait.
macro_rules! waits_until {
    () => {
        "(CASE WHEN w.leased_until_us > $2 AND w.leased_until_us <= $2 + $3 THEN w.leased_until_us
         WHEN w.attempts > 0 AND w.due_us <= $2 + (CASE WHEN w.attempts > 8 THEN $5 ELSE $4 << (w.attempts - 1) END)
         THEN w.due_us ELSE 0 END)"
    };
}

/// Puts a mail into the outbox, due now.
pub(crate) async fn insert(
    tx: &mut Tx,
    school: &SchoolId,
    message: &Message<'_>,
    now_us: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO outbox
         (school_id, message_id, channel, person_id, reference, level, created_us, due_us, kind, watch)
         VALUES ($1, $2, 'mail', $3, $4, $5, $6, $6, $7, $8)",
    )
    .bind(school.as_str())
    .bind(MessageId::random()?.as_bytes().as_slice())
    .bind(message.person.as_bytes().as_slice())
    .bind(message.reference)
    .bind(i64::from(message.level.number()))
    .bind(now_us)
    .bind(message.purpose.as_str())
    .bind(message.watch.as_str())
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Claims the most urgent message that is due at `now_us`, for as long as `terms` say.
pub(crate) async fn claim(
    tx: &mut Tx,
    school: &SchoolId,
    now_us: i64,
    terms: Terms,
) -> Result<Option<Claimed>, StoreError> {
    let row = sqlx::query(concat!(
        "UPDATE outbox SET leased_until_us = $2 + $3, attempts = attempts + 1
         WHERE school_id = $1 AND message_id = (SELECT w.message_id FROM outbox AS w
         WHERE w.school_id = $1 AND w.sent_us IS NULL AND w.dead_us IS NULL AND ",
        waits_until!(),
        " <= $2 ORDER BY w.level DESC, w.due_us LIMIT 1)
         RETURNING message_id, reference, level, attempts, kind, watch, COALESCE(
         (SELECT NULLIF(i.mail, '') FROM sign_ins AS i
         WHERE i.school_id = $1 AND i.person_id = outbox.person_id AND i.mail <> '' ORDER BY i.login LIMIT 1),
         (SELECT NULLIF(p.mail, '') FROM persons AS p WHERE p.school_id = $1 AND p.person_id = outbox.person_id))",
    ))
    .bind(school.as_str())
    .bind(now_us)
    .bind(micros(terms.lease))
    .bind(micros(terms.first_wait))
    .bind(micros(terms.longest_wait))
    .fetch_optional(tx.connection())
    .await?;
    row.as_ref().map(read_claimed).transpose()
}

/// When the next waiting message may be claimed, as it looks at `now_us`; in the past where it may be now.
pub(crate) async fn next_due(
    store: &Store,
    school: &SchoolId,
    now_us: i64,
    terms: Terms,
) -> Result<Option<i64>, StoreError> {
    Ok(sqlx::query_scalar(concat!(
        "SELECT MIN(",
        waits_until!(),
        ") FROM outbox AS w WHERE w.school_id = $1 AND w.sent_us IS NULL AND w.dead_us IS NULL",
    ))
    .bind(school.as_str())
    .bind(now_us)
    .bind(micros(terms.lease))
    .bind(micros(terms.first_wait))
    .bind(micros(terms.longest_wait))
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

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

fn read_claimed(row: &SqliteRow) -> Result<Claimed, StoreError> {
    Ok(Claimed {
        id: id(row, 0)?,
        reference: row.try_get(1)?,
        level: level(row, 2)?,
        attempts: row.try_get(3)?,
        purpose: parsed(row, 4)?,
        watch: parsed(row, 5)?,
        address: row.try_get(6)?,
    })
}
