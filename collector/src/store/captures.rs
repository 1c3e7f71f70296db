//! Rows of captures and the high-water mark of each lane: one statement a kind of row and commit.

use data_encoding::HEXLOWER;
use lapwing_proto::{DeviceId, Epoch, SchoolId, Seq};
use lapwing_rules::Level;
use serde_json::json;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::dialect::{bytes, each, number, text};
use super::{Store, StoreError, Tx, id};
use crate::ids::{CaptureId, KeyId, SubjectId};

/// One lane of one spool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lane<'a> {
    pub(crate) school: &'a SchoolId,
    pub(crate) device: DeviceId,
    pub(crate) epoch: Epoch,
    pub(crate) level: Level,
}

/// A capture ready to be stored: nothing of its evidence in clear.
#[derive(Debug)]
pub(crate) struct SealedCapture {
    pub(crate) id: CaptureId,
    pub(crate) seq: Seq,
    pub(crate) signal: i32,
    pub(crate) rule: String,
    pub(crate) category: String,
    pub(crate) release: u64,
    pub(crate) marked: bool,
    pub(crate) repeats: u64,
    pub(crate) wall_us: i64,
    pub(crate) subject: SubjectId,
    pub(crate) key: KeyId,
    pub(crate) sealed: Vec<u8>,
}

/// What triage reads of a capture.
#[derive(Clone, Debug)]
pub(crate) struct Untriaged {
    pub(crate) id: CaptureId,
    pub(crate) level: Level,
    pub(crate) category: String,
    pub(crate) marked: bool,
    pub(crate) repeats: u64,
    pub(crate) wall_us: i64,
    pub(crate) received_us: i64,
    pub(crate) subject: SubjectId,
}

/// The high-water mark of a lane; [`Seq::NONE`] for one never heard of.
pub(crate) async fn through(store: &Store, lane: Lane<'_>) -> Result<Seq, StoreError> {
    let through: Option<i64> = sqlx::query_scalar(THROUGH)
        .bind(lane.school.as_str())
        .bind(lane.device.as_bytes().as_slice())
        .bind(lane.epoch.as_bytes().as_slice())
        .bind(i64::from(lane.level.number()))
        .fetch_optional(store.reader())
        .await?;
    Ok(seq(through.unwrap_or(0)))
}

/// As [`through`], inside the transaction that moves it.
pub(crate) async fn through_in(tx: &mut Tx, lane: Lane<'_>) -> Result<Seq, StoreError> {
    let through: Option<i64> = sqlx::query_scalar(THROUGH)
        .bind(lane.school.as_str())
        .bind(lane.device.as_bytes().as_slice())
        .bind(lane.epoch.as_bytes().as_slice())
        .bind(i64::from(lane.level.number()))
        .fetch_optional(tx.connection())
        .await?;
    Ok(seq(through.unwrap_or(0)))
}

const THROUGH: &str = "SELECT through FROM high_water
    WHERE school_id = $1 AND device_id = $2 AND epoch = $3 AND lane = $4";

