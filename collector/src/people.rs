//! The school's people, from a small people.csv.
//!
//! ```text
//! account,name,role,class,band,mail
//! amy.b;abrown,Amy Brown,pupil,7B,ks3,
//! j.okafor,Joy Okafor,staff;dsl,,,j.okafor@hill.example
//! ks1-laptop,Key stage 1 log-on,shared,,ks1,
//! ```
//!
//! Accounts and roles are separated by `;`. An import is checked whole, shown as differences, and applied in one
//! transaction or not at all. Who is not in the file stays as they are: a part of a school's list never takes a role
//! away.

mod changes;
mod csv_file;

use std::collections::BTreeSet;
use std::fmt;

use lapwing_rules::Band;

pub use changes::{Changes, ImportError, Imported, Mode, import};
pub use csv_file::{MAX_FILE_BYTES, MAX_PEOPLE, RowFault, parse};

use crate::actor::Role;
use crate::subject::Kind;

/// Somebody, or a class log-on, as people.csv names them. `Debug` prints `<redacted>`.
#[derive(Clone, PartialEq, Eq)]
pub struct Listed {
    /// Line of the file.
    pub line: u64,
    /// Accounts in lower case; may be empty for somebody who has a mail address.
    pub accounts: BTreeSet<String>,
    /// Name.
    pub name: String,
    /// What they are to the school.
    pub kind: Kind,
    /// Their roles.
    pub roles: BTreeSet<Role>,
    /// Class or form; may be empty.
    pub class: String,
    /// Age band.
    pub band: Band,
    /// Mail address in lower case; may be empty.
    pub mail: String,
}

impl fmt::Debug for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Listed(line {}, <redacted>)", self.line)
    }
}

#[cfg(test)]
mod tests;
