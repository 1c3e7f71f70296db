//! The daily check of every device, written into the checks log: a device that passes at once, the rest and the sum when
//! the school closes.

use jiff::ToSpan;
use lapwing_proto::{DeviceId, SchoolId};

use super::canary::{self, Verdict};
use super::checks::{By, Kind, Outcome};
use super::silence::day;
use crate::calendar::{Calendar, Open};
use crate::ids::CheckId;
use crate::store::canaries::{self, Day, Tally};
use crate::store::checks::{self, NewCheck};
use crate::store::{StoreError, Tx};

/// What is committed may have arrived this much earlier.
const LATE_US: i64 = 10 * 60_000_000;
/// Days looked back for one that was not summed up, because the collector was not running.
const DAYS_BACK: i64 = 7;

/// Judges the daily checks of one school.
#[derive(Debug)]
pub(super) struct Daily {
    school: SchoolId,
    /// Up to when what arrived was gathered.
    gathered_us: i64,
}

impl Daily {
    pub(super) const fn new(school: SchoolId) -> Self {
        Self { school, gathered_us: 0 }
    }

    /// Gathers what arrived until `now_us`, and writes what is known by then.
    pub(super) async fn look(&mut self, tx: &mut Tx, calendar: &Calendar, now_us: i64) -> Result<(), StoreError> {
        if let Some(today) = whole_day(calendar, now_us) {
            let since_us = self.gathered_us.min(now_us).saturating_sub(LATE_US);
            canaries::gather(tx, &self.school, today, since_us).await?;
            self.judge(tx, today.number, now_us, Until::StillOpen).await?;
        }
        if let Some((closed, hours)) = last_closed(calendar, now_us)
            && !checks::is_summed_up(tx, &self.school, closed.number).await?
        {
            canaries::gather(tx, &self.school, closed, 0).await?;
            self.judge(tx, closed.number, now_us, Until::Closed).await?;
            self.sum_up(tx, closed, hours, now_us).await?;
        }
        self.gathered_us = now_us;
        Ok(())
    }

    async fn judge(&self, tx: &mut Tx, day: i64, now_us: i64, until: Until) -> Result<(), StoreError> {
        for (device, checked) in canaries::unjudged(tx, &self.school, day).await? {
            let verdict = canary::judge(&checked.sensors, &checked.signals);
            match (&verdict, until) {
                (Verdict::Passed, _) => {
                    self.write(tx, &of_device(device, day, now_us, (Outcome::Passed, ""))).await?;
                }
                (Verdict::Failed(_), Until::Closed) => {
                    let detail = verdict.detail();
                    self.write(tx, &of_device(device, day, now_us, (Outcome::Failed, &detail))).await?;
                }
                (Verdict::Unclear(_), Until::Closed) => {
                    let detail = verdict.detail();
                    self.write(tx, &of_device(device, day, now_us, (Outcome::Unclear, &detail))).await?;
                }
                // The rest of it may be on its way.
                (Verdict::Failed(_) | Verdict::Unclear(_), Until::StillOpen) | (Verdict::NotRun, _) => {}
            }
        }
        Ok(())
    }

    async fn sum_up(&self, tx: &mut Tx, day: Day, hours: Open, now_us: i64) -> Result<(), StoreError> {
        let Tally { passed, failed, unclear, not_run } = canaries::tally(tx, &self.school, day, hours.from_us).await?;
        if (passed, failed, unclear, not_run) == (0, 0, 0, 0) {
            return Ok(());
        }
        let outcome = match (passed, failed, unclear.saturating_add(not_run)) {
            (_, 1.., _) => Outcome::Failed,
            (1.., _, 0) => Outcome::Passed,
            (..) => Outcome::Unclear,
        };
        let detail = format!("passed:{passed} failed:{failed} unclear:{unclear} not_run:{not_run}");
        let new = NewCheck {
            at_us: now_us,
            day: day.number,
            by: By::Nobody,
            kind: Kind::CanaryDay,
            device: None,
            what: "",
            outcome,
            detail: &detail,
        };
        self.write(tx, &new).await
    }

    async fn write(&self, tx: &mut Tx, new: &NewCheck<'_>) -> Result<(), StoreError> {
        checks::insert(tx, &self.school, CheckId::random()?, new).await?;
        Ok(())
    }
}

/// Whether more of a day's check may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    StillOpen,
    Closed,
}

/// The daily check of one device, and what came of it.
const fn of_device(device: DeviceId, day: i64, at_us: i64, (outcome, detail): (Outcome, &str)) -> NewCheck<'_> {
    NewCheck { at_us, day, by: By::Nobody, kind: Kind::Canary, device: Some(device), what: "", outcome, detail }
}

/// The calendar day that holds `at_us`, from midnight to midnight.
fn whole_day(calendar: &Calendar, at_us: i64) -> Option<Day> {
    let date = calendar.date(at_us);
    let midnight =
        |date: jiff::civil::Date| Some(date.to_zoned(calendar.zone().clone()).ok()?.timestamp().as_microsecond());
    Some(Day { number: day(calendar, at_us), from_us: midnight(date)?, until_us: midnight(date.tomorrow().ok()?)? })
}

/// The latest school day that is over at `now_us`.
fn last_closed(calendar: &Calendar, now_us: i64) -> Option<(Day, Open)> {
    let today = calendar.date(now_us);
    (0..DAYS_BACK).find_map(|back| {
        let hours = calendar.open_on(today.checked_sub(back.days()).ok()?)?;
        (hours.until_us <= now_us).then_some((whole_day(calendar, hours.from_us)?, hours))
    })
}

#[cfg(test)]
mod tests;
