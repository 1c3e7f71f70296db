//! Closing a concern that was decided: when it is looked at again, what was learnt, where it is recorded.

use axum::extract::{Path, State};
use axum::response::Response;
use jiff::civil::Date;
use serde::Deserialize;

use super::posted::Posted;
use super::refusal::Refusal;
use super::role::Recipient;
use super::words::Present;
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
    Posted { by, form, list }: Posted<Recipient, Closed>,
) -> Result<Response, Refusal> {
    let concern = decision::find(&state, &by, &reference).await?;
    let review = review(&by.present(), &form).ok_or(Refusal::BadForm)?;
    let next = decision::next(&state, &by, &list, &reference).await?;
    state.desk().close(by.actor(), concern, form.closing(review)).await.map_err(decision::refused)?;
    Ok(decision::onward(&list, next, "closed", &reference))
}

impl Closed {
    /// What is said, with `review` read from it.
    pub(super) fn closing(&self, review: Review) -> Closing<'_> {
        Closing { review, lesson: &self.lesson, elsewhere: &self.elsewhere }
    }
}

/// When it is looked at again; `None` for what is no date, and for both a date and that none is needed.
pub(super) fn review(present: &Present, form: &Closed) -> Option<Review> {
    match (form.review.trim(), form.no_review.is_empty()) {
        ("", true) => Some(Review::Unsaid),
        ("", false) => Some(Review::NotNeeded),
        (date, true) => Some(Review::At(present.morning_us(date.parse::<Date>().ok()?))),
        (_, false) => None,
    }
}
