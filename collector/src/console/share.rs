//! Letting a colleague see a concern.

use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;

use super::posted::Posted;
use super::refusal::Refusal;
use super::role::Recipient;
use super::{ConsoleState, decision};

/// The form.
#[derive(Deserialize)]
pub(super) struct Shared {
    person: String,
}

/// `POST /concerns/{reference}/share`.
pub(super) async fn submit(
    State(state): State<ConsoleState>,
    Path(reference): Path<String>,
    Posted { by, form: Shared { person }, list }: Posted<Recipient, Shared>,
) -> Result<Response, Refusal> {
    let concern = decision::find(&state, &by, &reference).await?;
    let Ok(person) = person.parse() else { return Err(Refusal::BadForm) };
    state.desk().share(by.actor(), concern, person).await.map_err(decision::refused)?;
    Ok(decision::done(&list, &reference, "shared"))
}
