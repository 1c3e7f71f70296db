//! Where each lane stands, and which incarnation of a device may deliver.

use std::collections::{BTreeMap, BTreeSet};

use lapwing_proto::{DeviceId, Epoch, Incarnation, SchoolId, Seq};
use lapwing_rules::Level;
use serde_json::json;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::dialect::{bytes, each};
use super::{Store, StoreError, Tx, hex, id};

/// One spool of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Spool {
    pub(crate) device: DeviceId,
    pub(crate) epoch: Epoch,
}

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

/// The incarnations of `spools`, of those that said Hello before.
pub(crate) async fn incarnations(
    tx: &mut Tx,
    school: &SchoolId,
    spools: &BTreeSet<Spool>,
) -> Result<BTreeMap<Spool, Incarnations>, StoreError> {
    let asked: Vec<_> = spools
        .iter()
        .map(|spool| json!({ "device": hex(spool.device.as_bytes()), "epoch": hex(spool.epoch.as_bytes()) }))
        .collect();
    let rows = sqlx::query(concat!(
        "SELECT i.device_id, i.epoch, i.current, i.previous FROM ",
        each!("$2"),
        " JOIN incarnations AS i ON i.school_id = $1 AND i.device_id = ",
        bytes!("device"),
        " AND i.epoch = ",
        bytes!("epoch"),
    ))
    .bind(school.as_str())
    .bind(json!(asked).to_string())
    .fetch_all(tx.connection())
    .await?;
    rows.iter().map(read_incarnations).collect()
}

/// Stores the incarnations of spools.
pub(crate) async fn set_incarnations(
    tx: &mut Tx,
    school: &SchoolId,
    incarnations: &BTreeMap<Spool, Incarnations>,
) -> Result<(), StoreError> {
    let rows: Vec<_> = incarnations.iter().map(|(spool, incarnations)| row_of(*spool, *incarnations)).collect();
    sqlx::query(concat!(
        "INSERT INTO incarnations (school_id, device_id, epoch, current, previous) SELECT $1, ",
        bytes!("device"),
        ", ",
        bytes!("epoch"),
        ", ",
        bytes!("current"),
        ", ",
        bytes!("previous"),
        " FROM ",
        each!("$2"),
        " WHERE true ON CONFLICT (school_id, device_id, epoch) DO UPDATE SET
             current = excluded.current, previous = excluded.previous",
    ))
    .bind(school.as_str())
    .bind(json!(rows).to_string())
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Forgets which incarnations devices were given: the next Hello of each is believed, and none after it but by the rule.
/// For a database that came back from a back-up, which does not know those it gave since. Says how many devices it knew.
pub(crate) async fn forget_incarnations(tx: &mut Tx, school: &SchoolId) -> Result<i64, StoreError> {
    let devices = sqlx::query_scalar("SELECT COUNT(DISTINCT device_id) FROM incarnations WHERE school_id = $1")
        .bind(school.as_str())
        .fetch_one(tx.connection())
        .await?;
    sqlx::query("DELETE FROM incarnations WHERE school_id = $1").bind(school.as_str()).execute(tx.connection()).await?;
    Ok(devices)
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

fn row_of(spool: Spool, Incarnations { current, previous }: Incarnations) -> serde_json::Value {
    let previous = match previous {
        Previous::Over => None,
        Previous::First => Some(String::new()),
        Previous::Earlier(earlier) => Some(hex(earlier.as_bytes())),
    };
    json!({ "device": hex(spool.device.as_bytes()), "epoch": hex(spool.epoch.as_bytes()), "current": hex(current.as_bytes()), "previous": previous })
}

fn read_incarnations(row: &SqliteRow) -> Result<(Spool, Incarnations), StoreError> {
    let spool = Spool { device: id(row, 0)?, epoch: id(row, 1)? };
    let previous = match row.try_get::<Option<Vec<u8>>, _>(3)? {
        None => Previous::Over,
        Some(bytes) if bytes.is_empty() => Previous::First,
        Some(bytes) => Previous::Earlier(incarnation(&bytes)?),
    };
    Ok((spool, Incarnations { current: incarnation(row.try_get(2)?)?, previous }))
}

fn incarnation(bytes: &[u8]) -> Result<Incarnation, StoreError> {
    Incarnation::try_from(bytes).map_err(|_| StoreError::Corrupt { what: "incarnation" })
}
