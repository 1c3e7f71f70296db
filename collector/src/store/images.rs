//! PCs that came with one device's identity and became devices of their own.

use lapwing_proto::{DeviceId, SchoolId};
use sqlx::Row;

use super::{Store, StoreError, Tx};
use crate::ids::reference;

const DAY_US: i64 = 24 * 60 * 60 * 1_000_000;

/// How many came out of an identity today.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) reference: String,
    /// This one included.
    pub(crate) copies: i64,
}

/// An image as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Image {
    pub(crate) reference: String,
    /// Host name of the device whose identity it held.
    pub(crate) hostname: String,
    pub(crate) copies: i64,
    pub(crate) first_us: i64,
}

/// Counts one more out of the identity of `origin`.
pub(crate) async fn count(
    tx: &mut Tx,
    school: &SchoolId,
    origin: DeviceId,
    now_us: i64,
) -> Result<Counted, StoreError> {
    let row = sqlx::query(
        "INSERT INTO image_copies (school_id, device_id, day, reference, copies, first_us) VALUES ($1, $2, $3, $4, 1, $5)
         ON CONFLICT (school_id, device_id, day) DO UPDATE SET copies = copies + 1 RETURNING reference, copies",
    )
    .bind(school.as_str())
    .bind(origin.as_bytes().as_slice())
    .bind(now_us.div_euclid(DAY_US))
    .bind(reference("IMG")?)
    .bind(now_us)
    .fetch_one(tx.connection())
    .await?;
    Ok(Counted { reference: row.try_get(0)?, copies: row.try_get(1)? })
}

/// Images since `since_us`, the newest first.
pub(crate) async fn since(store: &Store, school: &SchoolId, since_us: i64) -> Result<Vec<Image>, StoreError> {
    let rows = sqlx::query(
        "SELECT i.reference, d.hostname, i.copies, i.first_us FROM image_copies AS i
         JOIN devices AS d ON d.school_id = i.school_id AND d.device_id = i.device_id
         WHERE i.school_id = $1 AND i.first_us >= $2 ORDER BY i.first_us DESC, i.reference",
    )
    .bind(school.as_str())
    .bind(since_us)
    .fetch_all(store.reader())
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Image {
                reference: row.try_get(0)?,
                hostname: row.try_get(1)?,
                copies: row.try_get(2)?,
                first_us: row.try_get(3)?,
            })
        })
        .collect()
}
