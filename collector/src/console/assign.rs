//! Saying who deals with a concern.

use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;

use super::posted::Posted;
use super::refusal::Refusal;
use super::role::Recipient;
use super::{ConsoleState, decision};

/// The form.
#[derive(Deserialize)]
pub(super) struct Assigned {
    person: String,
}

/// `POST /concerns/{reference}/assign`.
pub(super) async fn submit(
    State(state): State<ConsoleState>,
    Path(reference): Path<String>,
    Posted { by, form: Assigned { person }, list }: Posted<Recipient, Assigned>,
) -> Result<Response, Refusal> {
    let concern = decision::find(&state, &by, &reference).await?;
    let Ok(person) = person.parse() else { return Err(Refusal::BadForm) };
    state.desk().assign(by.actor(), concern, person).await.map_err(decision::refused)?;
    let is_own = by.actor().person() == Some(person);
    Ok(decision::done(&list, &reference, if is_own { "taken" } else { "assigned" }))
}
