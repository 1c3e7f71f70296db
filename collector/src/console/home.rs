//! The first page: whichever the person's roles make most pressing.

use askama::Template;
use axum::response::{IntoResponse as _, Redirect, Response};

use super::frame::{self, Frame};
use super::refusal::Refusal;
use super::role::Anyone;

#[derive(Template)]
#[template(path = "nowhere.html")]
struct NowherePage {
    frame: Frame,
}

/// `GET /`.
pub(super) async fn page(person: Anyone) -> Result<Response, Refusal> {
    match frame::places(&person).next() {
        Some(place) => Ok(Redirect::to(place.address).into_response()),
        None => frame::shown(&NowherePage { frame: Frame::of(&person, "/") }),
    }
}
