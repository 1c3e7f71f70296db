//! The keys that lists take: what each does, and a switch, as WCAG 2.2 asks (2.1.4).
//!
//! They work while a list has the focus and nowhere else, so that no key does anything while somebody types.

use askama::Template;
use axum::extract::Query;
use axum::response::{IntoResponse as _, Redirect, Response};
use http::header::SET_COOKIE;
use serde::Deserialize;

use super::frame::{self, Frame};
use super::posted::Posted;
use super::refusal::Refusal;
use super::role::Anyone;
use super::session;

/// Key, and what it does.
const KEYS: [(&str, &str); 17] = [
    ("j", "The next concern in the list"),
    ("k", "The one before"),
    ("Enter", "Open it"),
    ("a", "Acknowledge it"),
    ("c", "Close it at once: then 1 to 6 says how"),
    ("s", "Put it off: then 1 to 3 says until when"),
    ("g", "Give it to somebody"),
    ("n", "Write a note"),
    ("e", "Pass it to someone more senior"),
    ("t", "Copy a text for the child's file"),
    ("x", "Choose it, to do something with several"),
    ("u", "Undo what was just done"),
    ("/", "Look for something"),
    ("?", "Show these keys"),
    ("Escape", "Back to the list"),
    ("Escape, then b", "Blank screen, anywhere"),
    ("Escape", "Show the page again, on a blank screen"),
];

#[derive(Template)]
#[template(path = "keys.html")]
struct KeysPage {
    frame: Frame,
    said: Option<&'static str>,
    keys: [(&'static str, &'static str); 17],
}

/// What was just done.
#[derive(Deserialize)]
pub(super) struct Asked {
    done: Option<String>,
}

/// The switch.
#[derive(Deserialize)]
pub(super) struct Switched {
    keys: String,
}

/// `GET /keys`.
pub(super) async fn page(person: Anyone, Query(asked): Query<Asked>) -> Result<Response, Refusal> {
    let said = match asked.done.as_deref() {
        Some("on") => Some("Lists take keys in this browser."),
        Some("off") => Some("Lists take no keys in this browser any more."),
        Some(_) | None => None,
    };
    frame::shown(&KeysPage { frame: Frame::of(&person, "/keys"), said, keys: KEYS })
}

/// `POST /keys`.
pub(super) async fn switch(
    Posted { form: Switched { keys }, .. }: Posted<Anyone, Switched>,
) -> Result<Response, Refusal> {
    let are_on = match keys.as_str() {
        "on" => true,
        "off" => false,
        _ => return Err(Refusal::BadForm),
    };
    let address = if are_on { "/keys?done=on" } else { "/keys?done=off" };
    Ok(([(SET_COOKIE, session::keys_given(are_on))], Redirect::to(address)).into_response())
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::super::seeded::Seeded;

    #[tokio::test]
    async fn keys_are_switched_off_and_on_again_in_a_browser() {
        let seeded = Seeded::open().await;
        let mut dsl = seeded.visitor("dsl").await;
        assert!(dsl.get("/queue").await.body.contains("data-keys=\"on\""));
        let off = dsl.post("/keys", &[("keys", "off")]).await;
        assert!(dsl.get(off.location()).await.body.contains("take no keys"));
        assert!(dsl.get("/queue").await.body.contains("data-keys=\"off\""));
        assert!(seeded.visitor("dsl").await.get("/queue").await.body.contains("data-keys=\"on\""));
        dsl.post("/keys", &[("keys", "on")]).await;
        assert!(dsl.get("/queue").await.body.contains("data-keys=\"on\""));
        assert_eq!(dsl.post("/keys", &[("keys", "maybe")]).await.status, StatusCode::BAD_REQUEST);
    }
}
