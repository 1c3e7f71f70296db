//! Enrolled devices, and who of them is denied.

use std::collections::BTreeSet;

use lapwing_proto::{DeviceId, SchoolId};
use sqlx::{AssertSqlSafe, Row};

use super::{Store, StoreError, Tx};

/// The goodbye of a device whose agent was taken off the computer. It is denied from then on.
pub(crate) const REMOVED: &str = "removed";
/// Devices whose time of last hearing is written in one transaction: a drain of captures never waits long behind it.
const HEARD_AT_ONCE: usize = 256;

/// A device that enrols.
#[derive(Debug)]
pub(crate) struct NewDevice<'a> {
    pub(crate) device: DeviceId,
    pub(crate) hostname: &'a str,
    pub(crate) room: &'a str,
    pub(crate) device_group: &'a str,
    /// Empty where the firmware names nothing.
    pub(crate) hardware_hash: &'a [u8],
    pub(crate) os: &'a str,
    pub(crate) agent_version: &'a str,
    pub(crate) enrolled_us: i64,
    /// The device whose identity it came with.
    pub(crate) copied_from: Option<DeviceId>,
}

/// Whether the PC of device `$d` enrolled anew, and this device was not heard since.
macro_rules! is_replaced {
    ($d:literal) => {
        concat!("(", $d, ".replaced_us IS NOT NULL AND COALESCE(", $d, ".heard_us, 0) <= ", $d, ".replaced_us)")
    };
}

pub(super) use is_replaced;

/// What is known of an enrolled device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Enrolled {
    pub(crate) hostname: String,
    pub(crate) device_group: String,
    /// Empty where the firmware named nothing.
    pub(crate) hardware_hash: Vec<u8>,
    /// Digest of the newest key it has said Hello with; empty before the first.
    pub(crate) seen_key: Vec<u8>,
    /// It was never heard.
    pub(crate) is_unheard: bool,
    /// As it last said.
    pub(crate) agent_version: String,
}

/// Whether a device is enrolled.
pub(crate) async fn exists(tx: &mut Tx, school: &SchoolId, device: DeviceId) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM devices WHERE school_id = $1 AND device_id = $2)")
        .bind(school.as_str())
        .bind(device.as_bytes().as_slice())
        .fetch_one(tx.connection())
        .await?)
}

/// Group and room of a device.
pub(crate) async fn place(
    tx: &mut Tx,
    school: &SchoolId,
    device: DeviceId,
) -> Result<Option<(String, String)>, StoreError> {
    let row = sqlx::query("SELECT device_group, room FROM devices WHERE school_id = $1 AND device_id = $2")
        .bind(school.as_str())
        .bind(device.as_bytes().as_slice())
        .fetch_optional(tx.connection())
        .await?;
    row.map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).transpose()
}

