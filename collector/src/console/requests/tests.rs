use http::StatusCode;
use lapwing_rules::{Category, Level};

use super::super::seeded::Seeded;

#[tokio::test]
async fn a_role_is_asked_for_by_one_and_given_by_two_others() {
    let seeded = Seeded::open().await;
    let teacher = seeded.person("teacher").to_string();
    let fields =
        [("change", "grant_role"), ("person", teacher.as_str()), ("role", "deputy_dsl"), ("reason", "from Monday on")];
    let mut head = seeded.visitor("head").await;
    let asked = head.post("/requests", &fields).await;
    assert_eq!(asked.status, StatusCode::SEE_OTHER, "{}", asked.body);
    let page = head.get("/requests?done=asked").await.body;
    assert!(page.contains("Give Tom Reed the role Deputy DSL") && page.contains("Waits for 2 approvals"), "{page}");
    assert!(!page.contains(">Approve<"), "not by whoever asked");
    let reference = page.split("/requests/R-").nth(1).unwrap().split('/').next().unwrap();
    let address = format!("/requests/R-{reference}/answer");
    for account in ["dsl", "chair"] {
        let mut approver = seeded.visitor(account).await;
        assert!(approver.get("/requests").await.body.contains(">Approve<"));
        assert_eq!(approver.post(&address, &[("answer", "approved")]).await.status, StatusCode::SEE_OTHER);
    }
    assert!(head.get("/requests").await.body.contains("Agreed, and carried out"));
    assert_eq!(seeded.visitor("teacher").await.get("/queue").await.status, StatusCode::OK);
    assert_eq!(seeded.visitor("amelia").await.get("/requests").await.status, StatusCode::FORBIDDEN);
}

/// What takes two people is not done by one of them in two browsers, by a role that was taken meanwhile, or by an answer that
/// is sent again.
#[tokio::test]
async fn two_people_are_two_people_whatever_browsers_roles_and_repeats_say() {
    let seeded = Seeded::open().await;
    let teacher = seeded.person("teacher").to_string();
    let fields =
        [("change", "grant_role"), ("person", teacher.as_str()), ("role", "deputy_dsl"), ("reason", "from Monday on")];
    let (mut one, mut other) = (seeded.visitor("head").await, seeded.visitor("head").await);
    one.post("/requests", &fields).await;
    let page = one.get("/requests").await.body;
    let reference = page.split("/requests/R-").nth(1).unwrap().split('/').next().unwrap();
    let address = format!("/requests/R-{reference}/answer");
    let approved = [("answer", "approved")];
    let stands = async || seeded.visitor("deputy").await.get("/requests").await.body;
    for browser in [&mut one, &mut other] {
        assert!(!browser.get("/requests").await.body.contains(">Approve<"));
        assert_eq!(browser.post(&address, &approved).await.status, StatusCode::FORBIDDEN, "whoever asked");
    }
    assert!(stands().await.contains("Waits for 2 approvals"));

    // One approver, in two browsers, again and again, counts once.
    for _ in 0..2 {
        let mut dsl = seeded.visitor("dsl").await;
        dsl.post(&address, &approved).await;
        dsl.post(&address, &approved).await;
        assert!(stands().await.contains("Waits for 1 approval"));
    }

    // A role that is taken away while the page is open approves nothing, and what it approved counts no more.
    let mut chair = seeded.visitor("chair").await;
    assert!(chair.get("/requests").await.body.contains(">Approve<"));
    seeded.school.write("DELETE FROM person_roles WHERE role IN ('chair', 'dsl')").await;
    let late = chair.post(&address, &approved).await.status;
    assert_ne!(late, StatusCode::SEE_OTHER);
    assert!(!stands().await.contains("Agreed, and carried out"));
    assert_eq!(seeded.school.count("SELECT COUNT(*) FROM person_roles WHERE role = 'deputy_dsl'").await, 1);
}

