//! Rows of silences: a room on a day, and the devices that are silent in it.

use std::collections::BTreeMap;

use lapwing_proto::{DeviceId, SchoolId};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::devices::is_replaced;
use super::{Store, StoreError, Tx, id};
use crate::ids::{PersonId, SilenceId};
use crate::proof::silence::{Silent, Watched};

/// Most silences read for a page; each is a room.
const MAX_SHOWN: i64 = 200;

/// A device that counts as silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) silence: SilenceId,
    pub(crate) since_us: i64,
}

/// A silence of a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) id: SilenceId,
    pub(crate) reference: String,
    pub(crate) room: String,
    pub(crate) raised_us: i64,
    /// Technicians, last.
    pub(crate) told_us: i64,
    pub(crate) told_devices: i64,
    pub(crate) is_dsl_told: bool,
    /// Silent now.
    pub(crate) devices: i64,
}

/// A silence to be made.
#[derive(Debug)]
pub(crate) struct NewSilence<'a> {
    pub(crate) id: SilenceId,
    pub(crate) reference: &'a str,
    pub(crate) room: &'a str,
    pub(crate) day: i64,
    pub(crate) from_us: i64,
    pub(crate) devices: i64,
    pub(crate) raised_us: i64,
}

/// A silence as a page shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) reference: String,
    pub(crate) room: String,
    pub(crate) from_us: i64,
    /// Silent now.
    pub(crate) devices: i64,
    /// Their names, a few of them.
    pub(crate) hostnames: Vec<String>,
}

/// Every device that may deliver, and is not the same PC as one that enrolled after it.
pub(crate) async fn watched(store: &Store, school: &SchoolId) -> Result<Vec<Watched>, StoreError> {
    let rows = sqlx::query(concat!(
        "SELECT d.device_id, d.room, d.enrolled_us, d.heard_us, d.goodbye IS NOT NULL FROM devices AS d
             WHERE d.school_id = $1 AND d.revoked_us IS NULL AND NOT ",
        is_replaced!("d")
    ))
    .bind(school.as_str())
    .fetch_all(store.reader())
    .await?;
    rows.iter().map(read_watched).collect()
}

/// The devices that count as silent.
pub(crate) async fn members(store: &Store, school: &SchoolId) -> Result<BTreeMap<DeviceId, Member>, StoreError> {
    let rows = sqlx::query(
        "SELECT device_id, silence_id, since_us FROM silent_devices WHERE school_id = $1 AND ended_us IS NULL",
    )
    .bind(school.as_str())
    .fetch_all(store.reader())
    .await?;
    rows.iter().map(|row| Ok((id(row, 0)?, Member { silence: id(row, 1)?, since_us: row.try_get(2)? }))).collect()
}

/// The silences that stand.
pub(crate) async fn standing(tx: &mut Tx, school: &SchoolId) -> Result<Vec<Standing>, StoreError> {
    let rows = sqlx::query(
        "SELECT s.silence_id, s.reference, s.room, s.raised_us, s.told_us, s.told_devices, s.dsl_told_us IS NOT NULL,
         (SELECT COUNT(*) FROM silent_devices AS d
          WHERE d.school_id = s.school_id AND d.silence_id = s.silence_id AND d.ended_us IS NULL)
         FROM silences AS s WHERE s.school_id = $1 AND s.ended_us IS NULL ORDER BY s.raised_us, s.reference",
    )
    .bind(school.as_str())
    .fetch_all(tx.connection())
    .await?;
    rows.iter().map(read_standing).collect()
}

/// The latest silence of `room` on `day`, and whether it is over.
pub(crate) async fn of_room(
    tx: &mut Tx,
    school: &SchoolId,
    room: &str,
    day: i64,
) -> Result<Option<(SilenceId, bool)>, StoreError> {
    let row = sqlx::query(
        "SELECT silence_id, ended_us IS NOT NULL FROM silences WHERE school_id = $1 AND day = $3 AND room = $2
         ORDER BY ended_us IS NOT NULL, raised_us DESC LIMIT 1",
    )
    .bind(school.as_str())
    .bind(room)
    .bind(day)
    .fetch_optional(tx.connection())
    .await?;
    row.map(|row| Ok((id(&row, 0)?, row.try_get(1)?))).transpose()
}

