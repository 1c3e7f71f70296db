//! The technician's page: every device by room, one word a state, the reason on the row, and the counts of rules on
//! trial. No content.

use std::collections::BTreeSet;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use lapwing_proto::DiagnosticCode;
use lapwing_proto::wire::{ErrorCode, GapReason, Health};

use super::frame::{self, Frame};
use super::refusal::Refusal;
use super::report_rule::{self, RuleTicketView};
use super::role::Technician;
use super::shadows::{self, ShadowView};
use super::silences::{self, SilenceView};
use super::tickets::{self, TicketView};
use super::words::Present;
use super::{ConsoleState, queue, words};
use crate::store::artefacts::ArtefactKind;
use crate::store::coverage::{self, DeviceFacts, Diagnostic, SILENT_US, SensorFacts};
use crate::store::devices::REMOVED;
use crate::store::expected::{self, Missing};
use crate::store::roll_outs;

/// A device that is on fetches a rule set within minutes.
const FETCHED_WITHIN_US: i64 = 60 * 60_000_000;

#[derive(Template)]
#[template(path = "devices.html")]
struct DevicesPage {
    frame: Frame,
    view: DevicesView,
}

struct DevicesView {
    heard: String,
    silences: Vec<SilenceView>,
    missing: Option<MissingView>,
    rooms: Vec<RoomView>,
    shadows: Vec<ShadowView>,
    tickets: Vec<TicketView>,
    rule_tickets: Vec<RuleTicketView>,
}

/// Devices that are expected and were never heard.
struct MissingView {
    heading: String,
    lines: Vec<String>,
    /// How many more there are.
    more: Option<String>,
}

struct RoomView {
    name: String,
    tally: String,
    devices: Vec<DeviceView>,
}

struct DeviceView {
    hostname: String,
    state: DeviceState,
    reasons: Vec<String>,
    about: String,
}

/// How a device is, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DeviceState {
    Working,
    Blind,
    Silent,
    Off,
    New,
    Refused,
    Removed,
}

/// `GET /devices`.
pub(super) async fn page(State(state): State<ConsoleState>, technician: Technician) -> Result<Response, Refusal> {
    let present = technician.present();
    let devices = coverage::devices(&state.store, &state.school, present.now_us()).await;
    let devices = devices.map_err(|error| Refusal::failed(&error))?;
    let due = due(&state, &present).await?;
    let heard = queue::heard(&state, &present).await?;
    let shadows = shadows::views(&state, &present).await?;
    let tickets = tickets::views(&state).await?;
    let rule_tickets = report_rule::views(&state).await?;
    let silences = silences::views(&state, &present).await?;
    let missing = missing(&state, &present).await?;
    let view = DevicesView {
        heard,
        silences,
        missing,
        rooms: rooms((&present, due), devices),
        shadows,
        tickets,
        rule_tickets,
    };
    frame::shown(&DevicesPage { frame: Frame::of(&technician, "/devices"), view })
}

async fn missing(state: &ConsoleState, present: &Present) -> Result<Option<MissingView>, Refusal> {
    let coverage = expected::coverage(&state.store, &state.school, present.today_us()).await;
    let Some(coverage) = coverage.map_err(|error| Refusal::failed(&error))?.filter(|list| list.never > 0) else {
        return Ok(None);
    };
    let named = expected::missing(&state.store, &state.school).await.map_err(|error| Refusal::failed(&error))?;
    let more = coverage.never.saturating_sub(i64::try_from(named.len()).unwrap_or(i64::MAX));
    Ok(Some(MissingView {
        heading: format!("{} expected and never heard", words::thousands(coverage.never)),
        lines: named.iter().map(missing_words).collect(),
        more: (more > 0).then(|| format!("And {} more.", words::thousands(more))),
    }))
}

fn missing_words(device: &Missing) -> String {
    let what = if device.is_enrolled { "enrolled, and never heard" } else { "not enrolled" };
    let serial = Some(&device.serial).filter(|serial| !serial.is_empty()).map(|serial| format!("serial {serial}"));
    let room = Some(&device.room).filter(|room| !room.is_empty()).cloned();
    let facts = [Some(what.to_owned()), room, serial];
    format!("{}: {}", device.hostname, facts.into_iter().flatten().collect::<Vec<_>>().join(", "))
}

