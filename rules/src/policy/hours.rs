//! The hours of a civil week.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

const DAY_MINUTES: u16 = 24 * 60;
const MAX_PERIODS: usize = 64;

/// When anything is looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hours {
    /// At all times.
    Always,
    /// In these periods of every week, at most 64.
    Weekly(Vec<Period>),
}

/// A stretch of one day, in the school's civil time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Period {
    /// The day.
    pub day: Day,
    /// First minute.
    pub from: TimeOfDay,
    /// The minute after the last one.
    pub to: TimeOfDay,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

/// A time of day to the minute, `00:00` to `24:00`; its text form is `HH:MM`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeOfDay(u16);

/// A text that is no time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a time of day is `HH:MM` from 00:00 to 24:00")]
pub struct InvalidTime;

/// A minute of a civil week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WeekMinute {
    day: Day,
    minute: u16,
}

impl WeekMinute {
    /// The minute of `hour:minute` on `day`; `None` for no time of day.
    #[must_use]
    pub fn new(day: Day, hour: u8, minute: u8) -> Option<Self> {
        (hour < 24 && minute < 60).then(|| Self { day, minute: u16::from(hour) * 60 + u16::from(minute) })
    }
}

impl Day {
    /// All days, Monday first.
    pub const ALL: [Self; 7] = [Self::Mon, Self::Tue, Self::Wed, Self::Thu, Self::Fri, Self::Sat, Self::Sun];

    /// The day that is `offset` days after a Monday; `None` from 7 on.
    #[must_use]
    pub fn from_monday_offset(offset: usize) -> Option<Self> {
        Self::ALL.get(offset).copied()
    }
}

impl Hours {
    /// Whether `at` is in hours.
    #[must_use]
    pub fn hold(&self, at: WeekMinute) -> bool {
        match self {
            Self::Always => true,
            Self::Weekly(periods) => {
                periods.iter().any(|period| period.day == at.day && (period.from.0..period.to.0).contains(&at.minute))
            }
        }
    }

    /// What of the week is in these hours and not in `other`, day by day.
    pub(super) fn beyond(&self, other: &Self) -> Vec<Period> {
        let mut periods: Vec<Period> = Vec::new();
        for day in Day::ALL {
            for minute in 0..DAY_MINUTES {
                let at = WeekMinute { day, minute };
                if !self.hold(at) || other.hold(at) {
                    continue;
                }
                match periods.last_mut() {
                    Some(period) if period.day == day && period.to.0 == minute => period.to = TimeOfDay(minute + 1),
                    Some(_) | None => periods.push(Period { day, from: TimeOfDay(minute), to: TimeOfDay(minute + 1) }),
                }
            }
        }
        periods
    }

    pub(super) fn check(&self) -> Result<(), String> {
        let Self::Weekly(periods) = self else { return Ok(()) };
        if periods.is_empty() || periods.len() > MAX_PERIODS {
            return Err(format!("has not 1 to {MAX_PERIODS} periods"));
        }
        match periods.iter().position(|period| period.from >= period.to) {
            Some(index) => Err(format!("has a period {} that ends before it begins", index + 1)),
            None => Ok(()),
        }
    }
}

impl FromStr for TimeOfDay {
    type Err = InvalidTime;

    fn from_str(text: &str) -> Result<Self, InvalidTime> {
        let (hour, minute) = text.split_once(':').ok_or(InvalidTime)?;
        let number = |digits: &str| -> Result<u16, InvalidTime> {
            if digits.len() != 2 || !digits.bytes().all(|b| b.is_ascii_digit()) {
                return Err(InvalidTime);
            }
            digits.parse().map_err(|_| InvalidTime)
        };
        let (hour, minute) = (number(hour)?, number(minute)?);
        let total = hour * 60 + minute;
        if minute < 60 && total <= DAY_MINUTES { Ok(Self(total)) } else { Err(InvalidTime) }
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl TryFrom<String> for TimeOfDay {
    type Error = InvalidTime;

    fn try_from(text: String) -> Result<Self, InvalidTime> {
        text.parse()
    }
}

impl From<TimeOfDay> for String {
    fn from(time: TimeOfDay) -> Self {
        time.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(json: &str) -> Hours {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_period_holds_its_first_minute_and_not_its_end() {
        let hours = hours(r#"{"weekly": [{"day": "fri", "from": "08:00", "to": "24:00"}]}"#);
        let at = |day, hour, minute| hours.hold(WeekMinute::new(day, hour, minute).unwrap());
        assert!(!at(Day::Fri, 7, 59) && at(Day::Fri, 8, 0) && at(Day::Fri, 23, 59) && !at(Day::Sat, 0, 0));
    }

    #[test]
    fn times_keep_their_text_form() {
        for text in ["00:00", "08:05", "24:00"] {
            assert_eq!(text.parse::<TimeOfDay>().unwrap().to_string(), text);
        }
        for text in ["8:05", "24:01", "12:60", "aa:bb", "+1:00", "12:00:00", ""] {
            assert_eq!(text.parse::<TimeOfDay>(), Err(InvalidTime), "{text}");
        }
    }

    #[test]
    fn a_period_that_ends_before_it_begins_is_refused() {
        let backwards = hours(r#"{"weekly": [{"day": "fri", "from": "16:00", "to": "08:00"}]}"#);
        assert_eq!(backwards.check(), Err("has a period 1 that ends before it begins".to_owned()));
        assert!(Hours::Weekly(Vec::new()).check().is_err(), "no hours at all is no policy");
    }

    #[test]
    fn a_week_has_seven_days() {
        assert_eq!(Day::from_monday_offset(6), Some(Day::Sun));
        assert_eq!(Day::from_monday_offset(7), None);
        assert_eq!(WeekMinute::new(Day::Mon, 24, 0), None);
    }
}
