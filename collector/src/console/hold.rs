//! Keeping a concern as it is for a case at law, and ending that.

use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;

use super::posted::Posted;
use super::refusal::Refusal;
use super::role::Recipient;
use super::{ConsoleState, decision};

/// The form.
#[derive(Deserialize)]
pub(super) struct Reasoned {
    reason: String,
}

/// `POST /concerns/{reference}/hold`.
pub(super) async fn submit(
    State(state): State<ConsoleState>,
    Path(reference): Path<String>,
    Posted { by, form: Reasoned { reason }, list }: Posted<Recipient, Reasoned>,
) -> Result<Response, Refusal> {
    let concern = decision::find(&state, &by, &reference).await?;
    state.desk().hold(by.actor(), concern, &reason).await.map_err(decision::refused)?;
    Ok(decision::done(&list, &reference, "held"))
}

/// `POST /concerns/{reference}/release`.
pub(super) async fn undo(
    State(state): State<ConsoleState>,
    Path(reference): Path<String>,
    Posted { by, form: Reasoned { reason }, list }: Posted<Recipient, Reasoned>,
) -> Result<Response, Refusal> {
    let concern = decision::find(&state, &by, &reference).await?;
    state.desk().release(by.actor(), concern, &reason).await.map_err(decision::refused)?;
    Ok(decision::done(&list, &reference, "released"))
}
