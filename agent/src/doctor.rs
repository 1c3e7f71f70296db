//! Why is this computer silent? Looks at what the service needs, asks the service itself, and says it in words.

use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde::Serialize;
use tokio_util::codec::Framed;

use crate::config::Config;
use crate::diagnostic::Code;
use crate::frame::{Ask, FrameCodec, HealthKind, Message, Received, Report, SensorReport, Told};
use crate::identity::IdentityStore;
use crate::pipeline::force;
use crate::platform;
use crate::sensor::{Reason, SensorName};

/// How long the service may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// What was found, in the order of the way from a sensor to the collector.
#[derive(Debug, Serialize)]
pub struct Findings {
    findings: Vec<Finding>,
}

/// One thing that was looked at.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Finding {
    /// Stable name.
    about: String,
    state: State,
    /// In words.
    says: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Fine,
    /// Worth knowing, and no fault.
    Note,
    Wrong,
}

impl Findings {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn are_healthy(&self) -> bool {
        self.findings.iter().all(|finding| finding.state != State::Wrong)
    }

    /// A line a finding.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for Finding { about, state, says } in &self.findings {
            let mark = match state {
                State::Fine => "ok   ",
                State::Note => "note ",
                State::Wrong => "WRONG",
            };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{mark} {about}: {says}");
        }
        text
    }

    /// The same as JSON.
    ///
    /// # Errors
    ///
    /// Never in practice.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }
}

/// Looks at everything. Reads the state folder where it may, and asks the running service.
pub async fn examine(config: &Config) -> Findings {
    let mut findings = vec![collector(config), identity(config)];
    findings.extend(build());
    findings.extend(artefacts(config));
    match ask_status(&config.socket).await {
        Ok(report) => {
            findings.push(Finding::fine("service", "runs and answers"));
            findings.extend(running(&report));
        }
        Err(error) => {
            let (socket, ask) = (config.socket.display(), unanswered(&config.socket));
            findings.push(Finding::wrong("service", format!("does not answer at `{socket}` ({error}): {ask}")));
        }
    }
    Findings { findings }
}

/// What to look at where nobody answers. A service that cannot open its socket cannot say so there.
fn unanswered(socket: &Path) -> &'static str {
    if std::fs::symlink_metadata(socket).is_err() {
        return "is it started?";
    }
    "is it started? One that runs cannot take the place of what stands there, tries again, and tells LW-SOCKET to its \
     log and its collector"
}

/// Asks the service at `socket` for the notice.
///
/// # Errors
///
/// When it does not answer.
pub async fn ask_notice(socket: &Path) -> io::Result<Told> {
    let Message::Notice(told) = ask(socket, Ask::Notice).await? else { return Err(unexpected()) };
    Ok(told)
}

/// Asks the service at `socket` how it is.
pub(crate) async fn ask_status(socket: &Path) -> io::Result<Report> {
    let Message::Report(report) = ask(socket, Ask::Status).await? else { return Err(unexpected()) };
    Ok(report)
}

async fn ask(socket: &Path, question: Ask) -> io::Result<Message> {
    let answered = async {
        let mut frames = Framed::new(platform::connect(socket).await?, FrameCodec::default());
        frames.send(&Message::Ask(question)).await?;
        match frames.next().await {
            Some(Ok(Received::Message(message))) => Ok(message),
            Some(Ok(Received::Oversize | Received::Malformed)) | None => Err(unexpected()),
            Some(Err(error)) => Err(error),
        }
    };
    tokio::time::timeout(ANSWER, answered).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// A build without the project's keys takes the illegal base of whoever its configuration names.
fn build() -> Option<Finding> {
    let is_release = lapwing_rules::base_keys(None).is_ok_and(|keys| keys.is_some());
    let says = "for development: whose illegal base it takes is configured (`trust.base_keys`), not built in";
    (!is_release).then(|| Finding::note("build", says))
}

fn unexpected() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the answer cannot be understood")
}

fn collector(config: &Config) -> Finding {
    match &config.collector {
        Some(collector) if collector.ca_fingerprint.is_none() => {
            Finding::wrong("collector", "`collector.ca_fingerprint` is not set: the device cannot enrol")
        }
        Some(collector) => Finding::fine("collector", format!("{} ({})", *collector.uplink, collector.uplink.origin())),
        None => Finding::wrong("collector", "the configuration names none: captures stay in the spool"),
    }
}

fn identity(config: &Config) -> Finding {
    match IdentityStore::open(&config.state_dir).map(|store| store.current()) {
        Ok(Some(identity)) => {
            let ends = jiff::Timestamp::from_microsecond(identity.not_after_us()).map_or_else(
                |_| String::new(),
                |ends| format!(", by a certificate that ends on {}", ends.strftime("%Y-%m-%d")),
            );
            Finding::fine("identity", format!("enrolled as {}{ends}", identity.device()))
        }
        Ok(None) => Finding::wrong(
            "identity",
            "not enrolled: is the token right, is the enrol listener reached, and does somebody have to let it in?",
        ),
        Err(error) => Finding::wrong("identity", format!("cannot be read ({error}): run doctor as root")),
    }
}

