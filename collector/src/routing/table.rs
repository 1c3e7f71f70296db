//! The routing table.
//!
//! Tampering and silence go by whoever was signed in: a concern names a person, and technicians, who see no content,
//! have the state of each device on a page of their own.

use super::About;
use crate::actor::Role;
use crate::subject::Audience;

/// One row.
#[derive(Debug)]
pub(super) struct Entry {
    /// Kept with each recipient.
    pub(super) code: &'static str,
    /// Told from level 4 on.
    pub(super) first: &'static [Role],
    /// May see it from the start; told at level 5.
    pub(super) also: &'static [Role],
    /// In order, where none of those can sign in.
    pub(super) otherwise: &'static [Role],
}

const PUPIL: Entry = Entry {
    code: "pupil",
    first: &[Role::Dsl],
    also: &[Role::DeputyDsl],
    otherwise: &[Role::Headteacher, Role::Chair],
};
const PUPIL_ILLEGAL: Entry = Entry {
    code: "pupil_illegal",
    first: &[Role::Dsl, Role::DeputyDsl, Role::Headteacher],
    also: &[],
    otherwise: &[Role::Chair],
};
const SHARED: Entry = Entry { code: "shared", ..PUPIL };
const UNMAPPED_PUPIL: Entry = Entry { code: "unmapped_pupil", ..PUPIL };
const GUEST: Entry = Entry { code: "guest", first: &[Role::Dsl, Role::SiteLead], ..PUPIL };
const STAFF: Entry =
    Entry { code: "staff", first: &[Role::Headteacher], also: &[], otherwise: &[Role::Chair, Role::Governor] };
const UNMAPPED: Entry = Entry { code: "unmapped", ..STAFF };
const DSL: Entry = Entry { code: "dsl", ..STAFF };
const DEPUTY_DSL: Entry = Entry { code: "deputy_dsl", ..STAFF };
const HEADTEACHER: Entry =
    Entry { code: "headteacher", first: &[Role::Chair], also: &[], otherwise: &[Role::Governor] };
const GOVERNANCE: Entry = Entry { code: "governance", ..STAFF };
const TECHNICIAN: Entry = Entry {
    code: "technician",
    first: &[Role::Headteacher, Role::Dsl],
    also: &[],
    otherwise: &[Role::DeputyDsl, Role::Chair],
};

/// The row of a subject: by the most senior of their roles, else by audience.
pub(super) fn entry(about: &About) -> &'static Entry {
    let has = |role| about.roles.contains(&role);
    if has(Role::Headteacher) {
        return &HEADTEACHER;
    }
    if has(Role::Chair) || has(Role::Governor) {
        return &GOVERNANCE;
    }
    if has(Role::Dsl) {
        return &DSL;
    }
    if has(Role::DeputyDsl) {
        return &DEPUTY_DSL;
    }
    if has(Role::Technician) {
        return &TECHNICIAN;
    }
    by_audience(about)
}

fn by_audience(about: &About) -> &'static Entry {
    match (about.audience, about.class.is_illegal()) {
        (Audience::Pupil | Audience::Shared | Audience::Guest | Audience::UnmappedPupil, true) => &PUPIL_ILLEGAL,
        (Audience::Pupil, false) => &PUPIL,
        (Audience::Shared, false) => &SHARED,
        (Audience::Guest, false) => &GUEST,
        (Audience::UnmappedPupil, false) => &UNMAPPED_PUPIL,
        (Audience::Staff, _) => &STAFF,
        (Audience::UnmappedStaff | Audience::Unmapped, _) => &UNMAPPED,
    }
}