/// Moves the high-water mark; never back.
pub(crate) async fn set_through(tx: &mut Tx, lane: Lane<'_>, through: Seq) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO high_water (school_id, device_id, epoch, lane, through) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (school_id, device_id, epoch, lane)
         DO UPDATE SET through = excluded.through WHERE excluded.through > high_water.through",
    )
    .bind(lane.school.as_str())
    .bind(lane.device.as_bytes().as_slice())
    .bind(lane.epoch.as_bytes().as_slice())
    .bind(i64::from(lane.level.number()))
    .bind(through.number().cast_signed())
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Records that a range of a lane will never come.
pub(crate) async fn insert_gap(
    tx: &mut Tx,
    lane: Lane<'_>,
    from: Seq,
    to: Seq,
    reason: i32,
    received_us: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO gaps (school_id, device_id, epoch, lane, from_seq, to_seq, reason, received_us)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (school_id, device_id, epoch, lane, from_seq)
         DO UPDATE SET to_seq = excluded.to_seq WHERE excluded.to_seq > gaps.to_seq",
    )
    .bind(lane.school.as_str())
    .bind(lane.device.as_bytes().as_slice())
    .bind(lane.epoch.as_bytes().as_slice())
    .bind(i64::from(lane.level.number()))
    .bind(from.number().cast_signed())
    .bind(to.number().cast_signed())
    .bind(reason)
    .bind(received_us)
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Stores captures of one lane in one statement.
pub(crate) async fn insert(
    tx: &mut Tx,
    lane: Lane<'_>,
    captures: &[SealedCapture],
    received_us: i64,
) -> Result<(), StoreError> {
    let rows: Vec<_> = captures.iter().map(to_json).collect();
    sqlx::query(concat!(
        "INSERT INTO captures (school_id, device_id, epoch, lane, received_us, capture_id, seq, signal, rule, category,
         rule_set_release, marked, repeats, wall_us, subject_id, key_id, sealed) SELECT $1, $2, $3, $4, $5, ",
        bytes!("id"),
        ", ",
        number!("seq"),
        ", ",
        number!("signal"),
        ", ",
        text!("rule"),
        ", ",
        text!("category"),
        ", ",
        number!("release"),
        ", ",
        number!("marked"),
        ", ",
        number!("repeats"),
        ", ",
        number!("wall"),
        ", ",
        bytes!("subject"),
        ", ",
        bytes!("key"),
        ", ",
        bytes!("sealed"),
        " FROM ",
        each!("$6")
    ))
    .bind(lane.school.as_str())
    .bind(lane.device.as_bytes().as_slice())
    .bind(lane.epoch.as_bytes().as_slice())
    .bind(i64::from(lane.level.number()))
    .bind(received_us)
    .bind(json!(rows).to_string())
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Up to `limit` captures that triage has not taken, highest level first, then in order of arrival.
pub(crate) async fn untriaged(tx: &mut Tx, school: &SchoolId, limit: u32) -> Result<Vec<Untriaged>, StoreError> {
    let rows = sqlx::query(
        "SELECT capture_id, lane, category, marked, repeats, wall_us, received_us, subject_id FROM captures
         WHERE school_id = $1 AND triaged_us IS NULL ORDER BY lane DESC, received_us, seq LIMIT $2",
    )
    .bind(school.as_str())
    .bind(i64::from(limit))
    .fetch_all(tx.connection())
    .await?;
    rows.iter().map(read_untriaged).collect()
}

/// Marks a capture as taken by triage.
pub(crate) async fn set_triaged(
    tx: &mut Tx,
    school: &SchoolId,
    capture: CaptureId,
    now_us: i64,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE captures SET triaged_us = $3 WHERE school_id = $1 AND capture_id = $2")
        .bind(school.as_str())
        .bind(capture.as_bytes().as_slice())
        .bind(now_us)
        .execute(tx.connection())
        .await?;
    Ok(())
}

fn to_json(capture: &SealedCapture) -> serde_json::Value {
    json!({
        "id": HEXLOWER.encode(capture.id.as_bytes()),
        "seq": capture.seq.number(),
        "signal": capture.signal,
        "rule": capture.rule,
        "category": capture.category,
        "release": capture.release.cast_signed(),
        "marked": i32::from(capture.marked),
        "repeats": capture.repeats,
        "wall": capture.wall_us,
        "subject": HEXLOWER.encode(capture.subject.as_bytes()),
        "key": HEXLOWER.encode(capture.key.as_bytes()),
        "sealed": HEXLOWER.encode(&capture.sealed),
    })
}

fn read_untriaged(row: &SqliteRow) -> Result<Untriaged, StoreError> {
    Ok(Untriaged {
        id: id(row, 0)?,
        level: super::level(row, 1)?,
        category: row.try_get(2)?,
        marked: row.try_get::<i64, _>(3)? != 0,
        repeats: row.try_get::<i64, _>(4)?.unsigned_abs(),
        wall_us: row.try_get(5)?,
        received_us: row.try_get(6)?,
        subject: id(row, 7)?,
    })
}

const fn seq(number: i64) -> Seq {
    Seq::new(number.unsigned_abs())
}
