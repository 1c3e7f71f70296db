//! Who is away, and until when: what targets, escalation and routing go by.
//!
//! Stretches of one person that overlap or touch become one. An end is moved by recording another stretch, and whoever
//! records it is told what stands then; nothing else moves it.

use crate::actor::{Actor, PersonId};
use crate::audit::{self, Act, ActKind};
use crate::ids::AbsenceId;
use crate::store::absences::{self, Absence};
use crate::store::{Store, StoreError, people};

const DAY_US: i64 = 24 * 60 * 60 * 1_000_000;
/// Longest absence.
const MAX_DAYS: i64 = 366;
/// How far off its begin may lie, either way.
const MAX_DAYS_OFF: i64 = 366;

/// From when until when, microseconds of UTC; the end does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// First moment.
    pub from_us: i64,
    /// First moment after it.
    pub until_us: i64,
}

/// Why an absence was not recorded or ended.
#[derive(Debug, thiserror::Error)]
pub enum AbsenceError {
    /// It ends before it begins, or with it.
    #[error("it ends before it begins")]
    Backwards,
    /// It is over already.
    #[error("it is over already")]
    Over,
    /// It is longer than a year.
    #[error("it is longer than a year: somebody else should hold the role")]
    TooLong,
    /// It begins more than a year from now.
    #[error("it begins more than a year from now")]
    FarOff,
    /// No absence that is not over has the id.
    #[error("there is no such absence, or it is over")]
    Unknown,
    /// Nobody who works here has the id.
    #[error("nobody who works here is meant")]
    Nobody,
    /// The database did not do it.
    #[error("cannot store the absence")]
    Store(#[from] StoreError),
}

impl Stretch {
    /// Whether it can be recorded at `now_us`.
    ///
    /// # Errors
    ///
    /// What is impossible about it.
    pub const fn check(self, now_us: i64) -> Result<(), AbsenceError> {
        if self.until_us <= self.from_us {
            return Err(AbsenceError::Backwards);
        }
        if self.until_us <= now_us {
            return Err(AbsenceError::Over);
        }
        if self.until_us.saturating_sub(self.from_us) > MAX_DAYS * DAY_US {
            return Err(AbsenceError::TooLong);
        }
        if self.from_us.abs_diff(now_us) > (MAX_DAYS_OFF * DAY_US).unsigned_abs() {
            return Err(AbsenceError::FarOff);
        }
        Ok(())
    }

    /// Both, where they overlap or touch.
    const fn with(self, other: Self) -> Option<Self> {
        if self.from_us > other.until_us || other.from_us > self.until_us {
            return None;
        }
        let from_us = if other.from_us < self.from_us { other.from_us } else { self.from_us };
        let until_us = if other.until_us > self.until_us { other.until_us } else { self.until_us };
        Some(Self { from_us, until_us })
    }
}

/// Records that `person` is away. Answers the stretch that stands then, with what was recorded of it before.
///
/// # Errors
///
/// [`AbsenceError`]; nothing was written then.
pub async fn record(
    store: &Store,
    actor: &Actor,
    now_us: i64,
    person: PersonId,
    stretch: Stretch,
) -> Result<Stretch, AbsenceError> {
    stretch.check(now_us)?;
    let school = actor.school();
    let mut tx = store.begin().await?;
    if !people::is_staff(&mut tx, school, person).await? {
        return Err(AbsenceError::Nobody);
    }
    let mut whole = stretch;
    // In order of their begins: what one adds may touch the next.
    for standing in absences::of_person(&mut tx, school, person, now_us).await? {
        if let Some(both) = whole.with(standing.stretch) {
            absences::delete(&mut tx, school, standing.id).await?;
            whole = both;
        }
    }
    whole.check(now_us)?;
    let absence = Absence { id: AbsenceId::random().map_err(StoreError::from)?, person, stretch: whole };
    absences::insert(&mut tx, school, &absence, actor.person(), now_us).await?;
    let act = Act::new(actor, now_us, ActKind::AbsenceRecorded, person)
        .with("absence", absence.id)
        .with("from_us", whole.from_us)
        .with("until_us", whole.until_us);
    audit::append(&mut tx, &act).await?;
    tx.commit().await?;
    Ok(whole)
}

/// Ends an absence now; one that has not begun is taken back.
///
/// # Errors
///
/// [`AbsenceError::Unknown`] where it is over, or never was.
pub async fn end(store: &Store, actor: &Actor, now_us: i64, absence: AbsenceId) -> Result<(), AbsenceError> {
    let school = actor.school();
    let mut tx = store.begin().await?;
    let found = absences::find(&mut tx, school, absence).await?;
    let Some(standing) = found.filter(|absence| absence.stretch.until_us > now_us) else {
        return Err(AbsenceError::Unknown);
    };
    if standing.stretch.from_us < now_us {
        absences::set_end(&mut tx, school, absence, now_us).await?;
    } else {
        absences::delete(&mut tx, school, absence).await?;
    }
    let act = Act::new(actor, now_us, ActKind::AbsenceEnded, standing.person).with("absence", absence);
    audit::append(&mut tx, &act).await?;
    Ok(tx.commit().await?)
}

#[cfg(test)]
mod tests;
