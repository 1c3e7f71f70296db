//! Letting a concern count towards another one, and taking that back.

use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;

use super::posted::{Bare, Posted};
use super::refusal::Refusal;
use super::role::Recipient;
use super::{ConsoleState, decision};

/// The form.
#[derive(Deserialize)]
pub(super) struct Merged {
    into: String,
}

/// `POST /concerns/{reference}/merge`.
pub(super) async fn submit(
    State(state): State<ConsoleState>,
    Path(reference): Path<String>,
    Posted { by, form: Merged { into }, list }: Posted<Recipient, Merged>,
) -> Result<Response, Refusal> {
    let concern = decision::find(&state, &by, &reference).await?;
    let into = decision::find(&state, &by, into.trim()).await?;
    state.desk().merge(by.actor(), concern, into).await.map_err(decision::refused)?;
    Ok(decision::done(&list, &reference, "merged"))
}

/// `POST /concerns/{reference}/split`.
pub(super) async fn undo(
    State(state): State<ConsoleState>,
    Path(reference): Path<String>,
    Posted { by, form: Bare {}, list }: Posted<Recipient, Bare>,
) -> Result<Response, Refusal> {
    let concern = decision::find(&state, &by, &reference).await?;
    state.desk().split(by.actor(), concern).await.map_err(decision::refused)?;
    Ok(decision::done(&list, &reference, "split"))
}
