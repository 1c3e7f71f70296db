//! The checks log: that monitoring works, as the product and people tested it, and which rooms are silent. No content.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;

use super::ConsoleState;
use super::frame::{self, Frame};
use super::posted::Posted;
use super::refusal::Refusal;
use super::role::Overseer;
use super::silences::{self, SilenceView};
use super::words::Present;
use crate::proof::checks::{self, Kind, MAX_FOLLOWED_CHARS, MAX_WHAT_CHARS, Outcome, Tested};
use crate::store::checks::{self as rows, Check, Wanted};

/// Days shown: a term's worth of sums is in the report, the last weeks are here.
const DAYS: i64 = 28;
const DAY_US: i64 = 24 * 60 * 60 * 1_000_000;
/// Most checks on the page.
const LIMIT: u32 = 300;

#[derive(Template)]
#[template(path = "checks.html")]
struct ChecksPage {
    frame: Frame,
    view: ChecksView,
}

struct ChecksView {
    silences: Vec<SilenceView>,
    checks: Vec<CheckView>,
    is_recorded: bool,
    days: i64,
    limit: Option<u32>,
    max_what: usize,
    max_followed: usize,
}

/// One line of the log.
struct CheckView {
    when: String,
    who: String,
    what: String,
    result: &'static str,
    followed: String,
}

/// What to say above the list.
#[derive(Default, Deserialize)]
pub(super) struct Asked {
    done: Option<String>,
}

/// The form.
#[derive(Deserialize)]
pub(super) struct Written {
    what: String,
    result: String,
    followed: String,
}

/// `GET /checks`.
pub(super) async fn page(
    State(state): State<ConsoleState>,
    person: Overseer,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let present = person.present();
    let from_us = present.now_us().saturating_sub(DAYS * DAY_US);
    let checks = rows::since(&state.store, &state.school, from_us, Wanted::Telling, LIMIT).await;
    let checks = checks.map_err(|error| Refusal::failed(&error))?;
    let view = ChecksView {
        silences: silences::views(&state, &present).await?,
        is_recorded: asked.done.as_deref() == Some("recorded"),
        days: DAYS,
        limit: (checks.len() >= LIMIT as usize).then_some(LIMIT),
        checks: checks.into_iter().map(|check| view(&present, check)).collect(),
        max_what: MAX_WHAT_CHARS,
        max_followed: MAX_FOLLOWED_CHARS,
    };
    frame::shown(&ChecksPage { frame: Frame::of(&person, "/checks"), view })
}

/// `POST /checks`.
pub(super) async fn submit(
    State(state): State<ConsoleState>,
    Posted { by, form, .. }: Posted<Overseer, Written>,
) -> Result<Response, Refusal> {
    let outcome = form.result.parse().map_err(|_| Refusal::BadForm)?;
    let tested = Tested::new(&form.what, outcome, &form.followed).map_err(|_| Refusal::BadForm)?;
    let recorded = checks::record(&state.store, by.actor(), by.present().now_us(), &tested).await;
    recorded.map_err(|error| Refusal::not_saved(&error))?;
    Ok(Redirect::to("/checks?done=recorded").into_response())
}

fn view(present: &Present, check: Check) -> CheckView {
    let when = present.when(check.at_us);
    let result = result_words(check.outcome);
    let (who, what, followed) = match check.kind {
        Kind::Canary => {
            ("Lapwing".to_owned(), format!("Daily check of {}", check.hostname), failure_words(&check.detail))
        }
        Kind::CanaryDay => ("Lapwing".to_owned(), "Daily check of all devices".to_owned(), sum_words(&check.detail)),
        Kind::Person => (check.person, check.what, check.detail),
        Kind::Machine => ("At the collector's machine".to_owned(), check.what, check.detail),
    };
    CheckView { when, who, what, result, followed }
}

const fn result_words(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "Worked",
        Outcome::Failed => "Did not work",
        Outcome::Unclear => "Not clear",
    }
}

