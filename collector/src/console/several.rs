//! Several concerns at once: what was chosen in the list is shown again before anything is done, and nothing high, critical
//! or illegal is among it. Each is an act of its own in the log.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use askama::Template;
use axum::extract::{Query, RawQuery, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use lapwing_rules::Level;
use serde::Deserialize;

use super::frame::{self, Frame};
use super::posted::Posted;
use super::queue::filter::Filter;
use super::queue::{self, RowView};
use super::refusal::{self, Refusal};
use super::role::{Recipient, SignedIn};
use super::{ConsoleState, decision, settle};
use crate::ids::ConcernId;
use crate::store::queue::{self as rows, QueueRow};
use crate::triage::commands::CommandError;
use crate::triage::is_illegal;

/// Concerns at once.
pub(super) const MOST: usize = 50;
/// Before the reference in the name of a box.
pub(super) const BOX: &str = "concern.";

/// What is done with all of them: taken, or settled as a code of [`settle::ROUTINE`] says.
pub(super) const ACTS: [(&str, &str); 3] = [
    (ACKNOWLEDGE, "Acknowledge"),
    ("nothing-more", "Close: right, nothing more"),
    ("false-alarm", "Close: false alarms"),
];
const ACKNOWLEDGE: &str = "acknowledge";

#[derive(Template)]
#[template(path = "several.html")]
struct SeveralPage {
    frame: Frame,
    kept: String,
    act: &'static str,
    act_words: &'static str,
    /// What it will be done with.
    rows: Vec<RowView>,
    /// What is left out, and why.
    left: Vec<Left>,
    is_verdict: bool,
}

struct Left {
    row: RowView,
    why: &'static str,
}

/// What a list or a preview chose.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Chosen {
    #[serde(default)]
    act: String,
    /// `concern.REFERENCE`: a box that was ticked.
    #[serde(flatten)]
    boxes: BTreeMap<String, String>,
}

impl Chosen {
    fn act(&self) -> Result<(&'static str, &'static str), Refusal> {
        ACTS.into_iter().find(|(code, _)| *code == self.act).ok_or(Refusal::BadForm)
    }

    /// At most [`MOST`] references.
    fn references(&self) -> impl Iterator<Item = &str> {
        let named = self.boxes.keys().filter_map(|key| key.strip_prefix(BOX));
        named.filter(|reference| refusal::is_reference(reference)).take(MOST)
    }
}

/// Why a concern is decided by itself alone; `None` where it may be among several.
pub(super) fn why_alone(row: &QueueRow) -> Option<&'static str> {
    if is_illegal(&row.category) {
        return Some("The police may need it.");
    }
    (row.level >= Level::High).then_some("It is high or critical.")
}

/// `GET /queue/several`: what would be done, and with what.
pub(super) async fn page(
    State(state): State<ConsoleState>,
    recipient: Recipient,
    Query(chosen): Query<Chosen>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let (act, act_words) = chosen.act()?;
    let (present, kept) = (recipient.present(), Filter::of(query.as_deref()).kept());
    let (mut fit, mut left) = (Vec::new(), Vec::new());
    for reference in chosen.references() {
        let Some((_, row)) = find(&state, &recipient, reference).await? else { continue };
        let view = queue::row_view(&present, &row, &kept);
        match why_not(&row, act) {
            Some(why) => left.push(Left { row: view, why }),
            None => fit.push(view),
        }
    }
    let frame = Frame::of(&recipient, "/queue");
    let is_verdict = act != ACKNOWLEDGE;
    frame::shown(&SeveralPage { frame, kept, act, act_words, rows: fit, left, is_verdict })
}

/// `POST /queue/several`.
pub(super) async fn submit(
    State(state): State<ConsoleState>,
    Posted { by, form, list }: Posted<Recipient, Chosen>,
) -> Result<Response, Refusal> {
    let (act, _) = form.act()?;
    let (mut done, mut left) = (Vec::new(), 0);
    for reference in form.references() {
        let found = find(&state, &by, reference).await?;
        match found.filter(|(_, row)| why_not(row, act).is_none()) {
            Some((concern, _)) if carry_out(&state, &by, concern, act).await? => done.push(reference),
            Some(_) | None => left += 1,
        }
    }
    Ok(Redirect::to(&after(&list, "several", &done, left)).into_response())
}

/// `POST /queue/several/undo`.
pub(super) async fn undo(
    State(state): State<ConsoleState>,
    Posted { by, form, list }: Posted<Recipient, Chosen>,
) -> Result<Response, Refusal> {
    for reference in form.references() {
        let Some((concern, _)) = find(&state, &by, reference).await? else { continue };
        match state.desk().undo(by.actor(), concern).await {
            Ok(_) | Err(CommandError::TooLate | CommandError::NotFound) => {}
            Err(error) => return Err(decision::refused(error)),
        }
    }
    Ok(Redirect::to(&list.after("/queue", "done=taken-back")).into_response())
}

/// The concern of that reference, where `person` may know of it.
async fn find(
    state: &ConsoleState,
    person: &SignedIn,
    reference: &str,
) -> Result<Option<(ConcernId, QueueRow)>, Refusal> {
    let (store, actor) = (&state.store, person.actor());
    let concern = rows::by_reference(store, actor, reference).await.map_err(|error| Refusal::failed(&error))?;
    let Some(concern) = concern else { return Ok(None) };
    let row = rows::row(store, actor, concern).await.map_err(|error| Refusal::failed(&error))?;
    Ok(row.map(|row| (concern, row)))
}

/// Why `act` cannot be done with it; `None` where it can.
fn why_not(row: &QueueRow, act: &str) -> Option<&'static str> {
    if act == ACKNOWLEDGE && !row.is_waiting() {
        return Some("Somebody acknowledged it.");
    }
    if matches!(row.state.as_str(), "closed" | "signed_off" | "legal_hold") {
        return Some("It is closed, or kept for legal reasons.");
    }
    why_alone(row)
}

/// Does it with one of them. Answers whether it was possible as the concern stands.
async fn carry_out(state: &ConsoleState, by: &SignedIn, concern: ConcernId, act: &str) -> Result<bool, Refusal> {
    let desk = state.desk();
    let done = if act == ACKNOWLEDGE {
        desk.acknowledge(by.actor(), concern).await
    } else {
        let judgement = settle::judgement(act).ok_or(Refusal::BadForm)?;
        desk.settle(by.actor(), concern, judgement).await
    };
    match done {
        Ok(_) => Ok(true),
        Err(error @ (CommandError::Store(_) | CommandError::Seal(_))) => Err(Refusal::not_saved(&error)),
        Err(_) => Ok(false),
    }
}

/// The list, with what was done.
fn after(list: &Filter, code: &str, done: &[&str], left: u16) -> String {
    let mut also = format!("done={code}&left={left}");
    for reference in done {
        // Writing to a string cannot fail.
        let _ = write!(also, "&was={reference}");
    }
    list.after("/queue", &also)
}
