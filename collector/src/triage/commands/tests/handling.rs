//! Merging, handing over, holding, attributing, closing, judging.

use super::*;
use crate::actor::PersonId;

/// A second concern about the same pupil, of `category`.
pub(super) async fn second(day: &Day, category: Category, level: Level) -> ConcernId {
    day.school.intake().take(delivery(level, 1, vec![title("amy", category, level, SEEN)])).await.unwrap();
    settle(&day.school).await;
    *day.school.concerns().await.last().unwrap()
}

/// Everything about concerns but what was done with them and when.
pub(super) async fn picture(day: &Day) -> Vec<String> {
    let mut rows = Vec::new();
    for sql in [
        "SELECT hex(concern_id) || level || state || captures || first_us || last_us || COALESCE(hex(merged_into), '-')
         FROM concerns ORDER BY concern_id",
        "SELECT hex(concern_id) || hex(capture_id) FROM concern_captures ORDER BY concern_id, capture_id",
        "SELECT hex(concern_id) || hex(person_id) || reason FROM concern_recipients ORDER BY concern_id, person_id",
        "SELECT hex(concern_id) || due_us || step FROM escalations ORDER BY concern_id",
        "SELECT hex(capture_id) || hex(subject_id) || hex(key_id) FROM captures ORDER BY capture_id",
    ] {
        rows.extend(day.school.texts(sql).await);
    }
    rows
}

#[tokio::test]
async fn merging_and_splitting_leaves_everything_as_it_was() {
    let day = day(Category::SelfHarm).await;
    let lower = second(&day, Category::Bullying, Level::Moderate).await;
    let before = picture(&day).await;
    day.desk.merge(&day.dsl, lower, day.concern).await.unwrap();
    assert_ne!(picture(&day).await, before);
    assert_eq!(day.desk.open(&day.dsl, day.concern).await.unwrap().captures.len(), 2, "shown together");
    assert!(matches!(day.desk.acknowledge(&day.dsl, lower).await, Err(CommandError::IsMerged)));
    day.desk.split(&day.dsl, lower).await.unwrap();
    assert_eq!(picture(&day).await, before);
    assert_eq!(day.desk.open(&day.dsl, day.concern).await.unwrap().captures.len(), 1);
}

#[tokio::test]
async fn what_comes_of_a_merged_topic_counts_towards_the_concern_it_was_merged_into() {
    let day = day(Category::SelfHarm).await;
    let lower = second(&day, Category::Bullying, Level::Moderate).await;
    day.desk.merge(&day.dsl, lower, day.concern).await.unwrap();
    let capture = title("amy", Category::Bullying, Level::Moderate, SEEN);
    day.school.intake().take(delivery(Level::Moderate, 2, vec![capture])).await.unwrap();
    settle(&day.school).await;
    assert_eq!(day.school.texts("SELECT captures || '' FROM concerns ORDER BY rowid").await, ["2", "1"]);
    // What goes on for hours, never with an hour between, stays one.
    for (sequence, hours) in [(3, 1), (4, 2), (5, 3)] {
        let wall_us = NINE_US + hours * 50 * 60_000_000;
        let later = lapwing_proto::Capture { wall_us, ..title("amy", Category::Bullying, Level::Moderate, SEEN) };
        let delivered = delivery(Level::Moderate, sequence, vec![later]);
        day.school.intake().take(crate::intake::Delivery { received_us: wall_us, ..delivered }).await.unwrap();
        settle(&day.school).await;
    }
    assert_eq!(day.school.texts("SELECT captures || '' FROM concerns ORDER BY rowid").await, ["5", "1"]);
}