/// `titles:missing urls:extension_silent`, in words.
fn failure_words(detail: &str) -> String {
    let words = detail.split(' ').filter_map(|failure| failure.split_once(':')).map(|(sensor, code)| {
        let sensor = match sensor {
            "titles" => "window titles",
            "urls" => "web addresses",
            "files" => "files",
            other => other,
        };
        match code {
            "missing" => format!("nothing arrived of {sensor}"),
            "not_reported" => format!("the device says nothing of {sensor}"),
            "session_ended" => format!("nobody was signed in for {sensor}"),
            other => format!("{sensor} could not be seen ({})", other.replace('_', " ")),
        }
    });
    words.collect::<Vec<_>>().join("; ")
}

/// `passed:118 failed:2 not_run:1`, in words.
fn sum_words(detail: &str) -> String {
    let words = detail.split(' ').filter_map(|count| count.split_once(':')).map(|(what, count)| match what {
        "passed" => format!("{count} passed"),
        "failed" => format!("{count} failed"),
        "unclear" => format!("{count} with nobody signed in"),
        "not_run" => format!("{count} on, and not checked"),
        other => format!("{count} {other}"),
    });
    words.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::super::seeded::Seeded;
    use super::*;

    #[tokio::test]
    async fn what_a_person_tested_stands_in_the_log_with_who_when_and_what_followed() {
        let seeded = Seeded::open().await;
        let mut technician = seeded.visitor("tech").await;
        let fields = [("what", "Typed <the> phrase on PC-12"), ("result", "failed"), ("followed", "Agent restarted")];
        assert_eq!(technician.post("/checks", &fields).await.location(), "/checks?done=recorded");
        let page = seeded.visitor("dsl").await.get("/checks?done=recorded").await.body;
        for words in ["Jo Marsh", "10:00", "Did not work", "Agent restarted", "was recorded"] {
            assert!(page.contains(words), "{words}: {page}");
        }
        assert!(page.contains("Typed &#60;the&#62; phrase") && !page.contains("<the>"), "{page}");
        let acts = seeded.school.texts("SELECT act FROM audit_acts").await;
        assert!(
            acts.iter().any(|act| act.contains("check_recorded")) && !acts.iter().any(|act| act.contains("phrase"))
        );
    }

    #[tokio::test]
    async fn a_check_that_says_nothing_or_comes_from_elsewhere_is_not_recorded() {
        let seeded = Seeded::open().await;
        let mut technician = seeded.visitor("tech").await;
        for (what, result) in [("", "passed"), ("PC-12", "splendid"), (&*"x".repeat(201), "passed")] {
            let fields = [("what", what), ("result", result), ("followed", "")];
            assert_eq!(technician.post("/checks", &fields).await.status, StatusCode::BAD_REQUEST);
        }
        let fields = [("csrf", "made up"), ("what", "x"), ("result", "passed"), ("followed", "")];
        let forged = technician.post_from("https://lapwing.test", "/checks", &fields).await;
        assert_eq!(forged.status, StatusCode::FORBIDDEN);
        let fields = [("what", "x"), ("result", "passed"), ("followed", "")];
        assert_eq!(seeded.visitor("governor").await.post("/checks", &fields).await.status, StatusCode::FORBIDDEN);
        assert_eq!(seeded.school.count("SELECT COUNT(*) FROM checks").await, 0);
    }

    #[tokio::test]
    async fn silent_rooms_stand_above_the_log_for_the_dsl_too() {
        let seeded = Seeded::open().await;
        assert!(!seeded.visitor("dsl").await.get("/checks").await.body.contains("nothing explains it"));
        seeded.looks_out(6).await;
        let page = seeded.visitor("dsl").await.get("/checks").await.body;
        assert!(page.contains("IT room") && page.contains("1 device silent since 10:00") && page.contains("SIL-"));
    }

    #[test]
    fn codes_are_said_in_words() {
        assert_eq!(
            failure_words("titles:missing urls:extension_silent"),
            "nothing arrived of window titles; web addresses could not be seen (extension silent)"
        );
        assert_eq!(sum_words("passed:118 failed:2 not_run:1"), "118 passed, 2 failed, 1 on, and not checked");
    }
}
