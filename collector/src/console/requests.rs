//! Changes that take more than one person: asking for them, approving, refusing, withdrawing.

use askama::Template;
use axum::extract::{self, Path, Query};
use axum::response::{IntoResponse as _, Redirect, Response};
use lapwing_rules::Digest;
use serde::Deserialize;

use super::frame::{self, Frame};
use super::posted::{Bare, Posted};
use super::refusal::Refusal;
use super::role::{SignedIn, StaffMember};
use super::words::{self, Present};
use super::{ConsoleState, request_words};
use crate::requests::desk::Shown;
use crate::requests::{Answer, Change, Standing, State};
use crate::store::names::{self, Names};

/// What was just done, by its code.
#[derive(Default, Deserialize)]
pub(super) struct Asked {
    done: Option<String>,
}

#[derive(Template)]
#[template(path = "requests.html")]
struct RequestsPage {
    frame: Frame,
    said: Option<&'static str>,
    waiting: Vec<RequestView>,
    settled: Vec<RequestView>,
    forms: Option<Forms>,
}

/// One request in the list.
struct RequestView {
    reference: String,
    what: String,
    /// What is asked for word by word, where it was written as a text.
    text: Option<String>,
    reason: String,
    who: String,
    standing: String,
    is_waiting: bool,
    /// What stands in force, where a text takes its place.
    in_force: Option<String>,
    /// The concern's page, where whoever looks may open it.
    concern: Option<String>,
    answer: bool,
    see: bool,
    withdraw: bool,
}

/// What the forms offer.
struct Forms {
    staff: Vec<Choice>,
    roles: Vec<Choice>,
    devices: Vec<Choice>,
    calendar: Written,
    routing: Written,
}

/// What the school wrote, and its digest.
struct Written {
    text: String,
    digest: String,
}

/// One of a list.
pub(super) struct Choice {
    pub(super) value: String,
    pub(super) words: String,
}

/// `GET /requests`.
pub(super) async fn page(
    extract::State(state): extract::State<ConsoleState>,
    person: StaffMember,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let shown = state.approvals().list(person.actor()).await.map_err(request_words::refused)?;
    let names = names::read(&state.store, &state.school).await.map_err(|error| Refusal::failed(&error))?;
    let present = person.present();
    let views = shown.iter().map(|one| view(&present, &names, one));
    let (waiting, settled) = views.partition(|view: &RequestView| view.is_waiting);
    let forms = if asks(&person) { Some(forms(&state, &person, &names).await?) } else { None };
    let said = asked.done.as_deref().and_then(done_words);
    frame::shown(&RequestsPage { frame: Frame::of(&person, "/requests"), said, waiting, settled, forms })
}

/// The form of an answer.
#[derive(Deserialize)]
pub(super) struct Answered {
    answer: String,
}

/// `POST /requests/{reference}/answer`.
pub(super) async fn answer(
    extract::State(state): extract::State<ConsoleState>,
    Path(reference): Path<String>,
    Posted { by, form: Answered { answer }, .. }: Posted<StaffMember, Answered>,
) -> Result<Response, Refusal> {
    let Ok(answer) = answer.parse::<Answer>() else { return Err(Refusal::BadForm) };
    state.approvals().answer(by.actor(), &reference, answer).await.map_err(request_words::refused)?;
    Ok(Redirect::to("/requests?done=answered").into_response())
}

/// `POST /requests/{reference}/withdraw`.
pub(super) async fn withdraw(
    extract::State(state): extract::State<ConsoleState>,
    Path(reference): Path<String>,
    Posted { by, form: Bare {}, .. }: Posted<StaffMember, Bare>,
) -> Result<Response, Refusal> {
    state.approvals().withdraw(by.actor(), &reference).await.map_err(request_words::refused)?;
    Ok(Redirect::to("/requests?done=withdrawn").into_response())
}

/// The form of a request: which change, and its fields.
#[derive(Deserialize)]
pub(super) struct Requested {
    change: String,
    reason: String,
    #[serde(default)]
    person: String,
    #[serde(default)]
    role: String,
    #[serde(default)]
    text: String,
    /// Digest of the text that the form came with: what is asked for takes the place of that alone.
    #[serde(default)]
    over: String,
    #[serde(default)]
    device: String,
    #[serde(default)]
    from: String,
    #[serde(default)]
    until: String,
}

