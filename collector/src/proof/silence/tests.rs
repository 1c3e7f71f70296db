use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;

const MINUTE_US: i64 = 60_000_000;
const HOUR_US: i64 = 60 * MINUTE_US;

fn weekdays() -> Calendar {
    Calendar::weekdays(TimeZone::get("Europe/London").unwrap())
}

fn us(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_microsecond()
}

fn device(heard: Option<&str>, is_away: bool) -> Watched {
    Watched {
        device: DeviceId::from_bytes([1; 16]),
        room: "IT room".to_owned(),
        enrolled_us: us("2026-09-01T09:00:00Z"),
        heard_us: heard.map(us),
        is_away,
    }
}

/// As it looks at `now` to a collector that always listened.
fn why(device: &Watched, now: &str) -> Option<Why> {
    let calendar = weekdays();
    decide(device, &Moment::new(us(now), 0, &calendar)).map(|silent| silent.why)
}

#[test]
fn a_device_that_stops_in_school_hours_is_silent_after_the_allowance_and_not_before() {
    let stopped = device(Some("2026-11-02T10:00:00Z"), false);
    assert_eq!(why(&stopped, "2026-11-02T10:03:29Z"), None);
    assert_eq!(why(&stopped, "2026-11-02T10:03:30Z"), Some(Why::Unexplained));
    let at_the_last_minute = device(Some("2026-11-02T15:59:59Z"), false);
    assert_eq!(why(&at_the_last_minute, "2026-11-02T16:03:30Z"), Some(Why::Unexplained));
}

#[test]
fn a_goodbye_explains_silence_for_three_school_days() {
    let slept = device(Some("2026-11-05T10:00:00Z"), true);
    for explained in ["2026-11-05T10:10:00Z", "2026-11-09T09:00:00Z", "2026-11-10T15:00:00Z"] {
        assert_eq!(why(&slept, explained), None, "{explained}");
    }
    assert_eq!(why(&slept, "2026-11-10T20:00:00Z"), None, "nobody is told in the evening");
    assert_eq!(why(&slept, "2026-11-11T08:30:00Z"), Some(Why::LongAway));
}

#[test]
fn a_device_that_was_not_on_in_school_hours_is_no_silence_until_it_is_long_away() {
    for quiet in ["2026-11-02T07:50:00Z", "2026-11-02T16:00:00Z", "2026-11-01T10:00:00Z"] {
        let device = device(Some(quiet), false);
        assert_eq!(why(&device, "2026-11-02T17:00:00Z"), None, "{quiet}");
        assert_eq!(why(&device, "2026-11-03T10:00:00Z"), None, "{quiet}");
        assert_eq!(why(&device, "2026-11-06T10:00:00Z"), Some(Why::LongAway), "{quiet}");
    }
    let enrolled = Watched { enrolled_us: us("2026-11-02T09:00:00Z"), ..device(None, false) };
    assert_eq!(why(&enrolled, "2026-11-05T15:00:00Z"), None);
    assert_eq!(why(&enrolled, "2026-11-06T09:00:00Z"), Some(Why::NeverHeard));
}

#[test]
fn what_happened_while_the_collector_did_not_listen_is_nobodys_silence() {
    let calendar = weekdays();
    let heard = device(Some("2026-11-02T10:00:00Z"), false);
    let back = us("2026-11-02T11:00:00Z");
    assert_eq!(decide(&heard, &Moment::new(back + ALLOWANCE_US - 1, back, &calendar)), None);
    let silent = decide(&heard, &Moment::new(back + ALLOWANCE_US, back, &calendar)).unwrap();
    assert_eq!((silent.why, silent.since_us), (Why::Unexplained, us("2026-11-02T10:00:00Z")));
    let next_day = us("2026-11-03T09:00:00Z");
    assert_eq!(decide(&heard, &Moment::new(next_day + HOUR_US, next_day, &calendar)), None);
}

#[test]
fn a_word_ends_a_silence_and_a_clock_set_back_does_not_keep_it() {
    let calendar = weekdays();
    let now = us("2026-11-02T11:00:00Z");
    let moment = Moment::new(now, 0, &calendar);
    let heard = device(Some("2026-11-02T10:59:50Z"), false);
    assert!(is_back(&heard, us("2026-11-02T10:00:00Z"), &moment));
    assert!(is_back(&heard, us("2026-11-02T11:30:00Z"), &moment), "fell silent by a clock that was ahead");
    let quiet = device(Some("2026-11-02T10:00:00Z"), false);
    assert!(!is_back(&quiet, us("2026-11-02T10:00:00Z"), &moment));
    assert!(!is_back(&quiet, us("2026-11-02T11:30:00Z"), &moment));
    assert!(!is_back(&device(None, false), 0, &moment));
}

#[test]
fn the_dsl_is_told_when_a_school_days_hours_have_passed() {
    let calendar = weekdays();
    let raised = us("2026-11-06T10:00:00Z");
    let lasting = |now: &str| is_lasting(raised, &Moment::new(us(now), 0, &calendar));
    assert!(!lasting("2026-11-08T10:00:00Z") && !lasting("2026-11-09T09:59:00Z"));
    assert!(lasting("2026-11-09T10:00:00Z"));
}

