//! Signing out.

use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use http::header::{HeaderName, SET_COOKIE};

use super::posted::{Bare, Posted};
use super::refusal::Refusal;
use super::role::Anyone;
use super::{ConsoleState, session};
use crate::store::web_sessions;

/// Has the browser forget what it kept of the pages.
const CLEAR_SITE_DATA: (HeaderName, &str) = (HeaderName::from_static("clear-site-data"), "\"cache\", \"storage\"");

/// `POST /sign-out`.
pub(super) async fn submit(
    State(state): State<ConsoleState>,
    Posted { by, form: Bare {}, .. }: Posted<Anyone, Bare>,
) -> Result<Response, Refusal> {
    let now_us = state.clock.wall_us();
    let closed = web_sessions::close(&state.store, &by.secret().hash(), by.actor(), now_us).await;
    closed.map_err(|error| Refusal::not_saved(&error))?;
    let mut response = ([CLEAR_SITE_DATA], Redirect::to("/sign-in?said=signed-out")).into_response();
    response.headers_mut().extend(session::taken().map(|cookie| (SET_COOKIE, cookie)));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::super::seeded::Seeded;

    #[tokio::test]
    async fn a_session_that_was_signed_out_opens_nothing_more() {
        let seeded = Seeded::open().await;
        let mut visitor = seeded.visitor("dsl").await;
        let cookie = visitor.session_cookie().unwrap().to_owned();
        assert_eq!(visitor.post("/sign-out", &[]).await.location(), "/sign-in?said=signed-out");
        visitor.keep(&format!("__Host-lapwing={cookie}"));
        assert_eq!(visitor.get("/queue").await.status, StatusCode::SEE_OTHER);
    }

    #[tokio::test]
    async fn signing_out_asks_for_the_token_of_the_session() {
        let seeded = Seeded::open().await;
        let mut visitor = seeded.visitor("dsl").await;
        let other = seeded.visitor("head").await.post_token();
        let forged = visitor.post_from("https://lapwing.test", "/sign-out", &[("csrf", &other)]).await;
        assert_eq!(forged.status, StatusCode::FORBIDDEN);
        assert_eq!(visitor.get("/queue").await.status, StatusCode::OK);
    }
}
