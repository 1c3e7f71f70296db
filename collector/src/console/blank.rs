//! The blank screen for browsers without script: a page that shows nothing of anybody.

use askama::Template;
use axum::response::Response;

use super::frame;
use super::refusal::Refusal;
use super::role::Anyone;

#[derive(Template)]
#[template(path = "blank.html")]
struct BlankPage;

/// `GET /blank`.
pub(super) async fn page(_person: Anyone) -> Result<Response, Refusal> {
    frame::shown(&BlankPage)
}
