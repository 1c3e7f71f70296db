//! Asking two others to approve that an illegal case is closed.

use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;

use super::close::{self, Closed};
use super::posted::Posted;
use super::refusal::Refusal;
use super::role::Recipient;
use super::{ConsoleState, decision, request_words};
use crate::triage::commands::AskCloseError;

/// The form.
#[derive(Deserialize)]
pub(super) struct Asked {
    reason: String,
    #[serde(flatten)]
    closing: Closed,
}

/// `POST /concerns/{reference}/ask-close`.
pub(super) async fn submit(
    State(state): State<ConsoleState>,
    Path(reference): Path<String>,
    Posted { by, form: Asked { reason, closing }, list }: Posted<Recipient, Asked>,
) -> Result<Response, Refusal> {
    let concern = decision::find(&state, &by, &reference).await?;
    let review = close::review(&by.present(), &closing).ok_or(Refusal::BadForm)?;
    let asked = state.desk().ask_close(by.actor(), concern, closing.closing(review), &reason).await;
    asked.map_err(|error| match error {
        AskCloseError::Concern(error) => decision::refused(error),
        AskCloseError::Request(error) => request_words::refused(error),
    })?;
    Ok(decision::done(&list, &reference, "asked"))
}
