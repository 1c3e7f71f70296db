//! What the agent says of itself, for the heartbeat.

use lapwing_proto::wire;

use crate::canary::Canaries;
use crate::counters::Counters;
use crate::diagnostic::Code;
use crate::frame::{Health, HealthKind, Report, SensorReport};
use crate::observation::SessionId;
use crate::sensor::{HealthSnapshot, SensorHealth, SensorName};

/// Most sensor states that travel in one status.
pub const MAX_SENSOR_STATES: usize = 16;

/// The part of a heartbeat that comes from sensors, rules and policy. Clocks and spool are the uplink's to add.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StatusFacts {
    /// How each sensor is.
    pub sensors: Vec<wire::SensorState>,
    /// Release of the rule set in force; 0: none.
    pub rule_set_release: u64,
    /// Release of the policy in force; 0: none.
    pub policy_release: u64,
    /// Number of the list of exemptions held; 0: none since the device started.
    pub exemptions_number: u64,
    /// What is wrong now.
    pub diagnostics: Vec<wire::Diagnostic>,
    /// Out of hours or off site: nothing is looked at.
    pub scoped_out: bool,
}

impl StatusFacts {
    /// A status without clocks and spool. Takes the anonymous counts out of `counters`; give them back when the
    /// status could not be sent.
    #[must_use]
    pub fn to_wire(&self, counters: &Counters) -> wire::Status {
        wire::Status {
            sensors: self.sensors.clone(),
            rule_set_release: self.rule_set_release,
            policy_release: self.policy_release,
            exemptions_number: self.exemptions_number,
            counts: counters.take_counts(),
            diagnostics: self
                .diagnostics
                .iter()
                .filter(|told| told.code != Code::Unreached.as_str())
                .cloned()
                .collect(),
            counters: Some(counters.to_wire()),
            scoped_out: self.scoped_out,
            ..wire::Status::default()
        }
    }
}

impl StatusFacts {
    /// The same for a technician at the computer.
    pub(crate) fn to_report(&self, counters: &Counters, canaries: &Canaries) -> Report {
        let numbers = counters.to_wire();
        let code = |entry: &wire::Diagnostic| (entry.code.clone(), entry.detail.clone());
        Report {
            sensors: self.sensors.iter().map(sensor_report).collect(),
            rule_set_release: self.rule_set_release,
            policy_release: self.policy_release,
            diagnostics: self.diagnostics.iter().map(code).collect(),
            scoped_out: self.scoped_out,
            seen: numbers.seen,
            matched: numbers.matched,
            canaries: canaries.report(),
        }
    }
}

fn sensor_report(state: &wire::SensorState) -> SensorReport {
    let health = match state.health() {
        wire::Health::Working => HealthKind::Working,
        wire::Health::Blind => HealthKind::Blind,
        wire::Health::Unavailable | wire::Health::Unspecified => HealthKind::Unavailable,
    };
    let (sensor, reason, detail) = (state.sensor.clone(), state.reason.clone(), state.detail.clone());
    SensorReport { session: state.session.clone(), health: Health { sensor, health, reason, detail } }
}

/// Sensor states as they travel: those in trouble first and those of sessions that are over last, so that a crowded
/// device never hides one.
#[must_use]
pub fn sensor_states(health: &HealthSnapshot) -> Vec<wire::SensorState> {
    let mut entries: Vec<_> = health.iter().collect();
    entries.sort_by_key(|(_, state)| (state.is_over(), matches!(state, SensorHealth::Working)));
    entries.into_iter().take(MAX_SENSOR_STATES).map(|(key, state)| sensor_state(key, state)).collect()
}

fn sensor_state((name, session): &(SensorName, Option<SessionId>), state: &SensorHealth) -> wire::SensorState {
    let health = match state {
        SensorHealth::Working => wire::Health::Working,
        SensorHealth::Blind(..) => wire::Health::Blind,
        SensorHealth::Unavailable(..) => wire::Health::Unavailable,
    };
    let (reason, detail) = state.trouble().map_or(("", None), |(reason, detail)| (reason.as_code(), detail));
    wire::SensorState {
        sensor: name.as_str().to_owned(),
        health: health.into(),
        reason: reason.to_owned(),
        session: session.as_ref().map(ToString::to_string).unwrap_or_default(),
        detail: detail.unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sensor::Reason;

    #[test]
    fn a_sensor_in_trouble_is_never_crowded_out() {
        let mut health = HealthSnapshot::new();
        for number in 0..20 {
            let session = format!("s{number}").parse().unwrap();
            health.insert((SensorName::Titles, Some(session)), SensorHealth::Working);
            let over = format!("o{number}").parse().unwrap();
            health.insert((SensorName::Titles, Some(over)), SensorHealth::Unavailable(Reason::SessionEnded, None));
        }
        health.insert((SensorName::Urls, None), SensorHealth::Blind(Reason::ExtensionSilent, None));
        let states = sensor_states(&health);
        assert_eq!(states.len(), MAX_SENSOR_STATES);
        assert_eq!(states.first().unwrap().reason, "extension_silent");
        assert!(states.iter().all(|state| state.reason != "session_ended"));
    }
}