fn artefacts(config: &Config) -> [Finding; 2] {
    let (rules, policy) = force::kept(&config.state_dir, config);
    let rules = match rules {
        Ok(rules) => Finding::fine("rule set", format!("release {} is verified and kept", rules.release())),
        Err(error) => Finding::wrong("rule set", format!("none that can be used is kept: {error}")),
    };
    let policy = match policy {
        Ok(policy) => Finding::fine("policy", format!("release {} is verified and kept", policy.release)),
        Err(error) => Finding::wrong("policy", format!("none that can be used is kept: {error}")),
    };
    [rules, policy]
}

/// What the service says of itself.
fn running(report: &Report) -> Vec<Finding> {
    let mut findings = Vec::new();
    for name in SensorName::ALL {
        let states: Vec<_> = report.sensors.iter().filter(|state| state.health.sensor == name.as_str()).collect();
        if states.is_empty() {
            findings.push(Finding::note(name.as_str(), unheard(name)));
        }
        findings.extend(states.into_iter().map(sensor));
    }
    for (code, detail) in &report.diagnostics {
        let known = Code::of_text(code);
        let words = known.map_or("not known to this version", Code::in_words);
        let detail = if detail.is_empty() { String::new() } else { format!(" ({detail})") };
        let (is_note, says) = (known.is_some_and(Code::is_note), format!("{words}{detail}"));
        findings.push(if is_note { Finding::note(code, says) } else { Finding::wrong(code, says) });
    }
    if report.scoped_out {
        findings.push(Finding::note("scope", "out of hours, off site, or without a policy: nothing is looked at now"));
    }
    let looked = format!("{} signals looked at since the start, {} matched", report.seen, report.matched);
    findings.push(Finding::fine("matching", looked));
    findings
}

fn sensor(state: &SensorReport) -> Finding {
    let whose = if state.session.is_empty() { String::new() } else { format!(" of session {}", state.session) };
    let about = format!("{}{whose}", state.health.sensor);
    let words = state.health.reason.parse::<Reason>().map_or("for a reason unknown here", Reason::in_words);
    let detail = if state.health.detail.is_empty() { String::new() } else { format!(" ({})", state.health.detail) };
    match state.health.health {
        HealthKind::Working => Finding::fine(about, "sees"),
        HealthKind::Blind => Finding::wrong(about, format!("is blind: {words}{detail}")),
        HealthKind::Unavailable if state.health.reason == Reason::SessionEnded.as_code() => Finding::note(about, words),
        HealthKind::Unavailable => Finding::wrong(about, format!("cannot work: {words}{detail}")),
    }
}

fn unheard(name: SensorName) -> &'static str {
    match name {
        SensorName::Titles => "no session has connected: is `lapwing-agent session` started at log-on?",
        SensorName::Urls => "no browser has connected, and none was in front for a minute",
        SensorName::Files | SensorName::Media => "has not said how it is yet",
    }
}

impl Finding {
    fn fine(about: impl Into<String>, says: impl Into<String>) -> Self {
        Self { about: about.into(), state: State::Fine, says: says.into() }
    }

    fn note(about: impl Into<String>, says: impl Into<String>) -> Self {
        Self { about: about.into(), state: State::Note, says: says.into() }
    }

    fn wrong(about: impl Into<String>, says: impl Into<String>) -> Self {
        Self { about: about.into(), state: State::Wrong, says: says.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Health;

    fn state(sensor: &str, health: HealthKind, reason: &str) -> SensorReport {
        let health = Health { sensor: sensor.to_owned(), health, reason: reason.to_owned(), detail: String::new() };
        SensorReport { session: "7-1000".to_owned(), health }
    }

    #[test]
    fn a_blind_sensor_and_a_refused_rule_set_are_told_in_words() {
        let report = Report {
            sensors: vec![
                state("titles", HealthKind::Blind, "no_window_manager"),
                state("files", HealthKind::Working, ""),
                state("titles", HealthKind::Unavailable, "session_ended"),
            ],
            diagnostics: [("LW-RULES-BAD", "untrusted"), ("LW-CHANGED", "service")]
                .map(|(code, detail)| (code.to_owned(), detail.to_owned()))
                .into(),
            scoped_out: true,
            ..Report::default()
        };
        let findings = Findings { findings: running(&report) };
        let text = findings.to_text();
        for told in [
            "WRONG titles of session 7-1000: is blind: no window manager",
            "ok    files of session 7-1000: sees",
            "note  titles of session 7-1000: the session is over",
            "note  urls: no browser has connected",
            "WRONG LW-RULES-BAD: a rule set was refused; the last good one goes on (untrusted)",
            "note  LW-CHANGED: its program, configuration or service unit changed within the last day (service)",
            "note  scope: out of hours",
        ] {
            assert!(text.contains(told), "{told}\n{text}");
        }
        assert!(!findings.are_healthy());
        assert!(findings.to_json().unwrap().contains("\"state\": \"wrong\""));
    }

    #[tokio::test]
    async fn a_service_that_does_not_run_is_what_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().display();
        let text = format!("state_dir = \"{folder}/state\"\nsocket = \"{folder}/agent.sock\"\n");
        let config = Config::from_text(&text, Path::new("agent.toml")).unwrap();
        let findings = examine(&config).await;
        assert!(findings.to_text().contains("WRONG service: does not answer"));
        assert!(!findings.to_text().contains("LW-SOCKET"));
        std::fs::write(&*config.socket, "in the way").unwrap();
        assert!(examine(&config).await.to_text().contains("tells LW-SOCKET"));
        assert!(findings.to_text().contains("WRONG identity: not enrolled"));
    }
}
