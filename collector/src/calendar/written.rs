//! Reading a calendar as a school writes it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use lapwing_rules::Level;
use serde::Deserialize;

use super::{Calendar, Dates, HORIZON_DAYS, Hours, LESSON_MINUTES};

/// Longest text, in bytes: some years of terms and days.
pub const MAX_CALENDAR_BYTES: usize = 64 * 1024;
/// Most terms, closures and short days, each.
const MAX_ROWS: usize = 400;

/// Why a text is no calendar.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CalendarFault {
    /// Longer than is read.
    #[error("a calendar has at most {MAX_CALENDAR_BYTES} bytes, not {0}")]
    TooLong(usize),
    /// No TOML, or none of a calendar.
    #[error("{0}")]
    Toml(String),
    /// A day that closes before it opens.
    #[error("{0}: closes before it opens")]
    Hours(String),
    /// Dates that end before they begin.
    #[error("{what} that begins on {from}: ends before it begins")]
    Dates {
        /// Term or closure.
        what: &'static str,
        /// Its first day.
        from: Date,
    },
    /// More rows than a calendar has.
    #[error("more than {MAX_ROWS} {0}")]
    TooMany(&'static str),
    /// No lesson is so short or so long.
    #[error("lesson.minutes: a lesson has 20 to 120 minutes, not {0}")]
    Lesson(i64),
    /// No such level.
    #[error("out_of_hours.on_call: there is no level {0}")]
    Level(u8),
    /// Nobody would ever have to look.
    #[error("the school is never open in the {HORIZON_DAYS} days from {0}")]
    NeverOpen(Date),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    hours: Week,
    #[serde(default)]
    term: Vec<WrittenDates>,
    #[serde(default)]
    closed: Vec<WrittenDates>,
    #[serde(default)]
    short: Vec<Short>,
    #[serde(default)]
    out_of_hours: OutOfHours,
    #[serde(default)]
    lesson: Lesson,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lesson {
    minutes: i64,
}

impl Default for Lesson {
    fn default() -> Self {
        Self { minutes: LESSON_MINUTES }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Week {
    monday: Option<[Time; 2]>,
    tuesday: Option<[Time; 2]>,
    wednesday: Option<[Time; 2]>,
    thursday: Option<[Time; 2]>,
    friday: Option<[Time; 2]>,
    saturday: Option<[Time; 2]>,
    sunday: Option<[Time; 2]>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenDates {
    from: Date,
    to: Date,
    /// For people who read the file.
    #[serde(default, rename = "name")]
    _name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Short {
    date: Date,
    hours: [Time; 2],
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct OutOfHours {
    on_call: Vec<u8>,
}

impl Calendar {
    /// Reads a calendar of a school in `zone`, as it is on `today`.
    ///
    /// # Errors
    ///
    /// [`CalendarFault`], the first found; a calendar that never opens within 400 days of `today` is one.
    pub fn parse(text: &str, zone: TimeZone, today: Date) -> Result<Self, CalendarFault> {
        if text.len() > MAX_CALENDAR_BYTES {
            return Err(CalendarFault::TooLong(text.len()));
        }
        let written: Written = toml::from_str(text).map_err(|error| CalendarFault::Toml(error.to_string()))?;
        let short = written.short.iter().map(|short| Ok((short.date, hours(&short.date.to_string(), short.hours)?)));
        let calendar = Self {
            zone,
            week: written.hours.check()?,
            terms: dates("term", &written.term)?,
            closed: dates("closure", &written.closed)?,
            short: short.collect::<Result<BTreeMap<_, _>, _>>()?,
            on_call: on_call(&written.out_of_hours.on_call)?,
            is_written: true,
            lesson_minutes: written.lesson.minutes,
        };
        if !(20..=120).contains(&calendar.lesson_minutes) {
            return Err(CalendarFault::Lesson(calendar.lesson_minutes));
        }
        if calendar.short.len() > MAX_ROWS {
            return Err(CalendarFault::TooMany("short days"));
        }
        let midnight = calendar.at(today, Time::midnight());
        match midnight.and_then(|at_us| calendar.open_from(at_us)) {
            Some(_) => Ok(calendar),
            None => Err(CalendarFault::NeverOpen(today)),
        }
    }
}

impl Week {
    fn check(&self) -> Result<[Option<Hours>; 7], CalendarFault> {
        let day = |name: &str, written: Option<[Time; 2]>| written.map(|times| hours(name, times)).transpose();
        Ok([
            day("monday", self.monday)?,
            day("tuesday", self.tuesday)?,
            day("wednesday", self.wednesday)?,
            day("thursday", self.thursday)?,
            day("friday", self.friday)?,
            day("saturday", self.saturday)?,
            day("sunday", self.sunday)?,
        ])
    }
}

fn hours(name: &str, [opens, closes]: [Time; 2]) -> Result<Hours, CalendarFault> {
    if opens < closes { Ok(Hours { opens, closes }) } else { Err(CalendarFault::Hours(name.to_owned())) }
}

fn dates(what: &'static str, written: &[WrittenDates]) -> Result<Vec<Dates>, CalendarFault> {
    if written.len() > MAX_ROWS {
        return Err(CalendarFault::TooMany(if what == "term" { "terms" } else { "closures" }));
    }
    let check = |one: &WrittenDates| {
        let dates = Dates { from: one.from, to: one.to };
        if dates.from <= dates.to { Ok(dates) } else { Err(CalendarFault::Dates { what, from: one.from }) }
    };
    written.iter().map(check).collect()
}

fn on_call(numbers: &[u8]) -> Result<BTreeSet<Level>, CalendarFault> {
    numbers.iter().map(|number| Level::try_from(*number).map_err(|_| CalendarFault::Level(*number))).collect()
}