/// The rule set that every device should have by now; 0 where there is none, or it was published just now.
async fn due(state: &ConsoleState, present: &Present) -> Result<i64, Refusal> {
    let standing = roll_outs::standing(&state.store, &state.school, ArtefactKind::RuleSet).await;
    let standing = standing.map_err(|error| Refusal::failed(&error))?;
    let is_fresh = standing.out.base == standing.out.newest
        && standing.started_us > present.now_us().saturating_sub(FETCHED_WITHIN_US);
    Ok(if is_fresh { 0 } else { standing.out.base.cast_signed() })
}

/// `devices` come sorted by room; all of them should have the rule set `due`.
fn rooms((present, due): (&Present, i64), devices: Vec<DeviceFacts>) -> Vec<RoomView> {
    let chunks = devices.chunk_by(|a, b| a.room == b.room);
    chunks.map(|devices| room((present, due), devices)).collect()
}

fn room((present, due): (&Present, i64), devices: &[DeviceFacts]) -> RoomView {
    let name = devices.first().map(|device| device.room.as_str()).filter(|room| !room.is_empty());
    let devices: Vec<DeviceView> = devices.iter().map(|facts| device((present, due), facts)).collect();
    let working = devices.iter().filter(|device| device.state == DeviceState::Working).count();
    let tally = match devices.iter().filter(|device| device.state != DeviceState::Removed).count() {
        0 => "not watched any more".to_owned(),
        watched => format!("{working} of {watched} working"),
    };
    RoomView { name: name.unwrap_or("No room set").to_owned(), tally, devices }
}

fn device((present, due): (&Present, i64), facts: &DeviceFacts) -> DeviceView {
    let state = state(present, facts);
    let mut reasons = match (state, facts.heard_us) {
        (DeviceState::Silent, Some(heard)) => vec![format!("Last heard {}", present.when(heard))],
        (DeviceState::Off, Some(heard)) => vec![format!("{} {}", goodbye(facts), present.when(heard))],
        (DeviceState::Off, None) => vec![goodbye(facts).to_owned()],
        (DeviceState::New | DeviceState::Silent, _) => vec!["Enrolled, and never heard since".to_owned()],
        (DeviceState::Removed, Some(heard)) => vec![format!("The agent was taken off {}", present.when(heard))],
        (DeviceState::Removed, None) => vec!["The agent was taken off".to_owned()],
        (DeviceState::Refused, _) => vec!["Its certificate was taken back".to_owned()],
        (DeviceState::Working | DeviceState::Blind, _) => Vec::new(),
    };
    if matches!(state, DeviceState::Silent | DeviceState::New) {
        reasons.extend(facts.refused.iter().map(|(code, at_us)| refusal_words(code, &present.when(*at_us))));
    }
    if state == DeviceState::Silent {
        let lately = facts.sensors.iter().filter(|sensor| is_blind(sensor)).map(sensor_words);
        let lately = lately.chain(facts.diagnostics.iter().map(diagnostic_words));
        reasons.extend(lately.map(|words| format!("When last heard: {words}")));
    }
    if matches!(state, DeviceState::Working | DeviceState::Blind) {
        reasons.extend(facts.sensors.iter().filter(|sensor| is_blind(sensor)).map(sensor_words));
        reasons.extend(facts.diagnostics.iter().map(diagnostic_words));
    }
    if state == DeviceState::Working && facts.is_scoped_out {
        reasons.push("Nothing is looked at now: outside the policy's hours or networks".to_owned());
    }
    if facts.waiting > 0 {
        reasons.push(format!("More than {} captures wait to be delivered", words::thousands(facts.waiting)));
    }
    if facts.dropped > 0 {
        reasons.push(dropped_words(facts.dropped));
    }
    reasons.extend(facts.losses.iter().map(|reason| loss_words(*reason).to_owned()));
    if facts.rule_set_release == 0 && !matches!(state, DeviceState::New | DeviceState::Removed) {
        reasons.push("Has no rule set yet".to_owned());
    }
    let is_on = matches!(state, DeviceState::Working | DeviceState::Blind);
    if is_on && (1..due).contains(&facts.rule_set_release) {
        reasons.push(format!("Still has rule set {}: everybody is to have {due}", facts.rule_set_release));
    }
    reasons.dedup();
    let mut about =
        format!("{} agent {}, rule set {}", capitalised(&facts.os), facts.agent_version, facts.rule_set_release);
    let seen: BTreeSet<&str> = facts.sensors.iter().filter(|sensor| is_working(sensor)).map(what_it_sees).collect();
    if !seen.is_empty() && matches!(state, DeviceState::Working | DeviceState::Blind) {
        about.push_str(&format!(". Seen: {}", seen.into_iter().collect::<Vec<_>>().join(", ").to_lowercase()));
    }
    DeviceView { hostname: facts.hostname.clone(), state, reasons, about }
}

