//! Deciding: was the rule right, and what came of it.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;

use super::posted::Posted;
use super::refusal::Refusal;
use super::role::Recipient;
use super::{ConsoleState, decision, note};
use crate::ids::InvalidId;
use crate::triage::commands::Judgement;

/// The form.
#[derive(Deserialize)]
pub(super) struct Judged {
    verdict: String,
    outcome: String,
    /// Why; a note, where it is not empty.
    #[serde(default)]
    reason: String,
    /// `rule.ID`: a verdict for one rule where it differs; empty where it does not.
    #[serde(flatten)]
    rules: BTreeMap<String, String>,
}

/// `POST /concerns/{reference}/judge`.
pub(super) async fn submit(
    State(state): State<ConsoleState>,
    Path(reference): Path<String>,
    Posted { by, form: Judged { verdict, outcome, reason, rules }, list }: Posted<Recipient, Judged>,
) -> Result<Response, Refusal> {
    let concern = decision::find(&state, &by, &reference).await?;
    let (Ok(verdict), Ok(outcome)) = (verdict.parse(), outcome.parse()) else { return Err(Refusal::BadForm) };
    let judgement = Judgement::new(verdict, outcome).map_err(|_| Refusal::Contradiction)?;
    let rules = rules.iter().filter_map(|(key, verdict)| Some((key.strip_prefix("rule.")?, verdict)));
    let differing = rules.filter(|(_, verdict)| !verdict.is_empty());
    let differing = differing.map(|(rule, verdict)| Ok((rule.to_owned(), verdict.parse()?)));
    let differing: Result<BTreeMap<_, _>, InvalidId> = differing.collect();
    let Ok(differing) = differing else { return Err(Refusal::BadForm) };
    let why = note::checked(&reason)?;
    state.desk().judge(by.actor(), concern, judgement, &why, &differing).await.map_err(decision::refused)?;
    Ok(decision::done(&list, &reference, "judged"))
}
