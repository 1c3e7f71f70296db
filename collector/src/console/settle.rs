//! A routine concern: acknowledged, decided and closed by one button, and on to the next.

use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;

use super::posted::Posted;
use super::refusal::Refusal;
use super::role::Recipient;
use super::{ConsoleState, decision};
use crate::triage::commands::{Judgement, Outcome, Verdict};

/// What a routine concern comes to: each is a button, and a digit while it has the focus.
pub(super) const ROUTINE: [(&str, Verdict, Outcome, &str); 6] = [
    ("false-alarm", Verdict::False, Outcome::None, "False alarm"),
    ("nothing-more", Verdict::True, Outcome::None, "Right, nothing more"),
    ("talked", Verdict::True, Outcome::Talked, "Right, talked with the child"),
    ("parents", Verdict::True, Outcome::ParentsTold, "Right, parents told"),
    ("teacher", Verdict::True, Outcome::ClassTeacher, "Right, class teacher acts"),
    ("unclear", Verdict::Unclear, Outcome::None, "Unclear, nothing more"),
];

/// The form.
#[derive(Deserialize)]
pub(super) struct Settled {
    /// Code of one of [`ROUTINE`].
    routine: String,
}

/// The judgement of a code.
pub(super) fn judgement(code: &str) -> Option<Judgement> {
    let (_, verdict, outcome, _) = ROUTINE.into_iter().find(|(known, ..)| *known == code)?;
    Judgement::new(verdict, outcome).ok()
}

/// `POST /concerns/{reference}/settle`.
pub(super) async fn submit(
    State(state): State<ConsoleState>,
    Path(reference): Path<String>,
    Posted { by, form: Settled { routine }, list }: Posted<Recipient, Settled>,
) -> Result<Response, Refusal> {
    let concern = decision::find(&state, &by, &reference).await?;
    let judgement = judgement(&routine).ok_or(Refusal::BadForm)?;
    let next = decision::next(&state, &by, &list, &reference).await?;
    state.desk().settle(by.actor(), concern, judgement).await.map_err(decision::refused)?;
    Ok(decision::onward(&list, next, "closed", &reference))
}
