//! Whether the daily check of a device came through, sensor by sensor. Pure.
//!
//! `lapwing-agent check` puts a harmless phrase before each sensor. What arrives is a capture of the category `canary`:
//! its signal says which sensor saw it. A device passes when every sensor brought one; a sensor that is blind, or that the
//! device does not speak of, fails it as one that says nothing does. Where nobody was signed in there was no desktop to
//! see anything on: then nobody can say.

use std::collections::{BTreeMap, BTreeSet};

use lapwing_proto::wire;

/// Sensors that the daily check goes through, as devices name them, and the signal that each brings.
const SENSORS: [(&str, wire::Signal); 3] =
    [("titles", wire::Signal::Title), ("urls", wire::Signal::Url), ("files", wire::Signal::FileDrop)];
/// A session that is over has nothing to see.
const OVER: &str = "session_ended";
/// What only somebody who is signed in brings.
const OF_SESSIONS: [&str; 2] = ["titles", "urls"];

/// A sensor as its device reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reported {
    pub(crate) sensor: String,
    /// `lapwing.v1.Health`, unknown values kept.
    pub(crate) health: i64,
    /// Code; empty when working.
    pub(crate) reason: String,
}

/// What came of a device's daily check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing of it arrived.
    NotRun,
    /// Every sensor brought it.
    Passed,
    /// These did not: sensor and code, as `missing`, or why it cannot see.
    Failed(BTreeMap<&'static str, String>),
    /// These did not, and nobody was signed in.
    Unclear(BTreeMap<&'static str, String>),
}

impl Verdict {
    /// The failures as the log keeps them: `titles:missing urls:extension_silent`.
    pub(crate) fn detail(&self) -> String {
        match self {
            Self::NotRun | Self::Passed => String::new(),
            Self::Failed(sensors) | Self::Unclear(sensors) => {
                sensors.iter().map(|(sensor, code)| format!("{sensor}:{code}")).collect::<Vec<_>>().join(" ")
            }
        }
    }
}

/// Judges a device that reports `sensors` and of which canaries of `signals` (`lapwing.v1.Signal`) arrived that day.
pub(crate) fn judge(sensors: &[Reported], signals: &BTreeSet<i64>) -> Verdict {
    let (brought, missing): (Vec<_>, Vec<_>) =
        SENSORS.into_iter().partition(|(_, signal)| signals.contains(&i64::from(*signal as i32)));
    if brought.is_empty() {
        return Verdict::NotRun;
    }
    let failed: BTreeMap<_, _> = missing.into_iter().map(|(sensor, _)| (sensor, trouble(sensor, sensors))).collect();
    let is_of_session = |sensor: &str| OF_SESSIONS.contains(&sensor);
    let had_session = brought.iter().any(|(sensor, _)| is_of_session(sensor))
        || sensors.iter().any(|one| is_of_session(&one.sensor) && one.reason != OVER);
    if failed.is_empty() {
        Verdict::Passed
    } else if had_session || failed.keys().any(|sensor| !is_of_session(sensor)) {
        Verdict::Failed(failed)
    } else {
        Verdict::Unclear(failed)
    }
}

/// Why a sensor that brought nothing did not.
fn trouble(name: &str, sensors: &[Reported]) -> String {
    let mut reported = sensors.iter().filter(|one| one.sensor == name).peekable();
    if reported.peek().is_none() {
        return "not_reported".to_owned();
    }
    let mut states = reported.filter(|one| one.reason != OVER);
    let Some(first) = states.next() else { return OVER.to_owned() };
    let is_working = |one: &Reported| one.health == i64::from(wire::Health::Working as i32);
    if is_working(first) || states.any(is_working) {
        return "missing".to_owned();
    }
    let code = first.reason.chars().filter(|letter| letter.is_ascii_alphanumeric() || *letter == '_');
    let code: String = code.collect();
    if code.is_empty() { "blind".to_owned() } else { code }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reported(sensor: &str, health: wire::Health, reason: &str) -> Reported {
        Reported { sensor: sensor.to_owned(), health: i64::from(health as i32), reason: reason.to_owned() }
    }

    fn whole() -> Vec<Reported> {
        SENSORS.map(|(sensor, _)| reported(sensor, wire::Health::Working, "")).into()
    }

    fn signals(of: &[wire::Signal]) -> BTreeSet<i64> {
        of.iter().map(|signal| i64::from(*signal as i32)).collect()
    }

    #[test]
    fn a_device_passes_when_every_sensor_brought_it() {
        use wire::Signal::{FileDrop, Title, Url};
        assert_eq!(judge(&whole(), &signals(&[Title, Url, FileDrop])), Verdict::Passed);
        assert_eq!(judge(&whole(), &signals(&[])), Verdict::NotRun);
        assert_eq!(judge(&whole(), &signals(&[Title, Url])).detail(), "files:missing");
        let without_browser = [&whole()[..1], &whole()[2..]].concat();
        let verdict = judge(&without_browser, &signals(&[Title, FileDrop]));
        assert_eq!(
            verdict,
            Verdict::Failed([("urls", "not_reported".to_owned())].into()),
            "what is taken away is broken"
        );
        assert_eq!(judge(&[], &signals(&[Title, Url])).detail(), "files:not_reported");
    }

    #[test]
    fn a_blind_sensor_fails_it_with_its_reason_and_where_nobody_was_signed_in_nobody_can_say() {
        use wire::Signal::{FileDrop, Title};
        let blind = vec![
            reported("titles", wire::Health::Working, ""),
            reported("titles", wire::Health::Unavailable, OVER),
            reported("urls", wire::Health::Blind, "extension_silent"),
            reported("files", wire::Health::Working, ""),
        ];
        assert_eq!(judge(&blind, &signals(&[Title, FileDrop])).detail(), "urls:extension_silent");
        let over =
            vec![reported("titles", wire::Health::Unavailable, OVER), reported("files", wire::Health::Working, "")];
        let unclear = Verdict::Unclear([("titles", OVER.to_owned()), ("urls", "not_reported".to_owned())].into());
        assert_eq!(judge(&over, &signals(&[FileDrop])), unclear);
        assert_eq!(judge(&over, &signals(&[Title, FileDrop])).detail(), "urls:not_reported", "somebody was signed in");
        assert!(matches!(judge(&over, &signals(&[Title])), Verdict::Failed(_)), "files need nobody");
    }

    proptest! {
        #[test]
        fn breaking_any_sensor_fails_it(broken in 0..SENSORS.len(), health in 1..4_i64, reason in "[a-z_]{0,12}") {
            let mut sensors = whole();
            sensors[broken] = Reported { sensor: SENSORS[broken].0.to_owned(), health, reason };
            prop_assume!(sensors[broken].reason != OVER);
            let brought = SENSORS.iter().enumerate().filter(|(at, _)| *at != broken).map(|(_, (_, signal))| *signal);
            let verdict = judge(&sensors, &signals(&brought.collect::<Vec<_>>()));
            prop_assert!(matches!(&verdict, Verdict::Failed(failed) if failed.contains_key(SENSORS[broken].0)), "{verdict:?}");
        }
    }
}
