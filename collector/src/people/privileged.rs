//! Privileged roles in an import: granted and taken away by requests once a school has enough people to approve.

use std::collections::BTreeSet;
use std::fmt;

use super::ImportError;
use crate::actor::{Actor, PersonId, Role};
use crate::requests::{self, Change, State};
use crate::store::Tx;
use crate::store::people::{self, Row};
use crate::store::requests as rows;
use crate::subject::Kind;

/// What whoever approves reads.
const REASON: &str = "The school's list of people says so.";

/// Who may grant a privileged role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grants {
    /// Nobody could approve yet: this is the set-up.
    ByImport,
    /// Whoever asks, and those who approve.
    ByRequest,
}

/// A role to be asked for, which the import leaves as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Line of the file; `None` for somebody who is not in it.
    pub line: Option<u64>,
    /// Whose role.
    pub person: PersonId,
    /// Which.
    pub role: Role,
    /// What is asked for.
    pub step: Step,
}

/// What happens to a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Somebody gets it.
    Grant,
    /// Somebody loses it.
    Withdraw,
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let does = match self.step {
            Step::Grant => "gets",
            Step::Withdraw => "loses",
        };
        match self.line {
            Some(line) => write!(f, "line {line}, column `role`: somebody {does} {}", self.role),
            None => write!(f, "somebody who is not in the file {does} {}", self.role),
        }
    }
}

/// Leaves the privileged roles of `after` as they were; answers what was wanted instead.
pub(super) fn hold_back(line: Option<u64>, person: PersonId, before: Option<&Row>, after: &mut Row) -> Vec<Asked> {
    let privileged = |roles: &BTreeSet<Role>| -> BTreeSet<Role> {
        roles.iter().copied().filter(|role| role.is_privileged()).collect()
    };
    let (had, wanted) = (before.map(|row| privileged(&row.roles)).unwrap_or_default(), privileged(&after.roles));
    let asked = |role: &Role, step: Step| Asked { line, person, role: *role, step };
    let grants = wanted.difference(&had).map(|role| asked(role, Step::Grant));
    let withdrawals = had.difference(&wanted).map(|role| asked(role, Step::Withdraw));
    let all: Vec<_> = grants.chain(withdrawals).collect();
    after.roles.retain(|role| !role.is_privileged());
    after.roles.extend(had.iter().copied());
    if let (Some(before), false) = (before, had.is_empty()) {
        // Whoever holds such a role is staff for as long, and does not leave before it is taken from them.
        after.kind = Kind::Staff;
        if after.left_us.is_some() {
            *after = before.clone();
        }
    }
    all
}

/// Asks for what was held back; what waits for approval already is not asked for twice.
pub(super) async fn ask(
    tx: &mut Tx,
    actor: &Actor,
    by: PersonId,
    asked: &[Asked],
    now_us: i64,
) -> Result<(), ImportError> {
    if asked.is_empty() {
        return Ok(());
    }
    let school = actor.school();
    let waiting = rows::standing(tx, school, now_us).await?;
    let stands = |change: &Change| {
        waiting.iter().any(|one| one.state == State::Waiting && one.lapses_us > now_us && one.change == *change)
    };
    let roles = people::staffing(tx, school, now_us).await?.roles(by);
    let asker = Actor::Person { school: school.clone(), person: by, roles };
    for one in asked {
        let (person, role) = (one.person, one.role);
        let change = match one.step {
            Step::Grant => Change::GrantRole { person, role },
            Step::Withdraw => Change::WithdrawRole { person, role },
        };
        if !stands(&change) {
            let request = requests::desk::ask(tx, &asker, change, REASON, now_us).await;
            request.map_err(|source| ImportError::Request { asked: *one, source: Box::new(source) })?;
        }
    }
    Ok(())
}
