//! When the school is open: what targets, escalation and digests count in.
//!
//! Civil time in the school's zone: a school day has the hours that its weekday has, whatever the clocks do that night.
//! A school writes its own as TOML, and two people agree on it; until then it is open on weekdays from 08:30 to 16:00.
//!
//! ```toml
//! [hours]                       # a weekday that is left out is closed
//! monday = ["08:30", "16:00"]
//! friday = ["08:30", "14:30"]
//!
//! [[term]]                      # without any, every week counts
//! from = "2026-09-02"
//! to = "2026-12-18"
//!
//! [[closed]]                    # half term, training days
//! from = "2026-10-26"
//! to = "2026-10-30"
//!
//! [[short]]
//! date = "2026-12-18"
//! hours = ["08:30", "12:30"]
//!
//! [out_of_hours]                # levels that somebody answers for at all times
//! on_call = [5]
//!
//! [lesson]                      # what is asked for beyond it takes one person more; 60 unless it is said
//! minutes = 50
//! ```

mod written;

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use lapwing_rules::Level;

pub use written::{CalendarFault, MAX_CALENDAR_BYTES};

/// How far ahead an open hour is looked for: a whole year of closure and a month.
const HORIZON_DAYS: usize = 400;
const OPENS: Time = Time::constant(8, 30, 0, 0);
const CLOSES: Time = Time::constant(16, 0, 0, 0);
const LESSON_MINUTES: i64 = 60;

/// A school's hours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    zone: TimeZone,
    /// From Monday.
    week: [Option<Hours>; 7],
    terms: Vec<Dates>,
    closed: Vec<Dates>,
    short: BTreeMap<Date, Hours>,
    on_call: BTreeSet<Level>,
    is_written: bool,
    lesson_minutes: i64,
}

/// From when to when on one day: opens before it closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Hours {
    opens: Time,
    closes: Time,
}

/// Both ends count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Dates {
    from: Date,
    to: Date,
}

/// An open stretch of a school day, microseconds of UTC; the end does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// First moment.
    pub from_us: i64,
    /// First moment after it.
    pub until_us: i64,
}

/// Whether somebody is promised to be watching.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Watch {
    /// It is a school hour.
    SchoolHours,
    /// It is not, and somebody is on call for the level.
    OnCall,
    /// It is not, and nobody is promised to be watching.
    Nobody,
}

impl Dates {
    fn holds(self, date: Date) -> bool {
        self.from <= date && date <= self.to
    }
}

impl Calendar {
    /// Weekdays from 08:30 to 16:00, all year, and nobody on call.
    #[must_use]
    pub const fn weekdays(zone: TimeZone) -> Self {
        let day = Some(Hours { opens: OPENS, closes: CLOSES });
        let week = [day, day, day, day, day, None, None];
        Self {
            zone,
            week,
            terms: Vec::new(),
            closed: Vec::new(),
            short: BTreeMap::new(),
            on_call: BTreeSet::new(),
            is_written: false,
            lesson_minutes: LESSON_MINUTES,
        }
    }

    /// Whether the school wrote it: what nobody wrote is a guess, and tells nobody that the school is closed.
    #[must_use]
    pub const fn is_written(&self) -> bool {
        self.is_written
    }

    /// The zone that all of it is in.
    #[must_use]
    pub const fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// How long a lesson is.
    #[must_use]
    pub const fn lesson_minutes(&self) -> i64 {
        self.lesson_minutes
    }

    /// The moment of a civil time in the school's zone; `None` beyond the calendar. Of a time that the clocks skip or
    /// repeat, the one that follows the clock before the change.
    #[must_use]
    pub(crate) fn moment(&self, date: Date, time: Time) -> Option<i64> {
        self.at(date, time)
    }

    /// The date in the school's zone.
    #[must_use]
    pub fn date(&self, at_us: i64) -> Date {
        let at = Timestamp::from_microsecond(at_us).unwrap_or(if at_us < 0 { Timestamp::MIN } else { Timestamp::MAX });
        at.to_zoned(self.zone.clone()).date()
    }

    /// The hours of `date`; `None` where the school is closed.
    #[must_use]
    pub fn open_on(&self, date: Date) -> Option<Open> {
        let hours = self.hours(date)?;
        let open = Open { from_us: self.at(date, hours.opens)?, until_us: self.at(date, hours.closes)? };
        // A night in which the clocks skip the whole of it.
        (open.from_us < open.until_us).then_some(open)
    }

