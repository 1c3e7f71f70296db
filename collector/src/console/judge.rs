//! Deciding: was the rule right, and what came of it.

use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;

use super::posted::Posted;
use super::refusal::Refusal;
use super::role::Recipient;
use super::{ConsoleState, decision};
use crate::triage::commands::Judgement;

/// The form.
#[derive(Deserialize)]
pub(super) struct Judged {
    verdict: String,
    outcome: String,
}

/// `POST /concerns/{reference}/judge`.
pub(super) async fn submit(
    State(state): State<ConsoleState>,
    Path(reference): Path<String>,
    Posted { by, form: Judged { verdict, outcome } }: Posted<Recipient, Judged>,
) -> Result<Response, Refusal> {
    let concern = decision::find(&state, &by, &reference).await?;
    let (Ok(verdict), Ok(outcome)) = (verdict.parse(), outcome.parse()) else { return Err(Refusal::BadForm) };
    let judgement = Judgement::new(verdict, outcome).map_err(|_| Refusal::Contradiction)?;
    state.desk().judge(by.actor(), concern, judgement).await.map_err(decision::refused)?;
    Ok(decision::done(&reference, "judged"))
}
