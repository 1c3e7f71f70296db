//! The second step of signing in: a code of the person's authenticator, or a recovery code.
//!
//! ```text
//! password ─right─▶ turn ─▶ code ─right─▶ session
//!                     └──▶ set-up, where there is no authenticator yet ─right─▶ session, recovery codes
//! ```
//!
//! A turn is what whoever gave the right password holds: a cookie that opens the second step and nothing else.

use std::collections::BTreeSet;

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
use crate::actor::{Actor, PersonId};
use crate::audit::{self, Act, ActKind};
use crate::seal::Place;
use crate::second_step::{AuthenticatorKey, Given, KEY_BYTES, RecoveryDigest};
use crate::store::second_steps::{self, SecondStep, Turn};
use crate::store::sign_ins;
use crate::store::web_sessions::{self, Opening};
use crate::store::{StoreError, Tx};

/// The same for a wrong code and one that was used.
const WRONG: &str = "That code did not open Lapwing. Each code works once: wait for the next one. If it goes on, check that the \
     clock of your phone is right, and that the code is of the newest entry for Lapwing in the app. After 5 wrong tries you \
     start again with your password.";
/// To whoever gave the right password of a sign-in that closed since.
pub(super) const CLOSED: &str =
    "After too many wrong tries this sign-in is closed for up to 15 minutes. Wait, then try again.";
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
    /// A page of this console, once it is read by [`Entrant::with_form`].
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

/// What came of a code.
enum Came {
    In(Passed, Secret),
    Wrong,
    Not(MayNot),
}

/// What somebody gave, as far as it is one of those.
pub(super) enum Proof {
    /// The code of this step of time.
    Step(i64),
    Recovery(RecoveryDigest),
}

/// Why a turn may try no code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MayNot {
    /// The sign-in is closed for a while.
    Closed,
    /// The turn has tried enough.
    UsedUp,
}

impl Entrant {
    /// Whoever has a turn; whoever has none starts with the password, and goes `onward` then.
    pub(super) async fn of(state: &ConsoleState, headers: &HeaderMap, onward: Option<&str>) -> Result<Self, Refusal> {
        let over = Refusal::TurnOver { onward: onward.filter(|path| refusal::is_onward(path)).map(str::to_owned) };
        let Some(secret) = session::turn_of_headers(headers) else { return Err(over) };
        let Some(csrf) = session::door_of_headers(headers) else { return Err(over) };
        let mut tx = state.store.view().await.map_err(|error| Refusal::failed(&error))?;
        let turn = second_steps::turn(&mut tx, &state.school, &secret.hash(), state.clock.wall_us()).await;
        match turn.map_err(|error| Refusal::failed(&error))? {
            Some(turn) => Ok(Self { secret, turn, csrf }),
            None => Err(over),
        }
    }

    /// As [`Entrant::of`], with a form of theirs.
    pub(super) async fn with_form(
        state: &ConsoleState,
        headers: &HeaderMap,
        form: Result<Form<Posted>, FormRejection>,
    ) -> Result<(Self, Posted), Refusal> {
        let Ok(Form(mut posted)) = form else { return Err(Refusal::BadForm) };
        posted.onward = posted.onward.filter(|path| refusal::is_onward(path));
        let entrant = Self::of(state, headers, posted.onward.as_deref()).await?;
        if entrant.csrf.is(&posted.csrf) { Ok((entrant, posted)) } else { Err(Refusal::Forged) }
    }

    /// Their authenticator, once there is one.
    pub(super) async fn authenticator(&self, state: &ConsoleState) -> Result<Option<SecondStep>, Refusal> {
        let mut tx = state.store.view().await.map_err(|error| Refusal::failed(&error))?;
        let found = second_steps::find(&mut tx, &state.school, self.turn.person).await;
        found.map_err(|error| Refusal::failed(&error))
    }

    /// Counts a code that the turn tries, unless it may not.
    pub(super) async fn tries(&self, state: &ConsoleState, tx: &mut Tx) -> Result<Result<(), MayNot>, StoreError> {
        let (Turn { login, person }, now_us) = (&self.turn, state.clock.wall_us());
        let sign_in = sign_ins::find_in(tx, &state.school, login).await?;
        if !sign_in.is_some_and(|sign_in| sign_in.person == *person && sign_in.is_open(now_us)) {
            return Ok(Err(MayNot::Closed));
        }
        let may = second_steps::tries(tx, &state.school, &self.secret.hash()).await?;
        Ok(if may { Ok(()) } else { Err(MayNot::UsedUp) })
    }

