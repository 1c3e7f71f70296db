//! The school's people, from people.csv.
//!
//! ```text
//! account,name,role,class,band,mail,reference,gender,year,vulnerable,teaches
//! amy.b;abrown,Amy Brown,pupil,7B,,,A8001,Female,7,,
//! j.okafor,Joy Okafor,staff;dsl,,,j.okafor@hill.example,S14,,,,7B;7C
//! ks1-laptop,Key stage 1 log-on,shared,,ks1,,,,,,
//! ```
//!
//! Accounts, roles and classes taught are separated by `;`. Columns may stand in any order; those after `band` may be
//! left out, and what they hold stays then as it is known. An empty band is that of the year. An empty address or
//! reference changes nothing.
//!
//! An import is checked whole, shown as differences, and applied in one transaction or not at all. It is planned beside
//! whoever writes; the database is held for the writing alone. Who is not in the file stays as they are: a part of a
//! school's list never takes a role away. A file that is said to be complete lets the others leave: they keep their
//! accounts and what is recorded, and lose roles and the use of their sign-in.
//!
//! Once a school has enough people to approve, a privileged role is granted and taken away by requests alone.

mod changes;
mod csv_file;
mod matching;
mod plan;
mod privileged;
pub mod roll_over;
pub mod set_up;
mod told;
mod year;

use std::collections::BTreeSet;
use std::fmt;

use lapwing_proto::SchoolId;
use lapwing_rules::Band;

pub use changes::{ImportError, Mode, Wanted, import};
pub use csv_file::{MAX_FILE_BYTES, MAX_PEOPLE, parse};
pub use plan::Absentees;
pub use privileged::{Asked, Step};
pub use told::{Changes, Imported};
pub use year::YearGroup;

use crate::actor::{PersonId, Role};
use crate::store::{Store, StoreError, subjects};
use crate::subject::{Kind, account_key};

/// Somebody, or a class log-on, as people.csv names them. `Debug` prints `<redacted>`.
#[derive(Clone, PartialEq, Eq)]
pub struct Listed {
    /// Line of the file.
    pub line: u64,
    /// Accounts in lower case; may be empty for somebody who is known by something else.
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
    /// The roster's own number of them; may be empty.
    pub reference: String,
    /// As the roster says it; `None` where the file has no such column.
    pub gender: Option<String>,
    /// Year group, or none; `None` where the file has no such column.
    pub year: Option<Option<YearGroup>>,
    /// Whether they are marked as vulnerable; `None` where the file has no such column.
    pub vulnerable: Option<bool>,
    /// Classes they teach; `None` where the file has no such column.
    pub teaches: Option<BTreeSet<String>>,
}

impl fmt::Debug for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Listed(line {}, <redacted>)", self.line)
    }
}

/// Whom the school's list maps `account` to.
///
/// # Errors
///
/// When the database cannot be read.
pub async fn person_of(store: &Store, school: &SchoolId, account: &str) -> Result<Option<PersonId>, StoreError> {
    let account = account_key(account);
    let found = subjects::persons_of(store, school, std::slice::from_ref(&account)).await?;
    Ok(found.get(&account).map(|(person, _)| *person))
}

#[cfg(test)]
mod tests;
