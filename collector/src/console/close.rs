//! Closing a concern that was decided.

use axum::extract::{Path, State};
use axum::response::Response;

use super::posted::{Bare, Posted};
use super::refusal::Refusal;
use super::role::Recipient;
use super::{ConsoleState, decision};

/// `POST /concerns/{reference}/close`.
pub(super) async fn submit(
    State(state): State<ConsoleState>,
    Path(reference): Path<String>,
    Posted { by, form: Bare {} }: Posted<Recipient, Bare>,
) -> Result<Response, Refusal> {
    let concern = decision::find(&state, &by, &reference).await?;
    state.desk().close(by.actor(), concern).await.map_err(decision::refused)?;
    Ok(decision::done(&reference, "closed"))
}
