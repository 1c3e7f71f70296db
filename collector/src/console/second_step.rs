//! The second step of signing in: a code of the person's authenticator, or a recovery code.
//!
//! ```text
//! password ─right─▶ turn ─▶ code ─right─▶ session
//!                     └──▶ set-up, where there is no authenticator yet ─right─▶ session, recovery codes
//! ```
//!
//! A turn is what whoever gave the right password holds: a cookie that opens the second step and nothing else.

use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use http::header::SET_COOKIE;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::refusal::{self, Refusal};
use super::session::{self, Secret};
use super::{ConsoleState, frame};
use crate::actor::Actor;
use crate::audit::{self, Act, ActKind};
use crate::seal::Place;
use crate::second_step::{AuthenticatorKey, Given, KEY_BYTES};
use crate::store::second_steps::{self, SecondStep, Turn};
use crate::store::sign_ins;
use crate::store::web_sessions::{self, Opening};
use crate::store::{StoreError, Tx};

/// The same for a wrong code, one that was used, and a sign-in that is closed.
const WRONG: &str = "That code did not open Lapwing. Each code works once: wait for the next one, and check that the clock of \
     your phone is right. After 5 wrong tries you start again with your password, and the sign-in may close for up to 15 \
     minutes.";
/// What a sealed key belongs to.
const TABLE: &str = "second_steps";

/// Where to go after it.
#[derive(Default, Deserialize)]
pub(super) struct Asked {
    pub(super) onward: Option<String>,
}

/// What a form of the second step brings.
#[derive(Deserialize)]
pub(super) struct Posted {
    csrf: String,
    pub(super) code: String,
    pub(super) onward: Option<String>,
}

#[derive(Template)]
#[template(path = "second_step.html")]
struct CodePage {
    csrf: String,
    login: String,
    onward: Option<String>,
    problem: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "recovered.html")]
struct RecoveredPage {
    left: i64,
    onward: String,
}

/// Somebody between password and second step.
pub(super) struct Entrant {
    pub(super) secret: Secret,
    pub(super) turn: Turn,
    /// Of their forms.
    pub(super) csrf: Secret,
}

/// What a right second step was.
enum Passed {
    Code,
    /// So many recovery codes are left.
    Recovery(i64),
}

impl Entrant {
    /// Whoever has a turn; whoever has none starts with the password.
    pub(super) async fn of(state: &ConsoleState, headers: &HeaderMap) -> Result<Self, Refusal> {
        let signed_out = Refusal::SignedOut { onward: None };
        let Some(secret) = session::turn_of_headers(headers) else { return Err(signed_out) };
        let Some(csrf) = session::door_of_headers(headers) else { return Err(signed_out) };
        let mut tx = state.store.view().await.map_err(|error| Refusal::failed(&error))?;
        let turn = second_steps::turn(&mut tx, &state.school, &secret.hash(), state.clock.wall_us()).await;
        match turn.map_err(|error| Refusal::failed(&error))? {
            Some(turn) => Ok(Self { secret, turn, csrf }),
            None => Err(signed_out),
        }
    }

    /// As [`Entrant::of`], with a form of theirs.
    pub(super) async fn with_form(
        state: &ConsoleState,
        headers: &HeaderMap,
        form: Result<Form<Posted>, FormRejection>,
    ) -> Result<(Self, Posted), Refusal> {
        let Ok(Form(posted)) = form else { return Err(Refusal::BadForm) };
        let entrant = Self::of(state, headers).await?;
        if entrant.csrf.is(&posted.csrf) { Ok((entrant, posted)) } else { Err(Refusal::Forged) }
    }

    /// Their authenticator, once there is one.
    pub(super) async fn authenticator(&self, state: &ConsoleState) -> Result<Option<SecondStep>, Refusal> {
        let mut tx = state.store.view().await.map_err(|error| Refusal::failed(&error))?;
        let found = second_steps::find(&mut tx, &state.school, self.turn.person).await;
        found.map_err(|error| Refusal::failed(&error))
    }

    /// Whether the turn may try one more code; it is counted.
    pub(super) async fn may_try(&self, state: &ConsoleState, tx: &mut Tx) -> Result<bool, StoreError> {
        let may = second_steps::tries(tx, &state.school, &self.secret.hash()).await?;
        let sign_in = sign_ins::find_in(tx, &state.school, &self.turn.login).await?;
        let now_us = state.clock.wall_us();
        Ok(may && sign_in.is_some_and(|sign_in| sign_in.person == self.turn.person && sign_in.is_open(now_us)))
    }

    /// Opens a session under a new secret; the turn and the session that the browser had end.
    pub(super) async fn let_in(
        &self,
        state: &ConsoleState,
        headers: &HeaderMap,
        tx: &mut Tx,
    ) -> Result<Secret, StoreError> {
        let (secret, csrf) = (Secret::random()?, Secret::random()?);
        let Turn { login, person } = &self.turn;
        let opening =
            Opening { school: &state.school, login, person: *person, hash: secret.hash(), csrf: *csrf.bytes() };
        let previous = session::of_headers(headers).map(|previous| previous.hash());
        web_sessions::open(tx, &opening, previous.as_ref(), state.clock.wall_us()).await?;
        second_steps::end(tx, &state.school, &self.secret.hash()).await?;
        Ok(secret)
    }
}

