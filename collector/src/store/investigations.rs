//! Rows of investigations: a device that is looked at on purpose for a time.

use std::collections::BTreeMap;

use lapwing_proto::{DeviceId, SchoolId};
use sqlx::Row as _;

use super::{StoreError, Tx, id};
use crate::actor::PersonId;
use crate::ids::{CaptureId, InvestigationId};

/// An investigation to be opened.
#[derive(Debug)]
pub(crate) struct NewInvestigation<'a> {
    pub(crate) id: InvestigationId,
    pub(crate) reference: &'a str,
    pub(crate) device: DeviceId,
    pub(crate) purpose: &'a str,
    pub(crate) from_us: i64,
    pub(crate) until_us: i64,
    pub(crate) opened_by: PersonId,
    pub(crate) approved_by: PersonId,
}

/// An investigation that captures of a device may belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Open {
    pub(crate) id: InvestigationId,
    pub(crate) from_us: i64,
    /// Does not count.
    pub(crate) until_us: i64,
    /// Who asked, and whose approval opened it: what they do is filed, and nobody else's.
    pub(crate) people: [PersonId; 2],
}

/// Opens one.
pub(crate) async fn insert(
    tx: &mut Tx,
    school: &SchoolId,
    new: &NewInvestigation<'_>,
    now_us: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO investigations
         (school_id, investigation_id, reference, device_id, purpose, from_us, until_us, opened_by, opened_us,
          approved_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(school.as_str())
    .bind(new.id.as_bytes().as_slice())
    .bind(new.reference)
    .bind(new.device.as_bytes().as_slice())
    .bind(new.purpose)
    .bind(new.from_us)
    .bind(new.until_us)
    .bind(new.opened_by.as_bytes().as_slice())
    .bind(now_us)
    .bind(new.approved_by.as_bytes().as_slice())
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Those that are not long over at `now_us`: captures may come late from a device that was offline.
pub(crate) async fn open(
    tx: &mut Tx,
    school: &SchoolId,
    since_us: i64,
) -> Result<BTreeMap<DeviceId, Vec<Open>>, StoreError> {
    let rows = sqlx::query(
        "SELECT device_id, investigation_id, from_us, until_us, opened_by, approved_by FROM investigations
         WHERE school_id = $1 AND until_us > $2 ORDER BY from_us, investigation_id",
    )
    .bind(school.as_str())
    .bind(since_us)
    .fetch_all(tx.connection())
    .await?;
    let mut open: BTreeMap<DeviceId, Vec<Open>> = BTreeMap::new();
    for row in &rows {
        let people = [id(row, 4)?, id(row, 5)?];
        let one = Open { id: id(row, 1)?, from_us: row.try_get(2)?, until_us: row.try_get(3)?, people };
        open.entry(id(row, 0)?).or_default().push(one);
    }
    Ok(open)
}

/// Files a capture under an investigation.
pub(crate) async fn file(
    tx: &mut Tx,
    school: &SchoolId,
    investigation: InvestigationId,
    capture: CaptureId,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO investigation_captures (school_id, investigation_id, capture_id) VALUES ($1, $2, $3)
         ON CONFLICT (school_id, investigation_id, capture_id) DO NOTHING",
    )
    .bind(school.as_str())
    .bind(investigation.as_bytes().as_slice())
    .bind(capture.as_bytes().as_slice())
    .execute(tx.connection())
    .await?;
    Ok(())
}
