//! Second steps of sign-ins: authenticators, recovery codes, and whoever is between password and second step.
//!
//! A key of an authenticator is sealed, a recovery code and a turn are kept as SHA-256: none opens anything to whoever reads
//! the file.

use lapwing_proto::SchoolId;
use sqlx::Row;

use super::sign_ins::Login;
use super::{StoreError, Tx, id};
use crate::actor::PersonId;
use crate::ids::KeyId;
use crate::second_step::RecoveryDigest;

/// How long a turn may take, in microseconds: whoever sets an authenticator up finds their phone first.
pub(crate) const TURN_US: i64 = 15 * 60_000_000;
/// Steps by which no code that was taken lies ahead of one that is given now: half an hour.
const AHEAD_STEPS: i64 = 60;
/// Codes that a turn may try.
const TRIES: i64 = 5;

/// SHA-256 of a turn's cookie.
pub(crate) type TurnHash = [u8; 32];

/// Whoever gave the right password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) login: Login,
    pub(crate) person: PersonId,
}

/// A person's authenticator.
#[derive(Clone, Debug)]
pub(crate) struct SecondStep {
    /// Under which its key is sealed.
    pub(crate) key: KeyId,
    pub(crate) sealed: Vec<u8>,
}

/// What a person is told of their own second step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    /// When it was set up, microseconds of UTC.
    pub(crate) set_up_us: i64,
    /// Recovery codes that are left.
    pub(crate) left: i64,
}

/// An authenticator that has proved itself, and the recovery codes that come with it.
pub(crate) struct SetUp<'a> {
    pub(crate) key: KeyId,
    pub(crate) sealed: &'a [u8],
    /// The step whose code it proved itself by.
    pub(crate) step: i64,
    pub(crate) codes: &'a [RecoveryDigest],
}

/// Begins a turn; those that are over go.
pub(crate) async fn begin(
    tx: &mut Tx,
    school: &SchoolId,
    turn: &Turn,
    hash: &TurnHash,
    now_us: i64,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM sign_in_turns WHERE school_id = $1 AND (created_us < $2 OR created_us > $3)")
        .bind(school.as_str())
        .bind(now_us.saturating_sub(TURN_US))
        .bind(now_us.saturating_add(TURN_US))
        .execute(tx.connection())
        .await?;
    sqlx::query(
        "INSERT INTO sign_in_turns (school_id, turn_hash, login, person_id, tries, created_us)
         VALUES ($1, $2, $3, $4, 0, $5)",
    )
    .bind(school.as_str())
    .bind(hash.as_slice())
    .bind(turn.login.as_str())
    .bind(turn.person.as_bytes().as_slice())
    .bind(now_us)
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// The turn behind a cookie, unless it has ended by time.
pub(crate) async fn turn(
    tx: &mut Tx,
    school: &SchoolId,
    hash: &TurnHash,
    now_us: i64,
) -> Result<Option<Turn>, StoreError> {
    let row = sqlx::query(
        "SELECT login, person_id FROM sign_in_turns
         WHERE school_id = $1 AND turn_hash = $2 AND created_us BETWEEN $3 AND $4",
    )
    .bind(school.as_str())
    .bind(hash.as_slice())
    .bind(now_us.saturating_sub(TURN_US))
    .bind(now_us.saturating_add(TURN_US))
    .fetch_optional(tx.connection())
    .await?;
    let Some(row) = row else { return Ok(None) };
    let login = row.try_get::<String, _>(0)?.parse().map_err(|_| StoreError::Corrupt { what: "sign-in name" })?;
    Ok(Some(Turn { login, person: id(&row, 1)? }))
}

/// Counts a code that the turn tries. Says whether it may.
pub(crate) async fn tries(tx: &mut Tx, school: &SchoolId, hash: &TurnHash) -> Result<bool, StoreError> {
    let counted = sqlx::query(
        "UPDATE sign_in_turns SET tries = tries + 1 WHERE school_id = $1 AND turn_hash = $2 AND tries < $3",
    )
    .bind(school.as_str())
    .bind(hash.as_slice())
    .bind(TRIES)
    .execute(tx.connection())
    .await?;
    Ok(counted.rows_affected() > 0)
}

/// Ends a turn.
pub(crate) async fn end(tx: &mut Tx, school: &SchoolId, hash: &TurnHash) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM sign_in_turns WHERE school_id = $1 AND turn_hash = $2")
        .bind(school.as_str())
        .bind(hash.as_slice())
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// Ends every turn of a person.
pub(crate) async fn end_turns(tx: &mut Tx, school: &SchoolId, person: PersonId) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM sign_in_turns WHERE school_id = $1 AND person_id = $2")
        .bind(school.as_str())
        .bind(person.as_bytes().as_slice())
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// The person's authenticator, once they set one up.
pub(crate) async fn find(tx: &mut Tx, school: &SchoolId, person: PersonId) -> Result<Option<SecondStep>, StoreError> {
    let row = sqlx::query("SELECT key_id, sealed FROM second_steps WHERE school_id = $1 AND person_id = $2")
        .bind(school.as_str())
        .bind(person.as_bytes().as_slice())
        .fetch_optional(tx.connection())
        .await?;
    row.map(|row| Ok(SecondStep { key: id(&row, 0)?, sealed: row.try_get(1)? })).transpose()
}

/// Keeps a person's authenticator and recovery codes. Says whether they had none.
pub(crate) async fn set_up(
    tx: &mut Tx,
    school: &SchoolId,
    person: PersonId,
    set_up: &SetUp<'_>,
    now_us: i64,
) -> Result<bool, StoreError> {
    let kept = sqlx::query(
        "INSERT INTO second_steps (school_id, person_id, key_id, sealed, last_step, set_up_us)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
    )
    .bind(school.as_str())
    .bind(person.as_bytes().as_slice())
    .bind(set_up.key.as_bytes().as_slice())
    .bind(set_up.sealed)
    .bind(set_up.step)
    .bind(now_us)
    .execute(tx.connection())
    .await?;
    if kept.rows_affected() == 0 {
        return Ok(false);
    }
    replace_codes(tx, school, person, set_up.codes).await?;
    Ok(true)
}

/// Gives a person these recovery codes, and takes those that they had.
pub(crate) async fn replace_codes(
    tx: &mut Tx,
    school: &SchoolId,
    person: PersonId,
    codes: &[RecoveryDigest],
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM recovery_codes WHERE school_id = $1 AND person_id = $2")
        .bind(school.as_str())
        .bind(person.as_bytes().as_slice())
        .execute(tx.connection())
        .await?;
    for digest in codes {
        sqlx::query("INSERT INTO recovery_codes (school_id, person_id, digest) VALUES ($1, $2, $3)")
            .bind(school.as_str())
            .bind(person.as_bytes().as_slice())
            .bind(digest.as_slice())
            .execute(tx.connection())
            .await?;
    }
    Ok(())
}

/// When a person set their authenticator up, and how many recovery codes they have left.
pub(crate) async fn facts(tx: &mut Tx, school: &SchoolId, person: PersonId) -> Result<Option<Facts>, StoreError> {
    let row = sqlx::query(
        "SELECT s.set_up_us, (SELECT COUNT(*) FROM recovery_codes AS r WHERE r.school_id = s.school_id
         AND r.person_id = s.person_id) FROM second_steps AS s WHERE s.school_id = $1 AND s.person_id = $2",
    )
    .bind(school.as_str())
    .bind(person.as_bytes().as_slice())
    .fetch_optional(tx.connection())
    .await?;
    row.map(|row| Ok(Facts { set_up_us: row.try_get(0)?, left: row.try_get(1)? })).transpose()
}

