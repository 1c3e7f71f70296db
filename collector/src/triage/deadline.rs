//! By when a concern should be acknowledged.

use jiff::Timestamp;
use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use lapwing_rules::Level;

const MINUTE_US: i64 = 60_000_000;
/// End of the school day in civil time.
const DAY_ENDS: Time = Time::constant(16, 0, 0, 0);

/// The longest that [`acknowledge_by`] gives: a time further ahead was written by a clock that has been set back since.
pub(crate) const fn longest_us(level: Level) -> i64 {
    match level {
        Level::Critical => 15 * MINUTE_US,
        Level::High => 60 * MINUTE_US,
        // From the end of a Friday to that of Monday, and an hour where the clocks change.
        Level::Moderate => (3 * 24 + 1) * 60 * MINUTE_US,
        Level::Low | Level::Info => 0,
    }
}

/// When a concern of `level` opened at `opened_us` should be acknowledged; `None` where nobody is promised to look.
pub(super) fn acknowledge_by(level: Level, opened_us: i64, zone: &TimeZone) -> Option<i64> {
    match level {
        Level::Critical => Some(opened_us.saturating_add(15 * MINUTE_US)),
        Level::High => Some(opened_us.saturating_add(60 * MINUTE_US)),
        Level::Moderate => end_of_school_day(opened_us, zone),
        Level::Low | Level::Info => None,
    }
}

fn end_of_school_day(opened_us: i64, zone: &TimeZone) -> Option<i64> {
    let opened = Timestamp::from_microsecond(opened_us).ok()?.to_zoned(zone.clone());
    let today = opened.date();
    let first = if opened.time() < DAY_ENDS { today } else { today.tomorrow().ok()? };
    let is_school_day = |day: &jiff::civil::Date| !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday);
    let day = first.series(jiff::Span::new().days(1)).take(3).find(is_school_day)?;
    Some(day.to_datetime(DAY_ENDS).to_zoned(zone.clone()).ok()?.timestamp().as_microsecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(level: Level, opened: &str) -> Option<String> {
        let zone = TimeZone::get("Europe/London").unwrap();
        let opened: Timestamp = opened.parse().unwrap();
        let by = acknowledge_by(level, opened.as_microsecond(), &zone)?;
        Some(Timestamp::from_microsecond(by).unwrap().to_string())
    }

    #[test]
    fn urgent_levels_count_minutes() {
        assert_eq!(by(Level::Critical, "2026-09-07T09:00:00Z").unwrap(), "2026-09-07T09:15:00Z");
        assert_eq!(by(Level::High, "2026-09-07T09:00:00Z").unwrap(), "2026-09-07T10:00:00Z");
        assert_eq!(by(Level::Low, "2026-09-07T09:00:00Z"), None);
    }

    #[test]
    fn no_concern_is_given_longer_than_the_longest() {
        let zone = TimeZone::get("Europe/London").unwrap();
        let opened: Timestamp = "2026-10-19T00:30:00Z".parse().unwrap();
        let hours = (0..14 * 24).map(|hour| opened.as_microsecond() + hour * 60 * MINUTE_US);
        for (opened_us, level) in hours.flat_map(|hour| Level::ALL.map(|level| (hour, level))) {
            let left_us = acknowledge_by(level, opened_us, &zone).map_or(0, |by_us| by_us - opened_us);
            assert!((0..=longest_us(level)).contains(&left_us), "{level}: {left_us}");
        }
    }

    #[test]
    fn moderate_waits_for_the_end_of_the_school_day() {
        assert_eq!(by(Level::Moderate, "2026-09-07T09:00:00Z").unwrap(), "2026-09-07T15:00:00Z");
        // Friday evening: Monday
        assert_eq!(by(Level::Moderate, "2026-09-11T18:00:00Z").unwrap(), "2026-09-14T15:00:00Z");
        // the clocks went back on Sunday
        assert_eq!(by(Level::Moderate, "2026-10-24T12:00:00Z").unwrap(), "2026-10-26T16:00:00Z");
        // and forward
        assert_eq!(by(Level::Moderate, "2027-03-27T12:00:00Z").unwrap(), "2027-03-29T15:00:00Z");
    }
}
