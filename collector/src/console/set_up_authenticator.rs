//! Setting an authenticator up, at the first sign-in or once the one before was forgotten.
//!
//! The key that is offered is made of the turn's secret, which the browser alone holds: nothing of it is kept before the
//! authenticator has proved that it has it.

use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use http::HeaderMap;

use super::refusal::{self, Refusal};
use super::second_step::{self, Asked, CLOSED, Entrant, MayNot, Posted};
use super::session::Secret;
use super::{ConsoleState, frame};
use crate::audit::{self, Act, ActKind};
use crate::seal::SealError;
use crate::second_step::{AuthenticatorKey, Given, Picture, RECOVERY_CODES, RecoveryCode};
use crate::store::second_steps::{self, SetUp};
use crate::store::{StoreError, sign_ins};

const WRONG: &str = "That is not the code that an authenticator with this key shows now. Type the newest code. If it goes on, check \
     that the clock of your phone is right; if you began before, remove the earlier entry for Lapwing from the app and add this \
     key.";

#[derive(Template)]
#[template(path = "set_up_authenticator.html")]
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
    Not(MayNot),
    /// Somebody set one up meanwhile, not from this turn.
    Already,
}

/// Why it failed.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// `GET /sign-in/set-up`.
pub(super) async fn page(
    State(state): State<ConsoleState>,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let entrant = Entrant::of(&state, &headers, asked.onward.as_deref()).await?;
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
    let onward = posted.onward;
    // Before anything is kept: the answer holds what is shown once.
    let school = school_name(&state).await?;
    let came = prove(&state, &headers, &entrant, &posted.code).await.map_err(|error| Refusal::not_saved(&error))?;
    match came {
        Came::In(secret, codes) => {
            let codes = codes.iter().map(RecoveryCode::to_show).collect();
            let login = entrant.turn.login.as_str().to_owned();
            let page = CodesPage { school, login, codes, onward: onward.unwrap_or_else(|| "/".to_owned()) };
            Ok(second_step::with_session(frame::shown(&page)?, &secret))
        }
        Came::Wrong => second_step::refused(shown(&state, &entrant, onward, Some(WRONG)).await?),
        Came::Not(MayNot::Closed) => second_step::refused(shown(&state, &entrant, onward, Some(CLOSED)).await?),
        Came::Not(MayNot::UsedUp) => Ok(second_step::again("tries", onward.as_deref())),
        Came::Already => Ok(second_step::again("set-up-already", onward.as_deref())),
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
    let mut tx = state.store.begin().await?;
    if let Err(may_not) = entrant.tries(state, &mut tx).await? {
        return Ok(Came::Not(may_not));
    }
    let is_set_up = second_steps::find(&mut tx, school, person).await?.is_some();
    tx.commit().await?;
    let Some(step) = step else { return Ok(Came::Wrong) };
    if is_set_up {
        return Ok(Came::Already);
    }
    let codes = recovery_codes()?;
    let digests: Vec<_> = codes.iter().map(RecoveryCode::digest).collect();
    // The key is durable before what it seals.
    let key = state.vault.new_key(now_us).await?;
    let sealed = state.vault.seal(&key, second_step::place(person.as_bytes()), offered.bytes())?;
    let mut tx = state.store.begin().await?;
    let set_up = SetUp { key: key.id(), sealed: &sealed, step, codes: &digests };
    if !second_steps::set_up(&mut tx, school, person, &set_up, now_us).await? {
        drop(tx);
        state.vault.erase(key.id()).await?;
        return Ok(Came::Already);
    }
    audit::append(&mut tx, &Act::new(&entrant.actor(state), now_us, ActKind::SecondStepSetUp, person)).await?;
    let secret = entrant.let_in(state, headers, &mut tx).await?;
    tx.commit().await?;
    Ok(Came::In(secret, codes))
}

/// New recovery codes.
pub(super) fn recovery_codes() -> Result<Vec<RecoveryCode>, StoreError> {
    (0..RECOVERY_CODES).map(|_| Ok(RecoveryCode::random()?)).collect()
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
