//! Rows of the devices that a school expects, and how they compare with those that were heard.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use lapwing_proto::SchoolId;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::many::{Filling, MOST, Many};
use super::{Store, StoreError, Tx};
use crate::proof::expected::{Expected, List};

/// Most devices named on a page.
const MAX_NAMED: i64 = 500;

/// Expected devices in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Coverage {
    pub(crate) expected: i64,
    /// Enrolled under that name, and not denied.
    pub(crate) enrolled: i64,
    /// Heard since midnight.
    pub(crate) today: i64,
    /// Never heard, enrolled or not.
    pub(crate) never: i64,
}

/// An expected device that was never heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Missing {
    pub(crate) hostname: String,
    pub(crate) room: String,
    pub(crate) serial: String,
    pub(crate) is_enrolled: bool,
}

/// The list, by name in lower case.
pub(crate) async fn all(tx: &mut Tx, school: &SchoolId) -> Result<BTreeMap<String, Expected>, StoreError> {
    let rows = sqlx::query(
        "SELECT hostname_key, hostname, serial, room, device_group FROM expected_devices WHERE school_id = $1",
    )
    .bind(school.as_str())
    .fetch_all(tx.connection())
    .await?;
    rows.iter().map(read).collect()
}

/// The serial number that the list has for `hostname`, empty where it has none; `None` where the host is not on it.
pub(crate) async fn serial_of(tx: &mut Tx, school: &SchoolId, hostname: &str) -> Result<Option<String>, StoreError> {
    Ok(sqlx::query_scalar("SELECT serial FROM expected_devices WHERE school_id = $1 AND hostname_key = LOWER($2)")
        .bind(school.as_str())
        .bind(hostname)
        .fetch_optional(tx.connection())
        .await?)
}

/// Makes the list what `list` says.
pub(crate) async fn replace(tx: &mut Tx, school: &SchoolId, list: &List, now_us: i64) -> Result<(), StoreError> {
    static INSERT: LazyLock<Many> = LazyLock::new(|| {
        let insert =
            "INSERT INTO expected_devices (school_id, source, imported_us, hostname_key, hostname, serial, room,
             device_group) SELECT ?, ?, ?, column1, column2, column3, column4, column5 FROM";
        Many::new(insert, "WHERE column1 IS NOT NULL", 5)
    });
    sqlx::query("DELETE FROM expected_devices WHERE school_id = $1")
        .bind(school.as_str())
        .execute(tx.connection())
        .await?;
    for some in list.devices.iter().collect::<Vec<_>>().chunks(MOST) {
        let filling = INSERT.filling(some.len())?.bind(school.as_str()).bind(list.source).bind(now_us);
        let row = |filling: Filling, (key, device): &(&String, &Expected)| {
            let filling = filling.bind((*key).clone()).bind(device.hostname.clone()).bind(device.serial.clone());
            filling.bind(device.room.clone()).bind(device.group.clone()).row()
        };
        some.iter().fold(filling, row).filled().execute(tx.connection()).await?;
    }
    Ok(())
}

/// The list compared with what was heard, on the day that began at `today_us`; `None` where there is no list. A PC that
/// enrolled twice under its name counts once.
pub(crate) async fn coverage(store: &Store, school: &SchoolId, today_us: i64) -> Result<Option<Coverage>, StoreError> {
    let expected: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM expected_devices WHERE school_id = $1")
        .bind(school.as_str())
        .fetch_one(store.reader())
        .await?;
    if expected == 0 {
        return Ok(None);
    }
    // The devices come first: there are fewer of them than names, and each finds its name by the key.
    let row = sqlx::query(
        "SELECT COUNT(DISTINCT CASE WHEN d.revoked_us IS NULL THEN e.hostname_key END),
         COUNT(DISTINCT CASE WHEN d.heard_us >= $2 AND d.revoked_us IS NULL THEN e.hostname_key END),
         COUNT(DISTINCT CASE WHEN d.heard_us IS NOT NULL THEN e.hostname_key END)
         FROM devices AS d CROSS JOIN expected_devices AS e
         WHERE e.school_id = d.school_id AND e.hostname_key = LOWER(d.hostname) AND d.school_id = $1",
    )
    .bind(school.as_str())
    .bind(today_us)
    .fetch_one(store.reader())
    .await?;
    let heard: i64 = row.try_get(2)?;
    Ok(Some(Coverage { expected, enrolled: row.try_get(0)?, today: row.try_get(1)?, never: expected - heard }))
}

/// The expected devices that were never heard, by room and name.
pub(crate) async fn missing(store: &Store, school: &SchoolId) -> Result<Vec<Missing>, StoreError> {
    let rows = sqlx::query(
        "SELECT e.hostname, e.room, e.serial, EXISTS (SELECT 1 FROM devices AS n WHERE n.school_id = e.school_id
         AND LOWER(n.hostname) = e.hostname_key AND n.revoked_us IS NULL)
         FROM expected_devices AS e WHERE e.school_id = $1 AND NOT EXISTS
         (SELECT 1 FROM devices AS d WHERE d.school_id = e.school_id AND LOWER(d.hostname) = e.hostname_key
          AND d.heard_us IS NOT NULL)
         ORDER BY e.room, e.hostname_key LIMIT $2",
    )
    .bind(school.as_str())
    .bind(MAX_NAMED)
    .fetch_all(store.reader())
    .await?;
    rows.iter().map(read_missing).collect()
}

fn read(row: &SqliteRow) -> Result<(String, Expected), StoreError> {
    let device =
        Expected { hostname: row.try_get(1)?, serial: row.try_get(2)?, room: row.try_get(3)?, group: row.try_get(4)? };
    Ok((row.try_get(0)?, device))
}

fn read_missing(row: &SqliteRow) -> Result<Missing, StoreError> {
    Ok(Missing {
        hostname: row.try_get(0)?,
        room: row.try_get(1)?,
        serial: row.try_get(2)?,
        is_enrolled: row.try_get(3)?,
    })
}