#[tokio::test]
async fn only_undecided_concerns_about_one_person_become_one() {
    let day = day(Category::SelfHarm).await;
    let lower = second(&day, Category::Drugs, Level::Moderate).await;
    let refused = |error| matches!(error, Err(CommandError::CannotMerge));
    assert!(refused(day.desk.merge(&day.dsl, day.concern, lower).await), "the higher into the lower");
    assert!(refused(day.desk.merge(&day.dsl, lower, lower).await));
    assert!(refused(day.desk.split(&day.dsl, lower).await));
    let hidden = day.desk.merge(&day.head, lower, day.concern).await;
    assert!(matches!(hidden, Err(CommandError::NotFound)));
    day.school
        .write(
            "INSERT INTO concern_recipients SELECT school_id, concern_id, (SELECT person_id FROM persons
        WHERE name = 'Name of head'), 'row', 1 FROM concerns WHERE category = 'drugs'",
        )
        .await;
    let unseen = day.desk.merge(&day.head, lower, day.concern).await;
    assert!(matches!(unseen, Err(CommandError::NotFound)), "sees the one, and not the other");
    let refusals = "SELECT COUNT(*) FROM audit_acts WHERE act ->> 'what' = 'concern_refused'";
    assert_eq!(day.school.count(refusals).await, 2, "both are in the log");
    day.school.write("DELETE FROM concern_recipients WHERE reason = 'row'").await;
    day.school.person("ben", Kind::Pupil, &[]).await;
    let capture = title("ben", Category::Drugs, Level::Moderate, SEEN);
    day.school.intake().take(delivery(Level::Moderate, 2, vec![capture])).await.unwrap();
    settle(&day.school).await;
    let other = *day.school.concerns().await.last().unwrap();
    assert!(refused(day.desk.merge(&day.dsl, other, day.concern).await), "another pupil");
    day.school.write("UPDATE concerns SET state = 'no_action' WHERE category = 'self_harm'").await;
    assert!(refused(day.desk.merge(&day.dsl, lower, day.concern).await), "decided");
}

#[tokio::test]
async fn an_illegal_case_keeps_what_belongs_to_its_subject_until_it_is_closed() {
    let day = day(Category::SelfHarm).await;
    let lower = second(&day, Category::Bullying, Level::Moderate).await;
    second(&day, Category::Grooming, Level::Critical).await;
    let held = day.desk.merge(&day.dsl, lower, day.concern).await;
    assert!(matches!(held, Err(CommandError::IsHeld)), "{held:?}");
    assert_eq!(day.school.count("SELECT COUNT(*) FROM holds WHERE released_us IS NULL").await, 1);
}

#[tokio::test]
async fn whoever_has_a_conflict_of_interest_hands_a_concern_over_and_sees_it_no_more() {
    let day = day(Category::SelfHarm).await;
    let head = day.head.person().unwrap();
    let amy: Vec<u8> = day.school.bytes("SELECT person_id FROM accounts WHERE account = 'amy'").await.concat();
    let amy = PersonId::try_from(amy.as_slice()).unwrap();
    let to_pupil = day.desk.transfer(&day.dsl, day.concern, amy, "my niece").await;
    assert!(matches!(to_pupil, Err(CommandError::NotForThem)));
    assert_eq!(day.desk.transfer(&day.dsl, day.concern, head, "my niece").await.unwrap(), State::Transferred);
    assert!(matches!(day.desk.open(&day.dsl, day.concern).await, Err(CommandError::NotFound)));
    assert_eq!(day.desk.open(&day.head, day.concern).await.unwrap().notes.len(), 1);
    assert_eq!(day.desk.acknowledge(&day.head, day.concern).await.unwrap(), State::Acknowledged);
    assert_eq!(day.school.count("SELECT COUNT(*) FROM outbox").await, 2, "and is told");

    // Whatever happens next does not bring it back to them.
    let mut tx = day.school.store.begin().await.unwrap();
    crate::triage::reroute(&mut tx, &day.dsl, NINE_US).await.unwrap();
    tx.commit().await.unwrap();
    second(&day, Category::SelfHarm, Level::Critical).await;
    assert_eq!(day.school.texts("SELECT level || state FROM concerns").await, ["5reopened"]);
    assert!(matches!(day.desk.open(&day.dsl, day.concern).await, Err(CommandError::NotFound)));
    assert_eq!(day.school.count("SELECT COUNT(*) FROM outbox").await, 2, "nor to them");
}

