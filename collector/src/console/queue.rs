//! The queue: what to pick up next, and nothing more of a child than the choice needs.

use askama::Template;
use axum::extract::{Query, RawQuery, State};
use axum::response::Response;
use lapwing_rules::Level;
use serde::Deserialize;

use filter::{Filter, FilterView};

use super::ConsoleState;
use super::frame::{self, Frame};
use super::refusal::Refusal;
use super::role::{Recipient, SignedIn};
use super::said::{Done, Said};
use super::several;
use super::words::{self, Clock, Present};
use crate::store::expected::{self, Coverage};
use crate::store::queue::{self as rows, Among, QueueRow, SubjectFacts};
use crate::store::{coverage, losses};

pub(super) mod filter;

/// Rows on one page; beyond it a person cannot choose anyway.
pub(super) const LIMIT: u32 = 200;

/// What is asked of the list besides its filter.
#[derive(Default, Deserialize)]
pub(super) struct Asked {
    /// Boxes stand beside its rows.
    choose: Option<String>,
}

#[derive(Template)]
#[template(path = "queue.html")]
struct QueuePage {
    frame: Frame,
    said: Option<Said>,
    list: ListView,
    filter: FilterView,
    current: Option<String>,
}

/// The list beside every concern.
#[derive(Clone, Debug)]
pub(super) struct ListView {
    pub(super) heading: &'static str,
    pub(super) other: Other,
    pub(super) rows: Vec<RowView>,
    /// Levels 1 and 2, for the weekly sign-off.
    pub(super) low: Vec<RowView>,
    pub(super) nothing: &'static str,
    pub(super) heard: String,
    pub(super) live: Option<String>,
    pub(super) is_cut: bool,
    pub(super) limit: u32,
    /// The part of an address that says it; empty for the open list.
    pub(super) kept: String,
    /// The same as fields of a form.
    pub(super) fields: Vec<(String, String)>,
    /// Where boxes stand beside its rows.
    pub(super) choose: String,
    pub(super) is_selecting: bool,
    /// What is done with those that are chosen.
    pub(super) acts: [(&'static str, &'static str); 3],
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Other {
    pub(super) address: &'static str,
    pub(super) words: &'static str,
}

/// One concern in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RowView {
    pub(super) reference: String,
    /// The part of an address that says the list.
    pub(super) kept: String,
    pub(super) level: Level,
    pub(super) what: String,
    pub(super) who: String,
    pub(super) how_often: String,
    pub(super) clock: String,
    pub(super) is_late: bool,
    pub(super) is_new: bool,
    /// The school's web filter reported some of it.
    pub(super) is_from_filter: bool,
    /// It may be chosen with others.
    pub(super) is_pickable: bool,
    /// When it changed last.
    pub(super) changed_us: i64,
}

/// `GET /queue`.
pub(super) async fn page(
    State(state): State<ConsoleState>,
    recipient: Recipient,
    Query(asked): Query<Asked>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let filter = Filter::of(query.as_deref());
    let mut list = list(&state, &recipient, &filter).await?;
    list.is_selecting = asked.choose.is_some();
    let said = Done::of(query.as_deref()).said(&state, &recipient, None, &list.kept).await?;
    let frame = Frame::of(&recipient, "/queue");
    frame::shown(&QueuePage { frame, said, list, filter: filter.view(), current: None })
}

/// The list that `filter` asks for, as `person` may see it.
pub(super) async fn list(state: &ConsoleState, person: &SignedIn, filter: &Filter) -> Result<ListView, Refusal> {
    let present = person.present();
    let found = rows::rows(&state.store, person.actor(), &filter.sought(&present), LIMIT).await;
    let found = found.map_err(|error| Refusal::failed(&error))?;
    let is_cut = found.len() >= LIMIT as usize;
    let kept = filter.kept();
    let views = found.iter().map(|row| row_view(&present, row, &kept));
    let (rows, low) = match filter.among {
        Among::Open => views.partition(|row: &RowView| row.level > Level::Low),
        Among::Closed | Among::All | Among::PutOff => (views.collect(), Vec::new()),
    };
    let (heading, nothing) = match (filter.among, filter.is_open_list()) {
        (_, true) => ("Concerns", "No concerns."),
        (Among::Closed, false) => ("Closed concerns", "No closed concerns."),
        (Among::PutOff, false) => ("Put off by you", "You have not put anything off."),
        (Among::Open | Among::All, false) => ("Concerns that match", "No concern matches."),
    };
    let other = match filter.among {
        Among::Open if filter.is_open_list() => Other { address: "/queue?show=closed", words: "Show closed" },
        Among::Open | Among::Closed | Among::All | Among::PutOff => Other { address: "/queue", words: "Show all open" },
    };
    let query = filter.to_query();
    let live = match filter.among {
        Among::Open if query.is_empty() => Some("/queue/live".to_owned()),
        Among::Open => Some(format!("/queue/live?{query}")),
        Among::Closed | Among::All | Among::PutOff => None,
    };
    Ok(ListView {
        heading,
        other,
        rows,
        low,
        nothing,
        heard: heard(state, &present).await? + &lost(state, &present).await?,
        live,
        is_cut,
        limit: LIMIT,
        fields: filter.fields(),
        choose: filter.after("/queue", "choose=several"),
        is_selecting: false,
        acts: several::ACTS,
        kept,
    })
}