/// Stores a device.
pub(crate) async fn insert(tx: &mut Tx, school: &SchoolId, new: &NewDevice<'_>) -> Result<(), StoreError> {
    let hardware_hash = (!new.hardware_hash.is_empty()).then_some(new.hardware_hash);
    sqlx::query(
        "INSERT INTO devices
         (school_id, device_id, hostname, room, device_group, hardware_hash, os, agent_version, enrolled_us, copied_from)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(school.as_str())
    .bind(new.device.as_bytes().as_slice())
    .bind(new.hostname)
    .bind(new.room)
    .bind(new.device_group)
    .bind(hardware_hash)
    .bind(new.os)
    .bind(new.agent_version)
    .bind(new.enrolled_us)
    .bind(new.copied_from.map(|origin| origin.as_bytes().to_vec()))
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// A physical PC, as far as anything names it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pc<'a> {
    /// Empty where the firmware names nothing: then it is the PC that the list of expected devices has under its name.
    pub(crate) hardware_hash: &'a [u8],
    pub(crate) hostname: &'a str,
}

/// A device that is the PC of firmware `$2`.
const BY_FIRMWARE: &str = "hardware_hash = $2";
/// A device without firmware ids, of a name `$2` that the list of expected devices knows: it names each PC once.
const BY_NAME: &str = "hardware_hash IS NULL AND LOWER(hostname) = LOWER($2) AND EXISTS (SELECT 1 FROM expected_devices AS e \
     WHERE e.school_id = devices.school_id AND e.hostname_key = LOWER($2))";

/// The room that a PC was last in; `None` where it never enrolled, or nothing names it.
pub(crate) async fn room_of_pc(tx: &mut Tx, school: &SchoolId, pc: Pc<'_>) -> Result<Option<String>, StoreError> {
    let newest = format!(
        "SELECT room FROM devices WHERE school_id = $1 AND {} ORDER BY enrolled_us DESC LIMIT 1",
        pc.condition()
    );
    let query = sqlx::query_scalar(AssertSqlSafe(newest)).bind(school.as_str());
    let query = if pc.is_named() { query.bind(pc.hostname) } else { query.bind(pc.hardware_hash) };
    Ok(query.fetch_optional(tx.connection()).await?)
}

/// What enrolled before on the PC of `device` is replaced by it.
pub(crate) async fn replace_on_pc(
    tx: &mut Tx,
    school: &SchoolId,
    device: DeviceId,
    pc: Pc<'_>,
    now_us: i64,
) -> Result<(), StoreError> {
    let replaced =
        format!("UPDATE devices SET replaced_us = $4 WHERE school_id = $1 AND device_id <> $3 AND {}", pc.condition());
    let query = sqlx::query(AssertSqlSafe(replaced)).bind(school.as_str());
    let query = if pc.is_named() { query.bind(pc.hostname) } else { query.bind(pc.hardware_hash) };
    query.bind(device.as_bytes().as_slice()).bind(now_us).execute(tx.connection()).await?;
    Ok(())
}

impl Pc<'_> {
    /// Whether its name has to do.
    const fn is_named(self) -> bool {
        self.hardware_hash.is_empty()
    }

    /// A condition on `devices` by the index of what names it.
    const fn condition(self) -> &'static str {
        if self.is_named() { BY_NAME } else { BY_FIRMWARE }
    }
}

/// The device, unless it never enrolled.
pub(crate) async fn find(store: &Store, school: &SchoolId, device: DeviceId) -> Result<Option<Enrolled>, StoreError> {
    let facts =
        "SELECT device_group, hardware_hash, COALESCE(seen_key, x''), heard_us IS NULL, agent_version, hostname FROM devices
         WHERE school_id = $1 AND device_id = $2";
    let row = sqlx::query(facts)
        .bind(school.as_str())
        .bind(device.as_bytes().as_slice())
        .fetch_optional(store.reader())
        .await?;
    let Some(row) = row else { return Ok(None) };
    let hardware_hash = row.try_get::<Option<Vec<u8>>, _>(1)?.unwrap_or_default();
    Ok(Some(Enrolled {
        device_group: row.try_get(0)?,
        hardware_hash,
        seen_key: row.try_get(2)?,
        is_unheard: row.try_get(3)?,
        agent_version: row.try_get(4)?,
        hostname: row.try_get(5)?,
    }))
}

