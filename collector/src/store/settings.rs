//! What a school decided for itself: texts that were checked when they were agreed on.

use jiff::tz::TimeZone;
use lapwing_proto::SchoolId;
use lapwing_rules::Digest;

use super::{StoreError, Tx};
use crate::calendar::Calendar;
use crate::local_help::{Contacts, Matrix};
use crate::routing::Table;

/// A setting's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setting {
    /// School hours, terms and days.
    Calendar,
    /// Changes to the routing table.
    Routing,
    /// What is done about an incident.
    Matrix,
    /// Whom the school can ring.
    Contacts,
}

impl Setting {
    /// The one text form.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Calendar => "calendar",
            Self::Routing => "routing",
            Self::Matrix => "matrix",
            Self::Contacts => "contacts",
        }
    }
}

/// What the school wrote; `None` where the standard holds.
pub(crate) async fn read(tx: &mut Tx, school: &SchoolId, setting: Setting) -> Result<Option<String>, StoreError> {
    Ok(sqlx::query_scalar("SELECT value FROM settings WHERE school_id = $1 AND name = $2")
        .bind(school.as_str())
        .bind(setting.as_str())
        .fetch_optional(tx.connection())
        .await?)
}

/// SHA-256 of what the school wrote, in hexadecimal digits; of nothing where the standard holds.
pub(crate) async fn digest(tx: &mut Tx, school: &SchoolId, setting: Setting) -> Result<String, StoreError> {
    let text = read(tx, school, setting).await?.unwrap_or_default();
    Ok(Digest::of(text.as_bytes()).to_string())
}

/// Puts what was agreed in force.
pub(crate) async fn write(
    tx: &mut Tx,
    school: &SchoolId,
    setting: Setting,
    value: &str,
    now_us: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO settings (school_id, name, value, changed_us) VALUES ($1, $2, $3, $4)
         ON CONFLICT (school_id, name) DO UPDATE SET value = excluded.value, changed_us = excluded.changed_us",
    )
    .bind(school.as_str())
    .bind(setting.as_str())
    .bind(value)
    .bind(now_us)
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// The school's calendar: its own, else weekdays.
pub(crate) async fn calendar(tx: &mut Tx, school: &SchoolId, now_us: i64) -> Result<Calendar, StoreError> {
    let zone = zone(tx, school).await?;
    let text = read(tx, school, Setting::Calendar).await?;
    Ok(calendar_of(text.as_deref(), zone, now_us))
}

/// The calendar that a school wrote, else weekdays. One that has run out gives way to weekdays: hours are never over.
pub(crate) fn calendar_of(text: Option<&str>, zone: TimeZone, now_us: i64) -> Calendar {
    let weekdays = Calendar::weekdays(zone.clone());
    let text = text.filter(|text| !text.trim().is_empty());
    let written = text.and_then(|text| Calendar::parse(text, zone, weekdays.date(now_us)).ok());
    written.unwrap_or(weekdays)
}

/// The school's routing table: with its own changes, else as it comes.
pub(crate) async fn routing(tx: &mut Tx, school: &SchoolId) -> Result<Table, StoreError> {
    let text = read(tx, school, Setting::Routing).await?.unwrap_or_default();
    Ok(Table::parse(&text).unwrap_or_default())
}

/// What the school does about incidents: its own matrix, else the sample.
pub(crate) async fn matrix(tx: &mut Tx, school: &SchoolId) -> Result<Matrix, StoreError> {
    let text = read(tx, school, Setting::Matrix).await?.unwrap_or_default();
    Matrix::parse(&text).or_else(|_| Matrix::parse("")).map_err(|_| StoreError::Corrupt { what: "sample matrix" })
}

/// Whom the school can ring.
pub(crate) async fn contacts(tx: &mut Tx, school: &SchoolId) -> Result<Contacts, StoreError> {
    let text = read(tx, school, Setting::Contacts).await?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}

/// The school's time zone.
pub(crate) async fn zone(tx: &mut Tx, school: &SchoolId) -> Result<TimeZone, StoreError> {
    let name: String = sqlx::query_scalar("SELECT zone FROM schools WHERE school_id = $1")
        .bind(school.as_str())
        .fetch_one(tx.connection())
        .await?;
    TimeZone::get(&name).map_err(|_| StoreError::Corrupt { what: "time zone" })
}
