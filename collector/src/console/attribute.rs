//! Saying which pupil used a class log-on, and taking it back.

use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;

use super::posted::Posted;
use super::refusal::Refusal;
use super::role::Recipient;
use super::{ConsoleState, decision};
use crate::store::accounts;

/// The form.
#[derive(Deserialize)]
pub(super) struct Attributed {
    account: String,
    reason: String,
}

/// The form that takes it back.
#[derive(Deserialize)]
pub(super) struct TakenBack {
    reason: String,
}

/// `POST /concerns/{reference}/attribute`.
pub(super) async fn submit(
    State(state): State<ConsoleState>,
    Path(reference): Path<String>,
    Posted { by, form: Attributed { account, reason }, list }: Posted<Recipient, Attributed>,
) -> Result<Response, Refusal> {
    let concern = decision::find(&state, &by, &reference).await?;
    let person = accounts::person(&state.store, &state.school, &account).await;
    let Some(person) = person.map_err(|error| Refusal::failed(&error))? else { return Err(Refusal::NotForThem) };
    state.desk().attribute(by.actor(), concern, person, &reason).await.map_err(decision::refused)?;
    Ok(decision::done(&list, &reference, "attributed"))
}

/// `POST /concerns/{reference}/unattribute`.
pub(super) async fn undo(
    State(state): State<ConsoleState>,
    Path(reference): Path<String>,
    Posted { by, form: TakenBack { reason }, list }: Posted<Recipient, TakenBack>,
) -> Result<Response, Refusal> {
    let concern = decision::find(&state, &by, &reference).await?;
    state.desk().unattribute(by.actor(), concern, &reason).await.map_err(decision::refused)?;
    Ok(decision::done(&list, &reference, "unattributed"))
}
