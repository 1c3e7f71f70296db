//! Rows of captures and the high-water mark of each lane: one statement a kind of row and commit, whatever
//! number of devices they come from.

use std::collections::HashMap;

use lapwing_proto::{DeviceId, Epoch, SchoolId, Seq};
use lapwing_rules::Level;
use serde::Serialize;
use serde_json::json;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::dialect::{bytes, each, item, piece};
use super::{StoreError, Tx, hex, id};
use crate::ids::{CaptureId, KeyId, SubjectId};

/// One lane of one spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Lane {
    pub(crate) device: DeviceId,
    pub(crate) epoch: Epoch,
    pub(crate) level: Level,
}

/// A capture of a lane.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<'a> {
    pub(crate) lane: Lane,
    pub(crate) received_us: i64,
    pub(crate) capture: &'a SealedCapture,
}

/// A range of a lane that will never come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GapRow {
    pub(crate) lane: Lane,
    pub(crate) from: Seq,
    pub(crate) to: Seq,
    pub(crate) reason: i32,
    pub(crate) received_us: i64,
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

/// The high-water marks of `lanes`, of those that have one.
pub(crate) async fn marks(tx: &mut Tx, school: &SchoolId, lanes: &[Lane]) -> Result<HashMap<Lane, Seq>, StoreError> {
    let mut packed = Packed::default();
    let asked: Vec<_> = lanes.iter().map(|lane| (packed.lane(*lane), lane.level.number())).collect();
    let rows: Vec<(i64, i64)> = sqlx::query_as(concat!(
        "SELECT CAST(each.key AS INTEGER), h.through FROM ",
        each!("$2"),
        " JOIN high_water AS h ON h.school_id = $1 AND h.device_id = ",
        piece!("$3", 0, 0, 16),
        " AND h.epoch = ",
        piece!("$3", 0, 16, 16),
        " AND h.lane = ",
        item!(1),
    ))
    .bind(school.as_str())
    .bind(json(&asked)?)
    .bind(packed.bytes)
    .fetch_all(tx.connection())
    .await?;
    let marks = rows.into_iter().filter_map(|(place, through)| {
        Some((*lanes.get(usize::try_from(place).ok()?)?, Seq::new(through.unsigned_abs())))
    });
    Ok(marks.collect())
}

