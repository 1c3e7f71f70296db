//! Where each lane stands, and which incarnation of a device may deliver.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use lapwing_proto::{BootId, DeviceId, Epoch, Incarnation, SchoolId, Seq};
use lapwing_rules::Level;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::many::{Filling, MOST, Many};
use super::{Store, StoreError, Tx, id};

/// Starts of a PC that are remembered of each device.
const MAX_BOOTS: i64 = 128;

/// One spool of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Spool {
    pub(crate) device: DeviceId,
    pub(crate) epoch: Epoch,
}

/// The incarnations that count for a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Incarnations {
    /// Issued last.
    pub(crate) current: Incarnation,
    /// What also counts until `current` is held, or has carried a message.
    pub(crate) previous: Previous,
    /// The start of the device that `current` was given to.
    pub(crate) boot: BootId,
}

/// What was presented when the current incarnation was issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Previous {
    /// The current one is held, or has carried a message: nothing else counts.
    Over,
    /// Nothing: it was the very first Hello.
    First,
    /// An earlier incarnation.
    Earlier(Incarnation),
}

/// The incarnations of `devices`, of those that said Hello before.
pub(crate) async fn incarnations(
    tx: &mut Tx,
    school: &SchoolId,
    devices: &BTreeSet<DeviceId>,
) -> Result<BTreeMap<DeviceId, Incarnations>, StoreError> {
    static READ: LazyLock<Many> = LazyLock::new(|| {
        let joined = "AS v CROSS JOIN device_incarnations AS i WHERE i.device_id = v.column1 AND i.school_id = ?";
        Many::new("SELECT i.device_id, i.current, i.previous, i.boot FROM", joined, 1)
    });
    let mut found = BTreeMap::new();
    for devices in devices.iter().collect::<Vec<_>>().chunks(MOST) {
        let row = |filling: Filling, device: &&DeviceId| filling.bind(device.as_bytes().as_slice()).row();
        let filled = devices.iter().fold(READ.filling(devices.len())?, row).filled();
        for row in filled.bind(school.as_str()).fetch_all(tx.connection()).await? {
            found.extend([read_incarnations(&row)?]);
        }
    }
    Ok(found)
}

