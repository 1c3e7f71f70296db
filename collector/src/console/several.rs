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
use crate::triage::commands::{CommandError, Seen};
use crate::triage::{self, is_illegal};

/// Concerns at once.
pub(super) const MOST: usize = 50;
/// Before the reference in the name of a box.
pub(super) const BOX: &str = "concern.";

/// What is done with all of them: taken, or settled as a code of [`settle::ROUTINE`] says.
pub(super) const ACTS: [(&str, &str); 3] = [
    (ACKNOWLEDGE, "Acknowledge"),
    ("nothing-more", "Close as real, no more to do"),
    ("false-alarm", "Close as false alarms"),
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
    /// More were chosen than are done at once.
    is_cut: bool,
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
    /// `concern.REFERENCE`: a box that was ticked, with the time at which the concern that it stands beside changed last.
    #[serde(flatten)]
    boxes: BTreeMap<String, String>,
}

impl Chosen {
    fn act(&self) -> Result<(&'static str, &'static str), Refusal> {
        ACTS.into_iter().find(|(code, _)| *code == self.act).ok_or(Refusal::BadForm)
    }

    /// At most [`MOST`] references, each with what its box holds.
    fn references(&self) -> impl Iterator<Item = (&str, &str)> {
        let named = self.boxes.iter().filter_map(|(key, value)| Some((key.strip_prefix(BOX)?, value.as_str())));
        named.filter(|(reference, _)| refusal::is_reference(reference)).take(MOST)
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
    let mut unknown = false;
    for (reference, _) in chosen.references() {
        let Some((_, row)) = find(&state, &recipient, reference).await? else {
            unknown = true;
            continue;
        };
        let view = queue::row_view(&present, &row, &kept);
        match why_not(&row, act) {
            Some(why) => left.push(Left { row: view, why }),
            None => fit.push(view),
        }
    }
    if unknown {
        decision::log_refusal(&state, &recipient).await.map_err(|error| Refusal::failed(&error))?;
    }
    let frame = Frame::of(&recipient, "/queue");
    let is_verdict = act != ACKNOWLEDGE;
    let is_cut = chosen.boxes.keys().filter(|key| key.starts_with(BOX)).count() > MOST;
    frame::shown(&SeveralPage { frame, kept, act, act_words, rows: fit, left, is_verdict, is_cut })
}

/// `POST /queue/several`.
pub(super) async fn submit(
    State(state): State<ConsoleState>,
    Posted { by, form, list }: Posted<Recipient, Chosen>,
) -> Result<Response, Refusal> {
    let (act, _) = form.act()?;
    let (mut done, mut left, mut unknown) = (Vec::new(), 0, false);
    for (reference, seen) in form.references() {
        let found = find(&state, &by, reference).await?;
        unknown |= found.is_none();
        let fit = found.filter(|(_, row)| why_not(row, act).is_none());
        match fit.zip(seen.parse().ok().map(Seen::at)) {
            Some(((concern, _), seen)) if carry_out(&state, &by, (concern, seen), act).await? => done.push(reference),
            Some(_) | None => left += 1,
        }
    }
    if unknown {
        decision::log_refusal(&state, &by).await.map_err(|error| Refusal::failed(&error))?;
    }
    let code = if act == ACKNOWLEDGE { "acknowledged-several" } else { "closed-several" };
    Ok(Redirect::to(&after(&list, code, &done, left)).into_response())
}

/// `POST /queue/several/undo`.
pub(super) async fn undo(
    State(state): State<ConsoleState>,
    Posted { by, form, list }: Posted<Recipient, Chosen>,
) -> Result<Response, Refusal> {
    let (mut done, mut left) = (Vec::new(), 0);
    for (reference, _) in form.references() {
        let Some((concern, _)) = find(&state, &by, reference).await? else { continue };
        match state.desk().undo(by.actor(), concern).await {
            Ok(_) => done.push(reference),
            Err(error @ (CommandError::Store(_) | CommandError::Seal(_))) => return Err(Refusal::not_saved(&error)),
            Err(_) => left += 1,
        }
    }
    Ok(Redirect::to(&after(&list, "back-several", &done, left)).into_response())
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
    let state = row.state.parse::<triage::State>().ok();
    if state.is_none_or(|state| state.is_finished() || state == triage::State::LegalHold) {
        return Some("It is closed, or kept for legal reasons.");
    }
    if state.is_some_and(triage::State::is_case) {
        return Some("It is a case on the child's file, or with another body.");
    }
    why_alone(row)
}

/// Does it with one of them. Answers whether it was possible as the concern stands.
async fn carry_out(
    state: &ConsoleState,
    by: &SignedIn,
    (concern, seen): (ConcernId, Seen),
    act: &str,
) -> Result<bool, Refusal> {
    let desk = state.desk();
    let done = if act == ACKNOWLEDGE {
        desk.acknowledge_seen(by.actor(), concern, seen).await
    } else {
        let judgement = settle::judgement(act).ok_or(Refusal::BadForm)?;
        desk.settle(by.actor(), concern, judgement, seen).await
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

#[cfg(test)]
mod tests {
    use lapwing_rules::{Category, Level};

    use super::super::seeded::Seeded;

    #[tokio::test]
    async fn several_are_settled_as_the_preview_says_and_taken_back_together() {
        let seeded = Seeded::open().await;
        let mut names = Vec::new();
        for (account, category, level) in [
            ("amelia", Category::Gambling, Level::Low),
            ("ben", Category::Drugs, Level::Moderate),
            ("amelia", Category::SelfHarm, Level::High),
            ("ben", Category::Grooming, Level::Critical),
            ("teacher", Category::Gambling, Level::Moderate),
        ] {
            let reference = seeded.concern(account, category, level, "words").await;
            names.push((format!("concern.{reference}"), reference));
        }
        let mut dsl = seeded.visitor("dsl").await;
        let list = dsl.get("/queue?choose=several").await.body;
        let boxes = list.matches("class=\"pick\"").count();
        assert_eq!(boxes, 2, "nothing high, critical or illegal: {list}");

        let chosen: Vec<_> = names.iter().map(|(name, _)| format!("{name}=on")).collect();
        let preview = dsl.get(&format!("/queue/several?act=false-alarm&{}", chosen.join("&"))).await.body;
        for (at, (name, reference)) in names.iter().enumerate() {
            assert_eq!(preview.contains(&format!("name=\"{name}\"")), at < 2, "{at}");
            assert_eq!(preview.contains(reference), at < 4, "what one may not know of is not named: {at}");
        }

        let seen = seeded.school.texts("SELECT changed_us || '' FROM concerns ORDER BY rowid").await;
        let mut fields: Vec<_> =
            names.iter().zip(&seen).map(|((name, _), seen)| (name.as_str(), seen.as_str())).collect();
        fields.push(("act", "false-alarm"));
        let done = dsl.post("/queue/several", &fields).await;
        let page = dsl.get(done.location()).await.body;
        assert!(page.contains("2 concerns closed. 3 could not be closed."), "{page}");
        let closed = "SELECT COUNT(*) FROM concerns WHERE state = 'closed' AND verdict = 'false'";
        assert_eq!(seeded.school.count(closed).await, 2);
        let back = [(names[0].0.as_str(), "on"), (names[1].0.as_str(), "on")];
        let undone = dsl.post("/queue/several/undo", &back).await;
        assert!(dsl.get(undone.location()).await.body.contains("2 concerns taken back."));
        assert_eq!(seeded.school.count("SELECT COUNT(*) FROM concerns WHERE state <> 'new'").await, 0);
        let again = dsl.post("/queue/several/undo", &back).await;
        assert!(dsl.get(again.location()).await.body.contains("Nothing could be taken back any more."));
        assert_eq!(dsl.post("/queue/several", &[("act", "delete")]).await.status, http::StatusCode::BAD_REQUEST);
    }

    #[tokio::test]
    async fn what_a_colleague_took_meanwhile_is_left_and_said() {
        let seeded = Seeded::open().await;
        let reference = seeded.concern("ben", Category::Drugs, Level::Moderate, "words").await;
        seeded.visitor("deputy").await.post(&format!("/concerns/{reference}/acknowledge"), &[]).await;
        let name = format!("concern.{reference}");
        let mut dsl = seeded.visitor("dsl").await;
        let nothing = "Nothing was changed. None of them could be done together.";
        let done = dsl.post("/queue/several", &[(&name, "1"), ("act", "acknowledge")]).await;
        assert!(dsl.get(done.location()).await.body.contains(nothing));
        // What came in after the list was shown is not closed unread.
        let done = dsl.post("/queue/several", &[(&name, "1"), ("act", "false-alarm")]).await;
        assert!(dsl.get(done.location()).await.body.contains(nothing));
        assert_eq!(seeded.school.texts("SELECT state FROM concerns").await, ["acknowledged"]);
    }
}
