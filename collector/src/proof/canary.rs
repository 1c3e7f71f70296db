//! Whether the daily check of a device came through, sensor by sensor. Pure.
//!
//! `lapwing-agent check` puts a harmless phrase before each sensor. What arrives is a capture of the category `canary`:
//! its signal says which sensor saw it. A device passes when every sensor that it reports brought one; a sensor that
//! is blind fails it as one that says nothing does.

use std::collections::{BTreeMap, BTreeSet};

use lapwing_proto::wire;

/// Sensors that the daily check goes through, as devices name them, and the signal that each brings.
const SENSORS: [(&str, wire::Signal); 3] =
    [("titles", wire::Signal::Title), ("urls", wire::Signal::Url), ("files", wire::Signal::FileDrop)];
/// A session that is over has nothing to see.
const OVER: &str = "session_ended";

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
}

impl Verdict {
    /// The failures as the log keeps them: `titles:missing urls:extension_silent`.
    pub(crate) fn detail(&self) -> String {
        match self {
            Self::NotRun | Self::Passed => String::new(),
            Self::Failed(sensors) => {
                sensors.iter().map(|(sensor, code)| format!("{sensor}:{code}")).collect::<Vec<_>>().join(" ")
            }
        }
    }
}

/// Judges a device that reports `sensors` and of which canaries of `signals` (`lapwing.v1.Signal`) arrived that day.
pub(crate) fn judge(sensors: &[Reported], signals: &BTreeSet<i64>) -> Verdict {
    if !SENSORS.iter().any(|(_, signal)| signals.contains(&i64::from(*signal as i32))) {
        return Verdict::NotRun;
    }
    let failed: BTreeMap<_, _> = SENSORS
        .into_iter()
        .filter(|(_, signal)| !signals.contains(&i64::from(*signal as i32)))
        .filter_map(|(sensor, _)| Some((sensor, trouble(sensor, sensors)?)))
        .collect();
    if failed.is_empty() { Verdict::Passed } else { Verdict::Failed(failed) }
}

/// Why a sensor that brought nothing fails the check; `None` where the device has no such sensor.
fn trouble(name: &str, sensors: &[Reported]) -> Option<String> {
    let mut states = sensors.iter().filter(|one| one.sensor == name && one.reason != OVER);
    let first = states.next()?;
    let is_working = |one: &Reported| one.health == i64::from(wire::Health::Working as i32);
    if is_working(first) || states.any(is_working) {
        return Some("missing".to_owned());
    }
    let code = first.reason.chars().filter(|letter| letter.is_ascii_alphanumeric() || *letter == '_');
    let code: String = code.collect();
    Some(if code.is_empty() { "blind".to_owned() } else { code })
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
        assert_eq!(judge(&without_browser, &signals(&[Title, FileDrop])), Verdict::Passed);
    }

    #[test]
    fn a_blind_sensor_fails_it_with_its_reason_and_a_session_that_is_over_does_not() {
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
        assert_eq!(judge(&over, &signals(&[FileDrop])), Verdict::Passed);
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
