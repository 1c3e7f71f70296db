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
pub(super) const UNTIL: [(&str, &str); 3] =
    [("hour", "For an hour"), ("tomorrow", "Until tomorrow at 8"), ("week", "For a week")];

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

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use lapwing_rules::{Category, Level};

    use super::super::seeded::Seeded;
    use super::HOUR_US;

    #[tokio::test]
    async fn what_is_put_off_leaves_ones_own_list_and_is_back_when_the_time_comes_or_anything_happens() {
        let seeded = Seeded::open().await;
        let reference = seeded.concern("amelia", Category::Drugs, Level::Moderate, "words").await;
        let address = format!("/concerns/{reference}");
        let (mut dsl, mut deputy) = (seeded.visitor("dsl").await, seeded.visitor("deputy").await);
        let row = format!("data-reference=\"{reference}\"");
        let early = dsl.post(&format!("{address}/put-off"), &[("until", "hour")]).await;
        assert_eq!(early.status, StatusCode::CONFLICT, "nobody took it yet");
        dsl.post(&format!("{address}/acknowledge"), &[]).await;
        let put_off = dsl.post(&format!("{address}/put-off"), &[("until", "hour")]).await;
        let page = dsl.get(put_off.location()).await.body;
        assert!(page.contains("is hidden from your list") && page.contains("/bring-back\""), "{page}");
        assert!(!dsl.get("/queue").await.body.contains(&row));
        assert!(dsl.get("/queue?show=put-off").await.body.contains(&row));
        assert!(dsl.get(&address).await.body.contains("It is hidden from your list until"));
        assert!(deputy.get("/queue").await.body.contains(&row), "nobody else's list changes");

        seeded.clock.advance_us(HOUR_US);
        // The session ended meanwhile.
        let mut dsl = seeded.visitor("dsl").await;
        assert!(dsl.get("/queue").await.body.contains(&row), "the time came");
        dsl.post(&format!("{address}/put-off"), &[("until", "tomorrow")]).await;
        assert!(!dsl.get("/queue").await.body.contains(&row));
        seeded.visitor("deputy").await.post(&format!("{address}/note"), &[("note", "saw her")]).await;
        assert!(dsl.get("/queue").await.body.contains(&row), "a colleague wrote a note");

        seeded.clock.advance_us(1);
        dsl.post(&format!("{address}/put-off"), &[("until", "week")]).await;
        dsl.post(&format!("{address}/bring-back"), &[]).await;
        assert!(dsl.get("/queue").await.body.contains(&row), "brought back");
        assert_eq!(
            dsl.post(&format!("{address}/put-off"), &[("until", "never")]).await.status,
            StatusCode::BAD_REQUEST
        );
    }
}
