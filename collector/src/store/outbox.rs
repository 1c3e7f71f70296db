//! Rows of the outbox: who is to be told of which reference, and what became of it.
//!
//! A message is to a person, by mail, or to a shared channel, by name. Whoever puts one about a concern in names the
//! people; the shared channels are added here, each once an event. Who may still be told is asked when it is sent.
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
use crate::ids::MessageId;
use crate::notify::{Kind, Purpose};

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
}

/// A message about no concern.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Notice<'a> {
    pub(crate) purpose: Purpose,
    /// The day it is of, or a channel: two of a kind are told apart by it.
    pub(crate) reference: &'a str,
    /// What is sent first.
    pub(crate) level: Level,
}

/// Stands for the reader of a shared channel.
const NOBODY: PersonId = PersonId::from_bytes([0; 16]);

impl<'a> Notice<'a> {
    /// The message to `person`.
    pub(crate) const fn to(self, person: PersonId) -> Message<'a> {
        let Self { purpose, reference, level } = self;
        Message { person, purpose, reference, level }
    }
}

/// A message claimed for sending.
#[derive(Debug)]
pub(crate) struct Claimed {
    pub(crate) id: MessageId,
    /// Name of a shared channel; empty where it is to a person.
    pub(crate) target: String,
    /// To whom; `None` for a shared channel.
    pub(crate) person: Option<PersonId>,
    pub(crate) created_us: i64,
    pub(crate) purpose: Purpose,
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

/// The address of a person, `NULL` where nobody knows one: their sign-in's, else the roster's.
macro_rules! address_of {
    ($person:literal) => {
        concat!(
            "COALESCE((SELECT NULLIF(i.mail, '') FROM sign_ins AS i WHERE i.school_id = $1 AND i.person_id = ",
            $person,
            " AND i.mail <> '' ORDER BY i.login LIMIT 1),
             (SELECT NULLIF(p.mail, '') FROM persons AS p WHERE p.school_id = $1 AND p.person_id = ",
            $person,
            "))"
        )
    };
}

pub(super) use address_of;

/// Puts a message to a person into the outbox, due now; and one to each shared channel, unless this event has one
/// there.
pub(crate) async fn insert(
    tx: &mut Tx,
    school: &SchoolId,
    message: &Message<'_>,
    now_us: i64,
) -> Result<(), StoreError> {
    put(tx, school, Place { kind: Kind::Mail, target: "" }, message, now_us).await?;
    if message.purpose.is_shared() {
        for (target, kind) in untold(tx, school, message, now_us).await? {
            put(tx, school, Place { kind, target: &target }, message, now_us).await?;
        }
    }
    Ok(())
}

/// As [`insert`], for what is said again and again: where one of it still waits to go out, there is no second. Each way is
/// asked for itself: that mail is down keeps nothing from a shared channel.
pub(crate) async fn remind(
    tx: &mut Tx,
    school: &SchoolId,
    message: &Message<'_>,
    now_us: i64,
) -> Result<(), StoreError> {
    if !is_told(tx, school, message.purpose, message.reference, message.person, i64::MAX).await? {
        put(tx, school, Place { kind: Kind::Mail, target: "" }, message, now_us).await?;
    }
    if message.purpose.is_shared() {
        for (target, kind) in untold(tx, school, message, now_us).await? {
            if !reminder_waits(tx, school, &target, message.reference).await? {
                put(tx, school, Place { kind, target: &target }, message, now_us).await?;
            }
        }
    }
    Ok(())
}

/// Whether a shared channel has a reminder of that reference that did not go out yet.
async fn reminder_waits(tx: &mut Tx, school: &SchoolId, target: &str, reference: &str) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM outbox WHERE school_id = $1 AND target = $2 AND target <> '' AND reference = $3
         AND kind IN ('again', 'climbed') AND sent_us IS NULL AND dead_us IS NULL)",
    )
    .bind(school.as_str())
    .bind(target)
    .bind(reference)
    .fetch_one(tx.connection())
    .await?)
}

/// Puts a message about no concern into the outbox, to every shared channel but `except`.
pub(crate) async fn insert_shared(
    tx: &mut Tx,
    school: &SchoolId,
    notice: Notice<'_>,
    except: &str,
    now_us: i64,
) -> Result<(), StoreError> {
    let rows = sqlx::query("SELECT name, kind FROM channels WHERE school_id = $1 AND kind <> 'mail' AND name <> $2")
        .bind(school.as_str())
        .bind(except)
        .fetch_all(tx.connection())
        .await?;
    for row in &rows {
        let (target, kind): (String, Kind) = (row.try_get(0)?, parsed(row, 1)?);
        put(tx, school, Place { kind, target: &target }, &notice.to(NOBODY), now_us).await?;
    }
    Ok(())
}

/// Where a message goes: a shared channel has a name, a person's address has none.
#[derive(Clone, Copy)]
struct Place<'a> {
    kind: Kind,
    target: &'a str,
}

