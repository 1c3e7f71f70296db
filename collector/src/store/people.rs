//! Rows of persons, their roles and accounts.

mod written;

use std::collections::{BTreeMap, BTreeSet};

use futures_util::TryStreamExt as _;
use lapwing_proto::SchoolId;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{Store, StoreError, Tx, id, parsed};
use crate::actor::{PersonId, Role};
use crate::routing::{Holder, Reach, Staffing};
use crate::subject::Kind;

pub(crate) use written::{Written, own_subjects, put};

/// A person as the database holds them.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) band: String,
    pub(crate) class: String,
    pub(crate) mail: String,
    /// The roster's own number of them; may be empty.
    pub(crate) reference: String,
    pub(crate) gender: String,
    pub(crate) year: String,
    /// Shown to the DSL's team alone.
    pub(crate) vulnerable: bool,
    /// `None`: is here.
    pub(crate) left_us: Option<i64>,
    pub(crate) roles: BTreeSet<Role>,
    pub(crate) accounts: BTreeSet<String>,
    /// Classes they teach or head.
    pub(crate) teaches: BTreeSet<String>,
}

/// Everybody, as they stood together at one moment.
pub(crate) struct Known {
    /// Changes with every change to persons; roles that are granted one by one leave it.
    pub(crate) revision: i64,
    pub(crate) people: BTreeMap<PersonId, Row>,
}

/// Reads everybody, those who left too, beside whoever writes.
pub(crate) async fn known(store: &Store, school: &SchoolId) -> Result<Known, StoreError> {
    let mut view = store.view().await?;
    let revision = revision(&mut view, school).await?;
    let mut people = BTreeMap::new();
    // Row by row: a row as the driver holds it takes many times what is kept of it.
    let mut rows = sqlx::query(
        "SELECT person_id, name, kind, band, class, mail, reference, gender, year_group, vulnerable, left_us
         FROM persons WHERE school_id = $1",
    )
    .bind(school.as_str())
    .fetch(view.connection());
    while let Some(row) = rows.try_next().await? {
        people.extend([read_person(&row)?]);
    }
    drop(rows);
    let of_people = [
        "SELECT person_id, role FROM person_roles WHERE school_id = $1",
        "SELECT person_id, account FROM accounts WHERE school_id = $1",
        "SELECT person_id, class FROM person_classes WHERE school_id = $1",
    ];
    for (sql, add) in of_people.into_iter().zip([add_role, add_account, add_class]) {
        let mut rows = sqlx::query(sql).bind(school.as_str()).fetch(view.connection());
        while let Some(row) = rows.try_next().await? {
            if let Some(person) = people.get_mut(&id(&row, 0)?) {
                add(person, &row)?;
            }
        }
    }
    Ok(Known { revision, people })
}

/// The number of the last change to persons.
pub(crate) async fn revision(tx: &mut Tx, school: &SchoolId) -> Result<i64, StoreError> {
    let revision = sqlx::query_scalar("SELECT revision FROM people_revisions WHERE school_id = $1")
        .bind(school.as_str())
        .fetch_optional(tx.connection())
        .await?;
    Ok(revision.unwrap_or(0))
}

fn read_person(row: &SqliteRow) -> Result<(PersonId, Row), StoreError> {
    let person = Row {
        name: row.try_get(1)?,
        kind: parsed(row, 2)?,
        band: row.try_get(3)?,
        class: row.try_get(4)?,
        mail: row.try_get(5)?,
        reference: row.try_get(6)?,
        gender: row.try_get(7)?,
        year: row.try_get(8)?,
        vulnerable: row.try_get(9)?,
        left_us: row.try_get(10)?,
        roles: BTreeSet::new(),
        accounts: BTreeSet::new(),
        teaches: BTreeSet::new(),
    };
    Ok((id(row, 0)?, person))
}

fn add_role(person: &mut Row, row: &SqliteRow) -> Result<(), StoreError> {
    person.roles.insert(parsed(row, 1)?);
    Ok(())
}

fn add_account(person: &mut Row, row: &SqliteRow) -> Result<(), StoreError> {
    person.accounts.insert(row.try_get(1)?);
    Ok(())
}

fn add_class(person: &mut Row, row: &SqliteRow) -> Result<(), StoreError> {
    person.teaches.insert(row.try_get(1)?);
    Ok(())
}

