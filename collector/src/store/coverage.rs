//! How well the school is watched: devices as they report themselves, and counts without anybody in them.

use std::collections::BTreeMap;

use lapwing_proto::SchoolId;
use lapwing_rules::Level;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::devices::{REMOVED, is_replaced};
use super::{Store, StoreError, level, losses};

/// A device that says nothing for this long, and did not say goodbye, is not heard. It speaks every minute. Whether that is
/// a silence, which somebody is told of, is [`crate::proof`]'s to say.
pub(crate) const SILENT_US: i64 = 5 * 60_000_000;

/// How long a computer that the agent was taken off is still shown.
const REMOVED_SHOWN_US: i64 = 28 * 24 * 60 * 60 * 1_000_000;

/// A device as it last reported itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct DeviceFacts {
    pub(crate) hostname: String,
    pub(crate) room: String,
    pub(crate) os: String,
    pub(crate) agent_version: String,
    pub(crate) heard_us: Option<i64>,
    /// Reason of its goodbye, until it is heard again.
    pub(crate) goodbye: Option<String>,
    /// 0: none yet.
    pub(crate) rule_set_release: i64,
    /// Nothing is looked at, by the policy's hours or networks.
    pub(crate) is_scoped_out: bool,
    /// Captures that wait in its spool, a power of ten from 100, or 0.
    pub(crate) waiting: i64,
    /// Messages of its sessions that it did not take, a power of ten or 0.
    pub(crate) dropped: i64,
    /// Why it lost captures lately: `lapwing.v1.GapReason`, unknown values kept.
    pub(crate) losses: Vec<i64>,
    pub(crate) is_revoked: bool,
    /// Why it was refused since it was last heard, by the name of `lapwing.v1.ErrorCode`, and when.
    pub(crate) refused: Option<(String, i64)>,
    pub(crate) sensors: Vec<SensorFacts>,
    /// What is wrong now, by code.
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// Something that a device reports of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Diagnostic {
    /// Of the contract, or of a later one.
    pub(crate) code: String,
    /// What in particular, at most 256 bytes; may be empty. It is the device's word.
    pub(crate) detail: String,
}

/// A sensor as its device reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SensorFacts {
    pub(crate) sensor: String,
    /// `lapwing.v1.Health`, unknown values kept.
    pub(crate) health: i64,
    /// Code of the reason; empty when working.
    pub(crate) reason: String,
}

/// Devices in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    /// Enrolled and not refused.
    pub(crate) devices: i64,
    /// Heard since midnight.
    pub(crate) today: i64,
    /// Silent, and nothing explains it: as it was told.
    pub(crate) silent: i64,
    /// When the silent one that is silent for longest was last heard, or enrolled.
    pub(crate) silent_since_us: Option<i64>,
}

/// Concerns about pupils that share category, level and band.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Id; newer than this build perhaps.
    pub(crate) category: String,
    pub(crate) level: Level,
    /// Id; empty where it is not known.
    pub(crate) band: String,
    pub(crate) concerns: u64,
}

/// Every device of the school that was not replaced, by room and name, those without a room last. Losses are told as at `now_us`.
pub(crate) async fn devices(store: &Store, school: &SchoolId, now_us: i64) -> Result<Vec<DeviceFacts>, StoreError> {
    let rows = sqlx::query(concat!(
        "SELECT d.device_id, d.hostname, d.room, d.os, d.agent_version, d.heard_us, d.goodbye, d.rule_set_release,
             d.revoked_us, d.scoped_out, d.waiting, d.dropped, d.refused_code,
             CASE WHEN d.refused_us > COALESCE(d.heard_us, 0) THEN d.refused_us END
             FROM devices AS d WHERE d.school_id = $1 AND d.os <> 'filter'
             AND NOT (COALESCE(d.goodbye, '') = $2 AND COALESCE(d.revoked_us, $3) < $3) AND NOT ",
        is_replaced!("d")
    ))
    .bind(school.as_str())
    .bind(REMOVED)
    .bind(now_us.saturating_sub(REMOVED_SHOWN_US))
    .fetch_all(store.reader())
    .await?;
    let mut devices = rows.iter().map(device).collect::<Result<BTreeMap<_, _>, _>>()?;
    add_sensors(store, school, &mut devices).await?;
    add_diagnostics(store, school, &mut devices).await?;
    for (device, reasons) in losses::reasons(store, school, now_us).await? {
        if let Some(facts) = devices.get_mut(&device) {
            facts.losses = reasons;
        }
    }
    let mut devices: Vec<DeviceFacts> = devices.into_values().collect();
    devices.sort_by(|a, b| (a.room.is_empty(), &a.room, &a.hostname).cmp(&(b.room.is_empty(), &b.room, &b.hostname)));
    Ok(devices)
}

