//! Alerts of web filters: which rows were imported, and what stands for the filter among devices.

use std::collections::BTreeSet;

use lapwing_proto::{DeviceId, Epoch, SchoolId, Seq};
use lapwing_rules::Level;
use sqlx::Row as _;

use super::{Store, StoreError, Tx};

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

/// Takes back places beyond the mark of their lane: an import that stopped did not deliver them.
pub(crate) async fn forget_undelivered(
    tx: &mut Tx,
    school: &SchoolId,
    device: DeviceId,
    epoch: Epoch,
) -> Result<(), StoreError> {
    sqlx::query(
        "DELETE FROM filter_alerts WHERE school_id = $1 AND device_id = $2 AND seq > COALESCE(
         (SELECT h.through FROM high_water AS h WHERE h.school_id = filter_alerts.school_id
          AND h.device_id = filter_alerts.device_id AND h.epoch = $3 AND h.lane = filter_alerts.lane), 0)",
    )
    .bind(school.as_str())
    .bind(device.as_bytes().as_slice())
    .bind(epoch.as_bytes().as_slice())
    .execute(tx.connection())
    .await?;
    Ok(())
}

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

/// Those of `references`, which an actor may know of, that hold something from a filter.
pub(crate) async fn among(
    store: &Store,
    school: &SchoolId,
    references: &[&str],
) -> Result<BTreeSet<String>, StoreError> {
    let any = "SELECT EXISTS (SELECT 1 FROM filter_alerts WHERE school_id = $1)";
    let any: bool = sqlx::query_scalar(any).bind(school.as_str()).fetch_one(store.reader()).await?;
    let mut found = BTreeSet::new();
    if !any {
        return Ok(found);
    }
    for reference in references {
        let is_from_filter: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM concerns AS c
             JOIN concern_captures AS l ON l.school_id = c.school_id AND l.concern_id = c.concern_id
             JOIN captures AS k ON k.school_id = l.school_id AND k.capture_id = l.capture_id
             JOIN devices AS d ON d.school_id = k.school_id AND d.device_id = k.device_id
             WHERE c.school_id = $1 AND c.reference = $2 AND d.os = 'filter')",
        )
        .bind(school.as_str())
        .bind(*reference)
        .fetch_one(store.reader())
        .await?;
        if is_from_filter {
            found.insert((*reference).to_owned());
        }
    }
    Ok(found)
}
