//! What devices said will never come: gaps, added up.

use std::collections::BTreeMap;

use lapwing_proto::SchoolId;
use sqlx::Row;

use super::{Store, StoreError};

/// How long a loss is told of.
const TOLD_FOR_US: i64 = 14 * 24 * 60 * 60 * 1_000_000;

/// What was lost in the whole school.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lost {
    pub(crate) captures: i64,
    pub(crate) devices: i64,
    /// When the first of it was told.
    pub(crate) since_us: i64,
}

/// What was told lost lately, as at `now_us`; `None` where nothing was.
pub(crate) async fn lost(store: &Store, school: &SchoolId, now_us: i64) -> Result<Option<Lost>, StoreError> {
    let row = sqlx::query(
        // A device may claim any range: what one adds is bounded, so that the sum is.
        "SELECT CAST(COALESCE(SUM(CASE WHEN to_seq - from_seq BETWEEN 0 AND 999999 THEN to_seq - from_seq + 1
         ELSE 1000000 END), 0) AS BIGINT), COUNT(DISTINCT device_id), COALESCE(MIN(received_us), 0)
         FROM gaps WHERE school_id = $1 AND received_us >= $2",
    )
    .bind(school.as_str())
    .bind(now_us.saturating_sub(TOLD_FOR_US))
    .fetch_one(store.reader())
    .await?;
    let lost = Lost { captures: row.try_get(0)?, devices: row.try_get(1)?, since_us: row.try_get(2)? };
    Ok((lost.devices > 0).then_some(lost))
}

/// Why devices lost something lately, as at `now_us`: `lapwing.v1.GapReason`, unknown values kept, by device.
pub(crate) async fn reasons(
    store: &Store,
    school: &SchoolId,
    now_us: i64,
) -> Result<BTreeMap<Vec<u8>, Vec<i64>>, StoreError> {
    let rows = sqlx::query(
        "SELECT DISTINCT device_id, reason FROM gaps WHERE school_id = $1 AND received_us >= $2 ORDER BY reason",
    )
    .bind(school.as_str())
    .bind(now_us.saturating_sub(TOLD_FOR_US))
    .fetch_all(store.reader())
    .await?;
    let mut reasons: BTreeMap<Vec<u8>, Vec<i64>> = BTreeMap::new();
    for row in rows {
        reasons.entry(row.try_get(0)?).or_default().push(row.try_get(1)?);
    }
    Ok(reasons)
}
