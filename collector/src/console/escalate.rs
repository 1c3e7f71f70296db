//! Bringing a concern to whoever is next up.

use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;

use super::posted::Posted;
use super::refusal::Refusal;
use super::role::Recipient;
use super::{ConsoleState, decision, note};

/// The form.
#[derive(Deserialize)]
pub(super) struct Reasoned {
    reason: String,
}

/// `POST /concerns/{reference}/escalate`.
pub(super) async fn submit(
    State(state): State<ConsoleState>,
    Path(reference): Path<String>,
    Posted { by, form: Reasoned { reason }, list }: Posted<Recipient, Reasoned>,
) -> Result<Response, Refusal> {
    let concern = decision::find(&state, &by, &reference).await?;
    let reason = note::checked(&reason)?;
    state.desk().escalate(by.actor(), concern, &reason).await.map_err(decision::refused)?;
    Ok(decision::done(&list, &reference, "escalated"))
}
