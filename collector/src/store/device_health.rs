//! What a device last said of itself: sensors, diagnostics, releases. Written when it changed, never per heartbeat.

use std::collections::BTreeMap;

use lapwing_proto::{DeviceId, DiagnosticCode, SchoolId};
use sqlx::Row;

use super::{StoreError, Tx};

/// Keys counted on one day: a device that invents keys fills this, not the disk.
const MAX_KEYS_A_DAY: i64 = 2048;

/// State of every sensor and everything wrong, as last told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Health {
    /// By sensor and log-on session.
    pub(crate) sensors: BTreeMap<(String, String), SensorState>,
    /// Detail by code.
    pub(crate) diagnostics: BTreeMap<String, String>,
    pub(crate) rule_set_release: u64,
    pub(crate) policy_release: u64,
    /// Nothing is looked at, by the policy's hours or networks.
    pub(crate) is_scoped_out: bool,
    /// Captures in its spool, rounded down: see [`Health::rounded`].
    pub(crate) waiting: u64,
    /// Messages of its sessions that were not taken since it started, rounded down likewise.
    pub(crate) dropped: u64,
}

impl Health {
    /// `number` rounded down to a power of ten, 0 below `least`: it is written when it tells something new, and tells
    /// nothing of a single capture.
    pub(crate) fn rounded(number: u64, least: u64) -> u64 {
        if number < least { 0 } else { number.checked_ilog10().map_or(0, |digits| 10_u64.pow(digits)) }
    }
}

/// These codes as a list of literals of SQL: the contract's own words.
pub(super) fn literals(codes: impl IntoIterator<Item = DiagnosticCode>) -> String {
    codes.into_iter().map(|code| format!("'{code}'")).collect::<Vec<_>>().join(", ")
}

/// State of one sensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SensorState {
    /// `lapwing.v1.Health`, unknown values kept.
    pub(crate) health: i32,
    pub(crate) reason: String,
    pub(crate) detail: String,
}

/// Stores `health` as the device's. What did not change keeps the time since when it is so.
pub(crate) async fn replace(
    tx: &mut Tx,
    school: &SchoolId,
    device: DeviceId,
    health: &Health,
    now_us: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE devices SET
         rule_set_since_us = CASE WHEN rule_set_release = $3 THEN rule_set_since_us ELSE $5 END,
         policy_since_us = CASE WHEN policy_release = $4 THEN policy_since_us ELSE $5 END,
         rule_set_release = $3, policy_release = $4, heard_us = $5,
         goodbye = CASE WHEN revoked_us IS NULL THEN NULL ELSE goodbye END,
         scoped_out = $6, waiting = $7, dropped = $8
         WHERE school_id = $1 AND device_id = $2",
    )
    .bind(school.as_str())
    .bind(device.as_bytes().as_slice())
    .bind(health.rule_set_release.cast_signed())
    .bind(health.policy_release.cast_signed())
    .bind(now_us)
    .bind(health.is_scoped_out)
    .bind(health.waiting.cast_signed())
    .bind(health.dropped.cast_signed())
    .execute(tx.connection())
    .await?;
    replace_sensors(tx, school, device, health, now_us).await?;
    replace_diagnostics(tx, school, device, health, now_us).await
}

/// Adds anonymous counts to the school's totals; no device stands beside them.
pub(crate) async fn add_counts(
    tx: &mut Tx,
    school: &SchoolId,
    counts: &BTreeMap<(String, u32), u64>,
) -> Result<(), StoreError> {
    for ((key, day), count) in counts {
        sqlx::query(
            "INSERT INTO anonymous_counts (school_id, key, day, count) SELECT $1, $2, $3, $4
             WHERE (SELECT COUNT(*) FROM anonymous_counts AS other
                    WHERE other.school_id = $1 AND other.day = $3 AND other.key <> $2) < $5
             ON CONFLICT (school_id, key, day) DO UPDATE SET count = anonymous_counts.count + excluded.count",
        )
        .bind(school.as_str())
        .bind(key)
        .bind(i64::from(*day))
        .bind(count.cast_signed())
        .bind(MAX_KEYS_A_DAY)
        .execute(tx.connection())
        .await?;
    }
    Ok(())
}