fn state(present: &Present, facts: &DeviceFacts) -> DeviceState {
    if facts.is_revoked {
        let is_removed = facts.goodbye.as_deref() == Some(REMOVED);
        return if is_removed { DeviceState::Removed } else { DeviceState::Refused };
    }
    if facts.goodbye.is_some() {
        return DeviceState::Off;
    }
    let Some(heard) = facts.heard_us else { return DeviceState::New };
    if heard < present.now_us().saturating_sub(SILENT_US) {
        return DeviceState::Silent;
    }
    let is_note = |told: &Diagnostic| DiagnosticCode::of_text(&told.code).is_some_and(DiagnosticCode::is_note);
    let is_whole = facts.rule_set_release > 0 && facts.diagnostics.iter().all(is_note) && !facts.sensors.is_empty();
    if is_whole && !facts.sensors.iter().any(is_blind) { DeviceState::Working } else { DeviceState::Blind }
}

fn is_working(sensor: &SensorFacts) -> bool {
    sensor.health == i64::from(Health::Working as i32)
}

/// The sensor of a session that has ended has nothing to see.
fn is_blind(sensor: &SensorFacts) -> bool {
    !is_working(sensor) && sensor.reason != "session_ended"
}

fn sensor_words(sensor: &SensorFacts) -> String {
    format!("{}: {}", what_it_sees(sensor), reason_words(&sensor.reason))
}

fn what_it_sees(sensor: &SensorFacts) -> &str {
    match sensor.sensor.as_str() {
        "titles" => "Window titles",
        "urls" => "Web addresses",
        "files" => "Files",
        "media" => "Memory sticks",
        other => other,
    }
}

fn reason_words(code: &str) -> String {
    let words = match code {
        "no_display" => "nobody is signed in to a desktop",
        "no_window_manager" => "the desktop has no window manager",
        "wayland_without_titles" => "this Wayland desktop tells no titles",
        "extension_silent" => "a browser is in front and its extension is silent",
        "no_browser_host" => "the browser extension is not connected",
        "watch_limit" => "the system's limit of watched folders is reached",
        "no_such_folder" => "a folder to watch does not exist",
        "not_permitted" => "the system does not permit it",
        "not_supported_here" => "not supported on this system",
        "failed" => "it stopped working",
        "" => "no reason given",
        other => return other.replace('_', " "),
    };
    words.to_owned()
}

fn diagnostic_words(told: &Diagnostic) -> String {
    let words = match DiagnosticCode::of_text(&told.code) {
        Some(DiagnosticCode::Unwelcome) => {
            "What it captures is refused here, and waits on it: `lapwing-agent doctor` there says why".to_owned()
        }
        Some(known) => capitalised(known.in_words()),
        None => format!("Reports {}", told.code),
    };
    if told.detail.is_empty() { words } else { format!("{words} ({})", told.detail) }
}

fn dropped_words(dropped: i64) -> String {
    let many =
        if dropped > 1 { format!("more than {} messages", words::thousands(dropped)) } else { "a message".to_owned() };
    format!("Did not take {many} of its own sessions: too many, too large or malformed")
}

fn loss_words(reason: i64) -> &'static str {
    match i32::try_from(reason).ok().and_then(|reason| GapReason::try_from(reason).ok()) {
        Some(GapReason::Full) => "Lost captures lately: its spool was full",
        Some(GapReason::Expired) => "Lost captures lately: it could not deliver them in time",
        Some(GapReason::Quarantined) => "Lost captures lately: its spool could not be read",
        Some(GapReason::Foreign) => "Set captures aside lately: they were made on other hardware",
        Some(GapReason::Restored) => "Captures of it were lost lately: the collector was restored from a back-up",
        Some(GapReason::Unspecified) | None => "Lost captures lately",
    }
}

