use http::StatusCode;

use crate::console::seeded::{Answer, Seeded, Visitor};
use crate::store::exemptions;
use crate::store::fixture::School;

const MINUTE_US: i64 = 60_000_000;

/// A lesson in the IT room today, from 11:00 to 12:00; it is 10:00.
const LESSON: [(&str, &str); 8] = [
    ("topic:drugs", "on"),
    ("topic:weapons", "on"),
    ("room:IT room", "on"),
    ("day", "2026-09-28"),
    ("from", "11:00"),
    ("to", "12:00"),
    ("reason", "Year 10 look into county lines <b>"),
    ("risks", "Pictures may be shown; I walk round."),
];

async fn open() -> Seeded {
    let seeded = Seeded::open().await;
    for account in ["dsl", "head", "tech", "deputy"] {
        seeded.add_sign_in(account).await;
    }
    seeded
}

/// The lesson with some fields otherwise.
fn lesson<'a>(other: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let kept = LESSON.iter().filter(|(name, _)| other.iter().all(|(changed, _)| changed != name)).copied();
    kept.chain(other.iter().copied().filter(|(_, value)| !value.is_empty())).collect()
}

async fn asks(teacher: &mut Visitor, other: &[(&str, &str)]) -> Answer {
    teacher.post("/exemptions", &lesson(other)).await
}

/// The reference of the only request.
async fn reference(school: &School) -> String {
    school.texts("SELECT reference FROM requests").await.pop().unwrap()
}

async fn answers(visitor: &mut Visitor, reference: &str, answer: &str) -> Answer {
    visitor.post(&format!("/exemptions/{reference}/answer"), &[("answer", answer)]).await
}

#[tokio::test]
async fn a_teacher_without_a_role_asks_and_sees_that_page_alone() {
    let seeded = open().await;
    let mut teacher = seeded.visitor("teacher").await;
    assert_eq!(teacher.get("/").await.location(), "/exemptions");
    assert!(teacher.get("/exemptions").await.body.contains("Nothing that you may see has been asked for"));
    let asked = asks(&mut teacher, &[]).await;
    assert_eq!(asked.location(), "/exemptions?done=asked", "{}", asked.body);
    let page = teacher.get("/exemptions?done=asked").await.body;
    for words in [
        "You asked for it. It is not in force before it is approved.",
        "Weapons, Drugs",
        "IT room",
        "11:00 to 12:00",
        "county lines &#60;b&#62;",
        "Waits for a technician to read the risk assessment, and for 1 approval",
        "Withdraw",
    ] {
        assert!(page.contains(words), "{words} in {page}");
    }
    assert!(!page.contains(">Approve<") && !page.contains("End it now"));
    for path in ["/queue", "/devices", "/counts"] {
        assert_eq!(teacher.get(path).await.status, StatusCode::FORBIDDEN);
    }
}