/// Moves high-water marks; never back.
pub(crate) async fn set_marks(tx: &mut Tx, school: &SchoolId, marks: &HashMap<Lane, Seq>) -> Result<(), StoreError> {
    let mut packed = Packed::default();
    let rows: Vec<_> =
        marks.iter().map(|(lane, through)| (packed.lane(*lane), lane.level.number(), through.number())).collect();
    sqlx::query(concat!(
        "INSERT INTO high_water (school_id, device_id, epoch, lane, through) SELECT $1, ",
        piece!("$3", 0, 0, 16),
        ", ",
        piece!("$3", 0, 16, 16),
        ", ",
        item!(1),
        ", ",
        item!(2),
        " FROM ",
        each!("$2"),
        " WHERE true ON CONFLICT (school_id, device_id, epoch, lane)
         DO UPDATE SET through = excluded.through WHERE excluded.through > high_water.through",
    ))
    .bind(school.as_str())
    .bind(json(&rows)?)
    .bind(packed.bytes)
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Records that ranges of lanes will never come.
pub(crate) async fn insert_gaps(tx: &mut Tx, school: &SchoolId, gaps: &[GapRow]) -> Result<(), StoreError> {
    for gap in gaps {
        sqlx::query(
            "INSERT INTO gaps (school_id, device_id, epoch, lane, from_seq, to_seq, reason, received_us)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (school_id, device_id, epoch, lane, from_seq)
             DO UPDATE SET to_seq = excluded.to_seq WHERE excluded.to_seq > gaps.to_seq",
        )
        .bind(school.as_str())
        .bind(gap.lane.device.as_bytes().as_slice())
        .bind(gap.lane.epoch.as_bytes().as_slice())
        .bind(i64::from(gap.lane.level.number()))
        .bind(gap.from.number().cast_signed())
        .bind(gap.to.number().cast_signed())
        .bind(gap.reason)
        .bind(gap.received_us)
        .execute(tx.connection())
        .await?;
    }
    Ok(())
}

/// Stores captures in one statement. What is bytes stands in one value, end to end; a row says where its own begin.
pub(crate) async fn insert(tx: &mut Tx, school: &SchoolId, rows: &[Row<'_>]) -> Result<(), StoreError> {
    let mut packed = Packed::default();
    let listed: Vec<_> = rows.iter().map(|row| packed.row(row)).collect();
    sqlx::query(concat!(
        "INSERT INTO captures (school_id, device_id, epoch, capture_id, subject_id, key_id, sealed, lane, received_us,
         seq, signal, rule, category, rule_set_release, marked, repeats, wall_us) SELECT $1, ",
        piece!("$3", 0, 0, 16),
        ", ",
        piece!("$3", 0, 16, 16),
        ", ",
        piece!("$3", 0, 32, 16),
        ", ",
        piece!("$3", 0, 48, 16),
        ", ",
        piece!("$3", 0, 64, 16),
        ", ",
        piece!("$3", 0, 80, item 1),
        ", ",
        item!(2),
        ", ",
        item!(3),
        ", ",
        item!(4),
        ", ",
        item!(5),
        ", ",
        item!(6),
        ", ",
        item!(7),
        ", ",
        item!(8),
        ", ",
        item!(9),
        ", ",
        item!(10),
        ", ",
        item!(11),
        " FROM ",
        each!("$2")
    ))
    .bind(school.as_str())
    .bind(json(&listed)?)
    .bind(packed.bytes)
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

/// Marks captures as taken by triage.
pub(crate) async fn set_triaged(
    tx: &mut Tx,
    school: &SchoolId,
    captures: &[Untriaged],
    now_us: i64,
) -> Result<(), StoreError> {
    let rows: Vec<_> = captures.iter().map(|capture| json!({ "capture": hex(capture.id.as_bytes()) })).collect();
    sqlx::query(concat!(
        "UPDATE captures SET triaged_us = $3 WHERE school_id = $1 AND capture_id IN (SELECT ",
        bytes!("capture"),
        " FROM ",
        each!("$2"),
        ")",
    ))
    .bind(school.as_str())
    .bind(json(&rows)?)
    .bind(now_us)
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Bytes of many rows, end to end.
#[derive(Debug, Default)]
struct Packed {
    bytes: Vec<u8>,
}

/// Where a row's bytes begin, and its columns that are no bytes.
type Listed<'a> = (usize, usize, u8, i64, u64, i32, &'a str, &'a str, i64, u8, u64, i64);

impl Packed {
    /// Where the device and epoch of `lane` begin.
    fn lane(&mut self, lane: Lane) -> usize {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(lane.device.as_bytes());
        self.bytes.extend_from_slice(lane.epoch.as_bytes());
        at
    }

    fn row<'a>(&mut self, row: &Row<'a>) -> Listed<'a> {
        let capture = row.capture;
        let at = self.lane(row.lane);
        for id in [capture.id.as_bytes(), capture.subject.as_bytes(), capture.key.as_bytes()] {
            self.bytes.extend_from_slice(id);
        }
        self.bytes.extend_from_slice(&capture.sealed);
        (
            at,
            capture.sealed.len(),
            row.lane.level.number(),
            row.received_us,
            capture.seq.number(),
            capture.signal,
            &capture.rule,
            &capture.category,
            capture.release.cast_signed(),
            u8::from(capture.marked),
            capture.repeats,
            capture.wall_us,
        )
    }
}

fn json(rows: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(rows).map_err(|_| StoreError::Corrupt { what: "row to write" })
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
