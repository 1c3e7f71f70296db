//! Putting a concern off, and bringing it back.

use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;

use super::posted::{Bare, Posted};
use super::refusal::Refusal;
use super::role::Recipient;
use super::words::Present;
use super::{ConsoleState, decision};

const HOUR_US: i64 = 60 * 60 * 1_000_000;

/// Until when a concern is put off, by the code of a button.
pub(super) const UNTIL: [(&str, &str); 3] = [("hour", "For an hour"), ("tomorrow", "Until tomorrow at 8"), ("week", "For a week")];

/// The form.
#[derive(Deserialize)]
pub(super) struct PutOff {
    /// Code of one of [`UNTIL`].
    until: String,
}

/// `POST /concerns/{reference}/put-off`.
pub(super) async fn submit(
    State(state): State<ConsoleState>,
    Path(reference): Path<String>,
    Posted { by, form: PutOff { until }, list }: Posted<Recipient, PutOff>,
) -> Result<Response, Refusal> {
    let concern = decision::find(&state, &by, &reference).await?;
    let until_us = until_us(&by.present(), &until).ok_or(Refusal::BadForm)?;
    let next = decision::next(&state, &by, &list, &reference).await?;
    state.desk().put_off(by.actor(), concern, until_us).await.map_err(decision::refused)?;
    Ok(decision::onward(&list, next, "put-off", &reference))
}

/// `POST /concerns/{reference}/bring-back`.
pub(super) async fn undo(
    State(state): State<ConsoleState>,
    Path(reference): Path<String>,
    Posted { by, form: Bare {}, list }: Posted<Recipient, Bare>,
) -> Result<Response, Refusal> {
    let concern = decision::find(&state, &by, &reference).await?;
    state.desk().bring_back(by.actor(), concern).await.map_err(decision::refused)?;
    Ok(decision::done(&list, &reference, "back"))
}

fn until_us(present: &Present, code: &str) -> Option<i64> {
    match code {
        "hour" => Some(present.now_us().saturating_add(HOUR_US)),
        "tomorrow" => Some(present.morning_after_us(1)),
        "week" => Some(present.morning_after_us(7)),
        _ => None,
    }
}
