//! Handing a concern over where there is a conflict of interest. Whoever does it no longer sees the concern.

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;

use super::posted::Posted;
use super::refusal::Refusal;
use super::role::Recipient;
use super::{ConsoleState, decision};

/// The form.
#[derive(Deserialize)]
pub(super) struct Transferred {
    person: String,
    reason: String,
}

/// `POST /concerns/{reference}/transfer`.
pub(super) async fn submit(
    State(state): State<ConsoleState>,
    Path(reference): Path<String>,
    Posted { by, form: Transferred { person, reason }, list }: Posted<Recipient, Transferred>,
) -> Result<Response, Refusal> {
    let concern = decision::find(&state, &by, &reference).await?;
    let Ok(person) = person.parse() else { return Err(Refusal::BadForm) };
    state.desk().transfer(by.actor(), concern, person, &reason).await.map_err(decision::refused)?;
    Ok(Redirect::to(&list.after("/queue", "done=handed-over")).into_response())
}
