//! Rows of checks that monitoring works: the product's own, and people's.

use lapwing_proto::{DeviceId, SchoolId};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{Store, StoreError, Tx, parsed};
use crate::ids::{CheckId, PersonId};
use crate::proof::checks::{By, Kind, Outcome};

/// A check to be recorded.
#[derive(Debug)]
pub(crate) struct NewCheck<'a> {
    pub(crate) at_us: i64,
    /// Of the school's calendar, counted since 1970.
    pub(crate) day: i64,
    pub(crate) by: By,
    pub(crate) kind: Kind,
    pub(crate) device: Option<DeviceId>,
    pub(crate) what: &'a str,
    pub(crate) outcome: Outcome,
    pub(crate) detail: &'a str,
}

/// A check as the log shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Check {
    pub(crate) at_us: i64,
    /// Name of the person; empty where it was none.
    pub(crate) person: String,
    pub(crate) kind: Kind,
    /// Name of the device; empty where it was of none.
    pub(crate) hostname: String,
    pub(crate) what: String,
    pub(crate) outcome: Outcome,
    pub(crate) detail: String,
}

/// Which checks are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Without the daily check of each device that passed.
    Telling,
    /// All.
    Every,
}

/// Records a check. A device's, and a day's, is recorded once: says whether this one was.
pub(crate) async fn insert(
    tx: &mut Tx,
    school: &SchoolId,
    id: CheckId,
    new: &NewCheck<'_>,
) -> Result<bool, StoreError> {
    let inserted = sqlx::query(
        "INSERT INTO checks
         (school_id, check_id, at_us, day, person_id, kind, device_id, what, result, detail)
         SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10
         WHERE $6 NOT IN ('canary', 'canary_day') OR NOT EXISTS
         (SELECT 1 FROM checks AS c WHERE c.school_id = $1 AND c.kind = $6 AND c.day = $4
          AND c.device_id IS $7)",
    )
    .bind(school.as_str())
    .bind(id.as_bytes().as_slice())
    .bind(new.at_us)
    .bind(new.day)
    .bind(new.by.person().map(|person: PersonId| person.as_bytes().to_vec()))
    .bind(new.kind.as_str())
    .bind(new.device.map(|device| device.as_bytes().to_vec()))
    .bind(new.what)
    .bind(new.outcome.as_str())
    .bind(new.detail)
    .execute(tx.connection())
    .await?;
    Ok(inserted.rows_affected() > 0)
}

/// Devices whose daily check failed on the latest day that has any; `None` where none was ever made.
pub(crate) async fn failed_lately(store: &Store, school: &SchoolId) -> Result<Option<u64>, StoreError> {
    let row = sqlx::query(
        "SELECT COUNT(*), COUNT(CASE WHEN c.result = 'failed' THEN 1 END) FROM checks AS c
         WHERE c.school_id = $1 AND c.kind = 'canary' AND c.day =
         (SELECT MAX(m.day) FROM checks AS m WHERE m.school_id = $1 AND m.kind = 'canary')",
    )
    .bind(school.as_str())
    .fetch_one(store.reader())
    .await?;
    let (checked, failed): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    Ok((checked > 0).then_some(failed.unsigned_abs()))
}

/// Whether the daily check of `day` is summed up.
pub(crate) async fn is_summed_up(tx: &mut Tx, school: &SchoolId, day: i64) -> Result<bool, StoreError> {
    let found = "SELECT EXISTS (SELECT 1 FROM checks WHERE school_id = $1 AND kind = 'canary_day' AND day = $2)";
    Ok(sqlx::query_scalar(found).bind(school.as_str()).bind(day).fetch_one(tx.connection()).await?)
}

/// The checks since `from_us`, the latest first, at most `limit`.
pub(crate) async fn since(
    store: &Store,
    school: &SchoolId,
    from_us: i64,
    wanted: Wanted,
    limit: u32,
) -> Result<Vec<Check>, StoreError> {
    let rows = sqlx::query(
        "SELECT c.at_us, COALESCE(p.name, ''), c.kind, COALESCE(d.hostname, ''), c.what, c.result, c.detail
         FROM checks AS c
         LEFT JOIN persons AS p ON p.school_id = c.school_id AND p.person_id = c.person_id
         LEFT JOIN devices AS d ON d.school_id = c.school_id AND d.device_id = c.device_id
         WHERE c.school_id = $1 AND c.at_us >= $2 AND ($3 OR c.kind <> 'canary' OR c.result <> 'passed')
         ORDER BY c.at_us DESC, c.check_id LIMIT $4",
    )
    .bind(school.as_str())
    .bind(from_us)
    .bind(wanted == Wanted::Every)
    .bind(i64::from(limit))
    .fetch_all(store.reader())
    .await?;
    rows.iter().map(read).collect()
}

fn read(row: &SqliteRow) -> Result<Check, StoreError> {
    Ok(Check {
        at_us: row.try_get(0)?,
        person: row.try_get(1)?,
        kind: parsed(row, 2)?,
        hostname: row.try_get(3)?,
        what: row.try_get(4)?,
        outcome: parsed(row, 5)?,
        detail: row.try_get(6)?,
    })
}
