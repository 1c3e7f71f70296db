//! Exemptions: anybody on the staff asks for one and sees their own; whoever approves them, or reads their risks, sees all.

mod answer;
mod ask;
mod end;
mod form;

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use http::StatusCode;
use lapwing_rules::Category;
use serde::Deserialize;

use super::frame::{self, Frame};
use super::refusal::Refusal;
use super::role::{SignedIn, StaffMember};
use super::words::{Present, plural, thousands};
use super::{ConsoleState, refusal};
use crate::actor::{PersonId, Role};
use crate::exemption::{Agreed, Plan};
use crate::ids::RequestId;
use crate::requests::desk::Shown;
use crate::requests::{Answer, Change, Request, Standing};
use crate::store::exemptions;
use crate::store::names::{self, Names};
use form::FormView;

pub(super) use answer::submit as answer;
pub(super) use ask::submit as ask;
pub(super) use end::submit as end;

/// Fewer are not told but to those who approve: so few say who it was.
const FEW: i64 = 5;

#[derive(Template)]
#[template(path = "exemptions.html")]
struct ExemptionsPage {
    frame: Frame,
    view: ExemptionsView,
}

struct ExemptionsView {
    said: Option<&'static str>,
    problem: Option<String>,
    exemptions: Vec<ExemptionView>,
    form: FormView,
}

/// One that was asked for, in words.
struct ExemptionView {
    reference: String,
    topics: String,
    place: String,
    time: String,
    state: String,
    asked: String,
    reason: String,
    risks: String,
    answers: Vec<String>,
    hits: Option<String>,
    can: Can,
}

#[derive(Clone, Copy, Default)]
struct Can {
    answer: bool,
    see: bool,
    withdraw: bool,
    end: bool,
}

/// What the address says was done.
#[derive(Deserialize)]
pub(super) struct Done {
    done: Option<String>,
}

/// What the page knows beside the requests.
struct Known {
    agreed: BTreeMap<RequestId, (Agreed, BTreeMap<String, i64>)>,
    names: Names,
}

/// `GET /exemptions`.
pub(super) async fn page(
    State(state): State<ConsoleState>,
    Query(Done { done }): Query<Done>,
    person: StaffMember,
) -> Result<Response, Refusal> {
    let said = done.as_deref().and_then(done_words);
    show(&state, &person, said, None, FormView::empty(&person.present())).await
}

/// The page; a problem with what was asked for stands above the form, which keeps what was written.
async fn show(
    state: &ConsoleState,
    person: &SignedIn,
    said: Option<&'static str>,
    problem: Option<String>,
    mut form: FormView,
) -> Result<Response, Refusal> {
    let shown = state.approvals().list(person.actor()).await.map_err(|error| Refusal::failed(&error))?;
    let known = known(state, &mut form).await.map_err(|error| Refusal::failed(&error))?;
    let present = person.present();
    let views = shown.iter().filter_map(|one| match &one.request.change {
        Change::Exempt { exemption } => Some(view(one, exemption, &known, person, &present)),
        Change::GrantRole { .. }
        | Change::WithdrawRole { .. }
        | Change::Calendar { .. }
        | Change::Routing { .. }
        | Change::CloseIllegal { .. }
        | Change::Investigate { .. } => None,
    });
    let status = if problem.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let view = ExemptionsView { said, problem, exemptions: views.collect(), form };
    let page = frame::shown(&ExemptionsPage { frame: Frame::of(person, "/exemptions"), view })?;
    Ok((status, page).into_response())
}

async fn known(state: &ConsoleState, form: &mut FormView) -> Result<Known, crate::store::StoreError> {
    let mut tx = state.store.view().await?;
    form.offer(exemptions::places(&mut tx, &state.school).await?);
    let agreed = exemptions::by_request(&mut tx, &state.school).await?;
    drop(tx);
    let names = names::read(&state.store, &state.school).await?;
    Ok(Known { agreed, names })
}

fn view(shown: &Shown, plan: &Plan, known: &Known, person: &SignedIn, present: &Present) -> ExemptionView {
    let request = &shown.request;
    let agreed = known.agreed.get(&request.id);
    let is_on = agreed.is_some_and(|(agreed, _)| agreed.until_us() > present.now_us());
    ExemptionView {
        reference: request.reference.clone(),
        topics: plan.categories.iter().map(|category| category.name()).collect::<Vec<_>>().join(", "),
        place: place(plan),
        time: format!("{} to {}", present.moment(plan.from_us), present.moment(plan.until_us)),
        state: match agreed {
            Some((agreed, _)) => agreed_words(agreed, present),
            None => state_words(request, shown.standing),
        },
        asked: format!("{}, {}", name(known, request.by, person), present.when(request.asked_us)),
        reason: request.reason.clone(),
        risks: plan.risks.clone(),
        answers: request
            .answers
            .iter()
            .map(|(who, answer)| format!("{}: {}", name(known, *who, person), answer_words(*answer)))
            .collect(),
        hits: agreed.map(|(_, hits)| hits_words(hits, person)),
        can: Can {
            answer: shown.may.answer,
            see: shown.may.see,
            withdraw: shown.may.withdraw,
            end: is_on && may_end(person, request.by),
        },
    }
}

