//! Whom a signed-in account belongs to, as far as a device may know.

use lapwing_proto::SchoolId;
use lapwing_rules::Band;
use sqlx::Row;

use super::{Store, StoreError, id};
use crate::actor::PersonId;
use crate::subject::{Kind, account_key};

/// What a device is told of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mapped {
    pub(crate) kind: Kind,
    /// None where the list says none.
    pub(crate) band: Option<Band>,
    pub(crate) class: String,
}

/// The account's person, unless nobody mapped it.
pub(crate) async fn find(store: &Store, school: &SchoolId, account: &str) -> Result<Option<Mapped>, StoreError> {
    let row = sqlx::query(
        "SELECT p.kind, p.band, p.class FROM accounts AS a
         JOIN persons AS p ON p.school_id = a.school_id AND p.person_id = a.person_id
         WHERE a.school_id = $1 AND a.account = $2",
    )
    .bind(school.as_str())
    .bind(account_key(account))
    .fetch_optional(store.reader())
    .await?;
    let Some(row) = row else { return Ok(None) };
    let kind = row.try_get::<&str, _>(0)?.parse().map_err(|_| StoreError::Corrupt { what: "kind of person" })?;
    Ok(Some(Mapped { kind, band: row.try_get::<&str, _>(1)?.parse().ok(), class: row.try_get(2)? }))
}

/// The account's person; `None` where nobody mapped it.
pub(crate) async fn person(store: &Store, school: &SchoolId, account: &str) -> Result<Option<PersonId>, StoreError> {
    let row = sqlx::query("SELECT person_id FROM accounts WHERE school_id = $1 AND account = $2")
        .bind(school.as_str())
        .bind(account_key(account))
        .fetch_optional(store.reader())
        .await?;
    row.as_ref().map(|row| id(row, 0)).transpose()
}
