//! Who may open what: every route against every role.

use http::StatusCode;

use super::seeded::Seeded;

/// Everybody but those named is refused; whoever is not signed in is sent to the door.
const PAGES: [(&str, &[&str]); 3] =
    [("/queue", &["dsl", "deputy", "head", "chair"]), ("/devices", &["tech"]), ("/counts", &["governor"])];
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
async fn every_answer_carries_the_security_headers() {
    let seeded = Seeded::open().await;
    for path in ["/sign-in", "/queue", "/no-such-page", "/assets/lapwing.css"] {
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
    for (person, path) in [("dsl", "/queue"), ("tech", "/devices"), ("governor", "/counts"), ("teacher", "/")] {
        let page = seeded.visitor(person).await.get(path).await.body;
        assert!(page.contains("<!doctype html>"), "{person} at {path}");
        assert!(!page.contains(" style=") && !page.contains("<style") && !page.contains(" onclick="));
        assert_eq!(page.matches("<script").count(), page.matches("<script src=\"/assets/").count());
    }
}
