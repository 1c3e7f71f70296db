//! Rows of captures and the high-water mark of each lane: one statement a kind of row and commit, whatever
//! number of devices they come from.

use std::collections::HashMap;
use std::sync::LazyLock;

use lapwing_proto::{DeviceId, Epoch, SchoolId, Seq};
use lapwing_rules::Level;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::many::{Filling, MOST, Many};
use super::{StoreError, Tx, id};
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
    pub(crate) device: DeviceId,
}

/// The high-water marks of `lanes`, of those that have one.
pub(crate) async fn marks(tx: &mut Tx, school: &SchoolId, lanes: &[Lane]) -> Result<HashMap<Lane, Seq>, StoreError> {
    static READ: LazyLock<Many> = LazyLock::new(|| {
        let joined = "AS v CROSS JOIN high_water AS h WHERE h.device_id = v.column1 AND h.epoch = v.column2
             AND h.lane = v.column3 AND h.school_id = ?";
        Many::new("SELECT h.device_id, h.epoch, h.lane, h.through FROM", joined, 3)
    });
    let mut marks = HashMap::new();
    for lanes in lanes.chunks(MOST) {
        let filled = lanes.iter().fold(READ.filling(lanes.len())?, |filling, lane| lane.bound(filling).row()).filled();
        for row in filled.bind(school.as_str()).fetch_all(tx.connection()).await? {
            let lane = Lane { device: id(&row, 0)?, epoch: id(&row, 1)?, level: super::level(&row, 2)? };
            marks.insert(lane, Seq::new(row.try_get::<i64, _>(3)?.unsigned_abs()));
        }
    }
    Ok(marks)
}

/// Moves high-water marks at `now_us`; never back.
pub(crate) async fn set_marks(
    tx: &mut Tx,
    school: &SchoolId,
    marks: &HashMap<Lane, Seq>,
    now_us: i64,
) -> Result<(), StoreError> {
    static MOVE: LazyLock<Many> = LazyLock::new(|| {
        let onward = "WHERE column1 IS NOT NULL ON CONFLICT (school_id, device_id, epoch, lane)
             DO UPDATE SET through = excluded.through, moved_us = excluded.moved_us
             WHERE excluded.through > high_water.through";
        let insert = "INSERT INTO high_water (school_id, moved_us, device_id, epoch, lane, through)
             SELECT ?, ?, column1, column2, column3, column4 FROM";
        Many::new(insert, onward, 4)
    });
    for marks in marks.iter().collect::<Vec<_>>().chunks(MOST) {
        let filling = MOVE.filling(marks.len())?.bind(school.as_str()).bind(now_us);
        let row =
            |filling, (lane, through): &(&Lane, &Seq)| lane.bound(filling).bind(through.number().cast_signed()).row();
        marks.iter().fold(filling, row).filled().execute(tx.connection()).await?;
    }
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

/// Stores captures, as many as a transaction holds in one statement.
pub(crate) async fn insert(tx: &mut Tx, school: &SchoolId, rows: &[Row<'_>]) -> Result<(), StoreError> {
    static INSERT: LazyLock<Many> = LazyLock::new(|| {
        let insert = "INSERT INTO captures (school_id, device_id, epoch, lane, capture_id, subject_id, key_id, sealed,
             received_us, seq, signal, rule, category, rule_set_release, marked, repeats, wall_us)
             SELECT ?, column1, column2, column3, column4, column5, column6, column7, column8, column9, column10,
             column11, column12, column13, column14, column15, column16 FROM";
        Many::new(insert, "WHERE column1 IS NOT NULL", 16)
    });
    for rows in rows.chunks(MOST) {
        let filling = INSERT.filling(rows.len())?.bind(school.as_str());
        rows.iter().fold(filling, |filling, row| row.bound(filling).row()).filled().execute(tx.connection()).await?;
    }
    Ok(())
}

/// Up to `limit` captures that triage has not taken, highest level first, then in order of arrival.
pub(crate) async fn untriaged(tx: &mut Tx, school: &SchoolId, limit: u32) -> Result<Vec<Untriaged>, StoreError> {
    let rows = sqlx::query(
        "SELECT capture_id, lane, category, marked, repeats, wall_us, received_us, subject_id, device_id
         FROM captures
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
    static MARK: LazyLock<Many> =
        LazyLock::new(|| Many::new("UPDATE captures SET triaged_us = ? WHERE school_id = ? AND capture_id IN", "", 1));
    for captures in captures.chunks(MOST) {
        let filling = MARK.filling(captures.len())?.bind(now_us).bind(school.as_str());
        let row = |filling: Filling, capture: &Untriaged| filling.bind(capture.id.as_bytes().as_slice()).row();
        captures.iter().fold(filling, row).filled().execute(tx.connection()).await?;
    }
    Ok(())
}

impl Lane {
    /// Device, epoch, lane.
    fn bound(self, filling: Filling) -> Filling {
        filling
            .bind(self.device.as_bytes().as_slice())
            .bind(self.epoch.as_bytes().as_slice())
            .bind(i64::from(self.level.number()))
    }
}

impl Row<'_> {
    fn bound(&self, filling: Filling) -> Filling {
        let capture = self.capture;
        self.lane
            .bound(filling)
            .bind(capture.id.as_bytes().as_slice())
            .bind(capture.subject.as_bytes().as_slice())
            .bind(capture.key.as_bytes().as_slice())
            .bind(capture.sealed.as_slice())
            .bind(self.received_us)
            .bind(capture.seq.number().cast_signed())
            .bind(capture.signal)
            .bind(capture.rule.as_str())
            .bind(capture.category.as_str())
            .bind(capture.release.cast_signed())
            .bind(i64::from(capture.marked))
            .bind(capture.repeats.cast_signed())
            .bind(capture.wall_us)
    }
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
        device: id(row, 8)?,
    })
}
