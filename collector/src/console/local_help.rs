//! The school's local numbers and its action matrix: what the page of a concern says to do next.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use lapwing_rules::Digest;
use serde::Deserialize;

use super::ConsoleState;
use super::frame::{self, Frame};
use super::posted::Posted;
use super::refusal::Refusal;
use super::role::{Leader, SignedIn};
use crate::audit::{self, Act, ActKind};
use crate::local_help::{Contacts, MAX_CONTACT_CHARS, MAX_MATRIX_BYTES, Matrix};
use crate::store::settings::{self, Setting};
use crate::store::{StoreError, Tx};

const HERE: &str = "/local-help";

#[derive(Template)]
#[template(path = "local_help.html")]
struct LocalHelpPage {
    frame: Frame,
    said: Option<&'static str>,
    problem: Option<String>,
    fields: Vec<Field>,
    max_chars: usize,
    matrix: String,
    max_bytes: usize,
    /// The school wrote none: the sample is in force.
    is_sample: bool,
}

struct Field {
    name: &'static str,
    label: &'static str,
    value: String,
}

/// What was just done.
#[derive(Deserialize)]
pub(super) struct Asked {
    done: Option<String>,
}

/// The form of the matrix.
#[derive(Deserialize)]
pub(super) struct WrittenMatrix {
    matrix: String,
}

/// `GET /local-help`.
pub(super) async fn page(
    State(state): State<ConsoleState>,
    leader: Leader,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let said = match asked.done.as_deref() {
        Some("numbers") => Some("The numbers were saved."),
        Some("matrix") => Some("The matrix was saved."),
        Some(_) | None => None,
    };
    let matrix = read(&state).await.map_err(|error| Refusal::failed(&error))?;
    shown(&state, &leader, said, (None, matrix)).await
}

/// `POST /local-help/numbers`.
pub(super) async fn numbers(
    State(state): State<ConsoleState>,
    Posted { by, form, .. }: Posted<Leader, Contacts>,
) -> Result<Response, Refusal> {
    let contacts = form.checked().ok_or(Refusal::BadForm)?;
    let text = serde_json::to_string(&contacts).map_err(|error| Refusal::not_saved(&error))?;
    save(&state, &by, Setting::Contacts, &text).await.map_err(|error| Refusal::not_saved(&error))?;
    Ok(Redirect::to("/local-help?done=numbers").into_response())
}

/// `POST /local-help/matrix`.
pub(super) async fn matrix(
    State(state): State<ConsoleState>,
    Posted { by, form: WrittenMatrix { matrix }, .. }: Posted<Leader, WrittenMatrix>,
) -> Result<Response, Refusal> {
    let text = matrix.replace("\r\n", "\n");
    if let Err(fault) = Matrix::parse(&text) {
        let page = shown(&state, &by, None, (Some(fault.to_string()), text)).await?;
        return Ok((http::StatusCode::BAD_REQUEST, page).into_response());
    }
    save(&state, &by, Setting::Matrix, &text).await.map_err(|error| Refusal::not_saved(&error))?;
    Ok(Redirect::to("/local-help?done=matrix").into_response())
}

async fn read(state: &ConsoleState) -> Result<String, StoreError> {
    let mut tx = state.store.view().await?;
    Ok(settings::read(&mut tx, &state.school, Setting::Matrix).await?.unwrap_or_default())
}

async fn shown(
    state: &ConsoleState,
    person: &SignedIn,
    said: Option<&'static str>,
    (problem, matrix): (Option<String>, String),
) -> Result<Response, Refusal> {
    let contacts = async {
        let mut tx = state.store.view().await?;
        settings::contacts(&mut tx, &state.school).await
    };
    let contacts: Result<Contacts, StoreError> = contacts.await;
    let contacts = contacts.map_err(|error| Refusal::failed(&error))?;
    let field = |(name, label, value): (_, _, &str)| Field { name, label, value: value.to_owned() };
    let is_sample = matrix.trim().is_empty();
    frame::shown(&LocalHelpPage {
        frame: Frame::of(person, HERE),
        said,
        problem,
        fields: contacts.fields().into_iter().map(field).collect(),
        max_chars: MAX_CONTACT_CHARS,
        matrix: if is_sample { Matrix::sample().to_owned() } else { matrix },
        max_bytes: MAX_MATRIX_BYTES,
        is_sample,
    })
}

async fn save(state: &ConsoleState, by: &SignedIn, setting: Setting, text: &str) -> Result<(), StoreError> {
    let now_us = state.clock.wall_us();
    let mut tx: Tx = state.store.begin().await?;
    settings::write(&mut tx, &state.school, setting, text, now_us).await?;
    let digest = Digest::of(text.as_bytes());
    let act = Act::new(by.actor(), now_us, ActKind::LocalHelpChanged, setting.as_str()).with("digest", digest);
    audit::append(&mut tx, &act).await?;
    tx.commit().await
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use lapwing_rules::{Category, Level};

    use super::super::seeded::Seeded;

    #[tokio::test]
    async fn the_schools_numbers_and_matrix_stand_on_the_page_of_a_concern() {
        let seeded = Seeded::open().await;
        let bypass = seeded.concern("amelia", Category::FilterBypass, Level::Moderate, "words").await;
        let mut dsl = seeded.visitor("dsl").await;
        let before = dsl.get(&format!("/concerns/{bypass}")).await.body;
        assert!(before.contains("A way round the filter") && before.contains("Parents"), "{before}");
        assert!(before.contains("Your school has written no local numbers down"), "{before}");
        let numbers = [("social_care", "01632 960 001"), ("lado", "01632 960 002")];
        assert_eq!(dsl.post("/local-help/numbers", &numbers).await.location(), "/local-help?done=numbers");
        let matrix = "[[pupil]]\nincident = \"Our own row\"\ncategories = [\"filter_bypass\"]\n\
             refer = [\"headteacher\"]\ndecide = [\"warning\"]\n";
        dsl.post("/local-help/matrix", &[("matrix", matrix)]).await;
        let after = dsl.get(&format!("/concerns/{bypass}")).await.body;
        for words in ["01632 960 001", "Our own row", "Only a person decides", "Warning"] {
            assert!(after.contains(words), "{words}: {after}");
        }
        assert!(!after.contains("01632 960 002"), "a LADO is for what staff did");
        assert!(dsl.get("/local-help?done=matrix").await.body.contains("Our own row"));
    }

    #[tokio::test]
    async fn a_matrix_with_a_fault_is_shown_again_with_the_row_and_nothing_is_saved() {
        let seeded = Seeded::open().await;
        let mut head = seeded.visitor("head").await;
        let text = "[[pupil]]\nincident = \"x\"\ncategories = [\"nothing\"]\n";
        let answer = head.post("/local-help/matrix", &[("matrix", text)]).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert!(
            answer.body.contains("row 1: there is no category") && answer.body.contains("categories = [&#34;nothing"),
            "{}",
            answer.body
        );
        assert_eq!(seeded.school.count("SELECT COUNT(*) FROM settings").await, 0);
        let long = "x".repeat(121);
        assert_eq!(head.post("/local-help/numbers", &[("lado", &long)]).await.status, StatusCode::BAD_REQUEST);
    }
}
