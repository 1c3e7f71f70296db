//! What the page of a concern shows, and to whom.

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
async fn the_same_site_today_is_counted_as_far_as_one_may_see_it_and_yesterdays_is_not() {
    let seeded = Seeded::open().await;
    let visit = |account: &str, host: &str| {
        let mut capture = title(account, Category::Drugs, Level::Moderate, "words");
        capture.signal = Open::Known(lapwing_proto::Signal::Url);
        capture.excerpts.push(Excerpt { scope: Open::Known(Scope::UrlHost), text: host.to_owned() });
        capture
    };
    let yesterday = seeded.concern_of(Level::Moderate, visit("ben", "site.example")).await;
    seeded.set_state(&yesterday, "signed_off").await;
    seeded.clock.advance_us(24 * 3600 * 1_000_000);
    let own = seeded.concern_of(Level::Moderate, visit("amelia", "Site.example")).await;
    let address = format!("/concerns/{own}");
    assert!(!seeded.visitor("dsl").await.get(&address).await.body.contains("The same today"));
    let staff = seeded.concern_of(Level::Moderate, visit("teacher", "site.example")).await;
    let elsewhere = seeded.concern_of(Level::Moderate, visit("ben", "other.example")).await;
    assert!(!seeded.visitor("dsl").await.get(&address).await.body.contains("The same today"));
    seeded.set_state(&elsewhere, "signed_off").await;
    let same = seeded.concern_of(Level::Moderate, visit("ben", "site.example")).await;
    let page = seeded.visitor("dsl").await.get(&address).await.body;
    assert!(page.contains("Today the same site or file is also in 1 other concern, on 1 device."), "{page}");
    let (_, section) = page.split_once("The same today").unwrap();
    let section = section.split("</section>").next().unwrap();
    assert!(section.contains(&same) && !section.contains(&staff) && !section.contains(&yesterday), "{section}");
}

#[tokio::test]
async fn what_came_of_others_by_the_same_rule_is_said_as_far_as_one_may_see_them() {
    let seeded = Seeded::open().await;
    for (account, routine) in [("ben", "false-alarm"), ("teacher", "talked")] {
        let other = seeded.concern(account, Category::SelfHarm, Level::Moderate, "words").await;
        let reader = if account == "ben" { "dsl" } else { "head" };
        let seen = seeded.school.texts("SELECT MAX(changed_us) || '' FROM concerns").await;
        let fields = [("routine", routine), ("seen", seen[0].as_str())];
        seeded.visitor(reader).await.post(&format!("/concerns/{other}/settle"), &fields).await;
    }
    let reference = seeded.concern("amelia", Category::SelfHarm, Level::High, "words").await;
    let page = seeded.visitor("dsl").await.get(&format!("/concerns/{reference}")).await.body;
    assert!(page.contains("The last one by this rule: 1 false alarm."), "{page}");
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