/// Takes the code of a step of time. Says whether none of it or of a later one was taken before, from the same key. A step that
/// is further ahead than any code could be was taken by a clock that has been set back since.
pub(crate) async fn take_step(
    tx: &mut Tx,
    school: &SchoolId,
    person: PersonId,
    key: KeyId,
    step: i64,
) -> Result<bool, StoreError> {
    let taken = sqlx::query(
        "UPDATE second_steps SET last_step = $4
         WHERE school_id = $1 AND person_id = $2 AND key_id = $3 AND (last_step < $4 OR last_step > $4 + $5)",
    )
    .bind(school.as_str())
    .bind(person.as_bytes().as_slice())
    .bind(key.as_bytes().as_slice())
    .bind(step)
    .bind(AHEAD_STEPS)
    .execute(tx.connection())
    .await?;
    Ok(taken.rows_affected() > 0)
}

/// Takes a recovery code. Answers how many are left; `None` where it is none, or was taken before.
pub(crate) async fn take_recovery_code(
    tx: &mut Tx,
    school: &SchoolId,
    person: PersonId,
    digest: &RecoveryDigest,
) -> Result<Option<i64>, StoreError> {
    let taken = sqlx::query("DELETE FROM recovery_codes WHERE school_id = $1 AND person_id = $2 AND digest = $3")
        .bind(school.as_str())
        .bind(person.as_bytes().as_slice())
        .bind(digest.as_slice())
        .execute(tx.connection())
        .await?;
    if taken.rows_affected() == 0 {
        return Ok(None);
    }
    let left = sqlx::query_scalar("SELECT COUNT(*) FROM recovery_codes WHERE school_id = $1 AND person_id = $2")
        .bind(school.as_str())
        .bind(person.as_bytes().as_slice())
        .fetch_one(tx.connection())
        .await?;
    Ok(Some(left))
}

/// Forgets a person's authenticator, recovery codes and turns. Answers what its key was sealed under.
pub(crate) async fn forget(tx: &mut Tx, school: &SchoolId, person: PersonId) -> Result<Option<KeyId>, StoreError> {
    let key = find(tx, school, person).await?.map(|step| step.key);
    for table in ["DELETE FROM second_steps", "DELETE FROM recovery_codes"] {
        sqlx::query(sqlx::AssertSqlSafe(format!("{table} WHERE school_id = $1 AND person_id = $2")))
            .bind(school.as_str())
            .bind(person.as_bytes().as_slice())
            .execute(tx.connection())
            .await?;
    }
    end_turns(tx, school, person).await?;
    Ok(key)
}
