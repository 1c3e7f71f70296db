//! The rooms of devices.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use lapwing_proto::{DeviceId, SchoolId};
use sqlx::Row as _;

use super::many::{Filling, MOST, Many};
use super::{StoreError, Tx, id};

/// Where a device stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) device: DeviceId,
    pub(crate) room: String,
}

/// Devices that are not refused, by host name in lower case. A PC that was set up anew stands there more than once.
pub(crate) async fn by_host(tx: &mut Tx, school: &SchoolId) -> Result<BTreeMap<String, Vec<Standing>>, StoreError> {
    let rows = sqlx::query("SELECT device_id, hostname, room FROM devices WHERE school_id = $1 AND revoked_us IS NULL")
        .bind(school.as_str())
        .fetch_all(tx.connection())
        .await?;
    let mut devices: BTreeMap<String, Vec<Standing>> = BTreeMap::new();
    for row in &rows {
        let host: String = row.try_get(1)?;
        let standing = Standing { device: id(row, 0)?, room: row.try_get(2)? };
        devices.entry(host.to_lowercase()).or_default().push(standing);
    }
    Ok(devices)
}

/// Puts devices into rooms.
pub(crate) async fn set(tx: &mut Tx, school: &SchoolId, moved: &[(DeviceId, &str)]) -> Result<(), StoreError> {
    static SET: LazyLock<Many> = LazyLock::new(|| {
        let set = "UPDATE devices SET room = v.column2 FROM";
        Many::new(set, "AS v WHERE devices.device_id = v.column1 AND devices.school_id = ?", 2)
    });
    for moved in moved.chunks(MOST) {
        let row = |filling: Filling, (device, room): &(DeviceId, &str)| {
            filling.bind(device.as_bytes().as_slice()).bind(*room).row()
        };
        let filled = moved.iter().fold(SET.filling(moved.len())?, row).filled();
        filled.bind(school.as_str()).execute(tx.connection()).await?;
    }
    Ok(())
}