/// Why the collector does not take what a silent device says.
fn refusal_words(code: &str, when: &str) -> String {
    let why = match ErrorCode::from_str_name(code) {
        Some(ErrorCode::Copy) => "another PC has its identity, and it has not become a device of its own yet",
        Some(ErrorCode::Clone) => {
            "it shows what this collector never gave: where a back-up was brought back, run `lapwing-collector restored`"
        }
        Some(ErrorCode::Expired) => "its certificate ran out too long ago: it needs a new campaign token",
        Some(ErrorCode::Version) => "its version is not served any more: upgrade it",
        Some(ErrorCode::Store) => "the database could not be written",
        Some(ErrorCode::Busy) => "too much came at once",
        Some(ErrorCode::Malformed) => "what it sent could not be read",
        Some(_) | None => "see the collector's log",
    };
    format!("Refused {when}: {why}")
}

fn goodbye(facts: &DeviceFacts) -> &'static str {
    match facts.goodbye.as_deref() {
        Some("shutdown") => "Shut down",
        Some("sleep") => "Asleep since",
        Some("stop") => "Agent stopped",
        Some("upgrade") => "Upgrading since",
        Some(_) | None => "Said goodbye",
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

impl DeviceState {
    const fn word(self) -> &'static str {
        match self {
            Self::Working => "Working",
            Self::Blind => "Partly blind",
            Self::Silent => "Not heard",
            Self::Off => "Off",
            Self::New => "New",
            Self::Refused => "Refused",
            Self::Removed => "Removed",
        }
    }

    const fn class(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::Blind => "blind",
            Self::Silent => "silent",
            Self::Off => "off",
            Self::New => "new",
            Self::Refused => "refused",
            Self::Removed => "removed",
        }
    }
}

#[cfg(test)]
mod tests {
    use lapwing_proto::wire::GapReason;
    use lapwing_rules::{Category, Level};

    use super::super::seeded::Seeded;
    use crate::clock::Clock as _;
    use crate::store::device_health::{Health, SensorState};
    use crate::store::devices;
    use crate::store::fixture::DEVICE;

    #[tokio::test]
    async fn a_device_says_in_one_word_how_it_is_and_why() {
        let seeded = Seeded::open().await;
        let mut technician = seeded.visitor("tech").await;
        let page = technician.get("/devices").await.body;
        for words in ["IT room", "PC-12", "Partly blind", "Web addresses: a browser is in front", "0 of 1 working"] {
            assert!(page.contains(words), "{words}");
        }
        seeded.clock.advance_us(10 * 60_000_000);
        let page = technician.get("/devices").await.body;
        assert!(page.contains("Not heard") && page.contains("Last heard 10:00"), "{page}");
    }

    #[tokio::test]
    async fn what_a_device_tells_of_itself_stands_on_its_row() {
        let seeded = Seeded::open().await;
        seeded.device_tells(&Health { is_scoped_out: true, waiting: 1_000, dropped: 10, ..Health::default() }).await;
        let page = seeded.visitor("tech").await.get("/devices").await.body;
        for words in ["More than 1,000 captures wait", "Did not take more than 10 messages of its own sessions"] {
            assert!(page.contains(words), "{words}");
        }
        assert!(!page.contains("Nothing is looked at now"), "a device without rules is blind first");
        let diagnostics = [("LW-UNWELCOME", ""), ("LW-OTHER", "")].map(|(code, detail)| (code.into(), detail.into()));
        seeded.device_tells(&Health { diagnostics: diagnostics.into(), ..Health::default() }).await;
        let page = seeded.visitor("tech").await.get("/devices").await.body;
        assert!(page.contains("is refused here, and waits on it") && page.contains("Reports LW-OTHER"), "{page}");
        let working = SensorState { health: 1, reason: String::new(), detail: String::new() };
        let sensors = [(("titles".to_owned(), "3".to_owned()), working)].into();
        let whole = Health { rule_set_release: 1, is_scoped_out: true, sensors, ..Health::default() };
        seeded.device_tells(&whole).await;
        assert!(seeded.visitor("tech").await.get("/devices").await.body.contains("Nothing is looked at now"));
        let changed = [("LW-CHANGED".into(), "program, <b>service</b>".into())];
        seeded.device_tells(&Health { diagnostics: changed.into(), ..whole }).await;
        let page = seeded.visitor("tech").await.get("/devices").await.body;
        assert!(
            page.contains("Its program, configuration or service unit changed within the last day (program, "),
            "{page}"
        );
        assert!(!page.contains("<b>service"), "what a device says is text");
        assert!(page.contains("1 of 1 working"), "it is to be known, and nothing is amiss");
    }

