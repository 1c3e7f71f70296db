//! Which concerns an actor may know of: the condition that every query over `concerns` carries.

use lapwing_proto::SchoolId;

use crate::actor::{Actor, PersonId};

/// A recipient, and not the subject; `concerns` is `c`, the school `$1`, the person `$2`.
macro_rules! by_person {
    ($recipient:literal) => {
        concat!(
            "c.school_id = $1 AND ",
            $recipient,
            " AND NOT EXISTS (SELECT 1 FROM subjects AS own WHERE own.school_id = $1 \
             AND own.subject_id = c.subject_id AND own.person_id = $2)"
        )
    };
}

/// Of one concern: what else the person may see costs nothing.
const BY_PERSON: &str = by_person!(
    "EXISTS (SELECT 1 FROM concern_recipients AS r WHERE r.school_id = $1 AND r.concern_id = c.concern_id \
     AND r.person_id = $2)"
);
/// Of many: all that the person may see is read once, so that who sees little of a school waits no longer than who sees
/// all of it.
const BY_PERSON_OF_MANY: &str = by_person!(
    "c.concern_id IN (SELECT r.concern_id FROM concern_recipients AS r WHERE r.school_id = $1 AND r.person_id = $2)"
);
const BY_PRODUCT: &str = "c.school_id = $1 AND $2 IS NULL";

/// The condition and what its first two placeholders take.
#[derive(Clone, Debug)]
pub struct Visible<'a> {
    /// A condition over the table alias `c` of `concerns`; reads `$1` and `$2`. For a query about one concern.
    pub sql: &'static str,
    /// The same condition, for a query that looks through many.
    pub sql_of_many: &'static str,
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
    let (sql, sql_of_many) = match actor {
        Actor::Person { .. } => (BY_PERSON, BY_PERSON_OF_MANY),
        Actor::Product { .. } => (BY_PRODUCT, BY_PRODUCT),
    };
    Visible { sql, sql_of_many, school: actor.school(), person: actor.person() }
}
