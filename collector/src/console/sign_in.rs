//! Signing in with a name and a password.

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
use crate::actor::PersonId;
use crate::store::sign_ins::{self, Login, MAX_PASSWORD_BYTES, Opening};

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
    let secret = open(&state, &headers, &login, person).await?;
    let onward = onward.filter(|path| refusal::is_onward(path)).unwrap_or_else(|| "/".to_owned());
    let mut response = Redirect::to(&onward).into_response();
    response.headers_mut().extend(session::given(&secret).map(|cookie| (SET_COOKIE, cookie)));
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
    let counted = sign_ins::count_failure(&state.store, &state.school, &login, person, now_us).await;
    counted.map_err(|error| Refusal::failed(&error))?;
    Ok(None)
}

/// Opens a session under a new secret; the one the browser had ends.
async fn open(state: &ConsoleState, headers: &HeaderMap, login: &Login, person: PersonId) -> Result<Secret, Refusal> {
    let secret = Secret::random().map_err(|error| Refusal::failed(&error))?;
    let csrf = Secret::random().map_err(|error| Refusal::failed(&error))?;
    let opening = Opening { school: &state.school, login, person, hash: secret.hash(), csrf: *csrf.bytes() };
    let previous = session::of_headers(headers).map(|previous| previous.hash());
    let opened = sign_ins::open_session(&state.store, &opening, previous.as_ref(), state.clock.wall_us()).await;
    opened.map_err(|error| Refusal::failed(&error))?;
    Ok(secret)
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
mod tests {
    use super::super::seeded::{PASSWORD, Seeded, Visitor};
    use super::*;

    const YEARS_US: i64 = 3 * 365 * 24 * 60 * 60 * 1_000_000;

    async fn try_in(visitor: &mut Visitor, login: &str, password: &str) -> StatusCode {
        visitor.get("/sign-in").await;
        visitor.post("/sign-in", &[("login", login), ("password", password)]).await.status
    }

    #[tokio::test]
    async fn the_right_password_opens_the_first_page_of_the_role() {
        let seeded = Seeded::open().await;
        seeded.add_sign_in("dsl").await;
        let mut visitor = seeded.stranger();
        assert_eq!(visitor.get("/").await.location(), "/sign-in");
        assert_eq!(try_in(&mut visitor, " DSL ", PASSWORD).await, StatusCode::SEE_OTHER);
        assert_eq!(visitor.get("/").await.location(), "/queue");
        let queue = visitor.get("/queue").await;
        assert_eq!(queue.status, StatusCode::OK);
        assert!(queue.body.contains("Sam Okafor"));
    }

    #[tokio::test]
    async fn a_session_is_new_at_each_sign_in_and_the_old_one_ends() {
        let seeded = Seeded::open().await;
        seeded.add_sign_in("dsl").await;
        let mut visitor = seeded.stranger();
        try_in(&mut visitor, "dsl", PASSWORD).await;
        let first = visitor.session_cookie().unwrap().to_owned();
        try_in(&mut visitor, "dsl", PASSWORD).await;
        assert_ne!(visitor.session_cookie(), Some(first.as_str()));
        let mut thief = seeded.stranger();
        thief.keep(&format!("__Host-lapwing={first}"));
        assert_eq!(thief.get("/queue").await.status, StatusCode::SEE_OTHER);
    }

    #[tokio::test]
    async fn a_sign_in_closes_after_five_wrong_passwords_and_opens_again_later() {
        let seeded = Seeded::open().await;
        seeded.add_sign_in("dsl").await;
        let mut visitor = seeded.stranger();
        for _ in 0..5 {
            assert_eq!(try_in(&mut visitor, "dsl", "a wrong password").await, StatusCode::UNAUTHORIZED);
        }
        assert_eq!(try_in(&mut visitor, "dsl", PASSWORD).await, StatusCode::UNAUTHORIZED);
        seeded.clock.advance_us(60_000_001);
        assert_eq!(try_in(&mut visitor, "dsl", PASSWORD).await, StatusCode::SEE_OTHER);
    }

    #[tokio::test]
    async fn a_sign_in_closed_while_the_clock_was_years_ahead_is_open_and_closes_again() {
        let seeded = Seeded::open().await;
        seeded.add_sign_in("dsl").await;
        let mut visitor = seeded.stranger();
        seeded.clock.advance_us(YEARS_US);
        for _ in 0..5 {
            try_in(&mut visitor, "dsl", "a wrong password").await;
        }
        assert_eq!(try_in(&mut visitor, "dsl", PASSWORD).await, StatusCode::UNAUTHORIZED);
        seeded.clock.advance_us(-YEARS_US);
        try_in(&mut visitor, "dsl", "a wrong password").await;
        assert_eq!(try_in(&mut visitor, "dsl", PASSWORD).await, StatusCode::UNAUTHORIZED, "it closes again");
        seeded.clock.advance_us(2 * 60_000_000 + 1);
        assert_eq!(try_in(&mut visitor, "dsl", PASSWORD).await, StatusCode::SEE_OTHER);
    }

    #[tokio::test]
    async fn a_session_of_a_clock_that_was_years_ahead_is_over_and_one_of_seconds_ahead_is_not() {
        let seeded = Seeded::open().await;
        seeded.clock.advance_us(YEARS_US);
        let mut ahead = seeded.visitor("dsl").await;
        assert_eq!(ahead.get("/queue").await.status, StatusCode::OK);
        seeded.clock.advance_us(-YEARS_US);
        assert_eq!(ahead.get("/queue").await.status, StatusCode::SEE_OTHER);
        let mut now = seeded.visitor("dsl").await;
        seeded.clock.advance_us(-2_000_000);
        assert_eq!(now.get("/queue").await.status, StatusCode::OK);
    }

    #[tokio::test]
    async fn an_unknown_name_and_a_wrong_password_answer_alike() {
        let seeded = Seeded::open().await;
        seeded.add_sign_in("dsl").await;
        let mut visitor = seeded.stranger();
        visitor.get("/sign-in").await;
        let wrong = visitor.post("/sign-in", &[("login", "dsl"), ("password", "a wrong password")]).await;
        let unknown = visitor.post("/sign-in", &[("login", "nobody"), ("password", "a wrong password")]).await;
        assert_eq!((wrong.status, wrong.body), (unknown.status, unknown.body));
    }

    #[tokio::test]
    async fn the_door_refuses_a_form_from_elsewhere_or_without_its_token() {
        let seeded = Seeded::open().await;
        let mut visitor = seeded.stranger();
        let fields = [("csrf", "x"), ("login", "dsl"), ("password", PASSWORD)];
        assert_eq!(visitor.post_from("https://lapwing.test", "/sign-in", &fields).await.status, StatusCode::FORBIDDEN);
        let page = visitor.get("/sign-in").await;
        let csrf = page.body.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        let fields = [("csrf", csrf.as_str()), ("login", "dsl"), ("password", PASSWORD)];
        assert_eq!(visitor.post_from("https://evil.test", "/sign-in", &fields).await.status, StatusCode::FORBIDDEN);
    }

    #[tokio::test]
    async fn a_session_ends_unused_after_15_minutes_and_used_after_8_hours() {
        let seeded = Seeded::open().await;
        let mut visitor = seeded.visitor("dsl").await;
        let minute_us = 60_000_000;
        for _ in 0..34 {
            seeded.clock.advance_us(14 * minute_us);
            assert_eq!(visitor.get("/queue").await.status, StatusCode::OK);
        }
        seeded.clock.advance_us(14 * minute_us);
        assert_eq!(visitor.get("/queue").await.status, StatusCode::SEE_OTHER);
        let mut visitor = seeded.visitor("dsl").await;
        seeded.clock.advance_us(15 * minute_us + 1);
        assert_eq!(visitor.get("/queue").await.location(), "/sign-in?onward=/queue");
    }
}
