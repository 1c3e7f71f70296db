//! The DSL's console in a real browser.

use std::path::PathBuf;

use e2e::{AtConsole, Classroom, Who};
use serde_json::Value;

/// Pictures of every page, to be looked at: `target/pictures` beside the build.
pub(crate) fn pictures() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("pictures")
}

pub(crate) fn is_clean(page: &mut AtConsole, name: &str) {
    let found = page.does(&format!("check {name}")).expect("the page is checked");
    for what in ["violations", "strangers", "complaints"] {
        assert_eq!(found.get(what), Some(&Value::Array(Vec::new())), "{what} on the page {name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_concern_comes_in_live_and_is_decided_in_a_real_browser() {
    let privileges = e2e::privileges().expect("a private namespace");
    let mut classroom = Classroom::open(privileges).await.expect("a classroom");
    classroom.sign_in(Who::Pupil).await.expect("the pupil signs in");
    let mut dsl = AtConsole::start(&classroom.school.console_url(), &pictures(), "dsl").expect("a browser");
    dsl.does("go /sign-in").expect("the first page");
    is_clean(&mut dsl, "sign-in");
    dsl.does("password").expect("the DSL gives a password");
    is_clean(&mut dsl, "set-up");
    dsl.does("code").expect("the DSL sets an authenticator up");
    is_clean(&mut dsl, "recovery-codes");
    dsl.does("on").expect("the DSL is signed in");
    is_clean(&mut dsl, "queue-empty");

    let desk = classroom.desk(Who::Pupil).expect("a desk");
    let _window = desk.desktop.window("how to self harm without anyone noticing").await.expect("a window");

    let live = dsl.does("wait-row Self-harm").expect("the row comes in by itself");
    assert_eq!(live.get("announced").and_then(Value::as_str), Some("1 new concern. Show it."));
    is_clean(&mut dsl, "queue");
    dsl.does("go /queue?level=4&level=5&category=self_harm&q=sam").expect("the list is filtered");
    is_clean(&mut dsl, "queue-filtered");
    dsl.does("go /queue").expect("the whole list");
    let concern = dsl.does("open Self-harm").expect("the concern opens");
    let text = concern.get("text").and_then(Value::as_str).expect("a text");
    for shown in ["Sam Pupil", "Room 12", "Window title", "What to do next", "What we do not know"] {
        assert!(text.contains(shown), "the page shows `{shown}`:\n{text}");
    }
    assert!(concern.get("marked").is_some_and(|marked| marked.to_string().contains("self harm")), "{concern}");
    let links = concern.get("links").map(Value::to_string).unwrap_or_default();
    assert!(!links.contains("http"), "no link leads elsewhere: {links}");
    is_clean(&mut dsl, "concern");

    // What a pupil writes into a title is text: no script runs, nothing is loaded.
    let hostile = "<script>alert(1)</script>how to self harm without anyone noticing<img src=x onerror=alert(1)>";
    let _hostile = desk.desktop.window(&format!("{hostile}{}", "<b>".repeat(20))).await.expect("a window");
    e2e::eventually("the concern to hold both titles", async || {
        let page = dsl.does("again").ok()?;
        page.get("seen").and_then(Value::as_u64).filter(|seen| *seen >= 2)
    })
    .await
    .expect("both titles");
    is_clean(&mut dsl, "concern-hostile");
    let refused = dsl.does("go /concerns/ZZ-9999").expect("an answer");
    assert_eq!(refused.get("status").and_then(Value::as_u64), Some(404));
    is_clean(&mut dsl, "refused");
    dsl.does("go /queue").expect("the list");
    dsl.does("open Self-harm").expect("the concern opens");
    let told = dsl.does("send form[action*=report-rule]").expect("a rule is called noisy");
    assert!(told.to_string().contains("The technician was told about the rule"), "{told}");
    let mut technician =
        AtConsole::start(&classroom.school.console_url(), &pictures(), "technician").expect("a browser");
    let code = classroom.school.code("technician").await.expect("a code");
    technician.does(&format!("sign-in {code}")).expect("the technician signs in");
    is_clean(&mut technician, "devices-noisy");
    technician.does("send form[action*=tickets]").expect("the technician has looked at the rule");
    drop(technician);
    dsl.does("acknowledge").expect("the DSL acknowledges");
    is_clean(&mut dsl, "concern-acknowledged");
    for page in ["requests", "exemptions", "away", "checks", "media", "two-step", "local-help", "keys"] {
        dsl.does(&format!("go /{page}")).expect("the page opens");
        is_clean(&mut dsl, page);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn technician_and_governor_see_their_pages_and_no_content() {
    let privileges = e2e::privileges().expect("a private namespace");
    let mut classroom = Classroom::open(privileges).await.expect("a classroom");
    classroom.sign_in(Who::Pupil).await.expect("the pupil signs in");
    classroom.device_works().await.expect("the device works");
    for (login, path) in [("technician", "/devices"), ("governor", "/counts")] {
        let mut person = AtConsole::start(&classroom.school.console_url(), &pictures(), login).expect("a browser");
        person.does("password").expect("they give a password");
        let code = match login {
            // The technician has a phone already.
            "technician" => classroom.school.code(login).await.expect("a code"),
            _ => String::new(),
        };
        is_clean(&mut person, &format!("second-step-{login}"));
        let landed = person.does(&format!("sign-in {code}")).expect("they sign in");
        assert_eq!(landed.get("path").and_then(Value::as_str), Some(path), "{login}");
        is_clean(&mut person, login);
        if login == "technician" {
            person.does("go /enrolment").expect("the page opens");
            is_clean(&mut person, "enrolment");
        }
        let refused = person.does("go /queue").expect("an answer");
        assert_eq!(refused.get("status").and_then(Value::as_u64), Some(403), "{login} has no queue");
    }
}
