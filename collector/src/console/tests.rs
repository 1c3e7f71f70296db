//! Who may open what: every route against every role.

mod routes;
mod two_worlds;

use http::StatusCode;
use lapwing_rules::{Category, Level};

use super::seeded::Seeded;

/// Everybody but those named is refused; whoever is not signed in is sent to the door.
const PAGES: [(&str, &[&str]); 7] = [
    ("/queue", &["dsl", "deputy", "head", "chair"]),
    ("/devices", &["tech"]),
    ("/checks", &["dsl", "deputy", "head", "tech"]),
    ("/counts", &["governor"]),
    ("/exemptions", &["dsl", "deputy", "head", "chair", "tech", "governor", "teacher"]),
    ("/away", &["dsl", "deputy", "head"]),
    ("/two-step", &PEOPLE),
];
const PEOPLE: [&str; 8] = ["dsl", "deputy", "head", "chair", "tech", "governor", "teacher", "amelia"];

#[tokio::test]
async fn a_page_opens_for_its_roles_and_for_nobody_else() {
    let seeded = Seeded::open().await;
    for (path, admitted) in PAGES {
        assert_eq!(seeded.stranger().get(path).await.location(), format!("/sign-in?onward={path}"));
        for person in PEOPLE {
            let status = seeded.visitor(person).await.get(path).await.status;
            let expected = if admitted.contains(&person) { StatusCode::OK } else { StatusCode::FORBIDDEN };
            assert_eq!(status, expected, "{person} at {path}");
        }
    }
}

#[tokio::test]
async fn a_decision_is_taken_by_recipients_and_by_nobody_else() {
    let seeded = Seeded::open().await;
    let reference = seeded.concern("amelia", Category::Drugs, Level::Moderate, "words").await;
    for action in ["acknowledge", "note", "judge", "close", "reopen"] {
        let address = format!("/concerns/{reference}/{action}");
        let stranger = seeded.stranger().post(&address, &[]).await;
        assert_eq!(stranger.location(), "/sign-in", "{action}");
        for person in ["tech", "governor", "teacher", "amelia"] {
            let status = seeded.visitor(person).await.post(&address, &[("note", "words")]).await.status;
            assert_eq!(status, StatusCode::FORBIDDEN, "{person} at {address}");
        }
        for person in ["head", "chair"] {
            let fields = [("note", "words"), ("verdict", "true"), ("outcome", "none")];
            let status = seeded.visitor(person).await.post(&address, &fields).await.status;
            assert_eq!(status, StatusCode::NOT_FOUND, "{person} at {address}");
        }
    }
    assert!(seeded.visitor("dsl").await.get("/queue").await.body.contains("Acknowledge "));
}

#[tokio::test]
async fn the_blank_screen_shows_nothing_of_anybody() {
    let seeded = Seeded::open().await;
    seeded.concern("amelia", Category::Drugs, Level::Moderate, "seeded words").await;
    let page = seeded.visitor("dsl").await.get("/blank").await.body;
    assert!(page.contains("Go back") && !page.contains("Okafor") && !page.contains("Drugs"));
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let seeded = Seeded::open().await;
    for path in ["/sign-in", "/sign-in/code", "/queue", "/no-such-page", "/assets/lapwing.css"] {
        let headers = seeded.stranger().get(path).await.headers;
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["referrer-policy"], "no-referrer");
        assert!(headers.contains_key("strict-transport-security") && headers.contains_key("cache-control"));
    }
    assert_eq!(seeded.stranger().get("/sign-in").await.headers["cache-control"], "no-store");
}

#[tokio::test]
async fn pages_hold_no_script_or_style_of_their_own() {
    let seeded = Seeded::open().await;
    for (person, path) in [
        ("dsl", "/queue"),
        ("tech", "/devices"),
        ("tech", "/checks"),
        ("governor", "/counts"),
        ("teacher", "/exemptions"),
        ("head", "/away"),
    ] {
        let page = seeded.visitor(person).await.get(path).await.body;
        assert!(page.contains("<!doctype html>"), "{person} at {path}");
        assert!(!page.contains(" style=") && !page.contains("<style") && !page.contains(" onclick="));
        assert_eq!(page.matches("<script").count(), page.matches("<script src=\"/assets/").count());
    }
}