async fn put(
    tx: &mut Tx,
    school: &SchoolId,
    place: Place<'_>,
    message: &Message<'_>,
    now_us: i64,
) -> Result<(), StoreError> {
    let person = if place.target.is_empty() { message.person.as_bytes().as_slice() } else { &[] };
    sqlx::query(
        "INSERT INTO outbox
         (school_id, message_id, channel, person_id, reference, level, created_us, due_us, kind, target)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8, $9)",
    )
    .bind(school.as_str())
    .bind(MessageId::random()?.as_bytes().as_slice())
    .bind(place.kind.as_str())
    .bind(person)
    .bind(message.reference)
    .bind(i64::from(message.level.number()))
    .bind(now_us)
    .bind(message.purpose.as_str())
    .bind(place.target)
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Shared channels that may carry concerns, and have no message of this event yet, whatever else people are told of it.
async fn untold(
    tx: &mut Tx,
    school: &SchoolId,
    message: &Message<'_>,
    now_us: i64,
) -> Result<Vec<(String, Kind)>, StoreError> {
    let rows = sqlx::query(
        "SELECT s.name, s.kind FROM channels AS s WHERE s.school_id = $1 AND s.has_readers = 1 AND NOT EXISTS
         (SELECT 1 FROM outbox AS o WHERE o.school_id = $1 AND o.target <> '' AND o.target = s.name
         AND o.reference = $2 AND o.level = $3 AND o.created_us = $4)",
    )
    .bind(school.as_str())
    .bind(message.reference)
    .bind(i64::from(message.level.number()))
    .bind(now_us)
    .fetch_all(tx.connection())
    .await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, parsed(row, 1)?))).collect()
}

/// Claims the most urgent message of `kind` that is due at `now_us`, for as long as `terms` say.
pub(crate) async fn claim(
    tx: &mut Tx,
    school: &SchoolId,
    kind: Kind,
    now_us: i64,
    terms: Terms,
) -> Result<Option<Claimed>, StoreError> {
    let row = sqlx::query(concat!(
        "UPDATE outbox SET leased_until_us = $2 + $3, attempts = attempts + 1
         WHERE school_id = $1 AND message_id = (SELECT w.message_id FROM outbox AS w
         WHERE w.school_id = $1 AND w.channel = $6 AND w.sent_us IS NULL AND w.dead_us IS NULL AND ",
        waits_until!(),
        " <= $2 ORDER BY w.level DESC, w.due_us LIMIT 1)
         RETURNING message_id, reference, level, attempts, kind, ",
        address_of!("outbox.person_id"),
        ", target, person_id, created_us",
    ))
    .bind(school.as_str())
    .bind(now_us)
    .bind(micros(terms.lease))
    .bind(micros(terms.first_wait))
    .bind(micros(terms.longest_wait))
    .bind(kind.as_str())
    .fetch_optional(tx.connection())
    .await?;
    row.as_ref().map(read_claimed).transpose()
}

/// When the next waiting message of `kind` may be claimed, as it looks at `now_us`; in the past where it may be now.
pub(crate) async fn next_due(
    store: &Store,
    school: &SchoolId,
    kind: Kind,
    now_us: i64,
    terms: Terms,
) -> Result<Option<i64>, StoreError> {
    Ok(sqlx::query_scalar(concat!(
        "SELECT MIN(",
        waits_until!(),
        ") FROM outbox AS w WHERE w.school_id = $1 AND w.channel = $6 AND w.sent_us IS NULL AND w.dead_us IS NULL",
    ))
    .bind(school.as_str())
    .bind(now_us)
    .bind(micros(terms.lease))
    .bind(micros(terms.first_wait))
    .bind(micros(terms.longest_wait))
    .bind(kind.as_str())
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

/// Takes a message out that must not be sent any more.
pub(crate) async fn withdraw(tx: &mut Tx, school: &SchoolId, message: MessageId) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM outbox WHERE school_id = $1 AND message_id = $2")
        .bind(school.as_str())
        .bind(message.as_bytes().as_slice())
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// Whether `person` is told: a message of that purpose about `reference` waits for them, or was delivered since
/// `since_us`.
pub(crate) async fn is_told(
    tx: &mut Tx,
    school: &SchoolId,
    purpose: Purpose,
    reference: &str,
    person: PersonId,
    since_us: i64,
) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM outbox WHERE school_id = $1 AND kind = $2 AND reference = $3 AND person_id = $4
         AND (sent_us > $5 OR (sent_us IS NULL AND dead_us IS NULL)))",
    )
    .bind(school.as_str())
    .bind(purpose.as_str())
    .bind(reference)
    .bind(person.as_bytes().as_slice())
    .bind(since_us)
    .fetch_one(tx.connection())
    .await?)
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

fn read_claimed(row: &SqliteRow) -> Result<Claimed, StoreError> {
    let target: String = row.try_get(6)?;
    Ok(Claimed {
        id: id(row, 0)?,
        reference: row.try_get(1)?,
        level: level(row, 2)?,
        attempts: row.try_get(3)?,
        purpose: parsed(row, 4)?,
        address: row.try_get(5)?,
        person: if target.is_empty() { Some(id(row, 7)?) } else { None },
        target,
        created_us: row.try_get(8)?,
    })
}
