//! Asking two others to approve that an illegal case is closed.

use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;

use super::posted::Posted;
use super::refusal::Refusal;
use super::role::Recipient;
use super::{ConsoleState, decision, requests};
use crate::requests::Change;

/// The form.
#[derive(Deserialize)]
pub(super) struct Asked {
    reason: String,
}

/// `POST /concerns/{reference}/ask-close`.
pub(super) async fn submit(
    State(state): State<ConsoleState>,
    Path(reference): Path<String>,
    Posted { by, form: Asked { reason } }: Posted<Recipient, Asked>,
) -> Result<Response, Refusal> {
    let concern = decision::find(&state, &by, &reference).await?;
    let asked = state.approvals().ask(by.actor(), Change::CloseIllegal { concern }, &reason).await;
    asked.map_err(requests::refused)?;
    Ok(decision::done(&reference, "asked"))
}