/// A silence that was over stands again: devices of its room were last heard at `from_us`.
pub(crate) async fn resume(
    tx: &mut Tx,
    school: &SchoolId,
    silence: SilenceId,
    from_us: i64,
    now_us: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE silences SET ended_us = NULL, from_us = $3, raised_us = $4 WHERE school_id = $1 AND silence_id = $2",
    )
    .bind(school.as_str())
    .bind(silence.as_bytes().as_slice())
    .bind(from_us)
    .bind(now_us)
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Stores a silence, of which technicians are told now.
pub(crate) async fn insert(tx: &mut Tx, school: &SchoolId, new: &NewSilence<'_>) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO silences
         (school_id, silence_id, reference, room, day, from_us, devices, raised_us, told_us, told_devices)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $7)",
    )
    .bind(school.as_str())
    .bind(new.id.as_bytes().as_slice())
    .bind(new.reference)
    .bind(new.room)
    .bind(new.day)
    .bind(new.from_us)
    .bind(new.devices)
    .bind(new.raised_us)
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// `device` is silent, as part of `silence`.
pub(crate) async fn add_device(
    tx: &mut Tx,
    school: &SchoolId,
    silence: SilenceId,
    device: DeviceId,
    silent: Silent,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO silent_devices (school_id, silence_id, device_id, why, since_us) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (school_id, silence_id, device_id)
         DO UPDATE SET why = excluded.why, since_us = excluded.since_us, ended_us = NULL",
    )
    .bind(school.as_str())
    .bind(silence.as_bytes().as_slice())
    .bind(device.as_bytes().as_slice())
    .bind(silent.why.as_str())
    .bind(silent.since_us)
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// How many devices were silent in `silence`, counted anew.
pub(crate) async fn recount(tx: &mut Tx, school: &SchoolId, silence: SilenceId) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE silences SET devices = (SELECT COUNT(*) FROM silent_devices AS d
         WHERE d.school_id = silences.school_id AND d.silence_id = silences.silence_id)
         WHERE school_id = $1 AND silence_id = $2",
    )
    .bind(school.as_str())
    .bind(silence.as_bytes().as_slice())
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// `device` is silent no more.
pub(crate) async fn end_device(
    tx: &mut Tx,
    school: &SchoolId,
    silence: SilenceId,
    device: DeviceId,
    now_us: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE silent_devices SET ended_us = $4
         WHERE school_id = $1 AND silence_id = $2 AND device_id = $3 AND ended_us IS NULL",
    )
    .bind(school.as_str())
    .bind(silence.as_bytes().as_slice())
    .bind(device.as_bytes().as_slice())
    .bind(now_us)
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Ends a silence.
pub(crate) async fn end(tx: &mut Tx, school: &SchoolId, silence: SilenceId, now_us: i64) -> Result<(), StoreError> {
    sqlx::query("UPDATE silences SET ended_us = $3 WHERE school_id = $1 AND silence_id = $2")
        .bind(school.as_str())
        .bind(silence.as_bytes().as_slice())
        .bind(now_us)
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// Technicians were told that `devices` of it are silent.
pub(crate) async fn set_told(
    tx: &mut Tx,
    school: &SchoolId,
    silence: SilenceId,
    devices: i64,
    now_us: i64,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE silences SET told_us = $3, told_devices = $4 WHERE school_id = $1 AND silence_id = $2")
        .bind(school.as_str())
        .bind(silence.as_bytes().as_slice())
        .bind(now_us)
        .bind(devices)
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// The DSL was told.
pub(crate) async fn set_dsl_told(
    tx: &mut Tx,
    school: &SchoolId,
    silence: SilenceId,
    now_us: i64,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE silences SET dsl_told_us = $3 WHERE school_id = $1 AND silence_id = $2")
        .bind(school.as_str())
        .bind(silence.as_bytes().as_slice())
        .bind(now_us)
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// Whoever holds `role`, can sign in and has not left.
pub(crate) async fn holders(tx: &mut Tx, school: &SchoolId, role: &str) -> Result<Vec<PersonId>, StoreError> {
    let rows = sqlx::query(
        "SELECT r.person_id FROM person_roles AS r
         JOIN persons AS p ON p.school_id = r.school_id AND p.person_id = r.person_id
         WHERE r.school_id = $1 AND r.role = $2 AND p.left_us IS NULL AND EXISTS
         (SELECT 1 FROM sign_ins AS i WHERE i.school_id = r.school_id AND i.person_id = r.person_id)
         ORDER BY r.person_id",
    )
    .bind(school.as_str())
    .bind(role)
    .fetch_all(tx.connection())
    .await?;
    rows.iter().map(|row| id(row, 0)).collect()
}

/// The silences that stand, the longest first, with up to `names` device names each.
pub(crate) async fn shown(store: &Store, school: &SchoolId, names: usize) -> Result<Vec<Shown>, StoreError> {
    let rows = sqlx::query(
        "SELECT s.silence_id, s.reference, s.room, s.from_us, d.hostname FROM silences AS s
         JOIN silent_devices AS m ON m.school_id = s.school_id AND m.silence_id = s.silence_id AND m.ended_us IS NULL
         JOIN devices AS d ON d.school_id = m.school_id AND d.device_id = m.device_id
         WHERE s.school_id = $1 AND s.ended_us IS NULL AND s.silence_id IN
         (SELECT o.silence_id FROM silences AS o WHERE o.school_id = $1 AND o.ended_us IS NULL
          ORDER BY o.from_us LIMIT $2)
         ORDER BY s.from_us, s.silence_id, d.hostname",
    )
    .bind(school.as_str())
    .bind(MAX_SHOWN)
    .fetch_all(store.reader())
    .await?;
    let mut shown: Vec<(SilenceId, Shown)> = Vec::new();
    for row in &rows {
        let silence: SilenceId = id(row, 0)?;
        if shown.last().is_none_or(|(last, _)| *last != silence) {
            let (reference, room, from_us) = (row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
            shown.push((silence, Shown { reference, room, from_us, devices: 0, hostnames: Vec::new() }));
        }
        let Some((_, last)) = shown.last_mut() else { continue };
        last.devices += 1;
        if last.hostnames.len() < names {
            last.hostnames.push(row.try_get(4)?);
        }
    }
    Ok(shown.into_iter().map(|(_, shown)| shown).collect())
}

fn read_watched(row: &SqliteRow) -> Result<Watched, StoreError> {
    Ok(Watched {
        device: id(row, 0)?,
        room: row.try_get(1)?,
        enrolled_us: row.try_get(2)?,
        heard_us: row.try_get(3)?,
        is_away: row.try_get(4)?,
    })
}

fn read_standing(row: &SqliteRow) -> Result<Standing, StoreError> {
    Ok(Standing {
        id: id(row, 0)?,
        reference: row.try_get(1)?,
        room: row.try_get(2)?,
        raised_us: row.try_get(3)?,
        told_us: row.try_get(4)?,
        told_devices: row.try_get(5)?,
        is_dsl_told: row.try_get(6)?,
        devices: row.try_get(7)?,
    })
}