    #[tokio::test]
    async fn why_a_pc_is_silent_stands_on_its_row_by_what_it_last_said_and_was_last_refused_for() {
        let seeded = Seeded::open().await;
        let diagnostics = [("LW-SPOOL-FULL".to_owned(), String::new())];
        seeded
            .device_tells(&Health { rule_set_release: 1, diagnostics: diagnostics.into(), ..Health::default() })
            .await;
        seeded.clock.advance_us(10 * 60_000_000);
        let refused = [(DEVICE, ("ERROR_CODE_COPY", seeded.clock.wall_us()))];
        devices::set_refused(&seeded.school.store, &seeded.school.id, &refused).await.unwrap();
        let mut technician = seeded.visitor("tech").await;
        let page = technician.get("/devices").await.body;
        for words in ["Not heard", "Refused 10:10: another PC has its identity", "When last heard: The spool is full"] {
            assert!(page.contains(words), "{words}: {page}");
        }
        let still = "Still has rule set";
        assert!(!page.contains(still));
        for release in 1..=2 {
            seeded.publishes(release).await;
        }
        seeded.device_tells(&Health { rule_set_release: 1, ..Health::default() }).await;
        assert!(!technician.get("/devices").await.body.contains(still), "it was published just now");
        seeded.clock.advance_us(61 * 60_000_000);
        seeded.device_tells(&Health { rule_set_release: 1, ..Health::default() }).await;
        let page = seeded.visitor("tech").await.get("/devices").await.body;
        assert!(page.contains("Still has rule set 1: everybody is to have 2") && !page.contains("Refused"), "{page}");
        seeded.removes_device().await;
        let page = seeded.visitor("tech").await.get("/devices").await.body;
        assert!(page.contains("The agent was taken off 11:11") && page.contains("device removed"), "{page}");
        assert!(page.contains("not watched any more") && !page.contains("0 of 1 working"), "{page}");
    }

    #[tokio::test]
    async fn what_was_lost_is_told_to_the_technician_by_device_and_to_the_dsl_in_numbers() {
        let seeded = Seeded::open().await;
        let mut dsl = seeded.visitor("dsl").await;
        assert!(!dsl.get("/queue").await.body.contains("were lost since"));
        seeded.device_lost((1, 30), GapReason::Full).await;
        seeded.device_lost((40, u64::MAX), GapReason::Quarantined).await;
        seeded.device_lost((31, 35), GapReason::Restored).await;
        let page = seeded.visitor("tech").await.get("/devices").await.body;
        for words in
            ["Lost captures lately: its spool was full", "its spool could not be read", "restored from a back-up"]
        {
            assert!(page.contains(words), "{words}");
        }
        for count in [" 30 ", " 35 ", "1,000,0"] {
            assert!(!page.contains(count), "how much is not the technician's");
        }
        let queue = dsl.get("/queue").await.body;
        assert!(queue.contains("1,000,035 captures of 1 device were lost since 10:00"), "{queue}");
        seeded.clock.advance_us(15 * 24 * 60 * 60 * 1_000_000);
        assert!(!dsl.get("/queue").await.body.contains("were lost since"));
    }

    #[tokio::test]
    async fn what_is_expected_and_was_never_heard_is_named_with_what_is_known_of_it() {
        let seeded = Seeded::open().await;
        assert!(!seeded.visitor("tech").await.get("/devices").await.body.contains("never heard"));
        seeded.expects("hostname,serial,room\nPC-12,,\nPC-13,5CG1,Library\n").await;
        let page = seeded.visitor("tech").await.get("/devices").await.body;
        assert!(page.contains("1 expected and never heard"), "{page}");
        assert!(page.contains("PC-13: not enrolled, Library, serial 5CG1") && !page.contains("PC-12: "), "{page}");
    }

    #[tokio::test]
    async fn a_room_that_is_silent_stands_first_with_its_devices() {
        let seeded = Seeded::open().await;
        seeded.looks_out(6).await;
        let page = seeded.visitor("tech").await.get("/devices").await.body;
        assert!(page.contains("<strong>IT room</strong>: 1 device silent since 10:00: PC-12"), "{page}");
    }

    #[tokio::test]
    async fn the_page_is_the_same_with_a_concern_as_without() {
        let seeded = Seeded::open().await;
        let mut technician = seeded.visitor("tech").await;
        let without = technician.get("/devices").await.body;
        seeded.concern("amelia", Category::SelfHarm, Level::High, "words").await;
        assert_eq!(technician.get("/devices").await.body, without);
    }
}