async fn replace_sensors(
    tx: &mut Tx,
    school: &SchoolId,
    device: DeviceId,
    health: &Health,
    now_us: i64,
) -> Result<(), StoreError> {
    let rows = sqlx::query("SELECT sensor, session FROM device_sensors WHERE school_id = $1 AND device_id = $2")
        .bind(school.as_str())
        .bind(device.as_bytes().as_slice())
        .fetch_all(tx.connection())
        .await?;
    for row in rows {
        let key: (String, String) = (row.try_get(0)?, row.try_get(1)?);
        if !health.sensors.contains_key(&key) {
            sqlx::query(
                "DELETE FROM device_sensors
                 WHERE school_id = $1 AND device_id = $2 AND sensor = $3 AND session = $4",
            )
            .bind(school.as_str())
            .bind(device.as_bytes().as_slice())
            .bind(key.0)
            .bind(key.1)
            .execute(tx.connection())
            .await?;
        }
    }
    for ((sensor, session), state) in &health.sensors {
        sqlx::query(
            "INSERT INTO device_sensors (school_id, device_id, sensor, session, health, reason, detail, since_us)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (school_id, device_id, sensor, session) DO UPDATE SET
                 since_us = CASE WHEN device_sensors.health = excluded.health
                     AND device_sensors.reason = excluded.reason
                     THEN device_sensors.since_us ELSE excluded.since_us END,
                 health = excluded.health, reason = excluded.reason, detail = excluded.detail",
        )
        .bind(school.as_str())
        .bind(device.as_bytes().as_slice())
        .bind(sensor)
        .bind(session)
        .bind(state.health)
        .bind(&state.reason)
        .bind(&state.detail)
        .bind(now_us)
        .execute(tx.connection())
        .await?;
    }
    Ok(())
}

async fn replace_diagnostics(
    tx: &mut Tx,
    school: &SchoolId,
    device: DeviceId,
    health: &Health,
    now_us: i64,
) -> Result<(), StoreError> {
    let codes: Vec<String> =
        sqlx::query_scalar("SELECT code FROM device_diagnostics WHERE school_id = $1 AND device_id = $2")
            .bind(school.as_str())
            .bind(device.as_bytes().as_slice())
            .fetch_all(tx.connection())
            .await?;
    for code in codes.iter().filter(|code| !health.diagnostics.contains_key(*code)) {
        sqlx::query("DELETE FROM device_diagnostics WHERE school_id = $1 AND device_id = $2 AND code = $3")
            .bind(school.as_str())
            .bind(device.as_bytes().as_slice())
            .bind(code)
            .execute(tx.connection())
            .await?;
    }
    for (code, detail) in &health.diagnostics {
        sqlx::query(
            "INSERT INTO device_diagnostics (school_id, device_id, code, detail, since_us)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (school_id, device_id, code) DO UPDATE SET detail = excluded.detail",
        )
        .bind(school.as_str())
        .bind(device.as_bytes().as_slice())
        .bind(code)
        .bind(detail)
        .bind(now_us)
        .execute(tx.connection())
        .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    const BLIND: i32 = 2;
    const WORKING: i32 = 1;

    fn health(sensors: &[(&str, i32, &str)]) -> Health {
        let state = |health, detail: &str| SensorState { health, reason: String::new(), detail: detail.to_owned() };
        let sensors = sensors
            .iter()
            .map(|(name, health, detail)| (((*name).to_owned(), "s1".to_owned()), state(*health, detail)));
        Health { sensors: sensors.collect(), ..Health::default() }
    }

    #[tokio::test]
    async fn a_sensor_keeps_its_since_while_its_health_stays_and_goes_when_no_longer_told() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("lapwing.db")).await.unwrap();
        let (school, device): (SchoolId, _) = ("sample-school".parse().unwrap(), DeviceId::from_bytes([1; 16]));

        for (told, now_us) in [
            (health(&[("titles", WORKING, "one"), ("files", BLIND, "")]), 10),
            (health(&[("titles", WORKING, "two"), ("files", WORKING, "")]), 20),
            (health(&[("titles", WORKING, "two")]), 30),
        ] {
            let mut tx = store.begin().await.unwrap();
            replace(&mut tx, &school, device, &told, now_us).await.unwrap();
            tx.commit().await.unwrap();
        }

        let rows: Vec<(String, String, i64)> = sqlx::query_as("SELECT sensor, detail, since_us FROM device_sensors")
            .fetch_all(store.reader())
            .await
            .unwrap();
        assert_eq!(rows, [("titles".to_owned(), "two".to_owned(), 10)]);
    }

    #[tokio::test]
    async fn counts_of_two_devices_add_up() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("lapwing.db")).await.unwrap();
        let school: SchoolId = "sample-school".parse().unwrap();
        let counts = BTreeMap::from([(("support:childline.org.uk".to_owned(), 20_000), 3)]);

        let mut tx = store.begin().await.unwrap();
        add_counts(&mut tx, &school, &counts).await.unwrap();
        add_counts(&mut tx, &school, &counts).await.unwrap();
        tx.commit().await.unwrap();

        let total: i64 =
            sqlx::query_scalar("SELECT count FROM anonymous_counts").fetch_one(store.reader()).await.unwrap();
        assert_eq!(total, 6);
    }
}