/// Records the version of the agent on `device`.
pub(crate) async fn set_agent_version(
    tx: &mut Tx,
    school: &SchoolId,
    device: DeviceId,
    version: &str,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE devices SET agent_version = $3 WHERE school_id = $1 AND device_id = $2")
        .bind(school.as_str())
        .bind(device.as_bytes().as_slice())
        .bind(version)
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// Denies what came out of the identity of `device` from now on. Says how many those are.
pub(crate) async fn revoke_copies(
    tx: &mut Tx,
    school: &SchoolId,
    device: DeviceId,
    now_us: i64,
) -> Result<u64, StoreError> {
    let revoked = sqlx::query(
        "UPDATE devices SET revoked_us = $3 WHERE school_id = $1 AND copied_from = $2 AND revoked_us IS NULL",
    )
    .bind(school.as_str())
    .bind(device.as_bytes().as_slice())
    .bind(now_us)
    .execute(tx.connection())
    .await?;
    Ok(revoked.rows_affected())
}

/// Denies `device` from now on. Says whether there is such a device.
pub(crate) async fn revoke(tx: &mut Tx, school: &SchoolId, device: DeviceId, now_us: i64) -> Result<bool, StoreError> {
    let updated =
        sqlx::query("UPDATE devices SET revoked_us = COALESCE(revoked_us, $3) WHERE school_id = $1 AND device_id = $2")
            .bind(school.as_str())
            .bind(device.as_bytes().as_slice())
            .bind(now_us)
            .execute(tx.connection())
            .await?;
    Ok(updated.rows_affected() > 0)
}

/// Records that the agent was taken off the computer of `device`, which is denied from now on. Says whether it was not
/// denied before.
pub(crate) async fn remove(tx: &mut Tx, school: &SchoolId, device: DeviceId, now_us: i64) -> Result<bool, StoreError> {
    let removed = sqlx::query(
        "UPDATE devices SET goodbye = $3, heard_us = $4, revoked_us = $4
         WHERE school_id = $1 AND device_id = $2 AND revoked_us IS NULL",
    )
    .bind(school.as_str())
    .bind(device.as_bytes().as_slice())
    .bind(REMOVED)
    .bind(now_us)
    .execute(tx.connection())
    .await?;
    Ok(removed.rows_affected() > 0)
}

/// The deny-set.
pub(crate) async fn revoked(store: &Store, school: &SchoolId) -> Result<BTreeSet<DeviceId>, StoreError> {
    let ids: Vec<Vec<u8>> =
        sqlx::query_scalar("SELECT device_id FROM devices WHERE school_id = $1 AND revoked_us IS NOT NULL")
            .bind(school.as_str())
            .fetch_all(store.reader())
            .await?;
    ids.iter()
        .map(|id| DeviceId::try_from(id.as_slice()).map_err(|_| StoreError::Corrupt { what: "device id" }))
        .collect()
}

/// Writes at `now_us` when devices were last heard, a bounded number in each transaction. A device heard after its
/// goodbye is back; what was heard before it and is written late changes nothing. Who is denied is not heard.
///
/// No device was heard later than now: where a clock that has been set back since says so, it counts as heard now, so
/// that its silence is seen as soon as any other's.
pub(crate) async fn heard(
    store: &Store,
    school: &SchoolId,
    heard: &[(DeviceId, i64)],
    now_us: i64,
) -> Result<(), StoreError> {
    correct_heard(store, school, now_us).await?;
    for some in heard.chunks(HEARD_AT_ONCE) {
        let mut tx = store.begin().await?;
        for (device, heard_us) in some {
            sqlx::query(
                "UPDATE devices SET heard_us = $3, goodbye = NULL
                 WHERE school_id = $1 AND device_id = $2 AND (heard_us IS NULL OR heard_us < $3)
                 AND revoked_us IS NULL",
            )
            .bind(school.as_str())
            .bind(device.as_bytes().as_slice())
            .bind((*heard_us).min(now_us))
            .execute(tx.connection())
            .await?;
        }
        tx.commit().await?;
    }
    Ok(())
}

/// Writes why and when devices were last refused, by the names of `lapwing.v1.ErrorCode`.
pub(crate) async fn set_refused(
    store: &Store,
    school: &SchoolId,
    refused: &[(DeviceId, (&'static str, i64))],
) -> Result<(), StoreError> {
    for some in refused.chunks(HEARD_AT_ONCE) {
        let mut tx = store.begin().await?;
        for (device, (code, at_us)) in some {
            sqlx::query(
                "UPDATE devices SET refused_code = $3, refused_us = $4 WHERE school_id = $1 AND device_id = $2",
            )
            .bind(school.as_str())
            .bind(device.as_bytes().as_slice())
            .bind(*code)
            .bind(at_us)
            .execute(tx.connection())
            .await?;
        }
        tx.commit().await?;
    }
    Ok(())
}

/// Takes back what lies after `now_us`. Nothing is written where nothing does.
async fn correct_heard(store: &Store, school: &SchoolId, now_us: i64) -> Result<(), StoreError> {
    let any: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM devices WHERE school_id = $1 AND heard_us > $2)")
        .bind(school.as_str())
        .bind(now_us)
        .fetch_one(store.reader())
        .await?;
    if !any {
        return Ok(());
    }
    let mut tx = store.begin().await?;
    sqlx::query("UPDATE devices SET heard_us = $2 WHERE school_id = $1 AND heard_us > $2")
        .bind(school.as_str())
        .bind(now_us)
        .execute(tx.connection())
        .await?;
    tx.commit().await
}

/// Records that `device` said goodbye, and why. Of one that is denied, or removed, nothing more is written.
pub(crate) async fn goodbye(
    tx: &mut Tx,
    school: &SchoolId,
    device: DeviceId,
    reason: &str,
    now_us: i64,
) -> Result<(), StoreError> {
    let parted = "UPDATE devices SET goodbye = $3, heard_us = $4
         WHERE school_id = $1 AND device_id = $2 AND revoked_us IS NULL";
    sqlx::query(parted)
        .bind(school.as_str())
        .bind(device.as_bytes().as_slice())
        .bind(reason)
        .bind(now_us)
        .execute(tx.connection())
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn enrolled() -> (tempfile::TempDir, Store, SchoolId, DeviceId) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("lapwing.db")).await.unwrap();
        let (school, device): (SchoolId, _) = ("sample-school".parse().unwrap(), DeviceId::from_bytes([1; 16]));
        let mut tx = store.begin().await.unwrap();
        let named = crate::config::School { id: school.clone(), name: "Sample School".into(), zone: "UTC".into() };
        crate::store::schools::ensure(&mut tx, &named, 1).await.unwrap();
        let new = NewDevice {
            device,
            hostname: "pc",
            room: "",
            device_group: "g",
            hardware_hash: &[],
            os: "linux",
            agent_version: "0",
            enrolled_us: 1,
            copied_from: None,
        };
        insert(&mut tx, &school, &new).await.unwrap();
        tx.commit().await.unwrap();
        (folder, store, school, device)
    }

    /// When it was last heard, and the goodbye that stands.
    async fn row(store: &Store) -> (i64, Option<String>) {
        sqlx::query_as("SELECT heard_us, goodbye FROM devices").fetch_one(store.reader()).await.unwrap()
    }

    #[tokio::test]
    async fn a_goodbye_stands_until_the_device_is_heard_after_it() {
        let (_folder, store, school, device) = enrolled().await;
        let mut tx = store.begin().await.unwrap();
        goodbye(&mut tx, &school, device, "sleep", 20).await.unwrap();
        tx.commit().await.unwrap();

        heard(&store, &school, &[(device, 10)], 25).await.unwrap();
        let before = row(&store).await;
        heard(&store, &school, &[(device, 30)], 35).await.unwrap();

        assert_eq!((before, row(&store).await), ((20, Some("sleep".to_owned())), (30, None)));
    }

    #[tokio::test]
    async fn a_device_heard_by_a_clock_that_was_ahead_is_heard_now_and_its_goodbye_ends_when_it_is_back() {
        let (_folder, store, school, device) = enrolled().await;
        let mut tx = store.begin().await.unwrap();
        goodbye(&mut tx, &school, device, "sleep", 9_000).await.unwrap();
        tx.commit().await.unwrap();

        heard(&store, &school, &[], 50).await.unwrap();
        assert_eq!(row(&store).await, (50, Some("sleep".to_owned())));
        heard(&store, &school, &[(device, 9_001)], 60).await.unwrap();
        assert_eq!(row(&store).await, (60, None));
        heard(&store, &school, &[(device, 70)], 80).await.unwrap();
        assert_eq!(row(&store).await, (70, None));
    }
}
