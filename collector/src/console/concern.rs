//! A concern: everything a decision needs, on one page. The act of opening it is in the log before a byte leaves.

mod card;
mod context;
mod file_text;
mod may;
mod read;
mod why;

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use lapwing_proto::Capture;
use lapwing_rules::Level;

use super::decision::{self, Choice};
use super::evidence::{self, SeenView};
use super::frame::{self, Frame};
use super::queue::filter::Filter;
use super::queue::{self, ListView};
use super::refusal::Refusal;
use super::role::Recipient;
use super::said::{Done, Said};
use super::words::{self, Present};
use super::{ConsoleState, guidance, put_off, settle};
use crate::actor::PersonId;
use crate::proof::filter::RULE_PREFIX;
use crate::store::concern_page::{Colleague, Decided, Other, StepFacts};
use crate::store::queue::QueueRow;
use crate::triage::commands::{Basis, Evidence, Note, Opened, Same};
use crate::triage::is_illegal;

use card::Card;
use may::Can;
use read::Read;

/// Concerns of the same site or file that are named.
const MOST_SAME: usize = 10;

#[derive(Template)]
#[template(path = "concern.html")]
struct ConcernPage {
    frame: Frame,
    list: ListView,
    current: Option<String>,
    said: Option<Said>,
    view: ConcernView,
}

struct ConcernView {
    reference: String,
    level: Level,
    what: String,
    standing: String,
    clock: String,
    do_not_view: &'static [&'static str],
    urgent: Option<&'static str>,
    facts: Vec<Fact>,
    cut: Option<String>,
    seen: Vec<SeenView>,
    why: Vec<String>,
    guidance: Vec<String>,
    card: Card,
    /// What came of others by the same rule.
    like: Option<String>,
    history: Option<String>,
    same: Option<String>,
    same_concerns: Vec<OtherView>,
    /// Until when the reader put it off.
    put_off: Option<String>,
    /// Until when the reader is told if it recurs.
    told: Option<String>,
    routine: Vec<Choice>,
    /// When the concern changed last, as it is shown.
    seen_us: i64,
    until: [(&'static str, &'static str); 3],
    bases: [Basis; 4],
    /// For the child's file.
    file_text: String,
    /// Rules that can be called noisy.
    noisy: Vec<String>,
    around: Vec<OtherView>,
    before: Vec<OtherView>,
    steps: Vec<StepView>,
    can: Can,
    verdicts: Vec<Choice>,
    outcomes: Vec<Choice>,
    /// Rules to be judged each by itself, where there are several.
    rules: Vec<String>,
    towards: Vec<OtherView>,
    into: Option<OtherView>,
    colleagues: Vec<Colleague>,
    /// Whoever looks, where the concern can be given to them.
    me: Option<PersonId>,
}

struct Fact {
    name: &'static str,
    value: String,
}

struct OtherView {
    reference: String,
    level: Level,
    what: String,
    when: String,
}

struct StepView {
    did: String,
    when: String,
    /// The same as it is written down.
    at: String,
    who: String,
    is_by_person: bool,
    note: Option<String>,
}

/// `GET /concerns/{reference}`.
pub(super) async fn page(
    State(state): State<ConsoleState>,
    recipient: Recipient,
    Path(reference): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let concern = decision::find(&state, &recipient, &reference).await?;
    let read = read::read(&state, &recipient, concern).await?;
    let view = view(&state, &recipient.present(), &read);
    let list = queue::list(&state, &recipient, &Filter::of(query.as_deref())).await?;
    let said = Done::of(query.as_deref()).said(&state, &recipient, Some(&view.reference), &list.kept).await?;
    let frame = Frame::of(&recipient, "/queue");
    frame::shown(&ConcernPage { frame, list, current: Some(view.reference.clone()), said, view })
}

fn view(state: &ConsoleState, present: &Present, read: &Read) -> ConcernView {
    let rules = state.rules.load();
    let Read { row, decided, opened, .. } = read;
    let fired = opened.captures.iter().filter_map(|one| capture(&one.evidence));
    let fired = fired.flat_map(|capture| capture.verdict.hits.iter().map(|hit| &hit.rule));
    let standing = standing(present, row, decided);
    let can = may::can(row, decided, read.into.is_some(), read.is_senior);
    let view = ConcernView {
        reference: row.reference.clone(),
        level: row.level,
        what: words::category(&row.category),
        standing,
        clock: queue::clock(present, row).words,
        do_not_view: guidance::do_not_view(&row.category),
        urgent: guidance::urgent(&row.category, row.level),
        facts: facts(present, read),
        cut: cut(row, opened),
        seen: opened.captures.iter().map(|one| evidence::seen(present, &rules, one)).collect(),
        why: why::why(row, decided, opened),
        guidance: guidance::of_rules(&rules, fired),
        around: read.around.iter().map(|other| other_view(present, other)).collect(),
        before: read.before.iter().map(|other| other_view(present, other)).collect(),
        steps: steps(present, &read.steps, &opened.notes),
        can,
        card: card::card(&row.subject.audience, &row.category, row.level, &read.matrix, &read.contacts),
        like: context::like(&read.like),
        history: context::history(read.history),
        same: context::same(&read.same),
        same_concerns: same_concerns(&read.same),
        put_off: read.put_off_until_us.map(|until_us| present.moment(until_us)),
        told: read.told_until_us.map(|until_us| present.date_and_time(until_us)),
        routine: if can.settle { routine() } else { Vec::new() },
        seen_us: row.changed_us,
        until: put_off::UNTIL,
        bases: Basis::ALL,
        file_text: String::new(),
        noisy: noisy(row, &read.rules),
        verdicts: decision::verdicts(decided.verdict.as_deref()),
        outcomes: decision::outcomes(decided.outcome.as_deref()),
        rules: if read.rules.len() > 1 { read.rules.clone() } else { Vec::new() },
        towards: read.towards.iter().map(|other| other_view(present, other)).collect(),
        into: read.into.as_ref().map(|other| other_view(present, other)),
        colleagues: read.colleagues.clone(),
        me: read.me,
    };
    ConcernView { file_text: file_text::of(present, row, &view), ..view }
}

