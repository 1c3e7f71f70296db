//! Answering: approve, refuse, have read the risk assessment, or withdraw one's own.

use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;

use super::{checked, done};
use crate::console::posted::Posted;
use crate::console::refusal::Refusal;
use crate::console::role::StaffMember;
use crate::console::{ConsoleState, request_words};
use crate::requests::Answer;

/// The form.
#[derive(Deserialize)]
pub(in crate::console) struct Given {
    answer: Said,
}

/// The button that was pressed.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    Approved,
    Refused,
    Seen,
    Withdrawn,
}

/// `POST /exemptions/{reference}/answer`.
pub(in crate::console) async fn submit(
    State(state): State<ConsoleState>,
    Path(reference): Path<String>,
    Posted { by, form, .. }: Posted<StaffMember, Given>,
) -> Result<Response, Refusal> {
    let (reference, desk) = (checked(&reference)?, state.approvals());
    let (answer, code) = match form.answer {
        Said::Withdrawn => {
            desk.withdraw(by.actor(), reference).await.map_err(request_words::refused)?;
            return Ok(done("withdrawn"));
        }
        Said::Approved => (Answer::Approved, "approved"),
        Said::Refused => (Answer::Refused, "refused"),
        Said::Seen => (Answer::Seen, "seen"),
    };
    desk.answer(by.actor(), reference, answer).await.map_err(request_words::refused)?;
    Ok(done(code))
}
