//! Signing in with a name and a password. What they open is a turn at the second step, no session.

use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use http::header::SET_COOKIE;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::refusal::{self, Refusal};
use super::session::{self, Secret};
use super::{ConsoleState, frame, second_step};
use crate::actor::PersonId;
use crate::store::StoreError;
use crate::store::second_steps::{self, Turn};
use crate::store::sign_ins::{self, Login, MAX_PASSWORD_BYTES};

/// The same for a wrong name, a wrong password and a closed sign-in: none tells which names exist.
const WRONG: &str = "That name and password did not open Lapwing. Check both and try again. After 5 wrong tries a \
     sign-in closes for up to 15 minutes.";

/// Where to go, and what to say first.
#[derive(Default, Deserialize)]
pub(super) struct Asked {
    onward: Option<String>,
    said: Option<String>,
}

/// The door's form.
#[derive(Deserialize)]
pub(super) struct Given {
    csrf: String,
    login: String,
    password: String,
    onward: Option<String>,
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    page: Door,
}

struct Door {
    school: String,
    csrf: String,
    onward: Option<String>,
    problem: Option<&'static str>,
    said: Option<&'static str>,
}

/// `GET /sign-in`.
pub(super) async fn page(
    State(state): State<ConsoleState>,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let said = match asked.said.as_deref() {
        Some("signed-out") => Some("You are signed out."),
        Some("turn-over") => {
            Some("That took longer than 15 minutes, or was begun in another window. Start again with your password.")
        }
        Some("tries") => Some("Too many wrong codes. Start again with your password."),
        Some("set-up-already") => Some(
            "Two-step sign-in was set up for this name a moment ago, not from here. If that was not you, tell whoever looks \
             after Lapwing at your school now.",
        ),
        Some("ended") => Some("You were signed out, after 15 minutes without use or 8 hours in all."),
        Some(_) | None => None,
    };
    door(&state, &headers, asked.onward, None, said).await
}

/// `POST /sign-in`.
pub(super) async fn submit(
    State(state): State<ConsoleState>,
    headers: HeaderMap,
    form: Result<Form<Given>, FormRejection>,
) -> Result<Response, Refusal> {
    let Ok(Form(given)) = form else { return Err(Refusal::BadForm) };
    if !session::door_of_headers(&headers).is_some_and(|token| token.is(&given.csrf)) {
        return Err(Refusal::Forged);
    }
    let Given { login, password, onward, .. } = given;
    let Some((login, person)) = known(&state, &login, password).await? else {
        let mut answer = door(&state, &headers, onward, Some(WRONG), None).await?;
        *answer.status_mut() = StatusCode::UNAUTHORIZED;
        return Ok(answer);
    };
    let (secret, has_authenticator) = begin(&state, Turn { login, person }).await?;
    let page = if has_authenticator { "/sign-in/code" } else { "/sign-in/set-up" };
    let onward = onward.filter(|path| refusal::is_onward(path));
    let mut response = Redirect::to(&second_step::address(page, onward.as_deref())).into_response();
    response.headers_mut().extend(session::turn_given(&secret).map(|cookie| (SET_COOKIE, cookie)));
    Ok(response)
}

/// The person behind a right name and password.
async fn known(state: &ConsoleState, login: &str, password: String) -> Result<Option<(Login, PersonId)>, Refusal> {
    let Ok(login) = login.parse::<Login>() else { return Ok(None) };
    if password.len() > MAX_PASSWORD_BYTES {
        return Ok(None);
    }
    // The sign-in is read at the gate, so that tries sent together cannot pass the lock side by side.
    let turn = state.gate.turn().await.map_err(|_| Refusal::Busy)?;
    let found = sign_ins::find(&state.store, &state.school, &login).await.map_err(|error| Refusal::failed(&error))?;
    let now_us = state.clock.wall_us();
    let open = found.filter(|sign_in| sign_in.is_open(now_us));
    let (person, hash) = open.map_or((None, None), |sign_in| (Some(sign_in.person), Some(sign_in.password)));
    let is_right = turn.is_right(hash, password).await.map_err(|_| Refusal::Busy)?;
    let Some(person) = person else { return Ok(None) };
    if is_right {
        return Ok(Some((login, person)));
    }
    let counted = async {
        let mut tx = state.store.begin().await?;
        sign_ins::count_failure(&mut tx, &state.school, &login, person, now_us).await?;
        tx.commit().await
    };
    counted.await.map_err(|error| Refusal::failed(&error))?;
    Ok(None)
}

/// Begins a turn at the second step, under a new secret. Says whether its person has an authenticator.
async fn begin(state: &ConsoleState, turn: Turn) -> Result<(Secret, bool), Refusal> {
    let secret = Secret::random().map_err(|error| Refusal::failed(&error))?;
    let begun = async {
        let mut tx = state.store.begin().await?;
        second_steps::begin(&mut tx, &state.school, &turn, &secret.hash(), state.clock.wall_us()).await?;
        let authenticator = second_steps::find(&mut tx, &state.school, turn.person).await?;
        tx.commit().await?;
        Ok::<_, StoreError>(authenticator.is_some())
    };
    let has_authenticator = begun.await.map_err(|error| Refusal::failed(&error))?;
    Ok((secret, has_authenticator))
}

async fn door(
    state: &ConsoleState,
    headers: &HeaderMap,
    onward: Option<String>,
    problem: Option<&'static str>,
    said: Option<&'static str>,
) -> Result<Response, Refusal> {
    let school = sign_ins::school_name(&state.store, &state.school).await.map_err(|error| Refusal::failed(&error))?;
    let kept = session::door_of_headers(headers);
    let token = kept.map_or_else(Secret::random, Ok).map_err(|error| Refusal::failed(&error))?;
    let onward = onward.filter(|path| refusal::is_onward(path));
    let page = SignInPage { page: Door { school, csrf: token.text(), onward, problem, said } };
    let mut response = frame::shown(&page)?;
    response.headers_mut().extend(session::door_given(&token).map(|cookie| (SET_COOKIE, cookie)));
    Ok(response)
}

#[cfg(test)]
mod tests;
