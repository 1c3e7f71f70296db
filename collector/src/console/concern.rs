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
    let mut view = view(&state, &recipient.present(), &read);
    view.me = recipient.actor().person();
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
    let mut view = ConcernView {
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
        until: put_off::UNTIL,
        bases: Basis::ALL,
        file_text: String::new(),
        noisy: if is_illegal(&row.category) { Vec::new() } else { read.rules.clone() },
        verdicts: decision::verdicts(decided.verdict.as_deref()),
        outcomes: decision::outcomes(decided.outcome.as_deref()),
        rules: if read.rules.len() > 1 { read.rules.clone() } else { Vec::new() },
        towards: read.towards.iter().map(|other| other_view(present, other)).collect(),
        into: read.into.as_ref().map(|other| other_view(present, other)),
        colleagues: read.colleagues.clone(),
        me: None,
    };
    view.file_text = file_text::of(present, row, &view);
    view
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
mod tests {
    use http::StatusCode;
    use lapwing_proto::{Excerpt, Open};
    use lapwing_rules::{Category, Scope};

    use super::super::seeded::Seeded;
    use super::*;
    use crate::store::fixture::title;

    #[tokio::test]
    async fn the_page_answers_who_where_when_which_words_why_and_what_next() {
        let seeded = Seeded::open().await;
        let reference = seeded.concern("amelia", Category::SelfHarm, Level::High, "seeded words").await;
        let page = seeded.visitor("dsl").await.get(&format!("/concerns/{reference}")).await.body;
        let expected = [
            "Signed-in account",
            "Amelia Jones, 8B, Key stage 3",
            "PC-12, IT room",
            "<mark>seeded words</mark>",
            "Looked for a way to hurt themselves (self_harm.words), release 1",
            "Level 4, high: the rule gives this level for an account of key stage 3.",
            "See the pupil today",
            "First time for this account",
            "Opened",
        ];
        for words in expected {
            assert!(page.contains(words), "{words}");
        }
    }

    #[tokio::test]
    async fn a_vulnerable_mark_is_shown_to_the_dsls_team_and_to_nobody_else() {
        let seeded = Seeded::open().await;
        let reference = seeded.concern("amelia", Category::Grooming, Level::Critical, "words").await;
        let address = format!("/concerns/{reference}");
        let unmarked = seeded.visitor("head").await.get(&address).await;
        seeded.school.write("UPDATE persons SET vulnerable = 1 WHERE name = 'Amelia Jones'").await;
        for person in ["dsl", "deputy"] {
            assert!(seeded.visitor(person).await.get(&address).await.body.contains("As vulnerable"), "{person}");
        }
        let page = seeded.visitor("head").await.get(&address).await;
        assert_eq!((unmarked.status, page.status), (StatusCode::OK, StatusCode::OK));
        assert!(!page.body.contains("vulnerable"));
    }

    #[tokio::test]
    async fn whoever_teaches_a_class_is_offered_what_they_may_do_and_no_more() {
        let seeded = Seeded::open().await;
        for (table, value) in [("person_roles", "class_teacher"), ("person_classes", "8B")] {
            let teaches = "SELECT school_id, person_id, $ FROM persons WHERE name = 'Tom Reed'";
            let teaches = teaches.replace('$', &format!("'{value}'"));
            seeded.school.write(&format!("INSERT INTO {table} {teaches}")).await;
        }
        let reference = seeded.concern("amelia", Category::Profanity, Level::Low, "seeded words").await;
        let address = format!("/concerns/{reference}");
        let teacher = seeded.visitor("teacher").await.get(&address).await.body;
        let dsl = seeded.visitor("dsl").await.get(&address).await.body;
        for senior in ["share", "transfer", "merge"] {
            let form = format!("action=\"{address}/{senior}\"");
            assert!(dsl.contains(&form) && !teacher.contains(&form), "{senior}");
        }
        assert!(teacher.contains(&format!("action=\"{address}/acknowledge\"")));
    }