/// `GET /sign-in/code`.
pub(super) async fn page(
    State(state): State<ConsoleState>,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let entrant = Entrant::of(&state, &headers).await?;
    shown(&entrant, asked.onward, None)
}

/// `POST /sign-in/code`.
pub(super) async fn submit(
    State(state): State<ConsoleState>,
    headers: HeaderMap,
    form: Result<Form<Posted>, FormRejection>,
) -> Result<Response, Refusal> {
    let (entrant, posted) = Entrant::with_form(&state, &headers, form).await?;
    let onward = posted.onward.filter(|path| refusal::is_onward(path));
    let Some(authenticator) = entrant.authenticator(&state).await? else {
        return Ok(Redirect::to(&address("/sign-in/set-up", onward.as_deref())).into_response());
    };
    let key = opened(&state, &entrant, &authenticator).await?;
    let given = Given::of(&posted.code);
    let passed = pass(&state, &headers, (&entrant, &authenticator), &key, given).await;
    let Some((passed, secret)) = passed.map_err(|error| Refusal::failed(&error))? else {
        let mut answer = shown(&entrant, onward, Some(WRONG))?;
        *answer.status_mut() = StatusCode::UNAUTHORIZED;
        return Ok(answer);
    };
    let onward = onward.unwrap_or_else(|| "/".to_owned());
    let answer = match passed {
        Passed::Code => Redirect::to(&onward).into_response(),
        Passed::Recovery(left) => frame::shown(&RecoveredPage { left, onward })?,
    };
    Ok(with_session(answer, &secret))
}

/// Gives the browser its session, and takes the turn from it.
pub(super) fn with_session(mut answer: Response, secret: &Secret) -> Response {
    let cookies = [session::given(secret), session::turn_taken()];
    answer.headers_mut().extend(cookies.into_iter().flatten().map(|cookie| (SET_COOKIE, cookie)));
    answer
}

/// The address of a page of the second step, and where to go after it.
pub(super) fn address(page: &str, onward: Option<&str>) -> String {
    onward.map_or_else(|| page.to_owned(), |path| format!("{page}?onward={path}"))
}

/// The key of a person's authenticator.
async fn opened(state: &ConsoleState, entrant: &Entrant, kept: &SecondStep) -> Result<AuthenticatorKey, Refusal> {
    let place = place(entrant.turn.person.as_bytes());
    let bytes = state.vault.unseal(kept.key, place, &kept.sealed).await.map_err(|error| Refusal::failed(&error))?;
    let bytes: Result<[u8; KEY_BYTES], _> = bytes.as_slice().try_into();
    bytes.map(AuthenticatorKey::from_bytes).map_err(|_| Refusal::failed(&StoreError::Corrupt { what: "authenticator" }))
}

/// Where a person's key is sealed.
pub(super) const fn place(person: &[u8]) -> Place<'_> {
    Place { table: TABLE, row: person }
}

/// Takes what was given, in one transaction: tries sent together are counted one after the other.
async fn pass(
    state: &ConsoleState,
    headers: &HeaderMap,
    (entrant, authenticator): (&Entrant, &SecondStep),
    key: &AuthenticatorKey,
    given: Option<Given>,
) -> Result<Option<(Passed, Secret)>, StoreError> {
    let (school, person, now_us) = (&state.school, entrant.turn.person, state.clock.wall_us());
    let mut tx = state.store.begin().await?;
    if !entrant.may_try(state, &mut tx).await? {
        tx.commit().await?;
        return Ok(None);
    }
    let passed = match given {
        Some(Given::Code(code)) => match key.step_of(&code, now_us) {
            Some(step) => second_steps::take_step(&mut tx, school, person, authenticator.key, step).await?,
            None => false,
        }
        .then_some(Passed::Code),
        Some(Given::Recovery(digest)) => {
            second_steps::take_recovery_code(&mut tx, school, person, &digest).await?.map(Passed::Recovery)
        }
        None => None,
    };
    let Some(passed) = passed else {
        sign_ins::count_failure(&mut tx, school, &entrant.turn.login, person, now_us).await?;
        tx.commit().await?;
        return Ok(None);
    };
    if let Passed::Recovery(left) = passed {
        let product = Actor::Product { school: school.clone() };
        let act = Act::new(&product, now_us, ActKind::RecoveryCodeUsed, person).with("left", left);
        audit::append(&mut tx, &act).await?;
    }
    let secret = entrant.let_in(state, headers, &mut tx).await?;
    tx.commit().await?;
    Ok(Some((passed, secret)))
}

fn shown(entrant: &Entrant, onward: Option<String>, problem: Option<&'static str>) -> Result<Response, Refusal> {
    let onward = onward.filter(|path| refusal::is_onward(path));
    let login = entrant.turn.login.as_str().to_owned();
    frame::shown(&CodePage { csrf: entrant.csrf.text(), login, onward, problem })
}

#[cfg(test)]
mod tests;
