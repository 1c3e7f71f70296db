//! Being told when a topic comes again for the same person, and no more.

use axum::extract::{Path, State};
use axum::response::Response;

use super::posted::{Bare, Posted};
use super::refusal::Refusal;
use super::role::Recipient;
use super::{ConsoleState, decision};
use crate::triage::commands::Wish;

/// `POST /concerns/{reference}/watch`.
pub(super) async fn submit(
    State(state): State<ConsoleState>,
    Path(reference): Path<String>,
    Posted { by, form: Bare {}, list }: Posted<Recipient, Bare>,
) -> Result<Response, Refusal> {
    let concern = decision::find(&state, &by, &reference).await?;
    state.desk().if_it_recurs(by.actor(), concern, Wish::Tell).await.map_err(decision::refused)?;
    Ok(decision::done(&list, &reference, "watched"))
}

/// `POST /concerns/{reference}/unwatch`.
pub(super) async fn undo(
    State(state): State<ConsoleState>,
    Path(reference): Path<String>,
    Posted { by, form: Bare {}, list }: Posted<Recipient, Bare>,
) -> Result<Response, Refusal> {
    let concern = decision::find(&state, &by, &reference).await?;
    state.desk().if_it_recurs(by.actor(), concern, Wish::Stop).await.map_err(decision::refused)?;
    Ok(decision::done(&list, &reference, "unwatched"))
}
