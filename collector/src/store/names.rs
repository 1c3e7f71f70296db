//! What pages about requests call people, devices and concerns.

use std::collections::BTreeMap;

use lapwing_proto::{DeviceId, SchoolId};
use sqlx::Row as _;

use super::{Store, StoreError, id};
use crate::actor::PersonId;
use crate::ids::ConcernId;

/// Devices offered in a list.
const DEVICES: i64 = 5_000;

/// Names of staff, of devices that requests name, and references of concerns that they would close.
#[derive(Debug, Default)]
pub(crate) struct Names {
    staff: BTreeMap<PersonId, String>,
    devices: BTreeMap<DeviceId, String>,
    references: BTreeMap<ConcernId, String>,
    texts: Texts,
}

/// What the school wrote; empty where the standard holds.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    pub(crate) calendar: String,
    pub(crate) routing: String,
}

impl Names {
    /// A person's name.
    pub(crate) fn of(&self, person: PersonId) -> &str {
        self.staff.get(&person).map_or("somebody who left", String::as_str)
    }

    /// Whether a member of staff is here.
    pub(crate) fn is_here(&self, person: PersonId) -> bool {
        self.staff.contains_key(&person)
    }

    /// A device's host name.
    pub(crate) fn device(&self, device: DeviceId) -> &str {
        self.devices.get(&device).map_or("a device", String::as_str)
    }

    /// A concern's reference.
    pub(crate) fn reference(&self, concern: ConcernId) -> Option<&str> {
        self.references.get(&concern).map(String::as_str)
    }

    /// What the school wrote.
    pub(crate) const fn texts(&self) -> &Texts {
        &self.texts
    }

    /// The staff who are here, by name.
    pub(crate) fn staff(&self) -> impl Iterator<Item = (PersonId, &str)> {
        let mut staff: Vec<_> = self.staff.iter().map(|(person, name)| (*person, name.as_str())).collect();
        staff.sort_by(|one, other| one.1.cmp(other.1));
        staff.into_iter()
    }
}

/// Everything that the school's requests name.
pub(crate) async fn read(store: &Store, school: &SchoolId) -> Result<Names, StoreError> {
    let mut names = Names {
        devices: devices(store, school).await?.into_iter().collect(),
        texts: settings(store, school).await?,
        ..Names::default()
    };
    let staff =
        sqlx::query("SELECT person_id, name FROM persons WHERE school_id = $1 AND kind = 'staff' AND left_us IS NULL");
    for row in &staff.bind(school.as_str()).fetch_all(store.reader()).await? {
        names.staff.insert(id(row, 0)?, row.try_get(1)?);
    }
    let concerns = sqlx::query(
        "SELECT c.concern_id, c.reference FROM concerns AS c WHERE c.school_id = $1 AND c.concern_id IN
         (SELECT r.concern_id FROM requests AS r WHERE r.school_id = $1 AND r.concern_id IS NOT NULL)",
    );
    for row in &concerns.bind(school.as_str()).fetch_all(store.reader()).await? {
        names.references.insert(id(row, 0)?, row.try_get(1)?);
    }
    Ok(names)
}

/// Enrolled devices by host name.
pub(crate) async fn devices(store: &Store, school: &SchoolId) -> Result<Vec<(DeviceId, String)>, StoreError> {
    let rows = sqlx::query(
        "SELECT device_id, hostname FROM devices WHERE school_id = $1 AND revoked_us IS NULL
         ORDER BY hostname, device_id LIMIT $2",
    );
    let rows = rows.bind(school.as_str()).bind(DEVICES).fetch_all(store.reader()).await?;
    rows.iter().map(|row| Ok((id(row, 0)?, row.try_get(1)?))).collect()
}

/// What the school wrote.
async fn settings(store: &Store, school: &SchoolId) -> Result<Texts, StoreError> {
    let rows = sqlx::query("SELECT name, value FROM settings WHERE school_id = $1");
    let mut texts = Texts::default();
    for row in &rows.bind(school.as_str()).fetch_all(store.reader()).await? {
        match row.try_get::<&str, _>(0)? {
            "calendar" => texts.calendar = row.try_get(1)?,
            "routing" => texts.routing = row.try_get(1)?,
            _ => {}
        }
    }
    Ok(texts)
}
