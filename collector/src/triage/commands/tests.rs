mod handling;
mod quick;

use std::collections::BTreeMap;

use lapwing_rules::{Category, Level};
use tokio::sync::Notify;

use super::*;
use crate::actor::Role;
use crate::clock::ManualClock;
use crate::shutdown::Shutdown;
use crate::store::fixture::{NINE_US, School, delivery, title};
use crate::subject::Kind;
use crate::triage::Triage;

const SEEN: &str = "matched words of the title";

struct Day {
    school: School,
    desk: Desk,
    clock: Arc<ManualClock>,
    events: broadcast::Receiver<ConcernChanged>,
    dsl: Actor,
    head: Actor,
    concern: ConcernId,
}

/// A pupil's concern of `category` on the DSL's list, high.
async fn day(category: Category) -> Day {
    day_of(category, Level::High).await
}

/// The same of `level`.
async fn day_of(category: Category, level: Level) -> Day {
    let school = School::open().await;
    let dsl = school.person("dsl", Kind::Staff, &[Role::Dsl]).await;
    let head = school.person("head", Kind::Staff, &[Role::Headteacher]).await;
    school.person("amy", Kind::Pupil, &[]).await;
    let (dsl, head) = (school.actor(dsl, &[Role::Dsl]), school.actor(head, &[Role::Headteacher]));
    let clock = Arc::new(ManualClock::at(NINE_US));
    let (events, listener) = broadcast::channel(16);
    let desk = Desk::new(school.store.clone(), school.vault.clone(), clock.clone(), Arc::default(), events);
    school.intake().take(delivery(level, 1, vec![title("amy", category, level, SEEN)])).await.unwrap();
    settle(&school).await;
    let concern = *school.concerns().await.first().unwrap();
    Day { school, desk, clock, events: listener, dsl, head, concern }
}

async fn settle(school: &School) {
    let (events, mut changed) = broadcast::channel(16);
    let clock = Arc::new(ManualClock::at(NINE_US));
    let mail = Arc::new(Notify::new());
    let worker = Triage::new(school.id.clone(), school.store.clone(), clock, Arc::clone(&school.wake), mail, events);
    let shutdown = Shutdown::new();
    let stop = async {
        changed.recv().await.unwrap();
        shutdown.request();
    };
    tokio::join!(worker.run(shutdown.clone()), stop);
}

fn pastoral() -> Judgement {
    Judgement::new(Verdict::True, Outcome::Talked).unwrap()
}

#[tokio::test]
async fn a_recipient_takes_a_concern_through_its_life() {
    let mut day = day(Category::SelfHarm).await;
    let (desk, dsl, concern) = (&day.desk, &day.dsl, day.concern);
    assert_eq!(desk.acknowledge(dsl, concern).await.unwrap(), State::Acknowledged);
    assert_eq!(desk.note(dsl, concern, " spoke to her form tutor ").await.unwrap(), State::UnderReview);
    assert_eq!(desk.judge(dsl, concern, pastoral(), "", &BTreeMap::new()).await.unwrap(), State::Pastoral);
    assert_eq!(desk.close(dsl, concern, Closing::default()).await.unwrap(), State::Closed);
    assert_eq!(day.school.texts("SELECT state || verdict || outcome FROM concerns").await, ["closedtruetalked"]);
    assert_eq!(desk.reopen(dsl, concern).await.unwrap(), State::Reopened);
    assert_eq!(day.school.count("SELECT COUNT(*) FROM concerns WHERE verdict IS NULL").await, 1);
    let kinds = day.school.texts("SELECT kind FROM concern_steps ORDER BY rowid").await;
    assert_eq!(kinds, ["opened", "acknowledged", "noted", "judged", "closed", "reopened"]);
    for _ in 0..5 {
        assert_eq!(day.events.try_recv().unwrap().concern, concern);
    }
    assert!(audit::verify(&day.school.store, &day.school.id).await.unwrap().faults.is_empty());
}

#[tokio::test]
async fn a_wrong_step_changes_nothing() {
    let day = day(Category::SelfHarm).await;
    let error = day.desk.close(&day.dsl, day.concern, Closing::default()).await.unwrap_err();
    assert!(matches!(error, CommandError::Invalid(_)), "{error}");
    assert_eq!(day.school.texts("SELECT state FROM concerns").await, ["new"]);
    assert_eq!(day.school.count("SELECT COUNT(*) FROM concern_steps").await, 1);
    assert_eq!(day.school.count("SELECT COUNT(*) FROM audit_leaves").await, 1);
}