/// Rules that can be called noisy: of what pupils did with their own accounts. Those of an illegal class are nobody's to tune,
/// and the filter's are its own.
fn noisy(row: &QueueRow, rules: &[String]) -> Vec<String> {
    let is_ours = |rule: &&String| !is_illegal(&row.category) && !rule.starts_with(RULE_PREFIX);
    let rules = if row.subject.audience == "pupil" { rules } else { &[] };
    rules.iter().filter(is_ours).cloned().collect()
}

fn routine() -> Vec<Choice> {
    let choice = |(value, _, _, words)| Choice { value, words, is_chosen: false };
    settle::ROUTINE.into_iter().map(choice).collect()
}

fn same_concerns(same: &Same) -> Vec<OtherView> {
    let view = |(reference, (level, category)): (&String, &(Level, String))| OtherView {
        reference: reference.clone(),
        level: *level,
        what: words::category(category),
        when: String::new(),
    };
    same.concerns.iter().take(MOST_SAME).map(view).collect()
}

fn standing(present: &Present, row: &QueueRow, decided: &Decided) -> String {
    let mut standing = format!("Opened {}. {}.", present.when(decided.opened_us), queue::state_words(&row.state));
    if let Some(review_us) = decided.review_us {
        standing += &format!(" Comes back on {}.", present.date_and_time(review_us));
    }
    if !decided.elsewhere.is_empty() {
        standing += &format!(" Recorded elsewhere: {}.", decided.elsewhere);
    }
    standing
}

fn facts(present: &Present, read: &Read) -> Vec<Fact> {
    let row = &read.row;
    let places = read.places.iter().map(|place| match place.room.as_str() {
        "" => place.hostname.clone(),
        room => format!("{}, {room}", place.hostname),
    });
    let account = read.opened.captures.iter().find_map(|one| capture(&one.evidence));
    let account = account.map(|capture| capture.account.name.clone()).filter(|name| !name.is_empty());
    let account = account.or_else(|| row.subject.account.clone());
    let mut facts = vec![Fact {
        name: "Signed-in account",
        value: account.unwrap_or_else(|| "Nobody was signed in, or it is not known".to_owned()),
    }];
    facts.push(Fact { name: "Belongs to", value: queue::in_full(&row.subject) });
    if read.is_marked {
        facts.push(Fact { name: "Marked", value: "As vulnerable. Shown to you and the DSL's team alone".to_owned() });
    }
    facts.push(Fact { name: "Device", value: places.collect::<Vec<_>>().join("; ") });
    facts.push(Fact { name: "When", value: present.when(row.last_us) });
    facts.push(Fact { name: "How often", value: words::how_often(present, row.captures, row.first_us, row.last_us) });
    facts
}

fn cut(row: &QueueRow, opened: &Opened) -> Option<String> {
    let shown = i64::try_from(opened.captures.len()).unwrap_or(i64::MAX);
    let is_cut = row.captures > shown && shown >= 100;
    is_cut.then(|| format!("The {shown} most urgent and latest of {} are shown.", row.captures))
}

fn steps(present: &Present, steps: &[StepFacts], notes: &[Note]) -> Vec<StepView> {
    let view = |step: &StepFacts| {
        let note = notes.iter().find(|note| note.step == step.step);
        StepView {
            did: decision::step_words(&step.kind, &step.to_state),
            when: present.when(step.at_us),
            at: present.at(step.at_us),
            is_by_person: step.name.is_some(),
            who: step.name.clone().unwrap_or_else(|| "Lapwing".to_owned()),
            note: note.map(|note| note.text.clone().unwrap_or_else(|| "(erased)".to_owned())),
        }
    };
    steps.iter().map(view).collect()
}

fn other_view(present: &Present, other: &Other) -> OtherView {
    OtherView {
        reference: other.reference.clone(),
        level: other.level,
        what: words::category(&other.category),
        when: format!("{}, {}", present.when(other.first_us), queue::state_words(&other.state).to_lowercase()),
    }
}

fn capture(evidence: &Evidence) -> Option<&Capture> {
    match evidence {
        Evidence::Shown(capture) | Evidence::Withheld(capture) => Some(capture),
        Evidence::Erased => None,
    }
}

#[cfg(test)]
mod tests;
