//! Alerts of web filters: which rows were imported, and what stands for the filter among devices.

use lapwing_proto::{DeviceId, Epoch, SchoolId, Seq};
use lapwing_rules::Level;
use sqlx::Row as _;

use super::{StoreError, Tx};

/// What becomes of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placed {
    /// It was imported before.
    Known,
    /// It is new, and comes at this sequence of its lane.
    At(Seq),
}

/// Makes the row that stands for a filter among devices: it never connects, and is counted among none.
pub(crate) async fn ensure_device(
    tx: &mut Tx,
    school: &SchoolId,
    device: DeviceId,
    name: &str,
    now_us: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO devices
         (school_id, device_id, hostname, room, device_group, os, agent_version, enrolled_us, revoked_us)
         VALUES ($1, $2, $3, '', '', 'filter', '', $4, $4) ON CONFLICT (school_id, device_id) DO NOTHING",
    )
    .bind(school.as_str())
    .bind(device.as_bytes().as_slice())
    .bind(name)
    .bind(now_us)
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Takes back places of `lane` beyond its mark: an import that stopped did not deliver them.
pub(crate) async fn forget_undelivered(
    tx: &mut Tx,
    school: &SchoolId,
    device: DeviceId,
    epoch: Epoch,
    lane: Level,
) -> Result<(), StoreError> {
    sqlx::query(FORGET)
        .bind(school.as_str())
        .bind(device.as_bytes().as_slice())
        .bind(epoch.as_bytes().as_slice())
        .bind(i64::from(lane.number()))
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// The mark is read once, and the places beyond it are at the end of an index.
const FORGET: &str = "DELETE FROM filter_alerts WHERE school_id = $1 AND device_id = $2 AND lane = $4 AND seq > COALESCE(
    (SELECT h.through FROM high_water AS h WHERE h.school_id = $1 AND h.device_id = $2 AND h.epoch = $3 AND h.lane = $4), 0)";

/// Gives a row its place, unless it has one.
pub(crate) async fn place(
    tx: &mut Tx,
    school: &SchoolId,
    device: DeviceId,
    row: [u8; 32],
    lane: Level,
    now_us: i64,
) -> Result<Placed, StoreError> {
    let placed = sqlx::query(
        "INSERT INTO filter_alerts (school_id, device_id, row_hash, lane, seq, imported_us)
         SELECT $1, $2, $3, $4, COALESCE(MAX(seq), 0) + 1, $5 FROM filter_alerts
         WHERE school_id = $1 AND device_id = $2 AND lane = $4
         ON CONFLICT (school_id, device_id, row_hash) DO NOTHING RETURNING seq",
    )
    .bind(school.as_str())
    .bind(device.as_bytes().as_slice())
    .bind(row.as_slice())
    .bind(i64::from(lane.number()))
    .bind(now_us)
    .fetch_optional(tx.connection())
    .await?;
    let Some(placed) = placed else { return Ok(Placed::Known) };
    Ok(Placed::At(Seq::new(placed.try_get::<i64, _>(0)?.unsigned_abs())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fixture::School;

    #[tokio::test]
    async fn places_beyond_the_mark_are_looked_for_there_alone() {
        let school = School::open().await;
        let steps = school.plan(FORGET).await;
        let place = "(school_id=? AND device_id=? AND lane=? AND seq>?)";
        assert!(steps.iter().any(|step| step.contains(place)), "{steps:?}");
    }
}
