//! Which concerns an actor may know of: the condition that every query over `concerns` carries.

use lapwing_proto::SchoolId;

use crate::actor::{Actor, PersonId};

/// A recipient, and not the subject; `concerns` is `c`, the school `$1`, the person `$2`.
const BY_PERSON: &str = "c.school_id = $1 AND c.concern_id IN \
     (SELECT r.concern_id FROM concern_recipients AS r WHERE r.school_id = $1 AND r.person_id = $2) \
     AND NOT EXISTS (SELECT 1 FROM subjects AS own \
     WHERE own.school_id = $1 AND own.subject_id = c.subject_id AND own.person_id = $2)";
const BY_PRODUCT: &str = "c.school_id = $1 AND $2 IS NULL";

/// The condition and what its first two placeholders take.
#[derive(Clone, Debug)]
pub struct Visible<'a> {
    /// A condition over the table alias `c` of `concerns`; reads `$1` and `$2`.
    pub sql: &'static str,
    /// For `$1`.
    pub school: &'a SchoolId,
    /// For `$2`.
    pub person: Option<PersonId>,
}

impl Visible<'_> {
    /// The value of `$1`.
    #[must_use]
    pub fn school(&self) -> &str {
        self.school.as_str()
    }

    /// The value of `$2`.
    #[must_use]
    pub fn person(&self) -> Option<Vec<u8>> {
        self.person.map(|person| person.as_bytes().to_vec())
    }
}

/// The concerns `actor` may know of. Roles open nothing by themselves: routing names each recipient.
#[must_use]
pub fn visible_to(actor: &Actor) -> Visible<'_> {
    let sql = match actor {
        Actor::Person { .. } => BY_PERSON,
        Actor::Product { .. } => BY_PRODUCT,
    };
    Visible { sql, school: actor.school(), person: actor.person() }
}
