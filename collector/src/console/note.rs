//! Writing a note. It is sealed under the subject's key, as the evidence is.

use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;

use super::posted::Posted;
use super::refusal::Refusal;
use super::role::Recipient;
use super::{ConsoleState, decision};

/// Longest note, in characters, as the form says.
const MAX_CHARS: usize = 2000;

/// The form.
#[derive(Deserialize)]
pub(super) struct Written {
    note: String,
}

/// `POST /concerns/{reference}/note`.
pub(super) async fn submit(
    State(state): State<ConsoleState>,
    Path(reference): Path<String>,
    Posted { by, form: Written { note }, list }: Posted<Recipient, Written>,
) -> Result<Response, Refusal> {
    let concern = decision::find(&state, &by, &reference).await?;
    let note = checked(&note)?;
    state.desk().note(by.actor(), concern, &note).await.map_err(decision::refused)?;
    Ok(decision::done(&list, &reference, "noted"))
}

/// What was written, with one character a line end, where it is as short as the form says.
pub(super) fn checked(note: &str) -> Result<String, Refusal> {
    // A browser counts a line end as one character and sends two.
    let note = note.replace("\r\n", "\n");
    if note.chars().count() > MAX_CHARS { Err(Refusal::BadForm) } else { Ok(note) }
}
