//! Where each lane stands, and which incarnation of a device may deliver.

use lapwing_proto::{DeviceId, Epoch, Incarnation, SchoolId, Seq};
use lapwing_rules::Level;
use sqlx::Row;

use super::{Store, StoreError, Tx};

/// The incarnations that count for one epoch of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Incarnations {
    /// Issued last.
    pub(crate) current: Incarnation,
    /// What also counts until `current` has carried a message.
    pub(crate) previous: Previous,
}

/// What was presented when the current incarnation was issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Previous {
    /// The current one has carried a message: nothing else counts.
    Over,
    /// Nothing: it was the very first Hello.
    First,
    /// An earlier incarnation.
    Earlier(Incarnation),
}

/// The incarnations of `epoch`; none before its first Hello.
pub(crate) async fn incarnations(
    tx: &mut Tx,
    school: &SchoolId,
    device: DeviceId,
    epoch: Epoch,
) -> Result<Option<Incarnations>, StoreError> {
    let row = sqlx::query(
        "SELECT current, previous FROM incarnations WHERE school_id = $1 AND device_id = $2 AND epoch = $3",
    )
    .bind(school.as_str())
    .bind(device.as_bytes().as_slice())
    .bind(epoch.as_bytes().as_slice())
    .fetch_optional(tx.connection())
    .await?;
    let Some(row) = row else { return Ok(None) };
    let previous = match row.try_get::<Option<Vec<u8>>, _>(1)? {
        None => Previous::Over,
        Some(bytes) if bytes.is_empty() => Previous::First,
        Some(bytes) => Previous::Earlier(incarnation(&bytes)?),
    };
    Ok(Some(Incarnations { current: incarnation(row.try_get(0)?)?, previous }))
}

/// Stores the incarnations of `epoch`.
pub(crate) async fn set_incarnations(
    tx: &mut Tx,
    school: &SchoolId,
    device: DeviceId,
    epoch: Epoch,
    incarnations: Incarnations,
) -> Result<(), StoreError> {
    let previous = match incarnations.previous {
        Previous::Over => None,
        Previous::First => Some(Vec::new()),
        Previous::Earlier(earlier) => Some(earlier.as_bytes().to_vec()),
    };
    sqlx::query(
        "INSERT INTO incarnations (school_id, device_id, epoch, current, previous) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (school_id, device_id, epoch) DO UPDATE SET
             current = excluded.current, previous = excluded.previous",
    )
    .bind(school.as_str())
    .bind(device.as_bytes().as_slice())
    .bind(epoch.as_bytes().as_slice())
    .bind(incarnations.current.as_bytes().as_slice())
    .bind(previous)
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// The highest committed sequence of each lane of `epoch` that has one.
pub(crate) async fn high_water(
    store: &Store,
    school: &SchoolId,
    device: DeviceId,
    epoch: Epoch,
) -> Result<Vec<(Level, Seq)>, StoreError> {
    let rows: Vec<(i64, i64)> = sqlx::query_as(
        "SELECT lane, through FROM high_water WHERE school_id = $1 AND device_id = $2 AND epoch = $3 ORDER BY lane",
    )
    .bind(school.as_str())
    .bind(device.as_bytes().as_slice())
    .bind(epoch.as_bytes().as_slice())
    .fetch_all(store.reader())
    .await?;
    rows.into_iter()
        .map(|(lane, through)| {
            let lane = u8::try_from(lane).ok().and_then(|lane| Level::try_from(lane).ok());
            let lane = lane.ok_or(StoreError::Corrupt { what: "lane" })?;
            Ok((lane, Seq::new(through.unsigned_abs())))
        })
        .collect()
}

fn incarnation(bytes: &[u8]) -> Result<Incarnation, StoreError> {
    Incarnation::try_from(bytes).map_err(|_| StoreError::Corrupt { what: "incarnation" })
}