/// Stores the incarnations of devices.
pub(crate) async fn set_incarnations(
    tx: &mut Tx,
    school: &SchoolId,
    incarnations: &BTreeMap<DeviceId, Incarnations>,
) -> Result<(), StoreError> {
    static SET: LazyLock<Many> = LazyLock::new(|| {
        let insert = "INSERT INTO device_incarnations (school_id, device_id, current, previous, boot)
             SELECT ?, column1, column2, column3, column4 FROM";
        let renewed = "WHERE column1 IS NOT NULL ON CONFLICT (school_id, device_id)
             DO UPDATE SET current = excluded.current, previous = excluded.previous, boot = excluded.boot";
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
pub(crate) async fn forget_incarnations(tx: &mut Tx, school: &SchoolId) -> Result<u64, StoreError> {
    let forgotten = sqlx::query("DELETE FROM device_incarnations WHERE school_id = $1").bind(school.as_str());
    Ok(forgotten.execute(tx.connection()).await?.rows_affected())
}

/// Takes note at `now_us` of starts that devices are known to have had. Writes for those alone that have a new one; the
/// oldest of many go.
pub(crate) async fn add_boots(
    tx: &mut Tx,
    school: &SchoolId,
    told: &BTreeMap<DeviceId, BTreeSet<BootId>>,
    now_us: i64,
) -> Result<(), StoreError> {
    static READ: LazyLock<Many> = LazyLock::new(|| {
        let joined = "AS v CROSS JOIN device_boots AS b WHERE b.device_id = v.column1 AND b.school_id = ?";
        Many::new("SELECT b.device_id, b.boot FROM", joined, 1)
    });
    let mut known: BTreeMap<DeviceId, BTreeSet<BootId>> = BTreeMap::new();
    for devices in told.keys().collect::<Vec<_>>().chunks(MOST) {
        let row = |filling: Filling, device: &&DeviceId| filling.bind(device.as_bytes().as_slice()).row();
        let filled = devices.iter().fold(READ.filling(devices.len())?, row).filled();
        for row in filled.bind(school.as_str()).fetch_all(tx.connection()).await? {
            known.entry(id(&row, 0)?).or_default().insert(id(&row, 1)?);
        }
    }
    for (device, boots) in told {
        let held = known.get(device);
        let new: Vec<_> = boots.iter().filter(|boot| held.is_none_or(|held| !held.contains(boot))).collect();
        if !new.is_empty() {
            insert_boots(tx, school, *device, &new, now_us).await?;
        }
    }
    Ok(())
}

async fn insert_boots(
    tx: &mut Tx,
    school: &SchoolId,
    device: DeviceId,
    boots: &[&BootId],
    now_us: i64,
) -> Result<(), StoreError> {
    for boot in boots {
        sqlx::query("INSERT INTO device_boots (school_id, device_id, boot, seen_us) VALUES ($1, $2, $3, $4)")
            .bind(school.as_str())
            .bind(device.as_bytes().as_slice())
            .bind(boot.as_bytes().as_slice())
            .bind(now_us)
            .execute(tx.connection())
            .await?;
    }
    let oldest = "DELETE FROM device_boots WHERE school_id = $1 AND device_id = $2 AND boot NOT IN
         (SELECT boot FROM device_boots WHERE school_id = $1 AND device_id = $2 ORDER BY seen_us DESC, boot LIMIT $3)";
    sqlx::query(oldest)
        .bind(school.as_str())
        .bind(device.as_bytes().as_slice())
        .bind(MAX_BOOTS)
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// The starts that a device is known to have had.
pub(crate) async fn boots(tx: &mut Tx, school: &SchoolId, device: DeviceId) -> Result<BTreeSet<BootId>, StoreError> {
    let rows = sqlx::query("SELECT boot FROM device_boots WHERE school_id = $1 AND device_id = $2")
        .bind(school.as_str())
        .bind(device.as_bytes().as_slice())
        .fetch_all(tx.connection())
        .await?;
    rows.iter().map(|row| id(row, 0)).collect()
}

/// Takes what a spool held before its device joined for delivered: `through` of each lane. A lane that has a mark keeps it.
pub(crate) async fn begin_above(
    tx: &mut Tx,
    school: &SchoolId,
    spool: Spool,
    through: &[(Level, Seq)],
) -> Result<(), StoreError> {
    for (lane, through) in through.iter().filter(|(_, through)| *through > Seq::NONE) {
        sqlx::query(
            "INSERT INTO high_water (school_id, device_id, epoch, lane, through) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (school_id, device_id, epoch, lane) DO NOTHING",
        )
        .bind(school.as_str())
        .bind(spool.device.as_bytes().as_slice())
        .bind(spool.epoch.as_bytes().as_slice())
        .bind(i64::from(lane.number()))
        .bind(through.number().cast_signed())
        .execute(tx.connection())
        .await?;
    }
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

fn row_of(filling: Filling, (device, incarnations): &(&DeviceId, &Incarnations)) -> Filling {
    let previous = match &incarnations.previous {
        Previous::Over => None,
        Previous::First => Some([].as_slice()),
        Previous::Earlier(earlier) => Some(earlier.as_bytes().as_slice()),
    };
    filling
        .bind(device.as_bytes().as_slice())
        .bind(incarnations.current.as_bytes().as_slice())
        .bind(previous)
        .bind(incarnations.boot.as_bytes().as_slice())
        .row()
}

fn read_incarnations(row: &SqliteRow) -> Result<(DeviceId, Incarnations), StoreError> {
    let previous = match row.try_get::<Option<Vec<u8>>, _>(2)? {
        None => Previous::Over,
        Some(bytes) if bytes.is_empty() => Previous::First,
        Some(bytes) => Previous::Earlier(incarnation(&bytes)?),
    };
    let current = incarnation(row.try_get(1)?)?;
    Ok((id(row, 0)?, Incarnations { current, previous, boot: id(row, 3)? }))
}

fn incarnation(bytes: &[u8]) -> Result<Incarnation, StoreError> {
    Incarnation::try_from(bytes).map_err(|_| StoreError::Corrupt { what: "incarnation" })
}
