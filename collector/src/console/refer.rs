//! Writing down to whom a case was referred.

use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;

use super::posted::Posted;
use super::refusal::Refusal;
use super::role::Recipient;
use super::{ConsoleState, decision, note};
use crate::triage::commands::Referral;

/// The form.
#[derive(Deserialize)]
pub(super) struct Referred {
    recipient: String,
    purpose: String,
    basis: String,
    consent: String,
    wishes: String,
}

/// `POST /concerns/{reference}/refer`.
pub(super) async fn submit(
    State(state): State<ConsoleState>,
    Path(reference): Path<String>,
    Posted { by, form, list }: Posted<Recipient, Referred>,
) -> Result<Response, Refusal> {
    let concern = decision::find(&state, &by, &reference).await?;
    let Ok(basis) = form.basis.parse() else { return Err(Refusal::BadForm) };
    let (recipient, purpose) = (note::checked(&form.recipient)?, note::checked(&form.purpose)?);
    let (consent, wishes) = (note::checked(&form.consent)?, note::checked(&form.wishes)?);
    let referral = Referral { recipient: &recipient, purpose: &purpose, basis, consent: &consent, wishes: &wishes };
    state.desk().refer(by.actor(), concern, &referral).await.map_err(decision::refused)?;
    Ok(decision::done(&list, &reference, "referred"))
}