/// `POST /requests`.
pub(super) async fn ask(
    extract::State(state): extract::State<ConsoleState>,
    Posted { by, form, .. }: Posted<StaffMember, Requested>,
) -> Result<Response, Refusal> {
    let Some(change) = change(&by.present(), &form) else { return Err(Refusal::BadForm) };
    state.approvals().ask(by.actor(), change, &form.reason).await.map_err(request_words::refused)?;
    Ok(Redirect::to("/requests?done=asked").into_response())
}

fn change(present: &Present, form: &Requested) -> Option<Change> {
    let (text, over) = (form.text.replace("\r\n", "\n"), form.over.clone());
    Some(match form.change.as_str() {
        "grant_role" => Change::GrantRole { person: form.person.parse().ok()?, role: form.role.parse().ok()? },
        "withdraw_role" => Change::WithdrawRole { person: form.person.parse().ok()?, role: form.role.parse().ok()? },
        "calendar" => Change::Calendar { text, over },
        "routing" => Change::Routing { text, over },
        "investigate" => Change::Investigate {
            device: form.device.parse().ok()?,
            purpose: form.reason.trim().to_owned(),
            from_us: present.local_us(&form.from)?,
            until_us: present.local_us(&form.until)?,
        },
        _ => return None,
    })
}

fn view(present: &Present, names: &Names, shown: &Shown) -> RequestView {
    let Shown { request, standing, may } = shown;
    RequestView {
        reference: request.reference.clone(),
        what: request_words::what(present, names, &request.change),
        text: request_words::text(&request.change),
        reason: request.reason.clone(),
        who: format!("{}, {}", names.of(request.by), present.when(request.asked_us)),
        standing: standing_words(request.state, *standing),
        is_waiting: request.state == State::Waiting,
        in_force: request_words::in_force(names, &request.change),
        concern: request.change.concern().and_then(|concern| names.reference(concern)).map(str::to_owned),
        answer: may.answer,
        see: may.see,
        withdraw: may.withdraw,
    }
}

fn standing_words(state: State, standing: Standing) -> String {
    match state {
        State::Waiting => waiting_words(standing),
        State::Done => "Agreed, and carried out".to_owned(),
        State::Refused => "Refused".to_owned(),
        State::Withdrawn => "Withdrawn".to_owned(),
        State::Lapsed => "Lapsed: nobody answered in two weeks".to_owned(),
        State::Failed => "Approved, but things had changed: ask again".to_owned(),
    }
}

fn waiting_words(standing: Standing) -> String {
    let Standing::Waits { missing, unseen_by } = standing else { return "Waits".to_owned() };
    let approvals = words::plural(i64::try_from(missing).unwrap_or(i64::MAX), "approval");
    match (missing, unseen_by.is_some()) {
        (0, _) => "Waits for a technician to read the risk assessment".to_owned(),
        (_, false) => format!("Waits for {approvals}"),
        (_, true) => format!("Waits for {approvals}, and for a technician to read the risk assessment"),
    }
}

async fn forms(state: &ConsoleState, person: &SignedIn, names: &Names) -> Result<Forms, Refusal> {
    let devices = names::devices(&state.store, &state.school).await.map_err(|error| Refusal::failed(&error))?;
    let others = names.staff().filter(|(id, _)| person.actor().person() != Some(*id));
    let staff = others.map(|(id, name)| Choice { value: id.to_string(), words: name.to_owned() });
    let roles = crate::actor::Role::ALL
        .map(|role| Choice { value: role.to_string(), words: frame::role_words(role).to_owned() });
    let devices = devices.into_iter().map(|(id, hostname)| Choice { value: id.to_string(), words: hostname });
    Ok(Forms {
        staff: staff.collect(),
        roles: roles.into_iter().collect(),
        devices: devices.collect(),
        calendar: written(&names.texts().calendar),
        routing: written(&names.texts().routing),
    })
}

fn written(text: &str) -> Written {
    Written { text: text.to_owned(), digest: Digest::of(text.as_bytes()).to_string() }
}

fn asks(person: &SignedIn) -> bool {
    let roles = &crate::requests::ASKERS;
    person.holds(roles)
}

fn done_words(code: &str) -> Option<&'static str> {
    Some(match code {
        "asked" => "Your request was made. Whoever may approve it was told.",
        "answered" => "Your answer was saved.",
        "withdrawn" => "Your request was withdrawn.",
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