#[tokio::test]
async fn a_concern_is_never_shared_with_whom_it_is_about() {
    let day = day(Category::SelfHarm).await;
    day.desk.share(&day.dsl, day.concern, day.head.person().unwrap()).await.unwrap();
    day.desk.open(&day.head, day.concern).await.unwrap();
    day.school.make_subject(day.dsl.person().unwrap()).await;
    let shared = day.desk.share(&day.head, day.concern, day.dsl.person().unwrap()).await;
    assert!(matches!(shared, Err(CommandError::NotForThem)));
}

#[tokio::test]
async fn a_case_on_the_childs_file_closes_with_a_review_date_and_what_was_learnt() {
    let day = day(Category::SelfHarm).await;
    day.desk.acknowledge(&day.dsl, day.concern).await.unwrap();
    let case = Judgement::new(Verdict::True, Outcome::Cpoms).unwrap();
    day.desk.judge(&day.dsl, day.concern, case, "", &BTreeMap::new()).await.unwrap();
    let week_us = NINE_US + 7 * 24 * 3_600_000_000;
    let closing = |review, lesson| Closing { review, lesson, elsewhere: "C-1041" };
    for bad in [closing(Review::Unsaid, "look earlier"), closing(Review::At(week_us), " ")] {
        let closed = day.desk.close(&day.dsl, day.concern, bad).await;
        assert!(matches!(closed, Err(CommandError::NeedsReview)), "{closed:?}");
    }
    let past = day.desk.close(&day.dsl, day.concern, closing(Review::At(NINE_US), "look earlier")).await;
    assert!(matches!(past, Err(CommandError::ReviewDate)));
    day.desk.close(&day.dsl, day.concern, closing(Review::At(week_us), "look earlier")).await.unwrap();
    let kept = day.school.texts("SELECT review_us || recorded_elsewhere FROM concerns").await;
    assert_eq!(kept, [format!("{week_us}C-1041")]);
    let notes = day.desk.open(&day.dsl, day.concern).await.unwrap().notes;
    assert_eq!(notes.last().unwrap().text.as_deref(), Some("look earlier"));
}

#[tokio::test]
async fn each_rule_has_a_verdict_of_its_own_and_a_reopened_concern_has_none() {
    let day = day(Category::SelfHarm).await;
    let mut other = title("amy", Category::SelfHarm, Level::High, SEEN);
    other.verdict.hits[0].rule = "self_harm.other".parse().unwrap();
    day.school.intake().take(delivery(Level::High, 2, vec![other])).await.unwrap();
    settle(&day.school).await;
    day.desk.acknowledge(&day.dsl, day.concern).await.unwrap();
    let rules =
        BTreeMap::from([("self_harm.other".to_owned(), Verdict::False), ("no.such".to_owned(), Verdict::False)]);
    day.desk.judge(&day.dsl, day.concern, pastoral(), "", &rules).await.unwrap();
    let verdicts = "SELECT rule || ' ' || verdict FROM rule_verdicts ORDER BY rule";
    assert_eq!(day.school.texts(verdicts).await, ["self_harm.other false", "self_harm.words true"]);
    day.desk.reopen(&day.dsl, day.concern).await.unwrap();
    assert!(day.school.texts(verdicts).await.is_empty());
}

#[tokio::test]
async fn a_change_of_the_filter_tells_the_technician_host_and_topic_alone() {
    let day = day(Category::Gambling).await;
    let mut capture = title("amy", Category::Gambling, Level::High, SEEN);
    capture.excerpts.push(lapwing_proto::Excerpt {
        scope: lapwing_proto::Open::Known(lapwing_rules::Scope::UrlHost),
        text: "Bets.example".to_owned(),
    });
    day.school.intake().take(delivery(Level::High, 2, vec![capture])).await.unwrap();
    settle(&day.school).await;
    day.desk.acknowledge(&day.dsl, day.concern).await.unwrap();
    let filter = Judgement::new(Verdict::True, Outcome::FilterChange).unwrap();
    for _ in 0..2 {
        day.desk.judge(&day.dsl, day.concern, filter, "", &BTreeMap::new()).await.unwrap();
    }
    let tickets =
        day.school.texts("SELECT host || ' ' || category || ' ' || wanted || ' ' || day FROM filter_tickets").await;
    assert_eq!(tickets, ["bets.example gambling block 2026-09-28"]);
}

