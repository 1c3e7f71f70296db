//! Rows of approved removable media.

use lapwing_proto::{ApprovedMedium, SchoolId};
use lapwing_rules::Digest;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{Store, StoreError, Tx, id};
use crate::actor::PersonId;
use crate::approved_media::Approval;

/// A row of the register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Registered {
    pub(crate) approval: Approval,
    pub(crate) approved_us: i64,
    /// `None`: somebody at the collector's machine.
    pub(crate) approved_by: Option<PersonId>,
}

/// Approves a medium; what was said of it before is replaced.
pub(crate) async fn put(
    tx: &mut Tx,
    school: &SchoolId,
    approval: &Approval,
    by: Option<PersonId>,
    now_us: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO approved_media (school_id, serial_hash, name, owner_id, permission, until_us, approved_us, approved_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (school_id, serial_hash) DO UPDATE SET name = excluded.name,
         owner_id = excluded.owner_id, permission = excluded.permission, until_us = excluded.until_us,
         approved_us = excluded.approved_us, approved_by = excluded.approved_by",
    )
    .bind(school.as_str())
    .bind(approval.serial_hash.as_bytes().as_slice())
    .bind(&approval.name)
    .bind(approval.owner.as_bytes().as_slice())
    .bind(&approval.permission)
    .bind(approval.until_us)
    .bind(now_us)
    .bind(by.map(|person| person.as_bytes().to_vec()))
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Takes a medium out of the register; says whether it was in it.
pub(crate) async fn remove(tx: &mut Tx, school: &SchoolId, serial_hash: Digest) -> Result<bool, StoreError> {
    let removed = sqlx::query("DELETE FROM approved_media WHERE school_id = $1 AND serial_hash = $2")
        .bind(school.as_str())
        .bind(serial_hash.as_bytes().as_slice())
        .execute(tx.connection())
        .await?;
    Ok(removed.rows_affected() > 0)
}

/// How many are in the register besides that one.
pub(crate) async fn others(tx: &mut Tx, school: &SchoolId, than: Digest) -> Result<i64, StoreError> {
    let count = "SELECT COUNT(*) FROM approved_media WHERE school_id = $1 AND serial_hash <> $2";
    let count = sqlx::query_scalar(count).bind(school.as_str()).bind(than.as_bytes().as_slice());
    Ok(count.fetch_one(tx.connection()).await?)
}

/// The register, those that end last first.
pub(crate) async fn all(store: &Store, school: &SchoolId) -> Result<Vec<Registered>, StoreError> {
    let rows = sqlx::query(
        "SELECT serial_hash, name, owner_id, permission, until_us, approved_us, approved_by FROM approved_media
         WHERE school_id = $1 ORDER BY until_us DESC, name, serial_hash",
    );
    rows.bind(school.as_str()).fetch_all(store.reader()).await?.iter().map(read).collect()
}

/// What devices are told: those that are not over at `now_us`, as of members of staff who are here.
pub(crate) async fn standing(tx: &mut Tx, school: &SchoolId, now_us: i64) -> Result<Vec<ApprovedMedium>, StoreError> {
    let rows = sqlx::query(
        "SELECT m.serial_hash, m.until_us FROM approved_media AS m
         JOIN persons AS p ON p.school_id = m.school_id AND p.person_id = m.owner_id AND p.left_us IS NULL
         WHERE m.school_id = $1 AND m.until_us > $2 ORDER BY m.serial_hash",
    );
    let rows = rows.bind(school.as_str()).bind(now_us).fetch_all(tx.connection()).await?;
    let medium = |row: &SqliteRow| Ok(ApprovedMedium { serial_hash: digest(row, 0)?, until_us: row.try_get(1)? });
    rows.iter().map(medium).collect()
}

fn read(row: &SqliteRow) -> Result<Registered, StoreError> {
    let by: Option<Vec<u8>> = row.try_get(6)?;
    Ok(Registered {
        approval: Approval {
            serial_hash: digest(row, 0)?,
            name: row.try_get(1)?,
            owner: id(row, 2)?,
            permission: row.try_get(3)?,
            until_us: row.try_get(4)?,
        },
        approved_us: row.try_get(5)?,
        approved_by: by.map(|by| PersonId::try_from(by.as_slice())).transpose()?,
    })
}

fn digest(row: &SqliteRow, column: usize) -> Result<Digest, StoreError> {
    let bytes = row.try_get::<&[u8], _>(column)?.try_into().map_err(|_| StoreError::Corrupt { what: "digest" })?;
    Ok(Digest::from_bytes(bytes))
}
