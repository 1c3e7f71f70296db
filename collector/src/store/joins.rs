//! Devices that wait for somebody to let them in, each by the key it will be known by.

use lapwing_proto::SchoolId;
use sqlx::Row;

use super::{Store, StoreError, Tx, id};
use crate::actor::Actor;
use crate::ids::JoinId;
use crate::token::TokenHash;

/// A device that begins to wait.
#[derive(Debug)]
pub(crate) struct NewJoin<'a> {
    pub(crate) id: JoinId,
    pub(crate) token: &'a TokenHash,
    pub(crate) public_key_digest: &'a [u8; 32],
    pub(crate) hostname: &'a str,
    pub(crate) room: &'a str,
    pub(crate) os: &'a str,
    /// Where it asked from.
    pub(crate) address: &'a str,
    /// The school's list has its host name, and its serial number where it has one.
    pub(crate) is_listed: bool,
    pub(crate) asked_us: i64,
}

/// What somebody said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Waits,
    LetIn,
    Denied,
}

/// A device that waits, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WaitingJoin {
    pub(crate) id: JoinId,
    /// Of the token it came with.
    pub(crate) reference: String,
    pub(crate) hostname: String,
    pub(crate) room: String,
    pub(crate) os: String,
    pub(crate) address: String,
    pub(crate) asked_us: i64,
    /// The school's list has its host name, and its serial number where it has one.
    pub(crate) is_listed: bool,
}

/// Lets a device wait.
pub(crate) async fn insert(tx: &mut Tx, school: &SchoolId, new: &NewJoin<'_>) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO waiting_joins (school_id, join_id, token_hash, public_key_digest, hostname, room, os, address,
         is_listed, asked_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(school.as_str())
    .bind(new.id.as_bytes().as_slice())
    .bind(new.token.as_bytes().as_slice())
    .bind(new.public_key_digest.as_slice())
    .bind(new.hostname)
    .bind(new.room)
    .bind(new.os)
    .bind(new.address)
    .bind(new.is_listed)
    .bind(new.asked_us)
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// What was said of whoever asks with this token and key; `None` where nobody asked before.
pub(crate) async fn decision(
    tx: &mut Tx,
    school: &SchoolId,
    token: &TokenHash,
    public_key_digest: &[u8; 32],
) -> Result<Option<Decision>, StoreError> {
    let said: Option<Option<bool>> = sqlx::query_scalar(
        "SELECT is_let_in FROM waiting_joins WHERE school_id = $1 AND public_key_digest = $2 AND token_hash = $3",
    )
    .bind(school.as_str())
    .bind(public_key_digest.as_slice())
    .bind(token.as_bytes().as_slice())
    .fetch_optional(tx.connection())
    .await?;
    Ok(said.map(|said| match said {
        None => Decision::Waits,
        Some(true) => Decision::LetIn,
        Some(false) => Decision::Denied,
    }))
}

/// Records what `actor` says of a device that waits. Says whether it waited.
pub(crate) async fn decide(
    tx: &mut Tx,
    actor: &Actor,
    join: JoinId,
    is_let_in: bool,
    now_us: i64,
) -> Result<bool, StoreError> {
    let decided = sqlx::query(
        "UPDATE waiting_joins SET is_let_in = $3, decided_us = $4, person_id = $5
         WHERE school_id = $1 AND join_id = $2 AND is_let_in IS NULL",
    )
    .bind(actor.school().as_str())
    .bind(join.as_bytes().as_slice())
    .bind(is_let_in)
    .bind(now_us)
    .bind(actor.person().map(|person| person.as_bytes().to_vec()))
    .execute(tx.connection())
    .await?;
    Ok(decided.rows_affected() > 0)
}

/// Forgets those that were answered before `before_us`.
pub(crate) async fn forget_answered(tx: &mut Tx, school: &SchoolId, before_us: i64) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM waiting_joins WHERE school_id = $1 AND decided_us < $2")
        .bind(school.as_str())
        .bind(before_us)
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// Those that wait, the longest first, at most `limit`.
pub(crate) async fn waiting(store: &Store, school: &SchoolId, limit: u32) -> Result<Vec<WaitingJoin>, StoreError> {
    let rows = sqlx::query(
        "SELECT w.join_id, t.reference, w.hostname, w.room, w.os, w.address, w.asked_us, w.is_listed
         FROM waiting_joins AS w JOIN campaign_tokens AS t
         ON t.school_id = w.school_id AND t.token_hash = w.token_hash
         WHERE w.school_id = $1 AND w.is_let_in IS NULL ORDER BY w.asked_us, w.join_id LIMIT $2",
    )
    .bind(school.as_str())
    .bind(i64::from(limit))
    .fetch_all(store.reader())
    .await?;
    rows.iter()
        .map(|row| {
            Ok(WaitingJoin {
                id: id(row, 0)?,
                reference: row.try_get(1)?,
                hostname: row.try_get(2)?,
                room: row.try_get(3)?,
                os: row.try_get(4)?,
                address: row.try_get(5)?,
                asked_us: row.try_get(6)?,
                is_listed: row.try_get(7)?,
            })
        })
        .collect()
}