#[tokio::test]
async fn a_held_concern_stays_as_it_is_until_it_is_released() {
    let day = day(Category::SelfHarm).await;
    let waiting = day.desk.hold(&day.dsl, day.concern, "court order").await;
    assert!(matches!(waiting, Err(CommandError::Invalid(_))), "what nobody acknowledged goes on climbing");
    day.desk.acknowledge(&day.dsl, day.concern).await.unwrap();
    assert_eq!(day.desk.hold(&day.dsl, day.concern, "court order").await.unwrap(), State::LegalHold);
    assert!(matches!(day.desk.acknowledge(&day.dsl, day.concern).await, Err(CommandError::Invalid(_))));
    assert!(matches!(day.desk.release(&day.dsl, day.concern, " ").await, Err(CommandError::NoteLength(0))));
    assert_eq!(day.desk.release(&day.dsl, day.concern, "over").await.unwrap(), State::UnderReview);
}

#[tokio::test]
async fn a_critical_concern_that_the_dsl_reads_is_told_to_the_headteacher_once() {
    let day = day(Category::SelfHarm).await;
    let critical = second(&day, Category::Threats, Level::Critical).await;
    for _ in 0..2 {
        day.desk.open(&day.dsl, critical).await.unwrap();
        day.desk.open(&day.dsl, day.concern).await.unwrap();
    }
    let told = day.school.count("SELECT COUNT(*) FROM outbox WHERE kind = 'read_alone'").await;
    assert_eq!(told, 1);
    assert!(matches!(day.desk.open(&day.head, critical).await, Err(CommandError::NotFound)), "told, not let in");
}

/// A concern of a class log-on that pupils use.
async fn class_log_on() -> (Day, PersonId) {
    let day = day(Category::SelfHarm).await;
    day.school.person("ks1", Kind::Shared, &[]).await;
    let ben = day.school.person("ben", Kind::Pupil, &[]).await;
    let capture = title("ks1", Category::Bullying, Level::Moderate, SEEN);
    day.school.intake().take(delivery(Level::Moderate, 1, vec![capture])).await.unwrap();
    settle(&day.school).await;
    let concern = *day.school.concerns().await.last().unwrap();
    (Day { concern, ..day }, ben)
}

#[tokio::test]
async fn what_a_class_log_on_did_becomes_a_pupils_is_sealed_anew_and_comes_back() {
    let (day, ben) = class_log_on().await;
    day.desk.note(&day.dsl, day.concern, "seating plan").await.unwrap();
    let of_concern = "SELECT hex(k.key_id) || hex(k.subject_id) FROM captures AS k JOIN concern_captures AS l
        ON l.capture_id = k.capture_id JOIN concerns AS c ON c.concern_id = l.concern_id WHERE c.category = 'bullying'";
    let before = day.school.texts(of_concern).await;
    day.desk.attribute(&day.dsl, day.concern, ben, "sat there, says the teacher").await.unwrap();
    assert_ne!(day.school.texts(of_concern).await, before);
    let opened = day.desk.open(&day.dsl, day.concern).await.unwrap();
    let shown = opened.captures.iter().all(|one| matches!(&one.evidence, Evidence::Shown(_)));
    assert!(shown && opened.notes.iter().all(|note| note.text.is_some()));
    let subject = "SELECT hex(s.person_id) FROM concerns AS c JOIN subjects AS s ON s.subject_id = c.subject_id
        WHERE c.category = 'bullying'";
    assert_eq!(day.school.texts(subject).await, [data_encoding::HEXUPPER.encode(ben.as_bytes())]);

    day.desk.unattribute(&day.dsl, day.concern, "it was somebody else").await.unwrap();
    assert_eq!(day.school.texts(of_concern).await, before);
    let opened = day.desk.open(&day.dsl, day.concern).await.unwrap();
    assert!(opened.notes.iter().all(|note| note.text.is_some()) && opened.notes.len() == 3);
    let again = day.desk.unattribute(&day.dsl, day.concern, "again").await;
    assert!(matches!(again, Err(CommandError::CannotAttribute)));
    assert!(audit::verify(&day.school.store, &day.school.id).await.unwrap().faults.is_empty());
}