#[test]
fn a_silence_that_grew_much_is_told_again_and_a_switch_that_died_is_not() {
    assert!(!is_told_again(0, (10, 0), 30, 2 * MINUTE_US), "the rest of the switch, a minute later");
    assert!(is_told_again(0, (1, 0), 30, HOUR_US));
    assert!(!is_told_again(0, (1, 0), 3, HOUR_US) && !is_told_again(0, (20, 0), 30, HOUR_US));
    assert!(is_told_again(1, (1, 0), 1, HOUR_US) && !is_told_again(1, (1, 0), 1, HOUR_US - 1), "it came back");
}

#[test]
fn a_silence_is_called_something_that_no_concern_is() {
    let reference = reference(&SilenceId::random().unwrap());
    assert!(reference.len() == 9 && reference.starts_with("SIL-"), "{reference}");
}

/// When a device is on, in microseconds; what ends a stretch.
#[derive(Clone, Debug)]
struct Stretch {
    from_us: i64,
    until_us: i64,
    says_goodbye: bool,
}

/// A week of stretches from Friday 23 October 2026 on: a weekend, and the night in which the clocks go back.
fn weeks() -> impl Strategy<Value = Vec<Stretch>> {
    let stretch = (0..9_i64, 420..1_000_i64, 1..480_i64, any::<bool>());
    prop::collection::vec(stretch, 0..6).prop_map(|drawn| {
        let start = us("2026-10-22T23:00:00Z");
        let mut stretches: Vec<Stretch> = Vec::new();
        for (day, from, length, says_goodbye) in drawn {
            let from_us = start + day * 24 * HOUR_US + from * MINUTE_US;
            let until_us = from_us + length * MINUTE_US;
            if stretches.iter().all(|other| until_us < other.from_us || other.until_us < from_us) {
                stretches.push(Stretch { from_us, until_us, says_goodbye });
            }
        }
        stretches.sort_by_key(|stretch| stretch.from_us);
        stretches
    })
}

/// The device as it stands at `now_us`; it speaks every 50 seconds.
fn standing(stretches: &[Stretch], now_us: i64) -> Watched {
    let latest = stretches.iter().rfind(|stretch| stretch.from_us <= now_us);
    let heard_us = latest.map(|stretch| {
        let until_us = now_us.min(stretch.until_us);
        if stretch.says_goodbye && until_us == stretch.until_us {
            return until_us;
        }
        until_us - (until_us - stretch.from_us) % (50 * 1_000_000)
    });
    let is_away = latest.is_some_and(|stretch| stretch.says_goodbye && now_us >= stretch.until_us);
    Watched { heard_us, is_away, enrolled_us: us("2026-10-22T09:00:00Z"), ..device(None, false) }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// A look a minute, through a week with a weekend and a change of the clocks, against the words of the rule.
    #[test]
    fn in_any_week_silence_is_raised_within_five_minutes_and_never_without_cause(
        stretches in weeks(), offset in 0..60_i64,
    ) {
        let calendar = weekdays();
        let start = us("2026-10-23T00:00:00Z") + offset * 1_000_000;
        for minute in 0..9 * 24 * 60 {
            let now_us = start + minute * MINUTE_US;
            let device = standing(&stretches, now_us);
            let silent = decide(&device, &Moment::new(now_us, start, &calendar));
            let is_on = stretches.iter().any(|one| one.from_us <= now_us && now_us < one.until_us);
            prop_assert!(!(is_on && silent.is_some()), "it speaks");
            let why = silent.map(|silent| silent.why);
            let stopped = stretches.iter().find(|one| {
                let overdue_us = now_us - one.until_us;
                !one.says_goodbye && device.heard_us.is_some_and(|heard_us| one.from_us <= heard_us && heard_us <= one.until_us)
                    && (4 * MINUTE_US..8 * HOUR_US).contains(&overdue_us)
                    && calendar.is_open(device.heard_us.unwrap_or(0))
                    && calendar.date(one.until_us) == calendar.date(now_us - ALLOWANCE_US)
            });
            prop_assert!(stopped.is_none() || why == Some(Why::Unexplained), "it stopped in school hours");
            if why == Some(Why::Unexplained) {
                prop_assert!(calendar.is_open(device.heard_us.unwrap()) && !device.is_away);
                prop_assert!(now_us - device.heard_us.unwrap() >= ALLOWANCE_US);
            }
            if matches!(why, Some(Why::LongAway | Why::NeverHeard)) {
                let since_us = device.heard_us.unwrap_or(device.enrolled_us);
                let days = calendar.date(now_us).since(calendar.date(since_us)).unwrap().get_days();
                // A last word before the school opened leaves that whole day to count.
                prop_assert!(days >= i32::try_from(AWAY_DAYS).unwrap() && calendar.is_open(now_us));
            }
        }
    }
}

#[test]
fn days_are_counted_in_the_schools_zone() {
    let calendar = weekdays();
    assert_eq!(day(&calendar, 0), 0);
    assert_eq!(day(&calendar, us("2026-07-01T23:30:00Z")), day(&calendar, us("2026-07-02T12:00:00Z")));
    assert_eq!(Date::constant(2026, 7, 2).since(Date::constant(1970, 1, 1)).unwrap().get_days(), 20_636);
    assert_eq!(day(&calendar, us("2026-07-02T12:00:00Z")), 20_636);
}
