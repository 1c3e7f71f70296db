//! Sessions of people who are signed in to the console.
//!
//! One is kept as the SHA-256 of its cookie, which opens nothing to whoever reads the file. A time further ahead than a clock
//! as it stands now could have written it was written by a clock that has been set back since: such a session is over.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use lapwing_proto::SchoolId;
use sqlx::Row;

use super::{Store, StoreError, Tx, id, settings};
use crate::actor::{Actor, PersonId, Role};
use crate::audit::{self, Act, ActKind};
use crate::calendar::Calendar;

/// A session ends this long after its last use.
const IDLE_US: i64 = 15 * 60_000_000;
/// A session ends this long after it began, used or not.
const ABSOLUTE_US: i64 = 8 * 60 * 60_000_000;
/// Uses closer together than this are written once.
const TOUCH_US: i64 = 30_000_000;

/// SHA-256 of a session's cookie.
pub(crate) type SessionHash = [u8; 32];

/// An open session, with what every page shows of its person and school.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) actor: Actor,
    pub(crate) name: String,
    pub(crate) school_name: String,
    pub(crate) zone: String,
    pub(crate) calendar: Calendar,
    pub(crate) csrf: Vec<u8>,
    used_us: i64,
}

/// Opens a session for a person who signed in, ending `previous`.
pub(crate) async fn open(
    tx: &mut Tx,
    opening: &Opening<'_>,
    previous: Option<&SessionHash>,
    now_us: i64,
) -> Result<(), StoreError> {
    if let Some(previous) = previous {
        delete(tx, opening.school, previous).await?;
    }
    sqlx::query("DELETE FROM web_sessions WHERE school_id = $1 AND (used_us < $2 OR created_us < $3 OR used_us > $4)")
        .bind(opening.school.as_str())
        .bind(now_us.saturating_sub(IDLE_US))
        .bind(now_us.saturating_sub(ABSOLUTE_US))
        .bind(now_us.saturating_add(IDLE_US))
        .execute(tx.connection())
        .await?;
    sqlx::query(
        "INSERT INTO web_sessions (school_id, session_hash, person_id, csrf, created_us, used_us)
         VALUES ($1, $2, $3, $4, $5, $5)",
    )
    .bind(opening.school.as_str())
    .bind(opening.hash.as_slice())
    .bind(opening.person.as_bytes().as_slice())
    .bind(opening.csrf.as_slice())
    .bind(now_us)
    .execute(tx.connection())
    .await?;
    let actor = Actor::Person { school: opening.school.clone(), person: opening.person, roles: BTreeSet::new() };
    audit::append(tx, &Act::new(&actor, now_us, ActKind::SignedIn, opening.person)).await?;
    Ok(())
}

/// A session to be.
pub(crate) struct Opening<'a> {
    pub(crate) school: &'a SchoolId,
    pub(crate) person: PersonId,
    pub(crate) hash: SessionHash,
    pub(crate) csrf: [u8; 32],
}

/// The open session behind a cookie, unless it has ended by time.
pub(crate) async fn find(
    store: &Store,
    school: &SchoolId,
    hash: &SessionHash,
    now_us: i64,
) -> Result<Option<Session>, StoreError> {
    let row = sqlx::query(
        "SELECT w.person_id, w.csrf, w.used_us, p.name, s.name, s.zone, k.value FROM web_sessions AS w
         LEFT JOIN settings AS k ON k.school_id = w.school_id AND k.name = 'calendar'
         JOIN persons AS p ON p.school_id = w.school_id AND p.person_id = w.person_id
         JOIN schools AS s ON s.school_id = w.school_id
         WHERE w.school_id = $1 AND w.session_hash = $2 AND w.used_us >= $3 AND w.created_us >= $4
         AND w.used_us <= $5 AND p.left_us IS NULL",
    )
    .bind(school.as_str())
    .bind(hash.as_slice())
    .bind(now_us.saturating_sub(IDLE_US))
    .bind(now_us.saturating_sub(ABSOLUTE_US))
    // A session is used after it was made. A clock that is set right by seconds signs nobody out.
    .bind(now_us.saturating_add(IDLE_US))
    .fetch_optional(store.reader())
    .await?;
    let Some(row) = row else { return Ok(None) };
    let person: PersonId = id(&row, 0)?;
    let (zone, text): (String, Option<String>) = (row.try_get(5)?, row.try_get(6)?);
    let calendar = settings::calendar_of(text.as_deref(), TimeZone::get(&zone).unwrap_or(TimeZone::UTC), now_us);
    Ok(Some(Session {
        actor: Actor::Person { school: school.clone(), person, roles: roles(store, school, person).await? },
        csrf: row.try_get(1)?,
        used_us: row.try_get(2)?,
        name: row.try_get(3)?,
        school_name: row.try_get(4)?,
        zone,
        calendar,
    }))
}

/// Notes that a session was used just now.
pub(crate) async fn touch(store: &Store, hash: &SessionHash, session: &Session, now_us: i64) -> Result<(), StoreError> {
    if now_us.saturating_sub(session.used_us) < TOUCH_US {
        return Ok(());
    }
    let mut tx = store.begin().await?;
    sqlx::query("UPDATE web_sessions SET used_us = $3 WHERE school_id = $1 AND session_hash = $2 AND used_us < $3")
        .bind(session.actor.school().as_str())
        .bind(hash.as_slice())
        .bind(now_us)
        .execute(tx.connection())
        .await?;
    tx.commit().await
}

/// Ends a session at its person's wish.
pub(crate) async fn close(store: &Store, hash: &SessionHash, actor: &Actor, now_us: i64) -> Result<(), StoreError> {
    let mut tx = store.begin().await?;
    delete(&mut tx, actor.school(), hash).await?;
    let who = actor.person().map_or_else(String::new, |person| person.to_string());
    audit::append(&mut tx, &Act::new(actor, now_us, ActKind::SignedOut, who)).await?;
    tx.commit().await
}

/// Ends every session of a person.
pub(crate) async fn end_all(tx: &mut Tx, school: &SchoolId, person: PersonId) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM web_sessions WHERE school_id = $1 AND person_id = $2")
        .bind(school.as_str())
        .bind(person.as_bytes().as_slice())
        .execute(tx.connection())
        .await?;
    Ok(())
}

async fn delete(tx: &mut Tx, school: &SchoolId, hash: &SessionHash) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM web_sessions WHERE school_id = $1 AND session_hash = $2")
        .bind(school.as_str())
        .bind(hash.as_slice())
        .execute(tx.connection())
        .await?;
    Ok(())
}

async fn roles(store: &Store, school: &SchoolId, person: PersonId) -> Result<BTreeSet<Role>, StoreError> {
    let roles: Vec<String> =
        sqlx::query_scalar("SELECT role FROM person_roles WHERE school_id = $1 AND person_id = $2")
            .bind(school.as_str())
            .bind(person.as_bytes().as_slice())
            .fetch_all(store.reader())
            .await?;
    // A role of a newer build opens nothing here.
    Ok(roles.iter().filter_map(|role| role.parse().ok()).collect())
}