#[tokio::test]
async fn an_illegal_case_keeps_what_belongs_to_the_pupil_it_was_said_to_be_of() {
    let (day, ben) = class_log_on().await;
    let capture = title("ks1", Category::Grooming, Level::Critical, SEEN);
    day.school.intake().take(delivery(Level::Critical, 1, vec![capture])).await.unwrap();
    settle(&day.school).await;
    let illegal = *day.school.concerns().await.last().unwrap();
    day.desk.attribute(&day.dsl, illegal, ben, "sat there").await.unwrap();
    let kept = "SELECT COUNT(*) FROM holds AS h JOIN subjects AS s ON s.subject_id = h.subject_id
        WHERE h.released_us IS NULL AND s.person_id IS NOT NULL";
    assert_eq!(day.school.count(kept).await, 1);
    assert_eq!(day.school.count("SELECT COUNT(*) FROM holds WHERE released_us IS NULL").await, 2, "and of the log-on");
}

#[tokio::test]
async fn the_filter_is_never_asked_about_what_is_illegal() {
    let day = day(Category::Grooming).await;
    let mut capture = title("amy", Category::Grooming, Level::High, SEEN);
    capture.excerpts.push(lapwing_proto::Excerpt {
        scope: lapwing_proto::Open::Known(lapwing_rules::Scope::UrlHost),
        text: "site.example".to_owned(),
    });
    day.school.intake().take(delivery(Level::High, 2, vec![capture])).await.unwrap();
    settle(&day.school).await;
    day.desk.acknowledge(&day.dsl, day.concern).await.unwrap();
    let filter = Judgement::new(Verdict::True, Outcome::FilterChange).unwrap();
    day.desk.judge(&day.dsl, day.concern, filter, "", &BTreeMap::new()).await.unwrap();
    assert_eq!(day.school.count("SELECT COUNT(*) FROM filter_tickets").await, 0);
}

#[tokio::test]
async fn a_reopened_concern_has_its_time_anew_and_climbs() {
    let day = day(Category::SelfHarm).await;
    day.desk.acknowledge(&day.dsl, day.concern).await.unwrap();
    day.desk.judge(&day.dsl, day.concern, pastoral(), "", &BTreeMap::new()).await.unwrap();
    day.school.write("UPDATE concerns SET acknowledge_by_us = 1").await;
    day.desk.reopen(&day.dsl, day.concern).await.unwrap();
    let hour_us = NINE_US + 3_600_000_000;
    assert_eq!(day.school.count("SELECT acknowledge_by_us FROM concerns").await, hour_us);
    assert_eq!(day.school.count("SELECT due_us FROM escalations").await, hour_us);
}

#[tokio::test]
async fn erasing_the_pupil_erases_what_was_said_to_be_theirs() {
    let (day, ben) = class_log_on().await;
    day.desk.attribute(&day.dsl, day.concern, ben, "sat there").await.unwrap();
    let key = day
        .school
        .bytes(
            "SELECT s.key_id FROM subjects AS s JOIN concerns AS c ON c.subject_id = s.subject_id
        WHERE c.category = 'bullying'",
        )
        .await
        .concat();
    day.school.vault.erase(KeyId::try_from(key.as_slice()).unwrap()).await.unwrap();
    let opened = day.desk.open(&day.dsl, day.concern).await.unwrap();
    assert!(opened.captures.iter().all(|one| matches!(one.evidence, Evidence::Erased)));
}

#[tokio::test]
async fn only_a_class_log_on_is_said_to_be_a_pupils() {
    let (day, ben) = class_log_on().await;
    let own = *day.school.concerns().await.first().unwrap();
    for (concern, person) in [(own, ben), (day.concern, day.head.person().unwrap())] {
        let said = day.desk.attribute(&day.dsl, concern, person, "sat there").await;
        assert!(matches!(said, Err(CommandError::CannotAttribute)), "{said:?}");
    }
    assert_eq!(day.school.count("SELECT COUNT(*) FROM attributions").await, 0);
}
