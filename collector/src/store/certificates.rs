//! Certificates of devices: what was issued, for which key, by which key of the authority.

use lapwing_proto::joining::RENEWABLE_DAYS;
use lapwing_proto::{DeviceId, SchoolId};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::devices::is_replaced;
use super::{Store, StoreError, Tx, id};
use crate::authority::DeviceCertificate;

/// What a certificate that was issued before says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Earlier {
    pub(crate) device_group: String,
    /// The device whose identity the first of its copies came with, where it is a copy itself.
    pub(crate) copied_from: Option<DeviceId>,
    /// The device has said Hello with a newer key since.
    pub(crate) is_superseded: bool,
    /// Empty where the firmware named nothing.
    pub(crate) hardware_hash: Vec<u8>,
    /// When it ended or ends, microseconds of UTC.
    pub(crate) not_after_us: i64,
}

/// Devices that the current key of the authority has issued no certificate yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Behind {
    pub(crate) devices: i64,
    /// Until when the last of them may still come by its key, microseconds of UTC.
    pub(crate) until_us: Option<i64>,
}

/// Records a certificate.
pub(crate) async fn insert(
    tx: &mut Tx,
    school: &SchoolId,
    device: DeviceId,
    certificate: &DeviceCertificate,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO device_certificates
         (school_id, device_id, serial, public_key_digest, issued_us, not_after_us, authority)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(school.as_str())
    .bind(device.as_bytes().as_slice())
    .bind(certificate.serial.as_slice())
    .bind(certificate.public_key_digest.as_slice())
    .bind(certificate.issued_us)
    .bind(certificate.not_after_us)
    .bind(i64::from(certificate.authority))
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// The device that the key with this digest was issued a certificate for.
pub(crate) async fn of_key(
    tx: &mut Tx,
    school: &SchoolId,
    public_key_digest: &[u8; 32],
) -> Result<Option<DeviceId>, StoreError> {
    let row = sqlx::query(
        "SELECT device_id FROM device_certificates WHERE school_id = $1 AND public_key_digest = $2 LIMIT 1",
    )
    .bind(school.as_str())
    .bind(public_key_digest.as_slice())
    .fetch_optional(tx.connection())
    .await?;
    row.map(|row| id(&row, 0)).transpose()
}

/// What the last certificate of `device` for this key says; `None` where it never had one.
pub(crate) async fn earlier(
    tx: &mut Tx,
    school: &SchoolId,
    device: DeviceId,
    public_key_digest: &[u8; 32],
) -> Result<Option<Earlier>, StoreError> {
    let row = sqlx::query(
        "SELECT d.device_group, MAX(c.not_after_us), d.copied_from,
         COALESCE(MAX(c.issued_us) < (SELECT MAX(s.issued_us) FROM device_certificates AS s
          WHERE s.school_id = d.school_id AND s.device_id = d.device_id AND s.public_key_digest = d.seen_key), 0),
         COALESCE(d.hardware_hash, x'')
         FROM device_certificates AS c
         JOIN devices AS d ON d.school_id = c.school_id AND d.device_id = c.device_id
         WHERE c.school_id = $1 AND c.public_key_digest = $2 AND c.device_id = $3 GROUP BY d.device_id",
    )
    .bind(school.as_str())
    .bind(public_key_digest.as_slice())
    .bind(device.as_bytes().as_slice())
    .fetch_optional(tx.connection())
    .await?;
    let earlier = |row: SqliteRow| {
        let is_copy = row.try_get::<Option<&[u8]>, _>(2)?.is_some();
        Ok(Earlier {
            device_group: row.try_get(0)?,
            not_after_us: row.try_get(1)?,
            copied_from: if is_copy { Some(id(&row, 2)?) } else { None },
            is_superseded: row.try_get(3)?,
            hardware_hash: row.try_get(4)?,
        })
    };
    row.map(earlier).transpose()
}

/// The device said Hello with the key of this digest: the newest of those it did so with is remembered.
pub(crate) async fn set_seen_key(
    tx: &mut Tx,
    school: &SchoolId,
    device: DeviceId,
    public_key_digest: &[u8; 32],
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE devices SET seen_key = $3 WHERE school_id = $1 AND device_id = $2 AND (seen_key IS NULL OR
         (SELECT MAX(c.issued_us) FROM device_certificates AS c WHERE c.school_id = $1 AND c.device_id = $2
          AND c.public_key_digest = $3) >=
         COALESCE((SELECT MAX(s.issued_us) FROM device_certificates AS s WHERE s.school_id = $1 AND s.device_id = $2
          AND s.public_key_digest = devices.seen_key), 0))",
    )
    .bind(school.as_str())
    .bind(device.as_bytes().as_slice())
    .bind(public_key_digest.as_slice())
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Those that have no certificate of key `authority` and may still come at `now_us`.
pub(crate) async fn behind(
    store: &Store,
    school: &SchoolId,
    authority: u32,
    now_us: i64,
) -> Result<Behind, StoreError> {
    let grace_us = i64::from(RENEWABLE_DAYS).saturating_mul(24 * 60 * 60 * 1_000_000);
    let row = sqlx::query(concat!(
        "SELECT COUNT(*), MAX(last_us) FROM (SELECT MAX(c.authority) AS authority, MAX(c.not_after_us) + $4 AS last_us
         FROM device_certificates AS c
         JOIN devices AS d ON d.school_id = c.school_id AND d.device_id = c.device_id
         WHERE c.school_id = $1 AND d.revoked_us IS NULL AND NOT ",
        is_replaced!("d"),
        " GROUP BY c.device_id) AS newest WHERE newest.authority < $2 AND newest.last_us > $3"
    ))
    .bind(school.as_str())
    .bind(i64::from(authority))
    .bind(now_us)
    .bind(grace_us)
    .fetch_one(store.reader())
    .await?;
    Ok(Behind { devices: row.try_get(0)?, until_us: row.try_get(1)? })
}

/// Certificates that `device` was issued after `since_us` and up to `now_us`. Those of a clock that was ahead are none.
pub(crate) async fn count_between(
    tx: &mut Tx,
    school: &SchoolId,
    device: DeviceId,
    (since_us, now_us): (i64, i64),
) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar(
        "SELECT COUNT(*) FROM device_certificates
         WHERE school_id = $1 AND device_id = $2 AND issued_us > $3 AND issued_us <= $4",
    )
    .bind(school.as_str())
    .bind(device.as_bytes().as_slice())
    .bind(since_us)
    .bind(now_us)
    .fetch_one(tx.connection())
    .await?)
}
