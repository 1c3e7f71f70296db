//! A form posted by somebody in a role, with the token of their session.

use axum::extract::{Form, FromRequest, FromRequestParts, Request};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::ConsoleState;
use super::queue::filter::Filter;
use super::refusal::Refusal;
use super::role::SignedIn;
use super::session::Secret;

/// What `by` sent. Refused unless it carries the token of their session.
pub(super) struct Posted<R, T> {
    /// In the role that the page asks for.
    pub(super) by: R,
    /// The form.
    pub(super) form: T,
    /// The list that they work through.
    pub(super) list: Filter,
}

/// A form without a field of its own.
#[derive(Deserialize)]
pub(super) struct Bare {}

#[derive(Deserialize)]
struct WithToken<T> {
    csrf: String,
    #[serde(flatten)]
    form: T,
}

impl<R, T> FromRequest<ConsoleState> for Posted<R, T>
where
    R: FromRequestParts<ConsoleState, Rejection = Refusal> + std::ops::Deref<Target = SignedIn> + Send,
    T: DeserializeOwned,
{
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &ConsoleState) -> Result<Self, Refusal> {
        let (mut parts, body) = request.into_parts();
        let list = Filter::of(parts.uri.query());
        let by = R::from_request_parts(&mut parts, state).await?;
        let form = Form::<WithToken<T>>::from_request(Request::from_parts(parts, body), state).await;
        let Ok(Form(WithToken { csrf, form })) = form else { return Err(Refusal::BadForm) };
        let token = Secret::from_bytes(&by.session().csrf);
        if token.is_some_and(|token| token.is(&csrf)) { Ok(Self { by, form, list }) } else { Err(Refusal::Forged) }
    }
}
