//! Rows of persons, their roles and accounts.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use lapwing_proto::SchoolId;
use sqlx::Row;

use super::{StoreError, Tx, id, parsed};
use crate::actor::PersonId;
use crate::routing::{Holder, Reach, Staffing};

/// Everybody with a role, and whether they can sign in.
pub(crate) async fn staffing(tx: &mut Tx, school: &SchoolId) -> Result<Staffing, StoreError> {
    let rows = sqlx::query(
        "SELECT r.person_id, r.role, EXISTS
         (SELECT 1 FROM sign_ins AS i WHERE i.school_id = r.school_id AND i.person_id = r.person_id)
         FROM person_roles AS r WHERE r.school_id = $1",
    )
    .bind(school.as_str())
    .fetch_all(tx.connection())
    .await?;
    let mut people: BTreeMap<PersonId, Holder> = BTreeMap::new();
    for row in &rows {
        let holder = people.entry(id(row, 0)?).or_default();
        holder.roles.insert(parsed(row, 1)?);
        holder.reach = if row.try_get(2)? { Reach::SignsIn } else { Reach::Absent };
    }
    Ok(people.into_iter().collect())
}

/// The school's time zone.
pub(crate) async fn zone(tx: &mut Tx, school: &SchoolId) -> Result<TimeZone, StoreError> {
    let name: String = sqlx::query_scalar("SELECT zone FROM schools WHERE school_id = $1")
        .bind(school.as_str())
        .fetch_one(tx.connection())
        .await?;
    TimeZone::get(&name).map_err(|_| StoreError::Corrupt { what: "time zone" })
}