#[tokio::test]
async fn whoever_is_no_recipient_learns_nothing_and_is_in_the_log() {
    let day = day(Category::SelfHarm).await;
    let missing = ConcernId::random().unwrap();
    for concern in [day.concern, missing] {
        assert!(matches!(day.desk.open(&day.head, concern).await, Err(CommandError::NotFound)));
        assert!(matches!(day.desk.acknowledge(&day.head, concern).await, Err(CommandError::NotFound)));
        assert!(matches!(day.desk.note(&day.head, concern, "x").await, Err(CommandError::NotFound)));
        assert!(matches!(
            day.desk.judge(&day.head, concern, pastoral(), "", &BTreeMap::new()).await,
            Err(CommandError::NotFound)
        ));
        assert!(matches!(day.desk.close(&day.head, concern, Closing::default()).await, Err(CommandError::NotFound)));
        assert!(matches!(day.desk.reopen(&day.head, concern).await, Err(CommandError::NotFound)));
    }
    let refused = "SELECT COUNT(*) FROM audit_acts WHERE act ->> 'what' = 'concern_refused'";
    assert_eq!(day.school.count(refused).await, 12);
}

#[tokio::test]
async fn a_recipient_who_becomes_the_subject_sees_it_no_more() {
    let day = day(Category::SelfHarm).await;
    assert!(day.desk.open(&day.dsl, day.concern).await.is_ok());
    day.school.make_subject(day.dsl.person().unwrap()).await;
    assert!(matches!(day.desk.open(&day.dsl, day.concern).await, Err(CommandError::NotFound)));
}

#[tokio::test]
async fn opening_shows_the_evidence_and_is_in_the_log_first() {
    let day = day(Category::SelfHarm).await;
    day.desk.acknowledge(&day.dsl, day.concern).await.unwrap();
    day.desk.note(&day.dsl, day.concern, "called home").await.unwrap();
    let opened = day.desk.open(&day.dsl, day.concern).await.unwrap();
    let [OpenedCapture { evidence: Evidence::Shown(capture), .. }] = opened.captures.as_slice() else {
        panic!("one capture, shown");
    };
    assert_eq!(capture.excerpts.first().unwrap().text, SEEN);
    let [note] = opened.notes.as_slice() else { panic!("one note") };
    assert_eq!(note.text.as_deref(), Some("called home"));
    let last = day.school.texts("SELECT act ->> 'what' FROM audit_acts ORDER BY leaf_index DESC LIMIT 1").await;
    assert_eq!(last, ["concern_viewed"]);
}

#[tokio::test]
async fn evidence_whose_view_cannot_be_logged_stays_shut() {
    let day = day(Category::SelfHarm).await;
    day.school.break_audit().await;
    assert!(matches!(day.desk.open(&day.dsl, day.concern).await, Err(CommandError::Store(_))));
    assert!(matches!(day.desk.acknowledge(&day.dsl, day.concern).await, Err(CommandError::Store(_))));
    assert_eq!(day.school.texts("SELECT state FROM concerns").await, ["new"]);
}

#[tokio::test]
async fn a_no_evidence_class_is_withheld_and_closes_with_approvers_only() {
    let day = day(Category::Nudes).await;
    let opened = day.desk.open(&day.dsl, day.concern).await.unwrap();
    let [OpenedCapture { evidence: Evidence::Withheld(capture), .. }] = opened.captures.as_slice() else {
        panic!("one capture, withheld");
    };
    assert!(capture.excerpts.is_empty() && capture.sealed_reference.is_empty());
    day.desk.acknowledge(&day.dsl, day.concern).await.unwrap();
    day.desk.judge(&day.dsl, day.concern, pastoral(), "", &BTreeMap::new()).await.unwrap();
    assert!(matches!(
        day.desk.close(&day.dsl, day.concern, Closing::default()).await,
        Err(CommandError::NeedsApprovers)
    ));
}

#[tokio::test]
async fn an_erased_subject_leaves_a_concern_without_evidence() {
    let day = day(Category::SelfHarm).await;
    day.desk.note(&day.dsl, day.concern, "called home").await.unwrap();
    let keys = day.school.bytes("SELECT DISTINCT key_id FROM captures").await;
    day.school.vault.erase(KeyId::try_from(keys.first().unwrap().as_slice()).unwrap()).await.unwrap();
    let opened = day.desk.open(&day.dsl, day.concern).await.unwrap();
    assert!(matches!(opened.captures.as_slice(), [OpenedCapture { evidence: Evidence::Erased, .. }]));
    assert!(opened.notes.iter().all(|note| note.text.is_none()));
    assert!(matches!(day.desk.note(&day.dsl, day.concern, "more").await, Err(CommandError::Erased)));
}

#[tokio::test]
async fn notes_are_bounded() {
    let day = day(Category::SelfHarm).await;
    for text in ["", " \n ", &"x".repeat(MAX_NOTE_BYTES + 1)] {
        let error = day.desk.note(&day.dsl, day.concern, text).await.unwrap_err();
        assert!(matches!(error, CommandError::NoteLength(_)), "{error}");
    }
}
