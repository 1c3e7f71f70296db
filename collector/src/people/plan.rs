//! What an import would change. Pure but for the ids of people who are new.

use std::collections::{BTreeMap, BTreeSet};

use super::matching::match_rows;
use super::privileged::{Grants, hold_back};
use super::told::{Changes, Teller};
use super::{ImportError, Listed};
use crate::actor::PersonId;
use crate::sheet::Faults;
use crate::store::StoreError;
use crate::store::people::{Row, Written};
use crate::subject::Kind;

/// Of those who are not in the file: more of them than one in so many is taken for a mistake.
const MOST_LEAVE_ONE_IN: usize = 5;

/// What becomes of people who are not in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absentees {
    /// They stay as they are: the file is a part of the school's list.
    Stay,
    /// They leave: the file claims to be complete. Refused where more than a fifth of pupils or of staff would.
    Leave,
    /// They leave, however many.
    LeaveHoweverMany,
}

/// What is to be written, and told.
pub(super) struct Plan {
    rows: Vec<(PersonId, Row)>,
    pub(super) changes: Changes,
}

/// A plan in the making.
struct Planner {
    grants: Grants,
    rows: Vec<(PersonId, Row)>,
    teller: Teller,
}

impl Plan {
    /// What differs.
    pub(super) fn written<'a>(&'a self, known: &'a BTreeMap<PersonId, Row>) -> Vec<Written<'a>> {
        let written =
            |(person, after): &'a (PersonId, Row)| Written { person: *person, before: known.get(person), after };
        self.rows.iter().map(written).collect()
    }
}

/// Plans to bring `known` in line with `listed`.
pub(super) fn plan(
    known: &BTreeMap<PersonId, Row>,
    listed: &[Listed],
    absentees: Absentees,
    grants: Grants,
    now_us: i64,
) -> Result<Plan, ImportError> {
    let mut faults = Faults::default();
    let matched = match_rows(known, listed, &mut faults);
    let matched = faults.settle(matched).map_err(ImportError::Rows)?;
    let mut planner = Planner { grants, rows: Vec::new(), teller: Teller::default() };
    for (row, person) in listed.iter().zip(&matched) {
        let before = person.and_then(|person| known.get(&person));
        let person = match person {
            Some(person) => *person,
            None => PersonId::random().map_err(StoreError::from)?,
        };
        planner.add(Some(row.line), person, before, after(row, before));
    }
    let in_file: BTreeSet<PersonId> = matched.into_iter().flatten().collect();
    let absent = known.iter().filter(|(person, row)| !in_file.contains(person) && row.left_us.is_none());
    if absentees == Absentees::Leave {
        check_share(known, absent.clone().map(|(_, row)| row))?;
    }
    for (person, row) in absent {
        match (absentees, row.kind) {
            // A log-on is no person: it neither comes nor leaves.
            (Absentees::Stay, _) | (_, Kind::Shared) => planner.teller.stays(row),
            (Absentees::Leave | Absentees::LeaveHoweverMany, Kind::Pupil | Kind::Staff | Kind::Guest) => {
                planner.add(None, *person, Some(row), left(row, now_us));
            }
        }
    }
    Ok(Plan { rows: planner.rows, changes: planner.teller.into_changes() })
}

impl Planner {
    fn add(&mut self, line: Option<u64>, person: PersonId, before: Option<&Row>, mut after: Row) {
        if self.grants == Grants::ByRequest {
            self.teller.ask(hold_back(line, person, before, &mut after));
        }
        self.teller.tell(before, &after);
        if before != Some(&after) {
            self.rows.push((person, after));
        }
    }
}

/// The row as it shall stand.
fn after(listed: &Listed, before: Option<&Row>) -> Row {
    let kept = |written: &str, known: fn(&Row) -> &str| match (written.is_empty(), before) {
        (true, Some(before)) => known(before).to_owned(),
        (true, None) | (false, _) => written.to_owned(),
    };
    let mut accounts = listed.accounts.clone();
    accounts.extend(before.into_iter().flat_map(|row| row.accounts.iter().cloned()));
    let year = listed.year.map(|year| year.map_or_else(String::new, |year| year.to_string()));
    Row {
        name: listed.name.clone(),
        kind: listed.kind,
        band: listed.band.as_str().to_owned(),
        class: listed.class.clone(),
        mail: kept(&listed.mail, |row| &row.mail),
        reference: kept(&listed.reference, |row| &row.reference),
        gender: listed.gender.clone().or_else(|| before.map(|row| row.gender.clone())).unwrap_or_default(),
        year: year.or_else(|| before.map(|row| row.year.clone())).unwrap_or_default(),
        vulnerable: listed.vulnerable.or_else(|| before.map(|row| row.vulnerable)).unwrap_or_default(),
        left_us: None,
        roles: listed.roles.clone(),
        accounts,
        teaches: listed.teaches.clone().or_else(|| before.map(|row| row.teaches.clone())).unwrap_or_default(),
    }
}

/// Somebody who leaves: what is known of them stays for what is recorded of them.
pub(super) fn left(row: &Row, now_us: i64) -> Row {
    Row { left_us: Some(now_us), roles: BTreeSet::new(), teaches: BTreeSet::new(), ..row.clone() }
}

fn check_share<'a>(
    known: &BTreeMap<PersonId, Row>,
    absent: impl Iterator<Item = &'a Row> + Clone,
) -> Result<(), ImportError> {
    for kind in [Kind::Pupil, Kind::Staff] {
        let here = known.values().filter(|row| row.kind == kind && row.left_us.is_none()).count();
        let leave = absent.clone().filter(|row| row.kind == kind).count();
        if leave * MOST_LEAVE_ONE_IN > here {
            return Err(ImportError::TooManyLeave { kind, leave, here });
        }
    }
    Ok(())
}
