//! Setting an authenticator up, at the first sign-in or once the one before was forgotten.
//!
//! The key that is offered is made of the turn's secret, which the browser alone holds: nothing of it is kept before the
//! authenticator has proved that it has it.

use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use http::{HeaderMap, StatusCode};

use super::refusal::{self, Refusal};
use super::second_step::{self, Asked, Entrant, Posted};
use super::session::Secret;
use super::{ConsoleState, frame};
use crate::actor::Actor;
use crate::audit::{self, Act, ActKind};
use crate::seal::SealError;
use crate::second_step::{AuthenticatorKey, Given, Picture, RECOVERY_CODES, RecoveryCode};
use crate::store::second_steps::{self, SetUp};
use crate::store::sign_ins;

const WRONG: &str = "That is not the code that an authenticator with this key shows now. Check that the clock of your phone is \
     right, and type the newest code.";

#[derive(Template)]
#[template(path = "set_up.html")]
struct SetUpPage {
    csrf: String,
    login: String,
    /// The key, to type.
    key: String,
    /// The same as an address that a phone opens.
    address: String,
    picture: Option<Picture>,
    onward: Option<String>,
    problem: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "recovery_codes.html")]
struct CodesPage {
    school: String,
    login: String,
    codes: Vec<String>,
    onward: String,
}

/// What came of a code.
enum Came {
    /// It is the authenticator's: there is a session, and recovery codes.
    In(Secret, Vec<RecoveryCode>),
    Wrong,
    /// Somebody set one up meanwhile.
    Already,
}

/// Why it failed.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error("no randomness for recovery codes: {0}")]
    Randomness(getrandom::Error),
}

/// `GET /sign-in/set-up`.
pub(super) async fn page(
    State(state): State<ConsoleState>,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let entrant = Entrant::of(&state, &headers).await?;
    let onward = asked.onward.filter(|path| refusal::is_onward(path));
    if entrant.authenticator(&state).await?.is_some() {
        return Ok(Redirect::to(&second_step::address("/sign-in/code", onward.as_deref())).into_response());
    }
    shown(&state, &entrant, onward, None).await
}

/// `POST /sign-in/set-up`.
pub(super) async fn submit(
    State(state): State<ConsoleState>,
    headers: HeaderMap,
    form: Result<Form<Posted>, FormRejection>,
) -> Result<Response, Refusal> {
    let (entrant, posted) = Entrant::with_form(&state, &headers, form).await?;
    let onward = posted.onward.filter(|path| refusal::is_onward(path));
    let came = prove(&state, &headers, &entrant, &posted.code).await.map_err(|error| Refusal::not_saved(&error))?;
    match came {
        Came::In(secret, codes) => {
            let school = school_name(&state).await?;
            let codes = codes.iter().map(RecoveryCode::to_show).collect();
            let login = entrant.turn.login.as_str().to_owned();
            let page = CodesPage { school, login, codes, onward: onward.unwrap_or_else(|| "/".to_owned()) };
            Ok(second_step::with_session(frame::shown(&page)?, &secret))
        }
        Came::Wrong => {
            let mut answer = shown(&state, &entrant, onward, Some(WRONG)).await?;
            *answer.status_mut() = StatusCode::UNAUTHORIZED;
            Ok(answer)
        }
        Came::Already => Ok(Redirect::to(&second_step::address("/sign-in/code", onward.as_deref())).into_response()),
    }
}

/// Keeps the authenticator where `code` is of the key that was offered, and lets its person in.
async fn prove(state: &ConsoleState, headers: &HeaderMap, entrant: &Entrant, code: &str) -> Result<Came, Failed> {
    let (school, person, now_us) = (&state.school, entrant.turn.person, state.clock.wall_us());
    let offered = AuthenticatorKey::of_secret(entrant.secret.bytes());
    let step = match Given::of(code) {
        Some(Given::Code(code)) => offered.step_of(&code, now_us),
        Some(Given::Recovery(_)) | None => None,
    };
    let Some(step) = step else {
        let mut tx = state.store.begin().await?;
        entrant.may_try(state, &mut tx).await?;
        tx.commit().await?;
        return Ok(Came::Wrong);
    };
    let codes: Result<Vec<_>, _> = (0..RECOVERY_CODES).map(|_| RecoveryCode::random()).collect();
    let codes = codes.map_err(Failed::Randomness)?;
    let digests: Vec<_> = codes.iter().map(RecoveryCode::digest).collect();
    // The key is durable before what it seals.
    let key = state.vault.new_key(now_us).await?;
    let sealed = state.vault.seal(&key, second_step::place(person.as_bytes()), offered.bytes())?;
    let mut tx = state.store.begin().await?;
    let set_up = SetUp { key: key.id(), sealed: &sealed, step, codes: &digests };
    let may = entrant.may_try(state, &mut tx).await?;
    if !may || !second_steps::set_up(&mut tx, school, person, &set_up, now_us).await? {
        tx.commit().await?;
        state.vault.erase(key.id()).await?;
        return Ok(if may { Came::Already } else { Came::Wrong });
    }
    let product = Actor::Product { school: school.clone() };
    audit::append(&mut tx, &Act::new(&product, now_us, ActKind::SecondStepSetUp, person)).await?;
    let secret = entrant.let_in(state, headers, &mut tx).await?;
    tx.commit().await?;
    Ok(Came::In(secret, codes))
}

async fn shown(
    state: &ConsoleState,
    entrant: &Entrant,
    onward: Option<String>,
    problem: Option<&'static str>,
) -> Result<Response, Refusal> {
    let key = AuthenticatorKey::of_secret(entrant.secret.bytes());
    let login = entrant.turn.login.as_str().to_owned();
    let address = key.address(&school_name(state).await?, &login);
    let picture = Picture::of(&address);
    let page = SetUpPage { csrf: entrant.csrf.text(), login, key: key.to_type(), address, picture, onward, problem };
    frame::shown(&page)
}

async fn school_name(state: &ConsoleState) -> Result<String, Refusal> {
    sign_ins::school_name(&state.store, &state.school).await.map_err(|error| Refusal::failed(&error))
}