    /// The person, for the log: they gave their password.
    pub(super) fn actor(&self, state: &ConsoleState) -> Actor {
        Actor::Person { school: state.school.clone(), person: self.turn.person, roles: BTreeSet::new() }
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
        let opening = Opening { school: &state.school, person: *person, hash: secret.hash(), csrf: *csrf.bytes() };
        let previous = session::of_headers(headers).map(|previous| previous.hash());
        sign_ins::forget_failures(tx, &state.school, login).await?;
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
    let entrant = Entrant::of(&state, &headers, asked.onward.as_deref()).await?;
    shown(&entrant, asked.onward, None)
}

/// `POST /sign-in/code`.
pub(super) async fn submit(
    State(state): State<ConsoleState>,
    headers: HeaderMap,
    form: Result<Form<Posted>, FormRejection>,
) -> Result<Response, Refusal> {
    let (entrant, posted) = Entrant::with_form(&state, &headers, form).await?;
    let onward = posted.onward;
    let Some(authenticator) = entrant.authenticator(&state).await? else {
        return Ok(Redirect::to(&address("/sign-in/set-up", onward.as_deref())).into_response());
    };
    let proof = proof(&state, (entrant.turn.person, &authenticator), &posted.code).await?;
    let came = pass(&state, &headers, (&entrant, &authenticator), proof).await;
    match came.map_err(|error| Refusal::failed(&error))? {
        Came::In(passed, secret) => {
            let onward = onward.unwrap_or_else(|| "/".to_owned());
            let answer = match passed {
                Passed::Code => Redirect::to(&onward).into_response(),
                Passed::Recovery(left) => frame::shown(&RecoveredPage { left, onward })?,
            };
            Ok(with_session(answer, &secret))
        }
        Came::Wrong => refused(shown(&entrant, onward, Some(WRONG))?),
        Came::Not(MayNot::Closed) => refused(shown(&entrant, onward, Some(CLOSED))?),
        Came::Not(MayNot::UsedUp) => Ok(again("tries", onward.as_deref())),
    }
}

/// A page that says what is wrong.
pub(super) fn refused(mut page: Response) -> Result<Response, Refusal> {
    *page.status_mut() = StatusCode::UNAUTHORIZED;
    Ok(page)
}

/// Back to the password, without the turn; `said` is what is told there.
pub(super) fn again(said: &str, onward: Option<&str>) -> Response {
    let onward = onward.map_or_else(String::new, |path| format!("&onward={path}"));
    let mut response = Redirect::to(&format!("/sign-in?said={said}{onward}")).into_response();
    response.headers_mut().extend(session::turn_taken().map(|cookie| (SET_COOKIE, cookie)));
    response
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

/// What was given, looked at as far as the database is not needed for it. The key is opened for a code alone: recovery codes
/// are for when it is lost, too.
pub(super) async fn proof(
    state: &ConsoleState,
    (person, kept): (PersonId, &SecondStep),
    given: &str,
) -> Result<Option<Proof>, Refusal> {
    let code = match Given::of(given) {
        Some(Given::Code(code)) => code,
        Some(Given::Recovery(digest)) => return Ok(Some(Proof::Recovery(digest))),
        None => return Ok(None),
    };
    let place = place(person.as_bytes());
    let bytes = state.vault.unseal(kept.key, place, &kept.sealed).await.map_err(|error| Refusal::failed(&error))?;
    let bytes: Result<[u8; KEY_BYTES], _> = bytes.as_slice().try_into();
    let bytes = bytes.map_err(|_| Refusal::failed(&StoreError::Corrupt { what: "authenticator" }))?;
    Ok(AuthenticatorKey::from_bytes(bytes).step_of(&code, state.clock.wall_us()).map(Proof::Step))
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
    proof: Option<Proof>,
) -> Result<Came, StoreError> {
    let (school, person, now_us) = (&state.school, entrant.turn.person, state.clock.wall_us());
    let mut tx = state.store.begin().await?;
    if let Err(may_not) = entrant.tries(state, &mut tx).await? {
        return Ok(Came::Not(may_not));
    }
    let passed = match proof {
        Some(Proof::Step(step)) => {
            let is_taken = second_steps::take_step(&mut tx, school, person, authenticator.key, step).await?;
            is_taken.then_some(Passed::Code)
        }
        Some(Proof::Recovery(digest)) => {
            second_steps::take_recovery_code(&mut tx, school, person, &digest).await?.map(Passed::Recovery)
        }
        None => None,
    };
    let Some(passed) = passed else {
        sign_ins::count_failure(&mut tx, school, &entrant.turn.login, person, now_us).await?;
        tx.commit().await?;
        return Ok(Came::Wrong);
    };
    if let Passed::Recovery(left) = passed {
        let act = Act::new(&entrant.actor(state), now_us, ActKind::RecoveryCodeUsed, person).with("left", left);
        audit::append(&mut tx, &act).await?;
    }
    let secret = entrant.let_in(state, headers, &mut tx).await?;
    tx.commit().await?;
    Ok(Came::In(passed, secret))
}

fn shown(entrant: &Entrant, onward: Option<String>, problem: Option<&'static str>) -> Result<Response, Refusal> {
    let onward = onward.filter(|path| refusal::is_onward(path));
    let login = entrant.turn.login.as_str().to_owned();
    frame::shown(&CodePage { csrf: entrant.csrf.text(), login, onward, problem })
}

#[cfg(test)]
pub(super) mod tests;