    #[tokio::test]
    async fn markup_in_a_title_is_shown_as_text_and_a_url_is_no_link() {
        let seeded = Seeded::open().await;
        let hostile = "<script>alert(1)</script><img src=x> https://example.test/\"><a href='x'>";
        let reference = seeded.concern("amelia", Category::Drugs, Level::Moderate, hostile).await;
        let page = seeded.visitor("dsl").await.get(&format!("/concerns/{reference}")).await.body;
        assert!(page.contains("&#60;script&#62;alert(1)"), "{page}");
        assert!(!page.contains("<script>") && !page.contains("<img") && !page.contains("href=\"https://"));
    }

    #[tokio::test]
    async fn a_concern_of_somebody_else_and_one_that_does_not_exist_answer_alike() {
        let seeded = Seeded::open().await;
        let staff = seeded.concern("teacher", Category::Gambling, Level::High, "seeded words").await;
        let mut dsl = seeded.visitor("dsl").await;
        let hidden = dsl.get(&format!("/concerns/{staff}")).await;
        let missing = dsl.get("/concerns/ZZ-9999").await;
        assert_eq!(hidden.status, StatusCode::NOT_FOUND);
        assert_eq!((hidden.status, &hidden.body), (missing.status, &missing.body));
        assert!(hidden.body.contains("You cannot open this concern."));
        assert_eq!(seeded.visitor("head").await.get(&format!("/concerns/{staff}")).await.status, StatusCode::OK);
    }

    #[tokio::test]
    async fn a_concern_about_oneself_cannot_be_opened_or_decided() {
        let seeded = Seeded::open().await;
        let own = seeded.concern("head", Category::Gambling, Level::High, "seeded words").await;
        let mut head = seeded.visitor("head").await;
        assert_eq!(head.get(&format!("/concerns/{own}")).await.status, StatusCode::NOT_FOUND);
        let decided = head.post(&format!("/concerns/{own}/acknowledge"), &[]).await;
        assert_eq!(decided.status, StatusCode::NOT_FOUND);
        assert_eq!(seeded.visitor("chair").await.get(&format!("/concerns/{own}")).await.status, StatusCode::OK);
    }

    #[tokio::test]
    async fn opening_is_in_the_audit_log_before_a_byte_leaves() {
        let seeded = Seeded::open().await;
        let reference = seeded.concern("amelia", Category::Drugs, Level::Moderate, "seeded words").await;
        let mut dsl = seeded.visitor("dsl").await;
        dsl.get(&format!("/concerns/{reference}")).await;
        let viewed = "SELECT COUNT(*) FROM audit_acts WHERE act LIKE '%concern_viewed%'";
        assert_eq!(seeded.school.count(viewed).await, 1);
        seeded.school.break_audit().await;
        let unlogged = dsl.get(&format!("/concerns/{reference}")).await;
        assert_eq!(unlogged.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!unlogged.body.contains("seeded words") && unlogged.body.contains("quote"));
    }

    #[tokio::test]
    async fn a_no_evidence_class_shows_steps_instead_of_words() {
        let seeded = Seeded::open().await;
        let mut capture = title("amelia", Category::Csam, Level::Critical, "seeded words");
        capture.excerpts = vec![Excerpt { scope: Open::Known(Scope::Title), text: "seeded words".to_owned() }];
        let reference = seeded.concern_of(Level::Critical, capture).await;
        let page = seeded.visitor("dsl").await.get(&format!("/concerns/{reference}")).await.body;
        assert!(page.contains("Do not look at the material") && !page.contains("The words say"));
        assert!(!page.contains("seeded words"));
    }

    #[tokio::test]
    async fn other_concerns_of_the_account_and_the_device_are_listed_as_far_as_one_may_see_them() {
        let seeded = Seeded::open().await;
        let first = seeded.concern("amelia", Category::Drugs, Level::Moderate, "words").await;
        let staff = seeded.concern("teacher", Category::Gambling, Level::High, "words").await;
        let ben = seeded.concern("ben", Category::Weapons, Level::High, "words").await;
        let last = seeded.concern("amelia", Category::SelfHarm, Level::High, "words").await;
        let page = seeded.visitor("dsl").await.get(&format!("/concerns/{last}")).await.body;
        let around = page.split("Around it on this device").nth(1).unwrap();
        let (around, before) = around.split_once("Before this, for this account").unwrap();
        assert!(around.contains(&first) && around.contains(&ben));
        assert!(before.contains(&first) && !before.split("What was done").next().unwrap().contains(&ben));
        assert!(!page.contains(&staff));
    }
}
