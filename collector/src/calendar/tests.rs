use proptest::prelude::*;

use super::*;

const HOUR_US: i64 = 3_600_000_000;
const YEAR: &str = r#"
[hours]
monday = ["08:30", "16:00"]
tuesday = ["08:30", "16:00"]
wednesday = ["08:30", "16:00"]
thursday = ["08:30", "16:00"]
friday = ["08:30", "14:30"]
[[term]]
name = "Autumn"
from = "2026-09-02"
to = "2026-12-18"
[[term]]
from = "2027-01-04"
to = "2027-07-21"
[[closed]]
from = "2026-10-26"
to = "2026-10-30"
[[short]]
date = "2026-12-18"
hours = ["08:30", "12:30"]
[out_of_hours]
on_call = [5]
"#;

fn london() -> TimeZone {
    TimeZone::get("Europe/London").unwrap()
}

fn read(text: &str) -> Result<Calendar, CalendarFault> {
    Calendar::parse(text, london(), Date::constant(2026, 9, 1))
}

fn year() -> Calendar {
    read(YEAR).unwrap()
}

fn us(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_microsecond()
}

fn text(at_us: Option<i64>) -> String {
    at_us.map(|at_us| Timestamp::from_microsecond(at_us).unwrap().to_string()).unwrap_or_default()
}

#[test]
fn hours_terms_closures_and_short_days_hold() {
    let year = year();
    let open = |at| year.is_open(us(at));
    assert!(open("2026-09-07T07:30:00Z") && !open("2026-09-07T07:29:59Z") && !open("2026-09-07T15:00:00Z"));
    assert!(open("2026-09-11T13:29:00Z") && !open("2026-09-11T13:30:00Z"));
    assert!(!open("2026-10-27T10:00:00Z") && !open("2026-12-21T10:00:00Z") && !open("2026-09-12T10:00:00Z"));
    assert!(open("2026-12-18T12:29:00Z") && !open("2026-12-18T12:31:00Z"));
}

#[test]
fn school_time_skips_nights_weekends_and_holidays() {
    let year = year();
    assert_eq!(text(year.after(us("2026-09-07T14:30:00Z"), HOUR_US)), "2026-09-08T08:00:00Z");
    assert_eq!(text(year.after(us("2026-09-07T14:00:00Z"), HOUR_US)), "2026-09-07T15:00:00Z");
    // Friday to the Monday after a week of holiday, and winter time has begun.
    assert_eq!(text(year.after(us("2026-10-23T13:00:00Z"), HOUR_US)), "2026-11-02T09:00:00Z");
    assert_eq!(text(year.after(us("2026-12-25T00:00:00Z"), 0)), "2027-01-04T08:30:00Z");
}

#[test]
fn time_goes_on_after_the_last_term_that_was_written() {
    let year = year();
    // Ten minutes of the last day, and fifty of the next weekday.
    assert_eq!(text(year.after(us("2027-07-21T14:50:00Z"), HOUR_US)), "2027-07-22T08:20:00Z");
    assert_eq!(text(year.day_ends(us("2027-07-24T12:00:00Z"))), "2027-07-26T15:00:00Z");
    assert!(!year.is_open(us("2027-07-22T09:00:00Z")), "and nobody is said to be there");
}

#[test]
fn both_clock_changes_keep_the_civil_hours() {
    let weekdays = Calendar::weekdays(london());
    assert_eq!(text(weekdays.day_ends(us("2026-10-24T12:00:00Z"))), "2026-10-26T16:00:00Z");
    assert_eq!(text(weekdays.day_ends(us("2027-03-27T12:00:00Z"))), "2027-03-29T15:00:00Z");
}

#[test]
fn the_week_ends_with_its_last_school_day() {
    let year = year();
    assert_eq!(text(year.week_ends(us("2026-09-07T09:00:00Z"))), "2026-09-11T13:30:00Z");
    assert_eq!(text(year.week_ends(us("2026-09-11T13:30:00Z"))), "2026-09-18T13:30:00Z");
    assert_eq!(text(year.week_ends(us("2026-12-18T11:00:00Z"))), "2026-12-18T12:30:00Z");
    assert_eq!(text(year.week_ends(us("2026-12-31T11:00:00Z"))), "2027-01-08T14:30:00Z");
}

#[test]
fn school_days_are_counted_whole() {
    let year = year();
    assert_eq!(year.days_between(us("2026-09-07T15:30:00Z"), us("2026-09-10T15:00:00Z")), 3);
    assert_eq!(year.days_between(us("2026-09-07T15:30:00Z"), us("2026-09-10T14:59:59Z")), 2);
    assert_eq!(year.days_between(us("2026-12-18T13:00:00Z"), us("2027-01-04T10:00:00Z")), 0);
    assert_eq!(year.days_between(us("2026-09-10T15:00:00Z"), us("2026-09-07T15:30:00Z")), 0);
}

#[test]
fn out_of_hours_somebody_watches_only_where_the_school_says_so() {
    let year = year();
    let (noon, night) = (us("2026-09-07T12:00:00Z"), us("2026-09-07T22:00:00Z"));
    assert_eq!(year.watch(Level::High, noon), Watch::SchoolHours);
    assert_eq!(year.watch(Level::High, night), Watch::Nobody);
    assert_eq!(year.watch(Level::Critical, night), Watch::OnCall);
}

#[test]
fn what_is_no_calendar_says_what_and_where() {
    let fault = |text: &str| read(text).unwrap_err().to_string();
    assert_eq!(fault("[hours]\nmonday = [\"16:00\", \"08:30\"]"), "monday: closes before it opens");
    assert!(fault("[hours]\nmonday = [\"08:30\", \"25:00\"]").contains("line 2"));
    assert!(fault("[hours]\nmonay = [\"08:30\", \"16:00\"]").contains("unknown field `monay`"));
    assert_eq!(fault("[hours]"), "the school is never open in the 400 days from 2026-09-01");
    let late = "[hours]\nmonday = [\"08:30\", \"16:00\"]\n[[term]]\nfrom = \"2030-01-01\"\nto = \"2030-03-01\"";
    assert!(fault(late).contains("never open"));
    let backwards = "[hours]\n[[closed]]\nfrom = \"2026-10-30\"\nto = \"2026-10-26\"";
    assert_eq!(fault(backwards), "closure that begins on 2026-10-30: ends before it begins");
    assert_eq!(fault("[hours]\n[out_of_hours]\non_call = [6]"), "out_of_hours.on_call: there is no level 6");
    assert!(fault(&"#".repeat(MAX_CALENDAR_BYTES + 1)).contains("at most"));
}

proptest! {
    #[test]
    fn school_time_is_additive_and_lands_in_an_open_hour(
        start in 0_i64..300 * 24 * 60, first in 0_i64..3_000, second in 1_i64..3_000,
    ) {
        let (year, minute_us) = (year(), 60_000_000);
        let start_us = us("2026-09-01T00:00:00Z") + start * minute_us;
        let at_once = year.after(start_us, (first + second) * minute_us);
        if let Some(at_once) = at_once {
            let between = year.after(start_us, first * minute_us).unwrap();
            prop_assert_eq!(year.after(between, second * minute_us), Some(at_once));
            prop_assert!(at_once > between && between >= start_us);
            prop_assert!(year.is_open(at_once - 1) || at_once > us("2027-07-21T23:00:00Z"));
        }
    }
}
