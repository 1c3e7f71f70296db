//! Who may open a page: an extractor for each role. Whoever holds none of them is refused before the handler runs.

use axum::extract::FromRequestParts;
use axum::response::IntoResponse;
use http::request::Parts;
use http::{Method, StatusCode};

use super::ConsoleState;
use super::refusal::{self, Refusal};
use super::session::{self, Secret};
use super::words::Present;
use crate::actor::{Actor, Role};
use crate::store::channels::{self, Trouble};
use crate::store::people;
use crate::store::web_sessions::{self, Session};

/// A person with an open session. Made by the extractors below alone.
#[derive(Clone)]
pub(super) struct SignedIn {
    session: Session,
    secret: Secret,
    now_us: i64,
    trouble: Trouble,
    has_keys: bool,
}

impl SignedIn {
    /// Who asks.
    pub(super) const fn actor(&self) -> &Actor {
        &self.session.actor
    }

    /// Their name and school, for the frame of a page.
    pub(super) const fn session(&self) -> &Session {
        &self.session
    }

    /// The secret behind their cookie.
    pub(super) const fn secret(&self) -> &Secret {
        &self.secret
    }

    /// What does not go out of messages, as far as they may know.
    pub(super) const fn trouble(&self) -> &Trouble {
        &self.trouble
    }

    /// The moment of the request, in the school's zone.
    pub(super) fn present(&self) -> Present {
        Present::new(self.now_us, &self.session.calendar)
    }

    /// Whether lists take keys in their browser.
    pub(super) const fn has_keys(&self) -> bool {
        self.has_keys
    }

    /// Whether they hold one of `roles`.
    pub(super) fn holds(&self, roles: &[Role]) -> bool {
        roles.iter().any(|role| self.session.actor.has(*role))
    }

    async fn of(parts: &Parts, state: &ConsoleState) -> Result<Self, Refusal> {
        let onward = if parts.method == Method::GET { refusal::onward(&parts.uri) } else { None };
        let signed_out = Refusal::SignedOut { onward };
        let Some(secret) = session::of_request(parts) else { return Err(signed_out) };
        let (now_us, hash) = (state.clock.wall_us(), secret.hash());
        let session = web_sessions::find(&state.store, &state.school, &hash, now_us).await;
        let Some(session) = session.map_err(|error| Refusal::failed(&error))? else { return Err(signed_out) };
        let has_keys = session::has_keys(&parts.headers);
        Ok(Self { session, secret, now_us, trouble: Trouble::default(), has_keys })
    }

    async fn used(mut self, state: &ConsoleState) -> Result<Self, Refusal> {
        let trouble = channels::trouble(&state.store, &self.session.actor, self.now_us).await;
        self.trouble = trouble.map_err(|error| Refusal::failed(&error))?;
        let touched = web_sessions::touch(&state.store, &self.secret.hash(), &self.session, self.now_us).await;
        touched.map_err(|error| Refusal::failed(&error))?;
        Ok(self)
    }
}

macro_rules! role {
    ($(#[$doc:meta])* $name:ident, $roles:expr) => {
        $(#[$doc])*
        pub(super) struct $name(SignedIn);

        impl $name {
            /// The roles that open it.
            pub(super) const ROLES: &[Role] = &$roles;
        }

        impl std::ops::Deref for $name {
            type Target = SignedIn;

            fn deref(&self) -> &SignedIn {
                &self.0
            }
        }

        impl FromRequestParts<ConsoleState> for $name {
            type Rejection = Refusal;

            async fn from_request_parts(parts: &mut Parts, state: &ConsoleState) -> Result<Self, Refusal> {
                let person = SignedIn::of(parts, state).await?;
                if person.holds(Self::ROLES) { Ok(Self(person.used(state).await?)) } else { Err(Refusal::WrongRole) }
            }
        }
    };
}

role!(
    /// Whoever may be named as a recipient of a concern. Which ones they see is routing's to say.
    Recipient,
    [
        Role::Dsl,
        Role::DeputyDsl,
        Role::Headteacher,
        Role::Chair,
        Role::SiteLead,
        Role::ClassTeacher,
        Role::HeadOfDepartment,
    ]
);
role!(
    /// Looks after devices; sees no content.
    Technician,
    [Role::Technician]
);
role!(
    /// Sees counts, no individual.
    Governor,
    [Role::Governor]
);
role!(
    /// Leads safeguarding or the school: says who is away.
    Leader,
    [Role::Dsl, Role::DeputyDsl, Role::Headteacher]
);
role!(
    /// Answers for monitoring that works: the checks log, and silent devices; no content.
    Overseer,
    [Role::Technician, Role::Dsl, Role::DeputyDsl, Role::Headteacher]
);
/// Anybody who is signed in, with whatever role or none: for pages that show nothing of anybody.
pub(super) struct Anyone(SignedIn);

impl std::ops::Deref for Anyone {
    type Target = SignedIn;

    fn deref(&self) -> &SignedIn {
        &self.0
    }
}

impl FromRequestParts<ConsoleState> for Anyone {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &ConsoleState) -> Result<Self, Refusal> {
        Ok(Self(SignedIn::of(parts, state).await?.used(state).await?))
    }
}

/// Anybody on the staff, with a role or without, and whoever holds one: no pupil.
pub(super) struct StaffMember(SignedIn);

impl std::ops::Deref for StaffMember {
    type Target = SignedIn;

    fn deref(&self) -> &SignedIn {
        &self.0
    }
}

impl FromRequestParts<ConsoleState> for StaffMember {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &ConsoleState) -> Result<Self, Refusal> {
        let person = SignedIn::of(parts, state).await?;
        let is_staff = person.holds(&Role::ALL) || is_staff(state, &person).await?;
        if is_staff { Ok(Self(person.used(state).await?)) } else { Err(Refusal::WrongRole) }
    }
}

async fn is_staff(state: &ConsoleState, signed_in: &SignedIn) -> Result<bool, Refusal> {
    let Some(person) = signed_in.actor().person() else { return Ok(false) };
    let mut tx = state.store.view().await.map_err(|error| Refusal::failed(&error))?;
    people::is_staff(&mut tx, &state.school, person).await.map_err(|error| Refusal::failed(&error))
}

/// A recipient who listens for changes: listening keeps no session open.
pub(super) struct Listener(SignedIn);

impl Listener {
    /// The person.
    pub(super) fn into_signed_in(self) -> SignedIn {
        self.0
    }
}

impl FromRequestParts<ConsoleState> for Listener {
    type Rejection = axum::response::Response;

    async fn from_request_parts(parts: &mut Parts, state: &ConsoleState) -> Result<Self, Self::Rejection> {
        match SignedIn::of(parts, state).await {
            Ok(person) if person.holds(Recipient::ROLES) => Ok(Self(person)),
            Ok(_) => Err(Refusal::WrongRole.into_response()),
            // A page asks again by itself where a script was redirected.
            Err(Refusal::SignedOut { .. }) => Err(StatusCode::UNAUTHORIZED.into_response()),
            Err(refusal) => Err(refusal.into_response()),
        }
    }
}