/// How many devices were heard, in a sentence.
pub(super) async fn heard(state: &ConsoleState, present: &Present) -> Result<String, Refusal> {
    let today_us = present.today_us();
    let heard = coverage::heard(&state.store, &state.school, today_us).await;
    let heard = heard.map_err(|error| Refusal::failed(&error))?;
    if heard.devices == 0 {
        return Ok("No device is enrolled yet, so nothing is being watched.".to_owned());
    }
    let expected = expected::coverage(&state.store, &state.school, today_us).await;
    let expected = expected.map_err(|error| Refusal::failed(&error))?;
    let today = match expected {
        Some(list) => expected_words(&list),
        None => format!("{} of {} heard today", heard.today, words::plural(heard.devices, "device")),
    };
    Ok(match (heard.silent, heard.silent_since_us) {
        (_, None) => format!("{today}."),
        (1, Some(since)) => format!("{today}; 1 silent since {}.", present.when(since)),
        (silent, Some(since)) => format!("{today}; {silent} silent, the longest since {}.", present.when(since)),
    })
}

/// Where the school says which devices it expects.
fn expected_words(list: &Coverage) -> String {
    let today = format!("{} of {} heard today", list.today, words::plural(list.expected, "expected device"));
    if list.never == 0 { today } else { format!("{today}; {} never", words::thousands(list.never)) }
}

/// What devices said is lost, in a sentence that follows another; empty where nothing is.
async fn lost(state: &ConsoleState, present: &Present) -> Result<String, Refusal> {
    let lost =
        losses::lost(&state.store, &state.school, present.now_us()).await.map_err(|error| Refusal::failed(&error))?;
    let Some(lost) = lost else { return Ok(String::new()) };
    Ok(format!(
        " {} of {} were lost since {}: the technician's page says why.",
        words::plural(lost.captures, "capture"),
        words::plural(lost.devices, "device"),
        present.when(lost.since_us),
    ))
}

/// A row as the list shows it.
pub(super) fn row_view(present: &Present, row: &QueueRow, kept: &str) -> RowView {
    let Clock { words: clock, is_late } = clock(present, row);
    RowView {
        reference: row.reference.clone(),
        kept: kept.to_owned(),
        level: row.level,
        what: words::category(&row.category),
        who: masked(&row.subject),
        how_often: words::how_often(present, row.captures, row.first_us, row.last_us),
        clock,
        is_late,
        is_new: row.is_waiting(),
        is_from_filter: row.is_from_filter,
        is_pickable: several::why_alone(row).is_none(),
        changed_us: row.changed_us,
    }
}

/// What is to be done by when, or where it stands.
pub(super) fn clock(present: &Present, row: &QueueRow) -> Clock {
    if !row.is_waiting() {
        let words = match (&row.assigned, row.state.as_str()) {
            (Some(name), "acknowledged" | "under_review") => format!("With {name}"),
            (Some(_) | None, state) => state_words(state),
        };
        return Clock { words, is_late: false };
    }
    if let Some(due_us) = row.acknowledge_by_us {
        return present.acknowledge_by(due_us, row.level);
    }
    let words = match row.level {
        Level::Info => "Counted only",
        Level::Low => "Weekly sign-off",
        Level::Moderate | Level::High | Level::Critical => "Not acknowledged",
    };
    Clock { words: words.to_owned(), is_late: false }
}

/// Where a concern stands.
pub(super) fn state_words(state: &str) -> String {
    let words = match state {
        "new" => "Not acknowledged",
        "false_positive" => "False alarm",
        "pastoral" => "Pastoral support",
        "concern_opened" => "On the child's file",
        "legal_hold" => "Kept for legal reasons",
        other => {
            let mut letters = other.chars();
            let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
            return format!("{first}{}", letters.as_str().replace('_', " "));
        }
    };
    words.to_owned()
}

/// Whom it is about, spelt out: for the concern's own page.
pub(super) fn in_full(subject: &SubjectFacts) -> String {
    if let Some(person) = &subject.person {
        let band = person.band.parse().ok().map(|band| words::band(band).to_owned());
        let parts = [Some(person.name.clone()), Some(person.class.clone()).filter(|class| !class.is_empty()), band];
        return parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
    }
    match subject.audience.as_str() {
        "shared" => "A class log-on: who used it is not known",
        "unmapped_pupil" => "A pupil's account that is not on the school's list",
        "unmapped_staff" => "A staff account that is not on the school's list",
        _ => "An account that is not on the school's list",
    }
    .to_owned()
}

/// Whom it is about, masked: lists do not spell out names.
fn masked(subject: &SubjectFacts) -> String {
    if let Some(person) = &subject.person {
        let place = if person.class.is_empty() { subject.audience.as_str() } else { person.class.as_str() };
        return format!("{}, {place}", words::initials(&person.name));
    }
    let account = words::masked_account(subject.account.as_deref().unwrap_or_default());
    match (subject.audience.as_str(), &subject.device) {
        ("shared", Some((_, room))) if !room.is_empty() => format!("Class log-on, {room}"),
        ("shared", Some((hostname, _))) => format!("Class log-on, {hostname}"),
        ("shared", None) => "Class log-on".to_owned(),
        ("unmapped_staff", _) => format!("{account}, staff not on the list"),
        ("unmapped_pupil", _) => format!("{account}, a pupil not on the list"),
        _ => format!("{account}, not on the list"),
    }
}

#[cfg(test)]
mod tests;
