//! Whom the school lets in: devices that wait, campaign tokens, images of enrolled PCs. No content.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use http::StatusCode;
use serde::Deserialize;

use super::ConsoleState;
use super::frame::{self, Frame};
use super::posted::{Bare, Posted};
use super::refusal::Refusal;
use super::role::{SignedIn, Technician};
use super::words::{self, Present};
use crate::enrolment::{self as desk, Answer, MAX_USES, TokenError, Wanted};
use crate::ids::JoinId;
use crate::proof::certificates::{self, Ending};
use crate::store::StoreError;
use crate::store::images::{self, Image};
use crate::store::joins::{self, WaitingJoin};
use crate::store::tokens::{self, Shown, Use};

const HERE: &str = "/enrolment";
/// Rows of a list on the page.
const MOST: u32 = 200;
/// Uses that are shown.
const USES: u32 = 50;
/// How long an image stays on the page.
const IMAGE_US: i64 = 14 * 24 * 60 * 60 * 1_000_000;

#[derive(Template)]
#[template(path = "enrolment.html")]
struct EnrolmentPage {
    frame: Frame,
    view: EnrolmentView,
}

struct EnrolmentView {
    /// A token that was just made, and what it is called: shown this once.
    made: Option<(String, String)>,
    problem: Option<String>,
    waiting: Vec<JoinView>,
    images: Vec<ImageView>,
    ending: Vec<String>,
    tokens: Vec<TokenView>,
    uses: Vec<UseView>,
    form: Written,
    most_uses: u32,
}

struct JoinView {
    id: String,
    hostname: String,
    about: String,
    asked: String,
}

struct ImageView {
    reference: String,
    words: String,
}

struct TokenView {
    reference: String,
    label: String,
    group: String,
    state: String,
    is_open: bool,
    conditions: Vec<String>,
    uses: String,
}

struct UseView {
    at: String,
    reference: String,
    hostname: String,
    address: String,
    outcome: String,
}

/// The form of a token.
#[derive(Clone, Default, Deserialize)]
pub(super) struct Written {
    #[serde(default)]
    label: String,
    #[serde(default)]
    group: String,
    #[serde(default)]
    uses: String,
    #[serde(default)]
    until: String,
    #[serde(default)]
    networks: String,
    listed: Option<String>,
    approve: Option<String>,
}

/// The form of a withdrawal.
#[derive(Deserialize)]
pub(super) struct Withdrawn {
    reference: String,
}

/// `GET /enrolment`.
pub(super) async fn page(State(state): State<ConsoleState>, technician: Technician) -> Result<Response, Refusal> {
    show(&state, &technician, None, None, Written::default()).await
}

/// `POST /enrolment`: makes a token.
pub(super) async fn make(
    State(state): State<ConsoleState>,
    Posted { by, form, .. }: Posted<Technician, Written>,
) -> Result<Response, Refusal> {
    let made = match wanted(&by.present(), &form) {
        Ok(wanted) => desk::create_token(&state.store, by.actor(), wanted, by.present().now_us()).await,
        Err(problem) => return again(&state, &by, problem, form).await,
    };
    match made {
        Ok((token, reference)) => show(&state, &by, Some((token.reveal(), reference)), None, Written::default()).await,
        Err(TokenError::Store(error)) => Err(Refusal::not_saved(&error)),
        Err(error) => again(&state, &by, words::sentence(&error.to_string()), form).await,
    }
}

/// `POST /enrolment/withdraw`: ends a token.
pub(super) async fn withdraw(
    State(state): State<ConsoleState>,
    Posted { by, form, .. }: Posted<Technician, Withdrawn>,
) -> Result<Response, Refusal> {
    let withdrawn = desk::withdraw_token(&state.store, by.actor(), &form.reference, by.present().now_us()).await;
    // Somebody else was quicker: the list says how it stands.
    withdrawn.map_err(|error| Refusal::not_saved(&error))?;
    Ok(Redirect::to(HERE).into_response())
}

/// `POST /joins/{join}/let-in`.
pub(super) async fn let_in(
    state: State<ConsoleState>,
    join: Path<String>,
    posted: Posted<Technician, Bare>,
) -> Result<Response, Refusal> {
    answer(state, join, posted, Answer::LetIn).await
}

/// `POST /joins/{join}/turn-away`.
pub(super) async fn turn_away(
    state: State<ConsoleState>,
    join: Path<String>,
    posted: Posted<Technician, Bare>,
) -> Result<Response, Refusal> {
    answer(state, join, posted, Answer::TurnAway).await
}

async fn answer(
    State(state): State<ConsoleState>,
    Path(join): Path<String>,
    Posted { by, form: Bare {}, .. }: Posted<Technician, Bare>,
    answer: Answer,
) -> Result<Response, Refusal> {
    let Ok(join) = join.parse::<JoinId>() else { return Err(Refusal::NoSuchPage) };
    let answered = desk::answer(&state.store, by.actor(), &[join], answer, by.present().now_us()).await;
    answered.map_err(|error| Refusal::not_saved(&error))?;
    Ok(Redirect::to(HERE).into_response())
}

async fn again(state: &ConsoleState, person: &SignedIn, problem: String, form: Written) -> Result<Response, Refusal> {
    let mut page = show(state, person, None, Some(problem), form).await?;
    *page.status_mut() = StatusCode::BAD_REQUEST;
    Ok(page)
}

fn wanted(present: &Present, form: &Written) -> Result<Wanted, String> {
    let networks = form
        .networks
        .split_whitespace()
        .map(|network| network.parse().map_err(|error| format!("{network} cannot be read: {error}.")));
    Ok(Wanted {
        group: form.group.trim().to_owned(),
        label: form.label.trim().to_owned(),
        uses: form.uses.trim().parse().map_err(|_| "Say how many devices it lets in.".to_owned())?,
        expires_us: present.day_ends_us(&form.until).ok_or_else(|| "Choose a last day.".to_owned())?,
        networks: networks.collect::<Result<_, _>>()?,
        is_listed_only: form.listed.is_some(),
        is_by_approval: form.approve.is_some(),
    })
}