#[tokio::test]
async fn a_pupil_with_a_sign_in_has_no_page_and_a_stranger_is_sent_to_the_door() {
    let seeded = open().await;
    let mut pupil = seeded.visitor("amelia").await;
    assert_eq!(pupil.get("/exemptions").await.status, StatusCode::FORBIDDEN);
    assert_eq!(pupil.get("/").await.status, StatusCode::FORBIDDEN);
    assert_eq!(asks(&mut pupil, &[]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(seeded.stranger().get("/exemptions").await.location(), "/sign-in?onward=/exemptions");
    assert!(seeded.school.texts("SELECT reference FROM requests").await.is_empty());
}

#[tokio::test]
async fn it_is_in_force_once_a_technician_has_read_and_the_dsl_has_approved_and_anybody_of_them_ends_it() {
    let seeded = open().await;
    let (mut teacher, mut dsl) = (seeded.visitor("teacher").await, seeded.visitor("dsl").await);
    let (mut tech, mut governor) = (seeded.visitor("tech").await, seeded.visitor("governor").await);
    asks(&mut teacher, &[("from", "10:10"), ("to", "11:10")]).await;
    let reference = reference(&seeded.school).await;
    assert!(!governor.get("/exemptions").await.body.contains(&reference), "it is not theirs");
    assert_eq!(answers(&mut governor, &reference, "approved").await.status, StatusCode::NOT_FOUND);
    assert_eq!(answers(&mut teacher, &reference, "approved").await.status, StatusCode::FORBIDDEN);
    assert_eq!(answers(&mut tech, &reference, "approved").await.status, StatusCode::FORBIDDEN);
    assert!(tech.get("/exemptions").await.body.contains("I have seen the risk assessment"));
    assert_eq!(answers(&mut dsl, &reference, "approved").await.location(), "/exemptions?done=approved");
    assert!(teacher.get("/exemptions").await.body.contains("Waits for a technician"));
    answers(&mut tech, &reference, "seen").await;
    assert!(teacher.get("/exemptions").await.body.contains("Agreed on. It has not begun"));
    seeded.clock.advance_us(15 * MINUTE_US);
    assert!(teacher.get("/exemptions").await.body.contains("In force until 11:10"));
    let end = format!("/exemptions/{reference}/end");
    assert_eq!(governor.post(&end, &[]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(teacher.post(&end, &[]).await.location(), "/exemptions?done=ended");
    assert_eq!(tech.post(&end, &[]).await.status, StatusCode::CONFLICT, "it is over");
    let page = dsl.get("/exemptions").await.body;
    assert!(page.contains("Ended early, 10:15") && !page.contains("End it now"), "{page}");
    let acts = seeded.school.texts("SELECT act FROM audit_acts").await;
    assert!(acts.iter().any(|act| act.contains("exemption_ended")));
}

#[tokio::test]
async fn few_hits_are_told_in_numbers_to_those_alone_who_approve() {
    let seeded = open().await;
    let (mut teacher, mut dsl) = (seeded.visitor("teacher").await, seeded.visitor("dsl").await);
    asks(&mut teacher, &[]).await;
    let reference = reference(&seeded.school).await;
    answers(&mut dsl, &reference, "approved").await;
    answers(&mut seeded.visitor("tech").await, &reference, "seen").await;
    assert!(dsl.get("/exemptions").await.body.contains("None so far"));
    let mut tx = seeded.school.store.begin().await.unwrap();
    let (exemption, _) = exemptions::by_reference(&mut tx, &seeded.school.id, &reference).await.unwrap().unwrap();
    let counts = [(lapwing_rules::Category::Drugs, 3), (lapwing_rules::Category::Weapons, 1_200)];
    let counts = counts.into_iter().map(|(category, count)| ((exemption, category), count)).collect();
    exemptions::add_hits(&mut tx, &seeded.school.id, &counts).await.unwrap();
    tx.commit().await.unwrap();
    assert!(dsl.get("/exemptions").await.body.contains("Drugs: 3; Weapons: 1,200"));
    assert!(teacher.get("/exemptions").await.body.contains("Drugs: fewer than 5; Weapons: 1,200"));
}

#[tokio::test]
async fn the_whole_school_takes_two_and_a_refusal_or_a_withdrawal_ends_it() {
    let seeded = open().await;
    let (mut teacher, mut dsl) = (seeded.visitor("teacher").await, seeded.visitor("dsl").await);
    asks(&mut teacher, &[("room:IT room", ""), ("whole_school", "on")]).await;
    let first = reference(&seeded.school).await;
    answers(&mut seeded.visitor("tech").await, &first, "seen").await;
    answers(&mut dsl, &first, "approved").await;
    let page = dsl.get("/exemptions").await.body;
    assert!(page.contains("The whole school") && page.contains("Waits for 1 approval"), "{page}");
    answers(&mut seeded.visitor("head").await, &first, "refused").await;
    assert!(dsl.get("/exemptions").await.body.contains("<strong>Refused</strong>"));
    seeded.school.write("DELETE FROM requests").await;
    asks(&mut teacher, &[]).await;
    let second = reference(&seeded.school).await;
    assert_eq!(answers(&mut teacher, &second, "withdrawn").await.location(), "/exemptions?done=withdrawn");
    assert_eq!(answers(&mut dsl, &second, "approved").await.status, StatusCode::CONFLICT);
    assert!(seeded.school.bytes("SELECT exemption_id FROM exemptions").await.is_empty());
}

#[tokio::test]
async fn what_cannot_be_asked_for_is_said_above_the_form_which_keeps_what_was_written() {
    let seeded = open().await;
    let mut teacher = seeded.visitor("teacher").await;
    for (other, said) in [
        (&[("day", "soon")][..], "Choose a day."),
        (&[("from", "eleven")], "Choose from when to when."),
        (&[("last_day", "x")], "Choose a last day"),
        (&[("topic:drugs", ""), ("topic:weapons", "")], "An exemption names a topic."),
        (&[("topic:csam", "on")], "is never exempted"),
        (&[("topic:no_such", "on")], "Choose topics of the list."),
        (&[("room:IT room", "")], "for the whole school, or names 1 to 32"),
        (&[("whole_school", "on")], "for the whole school, or names 1 to 32"),
        (&[("room:Nowhere", "on")], "No device and no class has that group or room."),
        (&[("to", "10:30")], "ends after it begins"),
        (&[("from", "08:00"), ("to", "09:00")], "in the future"),
        (&[("last_day", "2026-12-24")], "up to four weeks"),
        (&[("reason", " ")], "Say why"),
        (&[("risks", " ")], "A risk assessment has 1 to 2000 bytes."),
    ] {
        let answer = asks(&mut teacher, other).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{other:?}");
        assert!(answer.body.contains(said), "{said} in {}", answer.body);
        assert!(answer.body.contains("name=\"day\" required value="));
    }
    let kept = asks(&mut teacher, &[("to", "10:30")]).await.body;
    for words in ["county lines &#60;b&#62;", "I walk round.", "name=\"topic:drugs\" checked", "value=\"11:00\""] {
        assert!(kept.contains(words), "{words}");
    }
    assert_eq!(teacher.post("/exemptions", &[("day", "2026-09-28")]).await.status, StatusCode::BAD_REQUEST);
    assert!(seeded.school.texts("SELECT reference FROM requests").await.is_empty());
}

#[tokio::test]
async fn the_page_is_the_same_with_a_concern_as_without() {
    let seeded = open().await;
    let mut teacher = seeded.visitor("teacher").await;
    asks(&mut teacher, &[]).await;
    let mut pages = Vec::new();
    for _ in 0..2 {
        let mut both = Vec::new();
        for person in [&mut teacher, &mut seeded.visitor("tech").await] {
            both.push(person.get("/exemptions").await.body);
        }
        pages.push(both[0].clone());
        let (level, category) = (lapwing_rules::Level::High, lapwing_rules::Category::Drugs);
        seeded.concern("teacher", category, level, "words").await;
    }
    assert_eq!(pages[0], pages[1]);
}
