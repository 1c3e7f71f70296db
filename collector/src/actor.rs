//! Who acts: a person of the school with a set of roles, or the product itself.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use lapwing_proto::SchoolId;

use crate::ids::InvalidId;
pub use crate::ids::PersonId;

/// What a person does at the school. A person holds a set of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Designated Safeguarding Lead.
    Dsl,
    /// Deputy of the DSL.
    DeputyDsl,
    /// Headteacher.
    Headteacher,
    /// Chair of governors, or the vice-chair: they stand in for one another.
    Chair,
    /// Governor, for safeguarding where the school has one.
    Governor,
    /// Technician.
    Technician,
    /// Answers for visitors on a site.
    SiteLead,
    /// Teaches a class, and sees the behaviour of it.
    ClassTeacher,
    /// Heads a department, and sees the behaviour of its classes.
    HeadOfDepartment,
    /// Signs off the pupils' incident log each week.
    SltReviewer,
    /// Verifies audit, retention and access; the school's data protection officer.
    Auditor,
    /// Compares the schools of a trust or authority; sees figures alone.
    TrustLead,
    /// Looks after people, roles and settings; sees no content.
    Administrator,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 13] = [
        Self::Dsl,
        Self::DeputyDsl,
        Self::Headteacher,
        Self::Chair,
        Self::Governor,
        Self::Technician,
        Self::SiteLead,
        Self::ClassTeacher,
        Self::HeadOfDepartment,
        Self::SltReviewer,
        Self::Auditor,
        Self::TrustLead,
        Self::Administrator,
    ];

    /// The one text form, of the database and people.csv.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dsl => "dsl",
            Self::DeputyDsl => "deputy_dsl",
            Self::Headteacher => "headteacher",
            Self::Chair => "chair",
            Self::Governor => "governor",
            Self::Technician => "technician",
            Self::SiteLead => "site_lead",
            Self::ClassTeacher => "class_teacher",
            Self::HeadOfDepartment => "head_of_department",
            Self::SltReviewer => "slt_reviewer",
            Self::Auditor => "auditor",
            Self::TrustLead => "trust_lead",
            Self::Administrator => "administrator",
        }
    }

    /// Whether it takes two people to give it to somebody, and two to take it away.
    #[must_use]
    pub const fn is_privileged(self) -> bool {
        match self {
            Self::Dsl | Self::DeputyDsl | Self::Headteacher | Self::Chair | Self::Administrator => true,
            Self::Governor
            | Self::Technician
            | Self::SiteLead
            | Self::ClassTeacher
            | Self::HeadOfDepartment
            | Self::SltReviewer
            | Self::Auditor
            | Self::TrustLead => false,
        }
    }

    /// Whether whoever holds it may be named as somebody who sees a concern.
    #[must_use]
    pub const fn reads_concerns(self) -> bool {
        match self {
            Self::Dsl
            | Self::DeputyDsl
            | Self::Headteacher
            | Self::Chair
            | Self::SiteLead
            | Self::ClassTeacher
            | Self::HeadOfDepartment => true,
            Self::Governor
            | Self::Technician
            | Self::SltReviewer
            | Self::Auditor
            | Self::TrustLead
            | Self::Administrator => false,
        }
    }

    /// Whether whoever holds it may approve what one person may not do alone.
    #[must_use]
    pub const fn is_senior(self) -> bool {
        matches!(self, Self::Dsl | Self::DeputyDsl | Self::Headteacher | Self::Chair)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(InvalidId {
            what: "role",
            expected: "dsl, deputy_dsl, headteacher, chair, governor, technician, site_lead, class_teacher, \
                       head_of_department, slt_reviewer, auditor, trust_lead or administrator",
        })
    }
}

/// Who asks or does something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A signed-in person.
    Person {
        /// The school signed in to.
        school: SchoolId,
        /// The person.
        person: PersonId,
        /// What they do there.
        roles: BTreeSet<Role>,
    },
    /// The collector, acting by itself.
    Product {
        /// The school acted for.
        school: SchoolId,
    },
}

impl Actor {
    /// The school.
    #[must_use]
    pub const fn school(&self) -> &SchoolId {
        match self {
            Self::Person { school, .. } | Self::Product { school } => school,
        }
    }

    /// The person, unless it is the product.
    #[must_use]
    pub const fn person(&self) -> Option<PersonId> {
        match self {
            Self::Person { person, .. } => Some(*person),
            Self::Product { .. } => None,
        }
    }

    /// Whether it is a person with `role`.
    #[must_use]
    pub fn has(&self, role: Role) -> bool {
        match self {
            Self::Person { roles, .. } => roles.contains(&role),
            Self::Product { .. } => false,
        }
    }

    /// Whether it is a person with a role that may approve what one person may not do alone.
    #[must_use]
    pub fn is_senior(&self) -> bool {
        Role::ALL.into_iter().any(|role| role.is_senior() && self.has(role))
    }
}
