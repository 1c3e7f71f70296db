//! Rows of absences.

use std::collections::BTreeSet;

use lapwing_proto::SchoolId;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{Store, StoreError, Tx, id};
use crate::absence::Stretch;
use crate::actor::PersonId;
use crate::ids::AbsenceId;

/// Somebody is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Absence {
    pub(crate) id: AbsenceId,
    pub(crate) person: PersonId,
    pub(crate) stretch: Stretch,
}

/// An absence as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) absence: Absence,
    pub(crate) name: String,
}

/// Somebody who may be away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Colleague {
    pub(crate) person: PersonId,
    pub(crate) name: String,
}

const COLUMNS: &str = "a.absence_id, a.person_id, a.from_us, a.until_us";

/// The absences of `person` that are not over at `now_us`, in order of their begins.
pub(crate) async fn of_person(
    tx: &mut Tx,
    school: &SchoolId,
    person: PersonId,
    now_us: i64,
) -> Result<Vec<Absence>, StoreError> {
    let rows = sqlx::query(
        "SELECT absence_id, person_id, from_us, until_us FROM absences
         WHERE school_id = $1 AND person_id = $2 AND until_us > $3 ORDER BY from_us, absence_id",
    )
    .bind(school.as_str())
    .bind(person.as_bytes().as_slice())
    .bind(now_us)
    .fetch_all(tx.connection())
    .await?;
    rows.iter().map(read).collect()
}

/// One absence.
pub(crate) async fn find(tx: &mut Tx, school: &SchoolId, absence: AbsenceId) -> Result<Option<Absence>, StoreError> {
    let row = sqlx::query(
        "SELECT absence_id, person_id, from_us, until_us FROM absences WHERE school_id = $1 AND absence_id = $2",
    )
    .bind(school.as_str())
    .bind(absence.as_bytes().as_slice())
    .fetch_optional(tx.connection())
    .await?;
    row.as_ref().map(read).transpose()
}

/// Adds a row.
pub(crate) async fn insert(
    tx: &mut Tx,
    school: &SchoolId,
    absence: &Absence,
    recorded_by: Option<PersonId>,
    now_us: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO absences (school_id, absence_id, person_id, from_us, until_us, recorded_by, recorded_us)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(school.as_str())
    .bind(absence.id.as_bytes().as_slice())
    .bind(absence.person.as_bytes().as_slice())
    .bind(absence.stretch.from_us)
    .bind(absence.stretch.until_us)
    .bind(recorded_by.map(|person| person.as_bytes().to_vec()))
    .bind(now_us)
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Moves the end of an absence.
pub(crate) async fn set_end(
    tx: &mut Tx,
    school: &SchoolId,
    absence: AbsenceId,
    until_us: i64,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE absences SET until_us = $3 WHERE school_id = $1 AND absence_id = $2")
        .bind(school.as_str())
        .bind(absence.as_bytes().as_slice())
        .bind(until_us)
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// Takes a row away.
pub(crate) async fn delete(tx: &mut Tx, school: &SchoolId, absence: AbsenceId) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM absences WHERE school_id = $1 AND absence_id = $2")
        .bind(school.as_str())
        .bind(absence.as_bytes().as_slice())
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// Every absence that is not over at `now_us`, the first to begin first.
pub(crate) async fn standing(store: &Store, school: &SchoolId, now_us: i64) -> Result<Vec<Listed>, StoreError> {
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS}, p.name FROM absences AS a
         JOIN persons AS p ON p.school_id = a.school_id AND p.person_id = a.person_id
         WHERE a.school_id = $1 AND a.until_us > $2 AND p.left_us IS NULL ORDER BY a.from_us, p.name, a.absence_id"
    )))
    .bind(school.as_str())
    .bind(now_us)
    .fetch_all(store.reader())
    .await?;
    rows.iter().map(|row| Ok(Listed { absence: read(row)?, name: row.try_get(4)? })).collect()
}

/// Everybody with a role, by name.
pub(crate) async fn colleagues(store: &Store, school: &SchoolId) -> Result<Vec<Colleague>, StoreError> {
    let rows = sqlx::query(
        "SELECT p.person_id, p.name FROM persons AS p WHERE p.school_id = $1 AND p.kind = 'staff'
         AND p.left_us IS NULL AND EXISTS
         (SELECT 1 FROM person_roles AS r WHERE r.school_id = p.school_id AND r.person_id = p.person_id)
         ORDER BY p.name, p.person_id",
    )
    .bind(school.as_str())
    .fetch_all(store.reader())
    .await?;
    rows.iter().map(|row| Ok(Colleague { person: id(row, 0)?, name: row.try_get(1)? })).collect()
}

/// Whoever is here and signs in as `key`, or has the account `key`: one person, unless the two are different people's.
pub(crate) async fn named(store: &Store, school: &SchoolId, key: &str) -> Result<BTreeSet<PersonId>, StoreError> {
    let rows = sqlx::query(
        "SELECT p.person_id FROM persons AS p WHERE p.school_id = $1 AND p.left_us IS NULL AND p.person_id IN
         (SELECT a.person_id FROM accounts AS a WHERE a.school_id = $1 AND a.account = $2
         UNION SELECT i.person_id FROM sign_ins AS i WHERE i.school_id = $1 AND i.login = $2)",
    )
    .bind(school.as_str())
    .bind(key)
    .fetch_all(store.reader())
    .await?;
    rows.iter().map(|row| id(row, 0)).collect()
}

fn read(row: &SqliteRow) -> Result<Absence, StoreError> {
    let stretch = Stretch { from_us: row.try_get(2)?, until_us: row.try_get(3)? };
    Ok(Absence { id: id(row, 0)?, person: id(row, 1)?, stretch })
}
