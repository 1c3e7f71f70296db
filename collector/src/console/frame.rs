//! What stands around every page, and how a page becomes an answer.

use askama::Template;
use axum::response::{Html, IntoResponse as _, Response};

use super::refusal::Refusal;
use super::role::{Governor, Leader, Overseer, Recipient, SignedIn, Technician};
use super::session::Secret;
use super::undelivered;
use crate::actor::Role;
use crate::requests::ASKERS;

/// The frame of a page, made for somebody who was let in.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    /// The school's name.
    pub(super) school: String,
    /// Its time zone.
    pub(super) zone: String,
    /// Who is signed in.
    pub(super) name: String,
    /// As what.
    pub(super) roles: String,
    /// The token of their forms.
    pub(super) csrf: String,
    /// Pages they may open.
    pub(super) places: Vec<Place>,
    /// Those that are seldom needed.
    pub(super) foot: Vec<Place>,
    /// The one that is open.
    pub(super) here: &'static str,
    /// Whether lists take keys in this browser.
    pub(super) keys: bool,
    /// What does not go out of messages.
    pub(super) troubles: Vec<String>,
}

/// A page in the header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Path.
    pub(super) address: &'static str,
    /// Name.
    pub(super) words: &'static str,
}

/// With the roles that open them; none: everybody who is let in.
const PLACES: [(Place, Option<&[Role]>); 9] = [
    (Place { address: "/queue", words: "Concerns" }, Some(Recipient::ROLES)),
    (Place { address: "/devices", words: "Devices" }, Some(Technician::ROLES)),
    (Place { address: "/enrolment", words: "Enrolment" }, Some(Technician::ROLES)),
    (Place { address: "/checks", words: "Checks" }, Some(Overseer::ROLES)),
    (Place { address: "/media", words: "Memory sticks" }, Some(Overseer::ROLES)),
    (Place { address: "/counts", words: "Counts" }, Some(Governor::ROLES)),
    (Place { address: "/requests", words: "Requests" }, Some(&ASKERS)),
    (Place { address: "/exemptions", words: "Exemptions" }, None),
    (Place { address: "/away", words: "Away" }, Some(Leader::ROLES)),
];

/// Pages that are seldom needed, at the foot of each.
const FOOT: [(Place, Option<&[Role]>); 3] = [
    (Place { address: "/local-help", words: "Local help" }, Some(Leader::ROLES)),
    (Place { address: "/keys", words: "Keys" }, Some(Recipient::ROLES)),
    (Place { address: "/two-step", words: "Your two-step sign-in" }, None),
];

impl Frame {
    /// The frame for `person` around the page at `here`.
    pub(super) fn of(person: &SignedIn, here: &'static str) -> Self {
        let session = person.session();
        let roles = Role::ALL.into_iter().filter(|role| session.actor.has(*role)).map(role_words);
        Self {
            school: session.school_name.clone(),
            zone: session.zone.clone(),
            name: session.name.clone(),
            roles: roles.collect::<Vec<_>>().join(", "),
            csrf: Secret::from_bytes(&session.csrf).map_or_else(String::new, |secret| secret.text()),
            places: places(person).collect(),
            foot: opened_by(person, &FOOT).collect(),
            here,
            keys: person.has_keys(),
            troubles: undelivered::sentences(person.trouble(), &person.present()),
        }
    }
}

/// The pages that `person` may open, the most pressing first.
pub(super) fn places(person: &SignedIn) -> impl Iterator<Item = Place> {
    opened_by(person, &PLACES)
}

fn opened_by(person: &SignedIn, places: &'static [(Place, Option<&[Role]>)]) -> impl Iterator<Item = Place> {
    places.iter().filter(|(_, roles)| roles.is_none_or(|roles| person.holds(roles))).map(|(place, _)| *place)
}

/// Renders a page.
pub(super) fn shown(page: &impl Template) -> Result<Response, Refusal> {
    let html = page.render().map_err(|error| Refusal::failed(&error))?;
    Ok(Html(html).into_response())
}

/// A role in words.
pub(super) const fn role_words(role: Role) -> &'static str {
    match role {
        Role::Dsl => "DSL",
        Role::DeputyDsl => "Deputy DSL",
        Role::Headteacher => "Headteacher",
        Role::Chair => "Chair of governors",
        Role::Governor => "Governor",
        Role::Technician => "Technician",
        Role::SiteLead => "Site lead",
        Role::ClassTeacher => "Class teacher",
        Role::HeadOfDepartment => "Head of department",
        Role::SltReviewer => "Reviewer",
        Role::Auditor => "Auditor",
        Role::TrustLead => "Trust lead",
        Role::Administrator => "Administrator",
    }
}