    /// Whether the school is open.
    #[must_use]
    pub fn is_open(&self, at_us: i64) -> bool {
        self.open_on(self.date(at_us)).is_some_and(|open| open.from_us <= at_us && at_us < open.until_us)
    }

    /// Who is promised to be watching for `level`.
    #[must_use]
    pub fn watch(&self, level: Level, at_us: i64) -> Watch {
        match (self.is_open(at_us), self.on_call.contains(&level)) {
            (true, _) => Watch::SchoolHours,
            (false, true) => Watch::OnCall,
            (false, false) => Watch::Nobody,
        }
    }

    /// The open stretch that holds `at_us`, or the next one; `None` where there is none for a year.
    #[must_use]
    pub fn open_from(&self, at_us: i64) -> Option<Open> {
        self.stretches(at_us).next()
    }

    /// The end of the school day that holds `at_us`, or of the next one that counts.
    #[must_use]
    pub fn day_ends(&self, at_us: i64) -> Option<i64> {
        Some(self.counted(at_us).next()?.until_us)
    }

    /// The end of the last school day of the week that holds `at_us`, or of the next week with one after it.
    #[must_use]
    pub fn week_ends(&self, at_us: i64) -> Option<i64> {
        let mut stretches = self.stretches(at_us).peekable();
        loop {
            let open = stretches.next()?;
            let week = self.date(open.from_us).iso_week_date();
            let follows = stretches.peek().map(|next| self.date(next.from_us).iso_week_date());
            if follows.is_none_or(|next| (next.year(), next.week()) != (week.year(), week.week())) {
                return Some(open.until_us);
            }
        }
    }

    /// When `open_us` microseconds of school time have passed since `at_us`; `None` beyond a year.
    ///
    /// Weekdays count from the end of the last term that was written on: what waits does not wait for ever because nobody
    /// wrote the next year's.
    #[must_use]
    pub fn after(&self, at_us: i64, open_us: i64) -> Option<i64> {
        let mut left_us = open_us;
        for open in self.counted(at_us) {
            let from_us = open.from_us.max(at_us);
            if left_us <= open.until_us - from_us {
                return Some(from_us + left_us);
            }
            left_us -= open.until_us - from_us;
        }
        None
    }

    /// Whole school days from `from_us` to `to_us`: those that opened after the one and closed before the other.
    #[must_use]
    pub fn days_between(&self, from_us: i64, to_us: i64) -> usize {
        self.stretches(from_us)
            .skip_while(|open| open.from_us <= from_us)
            .take_while(|open| open.until_us <= to_us)
            .count()
    }

    /// Open stretches that end after `at_us`, in order.
    fn stretches(&self, at_us: i64) -> impl Iterator<Item = Open> {
        let days = self.date(at_us).series(Span::new().days(1)).take(HORIZON_DAYS);
        days.filter_map(|date| self.open_on(date)).filter(move |open| open.until_us > at_us)
    }

    /// As [`Self::stretches`], and weekdays once every term is over.
    fn counted(&self, at_us: i64) -> impl Iterator<Item = Open> {
        let last = self.terms.iter().map(|term| term.to).max();
        let weekdays = Self::weekdays(self.zone.clone());
        let days = self.date(at_us).series(Span::new().days(1)).take(HORIZON_DAYS);
        days.filter_map(move |date| match self.open_on(date) {
            None if last.is_some_and(|last| date > last) => weekdays.open_on(date),
            open => open,
        })
        .filter(move |open| open.until_us > at_us)
    }

    fn hours(&self, date: Date) -> Option<Hours> {
        if self.closed.iter().any(|dates| dates.holds(date)) {
            return None;
        }
        if !self.terms.is_empty() && !self.terms.iter().any(|dates| dates.holds(date)) {
            return None;
        }
        let of_the_week = || self.week.get(usize::from(monday_first(date.weekday()))).copied().flatten();
        self.short.get(&date).copied().or_else(of_the_week)
    }

    fn at(&self, date: Date, time: Time) -> Option<i64> {
        Some(date.to_datetime(time).to_zoned(self.zone.clone()).ok()?.timestamp().as_microsecond())
    }
}

fn monday_first(weekday: Weekday) -> u8 {
    weekday.to_monday_zero_offset().unsigned_abs()
}

#[cfg(test)]
mod tests;
