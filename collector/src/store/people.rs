//! Rows of persons, their roles and accounts.

use std::collections::{BTreeMap, BTreeSet};

use lapwing_proto::SchoolId;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{StoreError, Tx, id, parsed};
use crate::actor::{PersonId, Role};
use crate::routing::{Holder, Reach, Staffing};
use crate::subject::Kind;

/// A person as the database holds them.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) band: String,
    pub(crate) class: String,
    pub(crate) mail: String,
    pub(crate) roles: BTreeSet<Role>,
    pub(crate) accounts: BTreeSet<String>,
}

impl Row {
    /// One line for whoever imports.
    pub(crate) fn describe(&self) -> String {
        let roles: Vec<_> = self.roles.iter().map(|role| role.as_str()).collect();
        let accounts: Vec<_> = self.accounts.iter().map(String::as_str).collect();
        let fields = [self.kind.as_str(), &roles.join(";"), &self.class, &self.band, &self.mail];
        let fields: Vec<_> = fields.into_iter().filter(|field| !field.is_empty()).collect();
        format!("{} [{}] {}", self.name, accounts.join(";"), fields.join(", "))
    }
}

/// Everybody.
pub(crate) async fn all(tx: &mut Tx, school: &SchoolId) -> Result<BTreeMap<PersonId, Row>, StoreError> {
    let rows = sqlx::query("SELECT person_id, name, kind, band, class, mail FROM persons WHERE school_id = $1")
        .bind(school.as_str())
        .fetch_all(tx.connection())
        .await?;
    let mut people = rows.iter().map(read_person).collect::<Result<BTreeMap<_, _>, _>>()?;
    let roles = sqlx::query("SELECT person_id, role FROM person_roles WHERE school_id = $1")
        .bind(school.as_str())
        .fetch_all(tx.connection())
        .await?;
    for row in &roles {
        if let Some(person) = people.get_mut(&id(row, 0)?) {
            person.roles.insert(parsed(row, 1)?);
        }
    }
    let accounts = sqlx::query("SELECT person_id, account FROM accounts WHERE school_id = $1")
        .bind(school.as_str())
        .fetch_all(tx.connection())
        .await?;
    for row in &accounts {
        if let Some(person) = people.get_mut(&id(row, 0)?) {
            person.accounts.insert(row.try_get(1)?);
        }
    }
    Ok(people)
}

/// Makes a person's rows what `row` says.
pub(crate) async fn put(tx: &mut Tx, school: &SchoolId, person: PersonId, row: &Row) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO persons (school_id, person_id, name, kind, band, class, mail) VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (school_id, person_id) DO UPDATE SET name = excluded.name, kind = excluded.kind,
         band = excluded.band, class = excluded.class, mail = excluded.mail",
    )
    .bind(school.as_str())
    .bind(person.as_bytes().as_slice())
    .bind(&row.name)
    .bind(row.kind.as_str())
    .bind(&row.band)
    .bind(&row.class)
    .bind(&row.mail)
    .execute(tx.connection())
    .await?;
    sqlx::query("DELETE FROM person_roles WHERE school_id = $1 AND person_id = $2")
        .bind(school.as_str())
        .bind(person.as_bytes().as_slice())
        .execute(tx.connection())
        .await?;
    for role in &row.roles {
        sqlx::query("INSERT INTO person_roles (school_id, person_id, role) VALUES ($1, $2, $3)")
            .bind(school.as_str())
            .bind(person.as_bytes().as_slice())
            .bind(role.as_str())
            .execute(tx.connection())
            .await?;
    }
    for account in &row.accounts {
        sqlx::query(
            "INSERT INTO accounts (school_id, account, person_id) VALUES ($1, $2, $3)
             ON CONFLICT (school_id, account) DO UPDATE SET person_id = excluded.person_id",
        )
        .bind(school.as_str())
        .bind(account)
        .bind(person.as_bytes().as_slice())
        .execute(tx.connection())
        .await?;
    }
    Ok(())
}

/// Says of what was captured under an account before it was mapped whose it is, so that they never see it.
pub(crate) async fn own_subjects(tx: &mut Tx, school: &SchoolId, person: PersonId) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE subjects SET person_id = $2 WHERE school_id = $1 AND kind = 'account' AND person_id IS DISTINCT FROM $2
         AND account IN (SELECT a.account FROM accounts AS a WHERE a.school_id = $1 AND a.person_id = $2)",
    )
    .bind(school.as_str())
    .bind(person.as_bytes().as_slice())
    .execute(tx.connection())
    .await?;
    Ok(())
}

fn read_person(row: &SqliteRow) -> Result<(PersonId, Row), StoreError> {
    let person = Row {
        name: row.try_get(1)?,
        kind: parsed(row, 2)?,
        band: row.try_get(3)?,
        class: row.try_get(4)?,
        mail: row.try_get(5)?,
        roles: BTreeSet::new(),
        accounts: BTreeSet::new(),
    };
    Ok((id(row, 0)?, person))
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
