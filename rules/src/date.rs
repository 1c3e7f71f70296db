//! Days of the civil calendar.

use std::fmt;
use std::str::FromStr;

use crate::InvalidId;

/// A day of the Gregorian calendar, from 1970-01-01 to 9999-12-31; its text form is `YYYY-MM-DD`.
///
/// It belongs to no zone: whoever has a time says which day that is at the school.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(u32);

/// 9999-12-31.
const LAST: u32 = 2_932_896;
/// Days from 0000-03-01 to 1970-01-01.
const TO_1970: i64 = 719_468;
/// Days in four hundred years, after which the calendar repeats.
const CYCLE_DAYS: i64 = 146_097;

impl Date {
    /// The day of a year, month (1 to 12) and day of the month; `None` for one that is not in the calendar.
    #[must_use]
    pub fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let days = days(i64::from(year), i64::from(month), i64::from(day));
        let date = Self::from_days(u32::try_from(days).ok()?)?;
        // The 31st of a month of 30 days has a number too: that of another day.
        (date.civil() == (i64::from(year), i64::from(month), i64::from(day))).then_some(date)
    }

    /// The day so many days after 1970-01-01.
    #[must_use]
    pub fn from_days(days: u32) -> Option<Self> {
        (days <= LAST).then_some(Self(days))
    }

    /// Days since 1970-01-01.
    #[must_use]
    pub const fn days(self) -> u32 {
        self.0
    }

    /// The same day a year later; of 29 February, 1 March.
    #[must_use]
    pub fn a_year_later(self) -> Self {
        let (year, month, day) = self.civil();
        Self(u32::try_from(days(year + 1, month, day)).unwrap_or(LAST).min(LAST))
    }

    /// Year, month and day (H. Hinnant, `chrono`-compatible low-level date algorithms, 2013).
    fn civil(self) -> (i64, i64, i64) {
        let since = i64::from(self.0) + TO_1970;
        let (cycle, of_cycle) = (since.div_euclid(CYCLE_DAYS), since.rem_euclid(CYCLE_DAYS));
        let year = (of_cycle - of_cycle / 1_460 + of_cycle / 36_524 - of_cycle / 146_096) / 365;
        let of_year = of_cycle - (365 * year + year / 4 - year / 100);
        let from_march = (5 * of_year + 2) / 153;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        let year = year + cycle * 400 + i64::from(month <= 2);
        (year, month, of_year - (153 * from_march + 2) / 5 + 1)
    }
}

/// Days since 1970-01-01 of a year, month and day; years begin in March, so that a leap day is their last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let of_cycle = year.rem_euclid(400);
    let from_march = (month + 9) % 12;
    let of_year = (153 * from_march + 2) / 5 + day - 1;
    year.div_euclid(400) * CYCLE_DAYS + of_cycle * 365 + of_cycle / 4 - of_cycle / 100 + of_year - TO_1970
}

impl FromStr for Date {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let number = |part: Option<&str>, digits: usize| {
            let part = part.filter(|part| part.len() == digits && part.bytes().all(|b| b.is_ascii_digit()))?;
            part.parse::<u16>().ok()
        };
        let mut parts = text.split('-');
        let year = number(parts.next(), 4);
        let (month, day) = (number(parts.next(), 2), number(parts.next(), 2));
        let date = year.zip(month).zip(day).filter(|_| parts.next().is_none());
        let date = date.and_then(|((year, month), day)| Self::new(year, month.try_into().ok()?, day.try_into().ok()?));
        date.ok_or_else(|| InvalidId::new("date", text, "a day of the calendar from 1970 on, as in 2026-12-01"))
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.civil();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn days_are_numbered_from_1970_and_come_back_as_they_were() {
        for (text, days) in [("1970-01-01", 0), ("2000-02-29", 11_016), ("2026-12-01", 20_788), ("9999-12-31", LAST)] {
            assert_eq!((date(text).days(), date(text).to_string().as_str()), (days, text));
        }
        let mut before = date("1999-12-31");
        for days in before.days() + 1..before.days() + 1_500 {
            let next = Date::from_days(days).unwrap();
            assert_eq!(date(&next.to_string()), next);
            assert!(next > before && next.to_string() > before.to_string());
            before = next;
        }
    }

    #[test]
    fn days_that_are_not_in_the_calendar_are_refused() {
        for text in ["2026-02-29", "1900-02-29", "2026-13-01", "2026-00-10", "2026-04-31", "2026-12-00", "1969-12-31"] {
            assert!(text.parse::<Date>().is_err(), "{text}");
        }
        for text in ["", "2026-1-01", "2026-12-01-", "26-12-01", "+026-12-01", "2026-12-1x", "2026-12"] {
            assert!(text.parse::<Date>().is_err(), "{text}");
        }
        assert_eq!(Date::from_days(LAST + 1), None);
    }

    #[test]
    fn a_year_later_is_the_same_day_or_the_next_there_is() {
        assert_eq!(date("2026-11-28").a_year_later(), date("2027-11-28"));
        assert_eq!(date("2028-02-29").a_year_later(), date("2029-03-01"));
        assert_eq!(date("9999-06-01").a_year_later(), date("9999-12-31"));
    }
}