/// The school's devices in numbers, on the day that began at `today_us`.
pub(crate) async fn heard(store: &Store, school: &SchoolId, today_us: i64) -> Result<Heard, StoreError> {
    let row = sqlx::query(concat!(
        "SELECT COUNT(*), COUNT(CASE WHEN d.heard_us >= $2 THEN 1 END), COUNT(m.since_us), MIN(m.since_us)
             FROM devices AS d LEFT JOIN silent_devices AS m
             ON m.school_id = d.school_id AND m.device_id = d.device_id AND m.ended_us IS NULL
             WHERE d.school_id = $1 AND d.revoked_us IS NULL AND NOT ",
        is_replaced!("d")
    ))
    .bind(school.as_str())
    .bind(today_us)
    .fetch_one(store.reader())
    .await?;
    Ok(Heard {
        devices: row.try_get(0)?,
        today: row.try_get(1)?,
        silent: row.try_get(2)?,
        silent_since_us: row.try_get(3)?,
    })
}

/// Concerns about pupils opened since `since_us`, counted. Nobody can be seen in it: it asks for no actor, and whoever
/// shows it suppresses small counts. Staff are left out, so that no count tells of them.
pub(crate) async fn tallies(store: &Store, school: &SchoolId, since_us: i64) -> Result<Vec<Tally>, StoreError> {
    let rows = sqlx::query(
        "SELECT c.category, c.level, CASE WHEN s.audience = 'shared' THEN 'shared' ELSE COALESCE(p.band, '') END, COUNT(*)
         FROM concerns AS c JOIN subjects AS s ON s.school_id = c.school_id AND s.subject_id = c.subject_id
         LEFT JOIN persons AS p ON p.school_id = s.school_id AND p.person_id = s.person_id
         WHERE c.school_id = $1 AND c.opened_us >= $2
         AND s.audience IN ('pupil', 'shared', 'unmapped_pupil', 'guest')
         GROUP BY 1, 2, 3",
    )
    .bind(school.as_str())
    .bind(since_us)
    .fetch_all(store.reader())
    .await?;
    rows.iter().map(tally).collect()
}

/// The bands of everybody but staff on the school's list.
pub(crate) async fn bands(store: &Store, school: &SchoolId) -> Result<Vec<String>, StoreError> {
    let bands = sqlx::query_scalar("SELECT DISTINCT band FROM persons WHERE school_id = $1 AND kind <> 'staff'")
        .bind(school.as_str())
        .fetch_all(store.reader())
        .await?;
    Ok(bands)
}

async fn add_sensors(
    store: &Store,
    school: &SchoolId,
    devices: &mut BTreeMap<Vec<u8>, DeviceFacts>,
) -> Result<(), StoreError> {
    let rows = sqlx::query(
        "SELECT DISTINCT device_id, sensor, health, reason FROM device_sensors WHERE school_id = $1
         ORDER BY sensor, health, reason",
    )
    .bind(school.as_str())
    .fetch_all(store.reader())
    .await?;
    for row in rows {
        let Some(device) = devices.get_mut(row.try_get::<&[u8], _>(0)?) else { continue };
        device.sensors.push(SensorFacts { sensor: row.try_get(1)?, health: row.try_get(2)?, reason: row.try_get(3)? });
    }
    Ok(())
}

async fn add_diagnostics(
    store: &Store,
    school: &SchoolId,
    devices: &mut BTreeMap<Vec<u8>, DeviceFacts>,
) -> Result<(), StoreError> {
    let rows = sqlx::query("SELECT device_id, code, detail FROM device_diagnostics WHERE school_id = $1 ORDER BY code")
        .bind(school.as_str())
        .fetch_all(store.reader())
        .await?;
    for row in rows {
        let Some(device) = devices.get_mut(row.try_get::<&[u8], _>(0)?) else { continue };
        device.diagnostics.push(Diagnostic { code: row.try_get(1)?, detail: row.try_get(2)? });
    }
    Ok(())
}

fn device(row: &SqliteRow) -> Result<(Vec<u8>, DeviceFacts), StoreError> {
    let facts = DeviceFacts {
        hostname: row.try_get(1)?,
        room: row.try_get(2)?,
        os: row.try_get(3)?,
        agent_version: row.try_get(4)?,
        heard_us: row.try_get(5)?,
        goodbye: row.try_get(6)?,
        rule_set_release: row.try_get(7)?,
        is_revoked: row.try_get::<Option<i64>, _>(8)?.is_some(),
        is_scoped_out: row.try_get(9)?,
        waiting: row.try_get(10)?,
        dropped: row.try_get(11)?,
        refused: row
            .try_get::<Option<i64>, _>(13)?
            .map(|at_us| Ok::<_, sqlx::Error>((row.try_get(12)?, at_us)))
            .transpose()?,
        losses: Vec::new(),
        sensors: Vec::new(),
        diagnostics: Vec::new(),
    };
    Ok((row.try_get(0)?, facts))
}

fn tally(row: &SqliteRow) -> Result<Tally, StoreError> {
    Ok(Tally {
        category: row.try_get(0)?,
        level: level(row, 1)?,
        band: row.try_get(2)?,
        concerns: row.try_get::<i64, _>(3)?.unsigned_abs(),
    })
}
