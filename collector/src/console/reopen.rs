//! Taking a decided or closed concern up again.

use axum::extract::{Path, State};
use axum::response::Response;

use super::posted::{Bare, Posted};
use super::refusal::Refusal;
use super::role::Recipient;
use super::{ConsoleState, decision};

/// `POST /concerns/{reference}/reopen`.
pub(super) async fn submit(
    State(state): State<ConsoleState>,
    Path(reference): Path<String>,
    Posted { by, form: Bare {}, list }: Posted<Recipient, Bare>,
) -> Result<Response, Refusal> {
    let concern = decision::find(&state, &by, &reference).await?;
    state.desk().reopen(by.actor(), concern).await.map_err(decision::refused)?;
    Ok(decision::done(&list, &reference, "reopened"))
}
