//! A school's own changes to the routing table, as it writes them.
//!
//! ```toml
//! [staff]                       # a row that is left out stays as it comes; so does a list
//! also = ["dsl"]
//! ```

use std::collections::BTreeMap;

use lapwing_rules::{Category, Level};
use serde::Deserialize;

use super::{About, Row, Staffing, Table, route};
use crate::actor::Role;
use crate::subject::Audience;

/// Longest text, in bytes.
pub const MAX_ROUTING_BYTES: usize = 16 * 1024;
/// Why changes to the routing table are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoutingFault {
    /// Longer than is read.
    #[error("routing has at most {MAX_ROUTING_BYTES} bytes, not {0}")]
    TooLong(usize),
    /// No TOML, or none of routing.
    #[error("{0}")]
    Toml(String),
    /// No such row.
    #[error(
        "there is no row `{0}`: expected one of pupil, pupil_illegal, radicalisation, shared, unmapped_pupil, guest, \
             staff, unmapped, dsl, deputy_dsl, headteacher, governance and technician"
    )]
    Row(String),
    /// No such role.
    #[error("row `{row}`: there is no role `{role}`")]
    Role {
        /// The row.
        row: Row,
        /// What was written.
        role: String,
    },
    /// A role that reads no content.
    #[error("row `{row}`: a {role} reads no concerns")]
    Reader {
        /// The row.
        row: Row,
        /// The role.
        role: Role,
    },
    /// Nobody stands first.
    #[error("row `{0}`: nobody stands first")]
    Nobody(Row),
    /// An illegal case goes to the DSL or a deputy, and to the headteacher, together.
    #[error("row `pupil_illegal`: a DSL or deputy and the headteacher stand first together")]
    Together,
    /// With the people as they are, a concern would reach nobody.
    #[error("row `{0}`: with the school's people as they are, a concern would reach nobody who can sign in")]
    Unreachable(Row),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lists {
    first: Option<Vec<String>>,
    also: Option<Vec<String>>,
    otherwise: Option<Vec<String>>,
}

impl Table {
    /// The table with a school's changes; an empty text changes nothing.
    ///
    /// # Errors
    ///
    /// [`RoutingFault`], the first found.
    pub fn parse(text: &str) -> Result<Self, RoutingFault> {
        if text.len() > MAX_ROUTING_BYTES {
            return Err(RoutingFault::TooLong(text.len()));
        }
        let written: BTreeMap<String, Lists> =
            toml::from_str(text).map_err(|error| RoutingFault::Toml(error.to_string()))?;
        let mut table = Self::standard();
        for (name, lists) in written {
            let row: Row = name.parse().map_err(|_| RoutingFault::Row(name))?;
            let mut entry = table.entry(row).clone();
            for (list, written) in [
                (&mut entry.first, lists.first),
                (&mut entry.also, lists.also),
                (&mut entry.otherwise, lists.otherwise),
            ] {
                if let Some(written) = written {
                    *list = written.iter().map(|role| reader(row, role)).collect::<Result<_, _>>()?;
                }
            }
            if entry.first.is_empty() {
                return Err(RoutingFault::Nobody(row));
            }
            table.set(row, entry);
        }
        let together = &table.entry(Row::PupilIllegal).first;
        let has = |role| together.contains(&role);
        if !has(Role::Headteacher) || !(has(Role::Dsl) || has(Role::DeputyDsl)) {
            return Err(RoutingFault::Together);
        }
        Ok(table)
    }

    /// Whether a concern about anybody, those who triage included, reaches somebody who can sign in.
    ///
    /// # Errors
    ///
    /// [`RoutingFault::Unreachable`] with the first row that does not.
    pub fn reaches(&self, staffing: &Staffing) -> Result<(), RoutingFault> {
        let holders = staffing.people().map(|person| About {
            audience: Audience::Staff,
            person: Some(person),
            roles: staffing.roles(person),
            form: String::new(),
            category: None,
        });
        let others = Audience::ALL.into_iter().flat_map(|audience| {
            [None, Some(Category::Grooming), Some(Category::Radicalisation)].map(|category| About {
                audience,
                person: None,
                roles: std::collections::BTreeSet::new(),
                form: String::new(),
                category,
            })
        });
        for about in others.chain(holders) {
            let recipients = route(&about, Level::Critical, staffing, self);
            if !recipients.iter().any(|one| staffing.can_sign_in(one.person)) {
                return Err(RoutingFault::Unreachable(Row::of(&about)));
            }
        }
        Ok(())
    }
}

fn reader(row: Row, written: &str) -> Result<Role, RoutingFault> {
    let role: Role = written.parse().map_err(|_| RoutingFault::Role { row, role: written.to_owned() })?;
    if role.reads_concerns() { Ok(role) } else { Err(RoutingFault::Reader { row, role }) }
}
