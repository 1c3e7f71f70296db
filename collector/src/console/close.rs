//! Closing a concern that was decided: when it is looked at again, what was learnt, where it is recorded.

use axum::extract::{Path, State};
use axum::response::Response;
use jiff::civil::Date;
use serde::Deserialize;

use super::posted::Posted;
use super::refusal::Refusal;
use super::role::Recipient;
use super::{ConsoleState, decision};
use crate::triage::commands::{Closing, Review};

/// The form.
#[derive(Deserialize)]
pub(super) struct Closed {
    /// A date, or nothing.
    #[serde(default)]
    review: String,
    /// `on`: no review is needed.
    #[serde(default)]
    no_review: String,
    #[serde(default)]
    lesson: String,
    #[serde(default)]
    elsewhere: String,
}

/// `POST /concerns/{reference}/close`.
pub(super) async fn submit(
    State(state): State<ConsoleState>,
    Path(reference): Path<String>,
    Posted { by, form }: Posted<Recipient, Closed>,
) -> Result<Response, Refusal> {
    let concern = decision::find(&state, &by, &reference).await?;
    let review = match (form.review.trim(), form.no_review.is_empty()) {
        ("", true) => Review::Unsaid,
        ("", false) => Review::NotNeeded,
        (date, true) => {
            let Ok(date) = date.parse::<Date>() else { return Err(Refusal::BadForm) };
            Review::At(by.present().morning_us(date))
        }
        // Both: nobody knows which.
        (_, false) => return Err(Refusal::BadForm),
    };
    let lesson = form.lesson.replace("\r\n", "\n");
    let closing = Closing { review, lesson: &lesson, elsewhere: &form.elsewhere };
    state.desk().close(by.actor(), concern, closing).await.map_err(decision::refused)?;
    Ok(decision::done(&reference, "closed"))
}
