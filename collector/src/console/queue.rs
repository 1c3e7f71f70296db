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
        (Among::PutOff, false) => ("Put off by you", "You put nothing off."),
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
mod tests {
    use http::StatusCode;
    use lapwing_rules::Category;

    use super::super::seeded::{Seeded, Visitor};
    use super::*;

    #[tokio::test]
    async fn a_row_says_level_topic_masked_account_count_and_clock_and_no_evidence() {
        let seeded = Seeded::open().await;
        seeded.concern("amelia", Category::SelfHarm, Level::High, "seeded words").await;
        let page = seeded.visitor("dsl").await.get("/queue").await.body;
        for words in ["High", "Self-harm", "A. J., 8B", "Once, 10:00", "Acknowledge within 1 hour"] {
            assert!(page.contains(words), "{words}");
        }
        assert!(!page.contains("Amelia") && !page.contains("seeded words"));
    }

    #[tokio::test]
    async fn low_levels_stand_in_a_list_of_their_own_and_closed_ones_in_none() {
        let seeded = Seeded::open().await;
        let low = seeded.concern("ben", Category::Gambling, Level::Low, "words").await;
        let closed = seeded.concern("ben", Category::Drugs, Level::Moderate, "words").await;
        seeded.set_state(&closed, "closed").await;
        let mut dsl = seeded.visitor("dsl").await;
        let open = dsl.get("/queue").await.body;
        assert!(open.contains("weekly sign-off") && open.contains(&low) && !open.contains(&closed));
        let shelf = dsl.get("/queue?show=closed").await.body;
        assert!(shelf.contains(&closed) && !shelf.contains(&low));
    }

    /// The references in the list at `path`.
    async fn listed(visitor: &mut Visitor, path: &str) -> Vec<String> {
        let page = visitor.get(path).await.body;
        let rows = page.split("data-reference=\"").skip(1).filter_map(|rest| rest.split('"').next());
        rows.map(str::to_owned).collect()
    }

    #[tokio::test]
    async fn a_filter_narrows_the_list_by_what_stands_around_a_concern_and_never_by_its_words() {
        let seeded = Seeded::open().await;
        let amelia = seeded.concern("amelia", Category::SelfHarm, Level::High, "seeded words").await;
        let ben = seeded.concern("ben", Category::Drugs, Level::Moderate, "seeded words").await;
        let closed = seeded.concern("ben", Category::Gambling, Level::Moderate, "seeded words").await;
        seeded.set_state(&closed, "closed").await;
        seeded.set_state(&ben, "triage").await;
        let mut dsl = seeded.visitor("dsl").await;
        let (amelia, ben, closed) = (amelia.as_str(), ben.as_str(), closed.as_str());
        let cases: [(&str, &[&str]); 19] = [
            ("", &[amelia, ben]),
            ("level=4", &[amelia]),
            ("level=4&level=3", &[amelia, ben]),
            ("level=4&not=level", &[ben]),
            ("category=drugs", &[ben]),
            ("category=drugs&category=gambling&not=category", &[amelia]),
            ("state=waiting", &[amelia]),
            ("state=working", &[ben]),
            ("show=closed", &[closed]),
            ("show=all&category=gambling&category=drugs", &[ben, closed]),
            ("q=amelia+jones", &[amelia]),
            ("q=10a", &[ben]),
            (&format!("q={}", ben.to_lowercase()), &[ben]),
            ("q=self_harm.words", &[amelia]),
            ("q=seeded", &[]),
            ("q=%25", &[]),
            ("q=_", &[amelia]),
            ("since=2000-01-01&until=2000-01-02", &[]),
            ("since=2026-09-28&until=2026-09-28", &[amelia, ben]),
        ];
        for (query, expected) in cases {
            let mut found = listed(&mut dsl, &format!("/queue?{query}")).await;
            let mut expected: Vec<_> = expected.iter().map(|one| (*one).to_owned()).collect();
            found.sort();
            expected.sort();
            assert_eq!(found, expected, "{query}");
        }
        let page = dsl.get("/queue?level=5&q=%3Cb%3E").await.body;
        assert!(page.contains("No concern matches.") && page.contains("/queue/live?q="), "{page}");
        assert!(!page.contains("<b>") && page.contains("Showing open; critical"), "{page}");
    }

    #[tokio::test]
    async fn a_filter_finds_nobody_their_own_concern() {
        let seeded = Seeded::open().await;
        let mut head = seeded.visitor("head").await;
        let views = ["q=ruth", "q=sam", "show=all", "level=4&state=waiting", "q=pc-12"];
        let mut without = Vec::new();
        for view in views {
            without.push(head.get(&format!("/queue?{view}")).await.body);
        }
        seeded.concern("head", Category::Gambling, Level::High, "words").await;
        for (view, before) in views.into_iter().zip(without) {
            assert_eq!(head.get(&format!("/queue?{view}")).await.body, before, "{view}");
        }
    }

    #[tokio::test]
    async fn an_empty_queue_says_how_many_devices_were_heard() {
        let seeded = Seeded::open().await;
        let mut dsl = seeded.visitor("dsl").await;
        let page = dsl.get("/queue").await.body;
        assert!(page.contains("No concerns.") && page.contains("1 of 1 device heard today."), "{page}");
        seeded.looks_out(10).await;
        assert!(dsl.get("/queue").await.body.contains("1 silent since 10:00."));
    }

    #[tokio::test]
    async fn what_the_filter_reports_stands_in_the_same_list_and_says_so_on_its_row_and_its_page() {
        let seeded = Seeded::open().await;
        let agents = seeded.concern("ben", Category::Drugs, Level::Moderate, "words").await;
        let export = "time,account,url,category\n2026-09-28T08:55:00Z,amelia,https://forum.example/ways,Suicide\n";
        seeded.filter_reports(export).await;
        let mut dsl = seeded.visitor("dsl").await;
        let page = dsl.get("/queue").await.body;
        assert!(page.contains("A. J., 8B") && page.contains(&agents), "{page}");
        assert_eq!(page.matches("From the filter").count(), 1, "{page}");
        let reference =
            page.split("/concerns/").find_map(|rest| rest.get(..7).filter(|one| *one != agents && one.contains('-')));
        let concern = dsl.get(&format!("/concerns/{}", reference.unwrap())).await.body;
        for words in ["From the filter", "forum.example", "The filter"] {
            assert!(concern.contains(words), "{words}: {concern}");
        }
        let devices = seeded.visitor("tech").await.get("/devices").await.body;
        assert!(!devices.contains("The filter") && devices.contains("1 of 1 device heard today"), "{devices}");
    }

    #[tokio::test]
    async fn where_devices_are_expected_the_queue_counts_them_and_not_those_that_enrolled() {
        let seeded = Seeded::open().await;
        seeded.expects("hostname\npc-12\nPC-13\nPC-14\n").await;
        let page = seeded.visitor("dsl").await.get("/queue").await.body;
        assert!(page.contains("1 of 3 expected devices heard today; 2 never."), "{page}");
    }

    #[tokio::test]
    async fn a_concern_about_oneself_leaves_the_page_as_it_was() {
        let seeded = Seeded::open().await;
        let mut head = seeded.visitor("head").await;
        let without = head.get("/queue").await.body;
        seeded.concern("head", Category::Gambling, Level::High, "words").await;
        assert_eq!(head.get("/queue").await.body, without);
        assert_eq!(head.get("/queue?show=closed").await.status, StatusCode::OK);
        assert!(seeded.visitor("chair").await.get("/queue").await.body.contains("R. B., staff"));
    }
}
