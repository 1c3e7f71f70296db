//! Where each lane stands, and which incarnation of a device may deliver.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use lapwing_proto::{DeviceId, Epoch, Incarnation, SchoolId, Seq};
use lapwing_rules::Level;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::many::{Filling, MOST, Many};
use super::{Store, StoreError, Tx, id};

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
    static READ: LazyLock<Many> = LazyLock::new(|| {
        let joined = "AS v CROSS JOIN incarnations AS i WHERE i.device_id = v.column1 AND i.epoch = v.column2
             AND i.school_id = ?";
        Many::new("SELECT i.device_id, i.epoch, i.current, i.previous FROM", joined, 2)
    });
    let mut found = BTreeMap::new();
    for spools in spools.iter().collect::<Vec<_>>().chunks(MOST) {
        let row = |filling: Filling, spool: &&Spool| {
            filling.bind(spool.device.as_bytes().as_slice()).bind(spool.epoch.as_bytes().as_slice()).row()
        };
        let filled = spools.iter().fold(READ.filling(spools.len())?, row).filled();
        for row in filled.bind(school.as_str()).fetch_all(tx.connection()).await? {
            found.extend([read_incarnations(&row)?]);
        }
    }
    Ok(found)
}

/// Stores the incarnations of spools.
pub(crate) async fn set_incarnations(
    tx: &mut Tx,
    school: &SchoolId,
    incarnations: &BTreeMap<Spool, Incarnations>,
) -> Result<(), StoreError> {
    static SET: LazyLock<Many> = LazyLock::new(|| {
        let insert = "INSERT INTO incarnations (school_id, device_id, epoch, current, previous)
             SELECT ?, column1, column2, column3, column4 FROM";
        let renewed = "WHERE column1 IS NOT NULL ON CONFLICT (school_id, device_id, epoch)
             DO UPDATE SET current = excluded.current, previous = excluded.previous";
        Many::new(insert, renewed, 4)
    });
    for incarnations in incarnations.iter().collect::<Vec<_>>().chunks(MOST) {
        let filling = SET.filling(incarnations.len())?.bind(school.as_str());
        incarnations.iter().fold(filling, row_of).filled().execute(tx.connection()).await?;
    }
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

fn row_of(filling: Filling, (spool, incarnations): &(&Spool, &Incarnations)) -> Filling {
    let previous = match &incarnations.previous {
        Previous::Over => None,
        Previous::First => Some([].as_slice()),
        Previous::Earlier(earlier) => Some(earlier.as_bytes().as_slice()),
    };
    filling
        .bind(spool.device.as_bytes().as_slice())
        .bind(spool.epoch.as_bytes().as_slice())
        .bind(incarnations.current.as_bytes().as_slice())
        .bind(previous)
        .row()
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