/// Everybody with a role: whether they can sign in, are there at `at_us`, and which classes they teach. Who left holds
/// none.
pub(crate) async fn staffing(tx: &mut Tx, school: &SchoolId, at_us: i64) -> Result<Staffing, StoreError> {
    let rows = sqlx::query(
        "SELECT r.person_id, r.role, EXISTS
         (SELECT 1 FROM sign_ins AS i WHERE i.school_id = r.school_id AND i.person_id = r.person_id), EXISTS
         (SELECT 1 FROM absences AS a WHERE a.school_id = r.school_id AND a.person_id = r.person_id
          AND a.from_us <= $2 AND a.until_us > $2)
         FROM person_roles AS r JOIN persons AS p ON p.school_id = r.school_id AND p.person_id = r.person_id
         WHERE r.school_id = $1 AND p.left_us IS NULL",
    )
    .bind(school.as_str())
    .bind(at_us)
    .fetch_all(tx.connection())
    .await?;
    let mut people: BTreeMap<PersonId, Holder> = BTreeMap::new();
    for row in &rows {
        let holder = people.entry(id(row, 0)?).or_default();
        holder.roles.insert(parsed(row, 1)?);
        holder.reach = match (row.try_get(2)?, row.try_get(3)?) {
            (true, false) => Reach::SignsIn,
            (true, true) => Reach::Away,
            (false, _) => Reach::NoSignIn,
        };
    }
    let classes = sqlx::query("SELECT person_id, class FROM person_classes WHERE school_id = $1")
        .bind(school.as_str())
        .fetch_all(tx.connection())
        .await?;
    for row in &classes {
        if let Some(holder) = people.get_mut(&id(row, 0)?) {
            holder.teaches.insert(row.try_get(1)?);
        }
    }
    Ok(people.into_iter().collect())
}

/// Whether there is such a person on the staff, and still here.
pub(crate) async fn is_staff(tx: &mut Tx, school: &SchoolId, person: PersonId) -> Result<bool, StoreError> {
    let stands = "SELECT EXISTS (SELECT 1 FROM persons
         WHERE school_id = $1 AND person_id = $2 AND kind = 'staff' AND left_us IS NULL)";
    let stands = sqlx::query_scalar(stands).bind(school.as_str()).bind(person.as_bytes().as_slice());
    Ok(stands.fetch_one(tx.connection()).await?)
}

/// Whether there is such a person, and still here.
pub(crate) async fn is_here(store: &Store, school: &SchoolId, person: PersonId) -> Result<bool, StoreError> {
    let stands = "SELECT EXISTS (SELECT 1 FROM persons WHERE school_id = $1 AND person_id = $2 AND left_us IS NULL)";
    let stands = sqlx::query_scalar(stands).bind(school.as_str()).bind(person.as_bytes().as_slice());
    Ok(stands.fetch_one(store.reader()).await?)
}

/// Whether there is such a pupil, and still here.
pub(crate) async fn is_pupil(tx: &mut Tx, school: &SchoolId, person: PersonId) -> Result<bool, StoreError> {
    let stands = "SELECT EXISTS (SELECT 1 FROM persons
         WHERE school_id = $1 AND person_id = $2 AND kind = 'pupil' AND left_us IS NULL)";
    let stands = sqlx::query_scalar(stands).bind(school.as_str()).bind(person.as_bytes().as_slice());
    Ok(stands.fetch_one(tx.connection()).await?)
}

/// Gives `person` a role.
pub(crate) async fn grant(tx: &mut Tx, school: &SchoolId, person: PersonId, role: Role) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO person_roles (school_id, person_id, role) VALUES ($1, $2, $3)
         ON CONFLICT (school_id, person_id, role) DO NOTHING",
    )
    .bind(school.as_str())
    .bind(person.as_bytes().as_slice())
    .bind(role.as_str())
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Takes a role from `person`.
pub(crate) async fn withdraw(tx: &mut Tx, school: &SchoolId, person: PersonId, role: Role) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM person_roles WHERE school_id = $1 AND person_id = $2 AND role = $3")
        .bind(school.as_str())
        .bind(person.as_bytes().as_slice())
        .bind(role.as_str())
        .execute(tx.connection())
        .await?;
    Ok(())
}
