//! Rows of the daily check: which sensors of which device brought it.

use std::collections::{BTreeMap, BTreeSet};

use lapwing_proto::{DeviceId, SchoolId};
use sqlx::Row;

use super::{StoreError, Tx, id};
use crate::proof::canary::Reported;

/// A device of which the daily check is judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Checked {
    /// `lapwing.v1.Signal` of what arrived.
    pub(crate) signals: BTreeSet<i64>,
    pub(crate) sensors: Vec<Reported>,
}

/// A day of the school's calendar, counted since 1970, with its ends in microseconds of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Day {
    pub(crate) number: i64,
    pub(crate) from_us: i64,
    /// Does not count.
    pub(crate) until_us: i64,
}

/// Gathers what arrived on `day` since `since_us`. What was gathered before stays.
pub(crate) async fn gather(tx: &mut Tx, school: &SchoolId, day: Day, since_us: i64) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO canaries (school_id, day, device_id, signal, at_us)
         SELECT school_id, $2, device_id, signal, MIN(received_us) FROM captures
         WHERE school_id = $1 AND category = 'canary' AND received_us >= $3 AND received_us < $4
         GROUP BY school_id, device_id, signal
         ON CONFLICT (school_id, day, device_id, signal) DO NOTHING",
    )
    .bind(school.as_str())
    .bind(day.number)
    .bind(day.from_us.max(since_us))
    .bind(day.until_us)
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// The devices of which something arrived on the day and that are not judged yet.
pub(crate) async fn unjudged(
    tx: &mut Tx,
    school: &SchoolId,
    day: i64,
) -> Result<BTreeMap<DeviceId, Checked>, StoreError> {
    let rows = sqlx::query(
        "SELECT n.device_id, n.signal FROM canaries AS n WHERE n.school_id = $1 AND n.day = $2 AND NOT EXISTS
         (SELECT 1 FROM checks AS c WHERE c.school_id = n.school_id AND c.kind = 'canary' AND c.day = n.day
          AND c.device_id = n.device_id)",
    )
    .bind(school.as_str())
    .bind(day)
    .fetch_all(tx.connection())
    .await?;
    let mut devices: BTreeMap<DeviceId, Checked> = BTreeMap::new();
    for row in &rows {
        devices.entry(id(row, 0)?).or_default().signals.insert(row.try_get(1)?);
    }
    if devices.is_empty() {
        return Ok(devices);
    }
    let rows = sqlx::query(
        "SELECT device_id, sensor, health, reason FROM device_sensors WHERE school_id = $1
         ORDER BY device_id, sensor, session",
    )
    .bind(school.as_str())
    .fetch_all(tx.connection())
    .await?;
    for row in &rows {
        let Some(checked) = devices.get_mut(&id(row, 0)?) else { continue };
        let reported = Reported { sensor: row.try_get(1)?, health: row.try_get(2)?, reason: row.try_get(3)? };
        checked.sensors.push(reported);
    }
    Ok(devices)
}

/// Devices by what came of the day's check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: i64,
    pub(crate) failed: i64,
    /// Nobody was signed in.
    pub(crate) unclear: i64,
    /// Last heard on that day, and without a check.
    pub(crate) not_run: i64,
}

/// The devices of a day; those without a check count where they were heard since `from_us`.
pub(crate) async fn tally(tx: &mut Tx, school: &SchoolId, day: Day, from_us: i64) -> Result<Tally, StoreError> {
    let row = sqlx::query(
        "SELECT COUNT(CASE WHEN c.result = 'passed' THEN 1 END), COUNT(CASE WHEN c.result = 'failed' THEN 1 END),
         COUNT(CASE WHEN c.result = 'unclear' THEN 1 END),
         COUNT(CASE WHEN c.result IS NULL AND d.heard_us >= $3 AND d.heard_us < $4 AND d.revoked_us IS NULL THEN 1 END)
         FROM devices AS d LEFT JOIN checks AS c
         ON c.school_id = d.school_id AND c.kind = 'canary' AND c.day = $2 AND c.device_id = d.device_id
         WHERE d.school_id = $1",
    )
    .bind(school.as_str())
    .bind(day.number)
    .bind(from_us)
    .bind(day.until_us)
    .fetch_one(tx.connection())
    .await?;
    Ok(Tally { passed: row.try_get(0)?, failed: row.try_get(1)?, unclear: row.try_get(2)?, not_run: row.try_get(3)? })
}