/// Whoever asked for it, approves such or reads their risks ends one alone: it only brings watching back.
fn may_end(person: &SignedIn, by: PersonId) -> bool {
    let ends = [Role::Dsl, Role::DeputyDsl, Role::Headteacher, Role::Chair, Role::Technician];
    person.actor().person() == Some(by) || person.holds(&ends)
}

fn name(known: &Known, person: PersonId, reader: &SignedIn) -> String {
    if reader.actor().person() == Some(person) { "You".to_owned() } else { known.names.of(person).to_owned() }
}

fn place(plan: &Plan) -> String {
    if plan.whole_school {
        return "The whole school".to_owned();
    }
    plan.rooms.iter().chain(&plan.groups).cloned().collect::<Vec<_>>().join(", ")
}

fn agreed_words(agreed: &Agreed, present: &Present) -> String {
    let now_us = present.now_us();
    let ends = present.moment(agreed.until_us());
    match (agreed.ended_us, agreed.from_us() > now_us, agreed.until_us() > now_us) {
        (Some(_), _, _) => format!("Ended early, {ends}"),
        (None, true, _) => "Agreed on. It has not begun".to_owned(),
        (None, false, true) => format!("In force until {ends}"),
        (None, false, false) => format!("Over since {ends}"),
    }
}

fn state_words(request: &Request, standing: Standing) -> String {
    use crate::requests::State as Settled;
    match request.state {
        Settled::Waiting => waiting_words(standing),
        Settled::Done => "Agreed on".to_owned(),
        Settled::Refused => "Refused".to_owned(),
        Settled::Withdrawn => "Withdrawn".to_owned(),
        Settled::Lapsed => "Nobody answered in two weeks".to_owned(),
        Settled::Failed => "Approved when it could not be any more: nothing was exempted".to_owned(),
    }
}

fn waiting_words(standing: Standing) -> String {
    let Standing::Waits { missing, unseen_by } = standing else { return "Waits".to_owned() };
    let approvals = plural(i64::try_from(missing).unwrap_or(i64::MAX), "approval");
    match (missing, unseen_by) {
        (0, _) => "Waits for a technician to read the risk assessment".to_owned(),
        (_, None) => format!("Waits for {approvals}, one by the DSL or their deputy"),
        (_, Some(_)) => {
            format!("Waits for a technician to read the risk assessment, and for {approvals}")
        }
    }
}

const fn answer_words(answer: Answer) -> &'static str {
    match answer {
        Answer::Approved => "approved",
        Answer::Seen => "has read the risk assessment",
        Answer::Refused => "refused",
    }
}

fn hits_words(hits: &BTreeMap<String, i64>, person: &SignedIn) -> String {
    if hits.is_empty() {
        return "None so far".to_owned();
    }
    let is_exact = person.holds(&[Role::Dsl, Role::DeputyDsl, Role::Headteacher, Role::Chair]);
    let words = hits.iter().map(|(category, count)| {
        let topic = category.parse::<Category>().map_or_else(|_| category.clone(), |known| known.name().to_owned());
        let count = if is_exact || *count >= FEW { thousands(*count) } else { format!("fewer than {FEW}") };
        format!("{topic}: {count}")
    });
    words.collect::<Vec<_>>().join("; ")
}

fn done(code: &str) -> Response {
    Redirect::to(&format!("/exemptions?done={code}")).into_response()
}

fn done_words(code: &str) -> Option<&'static str> {
    Some(match code {
        "asked" => "You asked for it. It is not in force before it is approved.",
        "approved" => "Your approval was saved.",
        "refused" => "It was refused.",
        "seen" => "It is noted that you have read the risk assessment.",
        "withdrawn" => "It was withdrawn.",
        "ended" => "It is over. Devices hear of it within seconds, those that are offline when they are back.",
        _ => return None,
    })
}

/// A reference of a request that an address names.
fn checked(reference: &str) -> Result<&str, Refusal> {
    if refusal::is_reference(reference) { Ok(reference) } else { Err(Refusal::NoSuchPage) }
}

#[cfg(test)]
mod tests;