async fn show(
    state: &ConsoleState,
    person: &SignedIn,
    made: Option<(String, String)>,
    problem: Option<String>,
    form: Written,
) -> Result<Response, Refusal> {
    let (store, school, present) = (&state.store, &state.school, person.present());
    let read = async {
        Ok::<_, StoreError>((
            joins::waiting(store, school, MOST).await?,
            images::since(store, school, present.now_us().saturating_sub(IMAGE_US)).await?,
            tokens::all(store, school, MOST).await?,
            tokens::uses(store, school, None, USES).await?,
        ))
    };
    let (waiting, images, tokens, uses) = read.await.map_err(|error| Refusal::failed(&error))?;
    let view = EnrolmentView {
        made,
        problem,
        waiting: waiting.into_iter().map(|join| join_view(&present, join)).collect(),
        images: images.into_iter().map(|image| image_view(&present, image)).collect(),
        ending: ending(state, &present),
        tokens: tokens.into_iter().map(|token| token_view(&present, token)).collect(),
        uses: uses.into_iter().map(|one| use_view(&present, one)).collect(),
        form,
        most_uses: MAX_USES,
    };
    frame::shown(&EnrolmentPage { frame: Frame::of(person, HERE), view })
}

/// Certificates whose end is near, and what to do.
fn ending(state: &ConsoleState, present: &Present) -> Vec<String> {
    let Some(ends) = state.certificates.load_full() else { return Vec::new() };
    let sentence = |ending: &Ending| {
        let (what, to_do) = match ending.reference {
            "CERT-AUTHORITY" => ("The authority", "Roll it over with lapwing-collector ca roll-over."),
            "CERT-CONSOLE" => ("The console's own certificate", "Put a new one in its place and reload the collector."),
            _ => ("The collector's certificate for devices", "It should renew itself: look into the collector's log."),
        };
        let (reference, when) = (ending.reference, present.date_and_time(ending.ends_us));
        if ending.ends_us <= present.now_us() {
            format!("{what} ended on {when} ({reference}). {to_do}")
        } else {
            format!("{what} ends on {when} ({reference}). {to_do}")
        }
    };
    certificates::ending(*ends, present.now_us()).iter().map(sentence).collect()
}

fn join_view(present: &Present, join: WaitingJoin) -> JoinView {
    let listed = if join.is_listed { "on the school's list" } else { "not on the school's list" };
    let room = Some(join.room).filter(|room| !room.is_empty());
    let address = Some(join.address).filter(|address| !address.is_empty()).map(|address| format!("from {address}"));
    let token = format!("by {}", join.reference);
    let about = [room, address, Some(token), Some(listed.to_owned())];
    JoinView {
        id: join.id.to_string(),
        hostname: join.hostname,
        about: about.into_iter().flatten().collect::<Vec<_>>().join(", "),
        asked: present.when(join.asked_us),
    }
}

fn image_view(present: &Present, image: Image) -> ImageView {
    let (pcs, day) = (words::plural(image.copies, "PC"), present.day(image.first_us));
    let words =
        format!("{pcs} came up with the identity of {}, {day}. Each is a device of its own now.", image.hostname);
    ImageView { reference: image.reference, words }
}

fn token_view(present: &Present, token: Shown) -> TokenView {
    let is_open = token.withdrawn_us.is_none() && token.terms.expires_us > present.now_us();
    let ends = present.when(token.terms.expires_us);
    let state = match (token.withdrawn_us, is_open) {
        (Some(withdrawn_us), _) => format!("Withdrawn {}", present.when(withdrawn_us)),
        (None, true) => match token.terms.uses_left {
            0 => "Used up".to_owned(),
            left => format!("Until {ends}, for {} more", words::thousands(left)),
        },
        (None, false) => format!("Ended {ends}"),
    };
    let networks = token.terms.networks.iter().map(|network| format!("From {network}"));
    let listed = token.terms.is_listed_only.then(|| "Listed devices alone".to_owned());
    let approved = token.terms.is_by_approval.then(|| "Each is let in by hand".to_owned());
    let made = format!("Made {}", present.day(token.created_us));
    TokenView {
        reference: token.reference,
        label: token.label,
        group: token.terms.device_group,
        state,
        is_open,
        conditions: networks.chain(listed).chain(approved).chain([made]).collect(),
        uses: format!("{} joined, {} refused", words::thousands(token.joined), words::thousands(token.refused)),
    }
}

fn use_view(present: &Present, one: Use) -> UseView {
    let outcome = match one.outcome.as_str() {
        "joined" => "Joined",
        "again" => "Asked again, and was answered again",
        "waits" => "Waits to be let in",
        "token_expired" => "Refused: the token has ended",
        "token_spent" => "Refused: no use was left",
        "network" => "Refused: from another network",
        "not_listed" => "Refused: not on the school's list",
        "denied" => "Refused: turned away",
        "revoked" => "Refused: a device that is denied",
        "busy" => "Refused for now: too often",
        _ => "Refused",
    };
    let times = if one.uses > 1 { format!(" ({} times)", words::thousands(one.uses)) } else { String::new() };
    UseView {
        at: present.when(one.at_us),
        reference: one.reference,
        hostname: if one.hostname.is_empty() { "Many names".to_owned() } else { one.hostname },
        address: one.address,
        outcome: format!("{outcome}{times}"),
    }
}

#[cfg(test)]
mod tests;
