//! The style sheet, the scripts and the mark, built into the program.

use axum::extract::Path;
use axum::response::{IntoResponse as _, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

use super::refusal::Refusal;

const FILES: [(&str, &str, &str); 4] = [
    ("lapwing.css", "text/css; charset=utf-8", include_str!("../../assets/lapwing.css")),
    ("lapwing.js", "text/javascript; charset=utf-8", include_str!("../../assets/lapwing.js")),
    ("keys.js", "text/javascript; charset=utf-8", include_str!("../../assets/keys.js")),
    ("bird.svg", "image/svg+xml", include_str!("../../assets/bird.svg")),
];

/// `GET /assets/{name}`: says nothing of anybody, so it asks for no role.
pub(super) async fn file(Path(name): Path<String>) -> Result<Response, Refusal> {
    let found = FILES.into_iter().find(|(file, ..)| *file == name);
    let (_, kind, text) = found.ok_or(Refusal::NoSuchPage)?;
    Ok(([(CONTENT_TYPE, kind), (CACHE_CONTROL, "private, max-age=300")], text).into_response())
}