#[tokio::test]
async fn what_cannot_be_asked_for_says_why_and_changes_nothing() {
    let seeded = Seeded::open().await;
    let mut head = seeded.visitor("head").await;
    let text = "[hours]\nmonday = [\"16:00\", \"08:30\"]";
    let over = lapwing_rules::Digest::of(b"").to_string();
    let fields = [("change", "calendar"), ("text", text), ("over", &over), ("reason", "hours")];
    let answer = head.post("/requests", &fields).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.body.contains("Monday: closes before it opens."), "{}", answer.body);
    assert!(head.get("/requests").await.body.contains("Nothing waits."));
    let teacher = seeded.visitor("tech").await.post("/requests", &[("change", "routing"), ("reason", "x")]).await;
    assert_eq!(teacher.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_text_takes_the_place_of_what_its_writer_saw_alone() {
    let seeded = Seeded::open().await;
    let (mut head, mut dsl) = (seeded.visitor("head").await, seeded.visitor("dsl").await);
    let page = dsl.get("/requests").await.body;
    let over = page.split("name=\"over\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let text = "[hours]\nmonday = [\"08:30\", \"16:00\"]";
    let fields = |reason| [("change", "calendar"), ("text", text), ("over", over.as_str()), ("reason", reason)];
    assert_eq!(head.post("/requests", &fields("hours")).await.status, StatusCode::SEE_OTHER);
    let page = dsl.get("/requests").await.body;
    let request = page.split("/requests/R-").nth(1).unwrap().split('/').next().unwrap().to_owned();
    let answer = format!("/requests/R-{request}/answer");
    for account in ["dsl", "deputy", "chair"] {
        seeded.visitor(account).await.post(&answer, &[("answer", "approved")]).await;
    }
    assert!(dsl.get("/requests").await.body.contains("Agreed, and carried out"));
    let again = dsl.post(&answer, &[("answer", "approved")]).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert!(again.body.contains("That request is settled"), "{}", again.body);
    let stale = dsl.post("/requests", &fields("from a page of before")).await;
    assert_eq!(stale.status, StatusCode::BAD_REQUEST);
    assert!(stale.body.contains("It has changed since this was asked for: ask again."), "{}", stale.body);
}

#[tokio::test]
async fn an_illegal_case_is_closed_by_three_on_their_own_pages() {
    let seeded = Seeded::open().await;
    let reference = seeded.concern("amelia", Category::Grooming, Level::Critical, "words").await;
    let mut dsl = seeded.visitor("dsl").await;
    let address = format!("/concerns/{reference}");
    dsl.post(&format!("{address}/acknowledge"), &[]).await;
    dsl.post(&format!("{address}/judge"), &[("verdict", "true"), ("outcome", "police")]).await;
    let unsaid = dsl.post(&format!("{address}/ask-close"), &[("reason", "The police have it.")]).await;
    assert_eq!(unsaid.status, StatusCode::BAD_REQUEST, "neither a review date nor what was learnt");
    let said = |reason| [("reason", reason), ("no_review", "on"), ("lesson", "Look earlier."), ("elsewhere", "CP-77")];
    let unreasoned = dsl.post(&format!("{address}/ask-close"), &said(" ")).await;
    assert_eq!(unreasoned.status, StatusCode::BAD_REQUEST);
    let written = "SELECT COUNT(*) FROM concern_steps WHERE kind = 'lesson'";
    assert_eq!(seeded.school.count(written).await, 0, "all of it or nothing");
    let asked = dsl.post(&format!("{address}/ask-close"), &said("The police have it.")).await;
    assert_eq!(asked.status, StatusCode::SEE_OTHER, "{}", asked.body);
    assert_eq!(seeded.school.texts("SELECT recorded_elsewhere FROM concerns").await, ["CP-77"]);
    let page = dsl.get("/requests").await.body;
    let request = page.split("/requests/R-").nth(1).unwrap().split('/').next().unwrap().to_owned();
    for account in ["head", "deputy"] {
        let mut approver = seeded.visitor(account).await;
        assert!(approver.get("/requests").await.body.contains(&reference));
        approver.post(&format!("/requests/R-{request}/answer"), &[("answer", "approved")]).await;
    }
    assert!(dsl.get(&address).await.body.contains("Closed."));
}

#[tokio::test]
async fn a_request_about_an_illegal_case_of_oneself_is_not_seen() {
    let seeded = Seeded::open().await;
    // Two vice-chairs, so that there are three who can close it.
    for account in ["deputy", "governor"] {
        let person = data_encoding::HEXUPPER.encode(seeded.person(account).as_bytes());
        let row = format!("INSERT INTO person_roles VALUES ('hill-school', x'{person}', 'chair')");
        seeded.school.write(&row).await;
    }
    let mut head = seeded.visitor("head").await;
    let without = head.get("/requests").await.body;
    let reference = seeded.concern("head", Category::Grooming, Level::Critical, "words").await;
    let mut chair = seeded.visitor("chair").await;
    let address = format!("/concerns/{reference}");
    chair.post(&format!("{address}/acknowledge"), &[]).await;
    chair.post(&format!("{address}/judge"), &[("verdict", "true"), ("outcome", "police")]).await;
    let said = [("reason", "The police have it."), ("no_review", "on"), ("lesson", "Look earlier.")];
    let asked = chair.post(&format!("{address}/ask-close"), &said).await;
    assert_eq!(asked.status, StatusCode::SEE_OTHER, "{}", asked.body);
    assert!(seeded.visitor("deputy").await.get("/requests").await.body.contains(&reference));
    assert_eq!(head.get("/requests").await.body, without);
}

#[tokio::test]
async fn whoever_teaches_a_class_decides_and_does_no_more() {
    let seeded = Seeded::open().await;
    let teacher = data_encoding::HEXUPPER.encode(seeded.person("teacher").as_bytes());
    for row in [
        "person_roles VALUES ('hill-school', x'{}', 'class_teacher')",
        "person_classes VALUES ('hill-school', x'{}', '8B')",
    ] {
        seeded.school.write(&format!("INSERT INTO {}", row.replace("{}", &teacher))).await;
    }
    let first = seeded.concern("amelia", Category::Profanity, Level::Low, "words").await;
    let second = seeded.concern("amelia", Category::Gambling, Level::Low, "words").await;
    let mut visitor = seeded.visitor("teacher").await;
    assert_eq!(visitor.get(&format!("/concerns/{first}")).await.status, StatusCode::OK);
    let head = seeded.person("head").to_string();
    for (action, fields) in [
        ("merge", vec![("into", second.as_str())]),
        ("share", vec![("person", head.as_str())]),
        ("transfer", vec![("person", head.as_str()), ("reason", "mine")]),
        ("hold", vec![("reason", "mine")]),
        ("assign", vec![("person", head.as_str())]),
    ] {
        let status = visitor.post(&format!("/concerns/{first}/{action}"), &fields).await.status;
        assert_eq!(status, StatusCode::FORBIDDEN, "{action}");
    }
    assert_eq!(visitor.post(&format!("/concerns/{first}/acknowledge"), &[]).await.status, StatusCode::SEE_OTHER);
}
