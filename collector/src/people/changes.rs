//! What an import changes, and doing it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::Listed;
use crate::actor::{Actor, PersonId};
use crate::audit::{self, Act, ActKind};
use crate::store::people::{self, Row};
use crate::store::{Store, StoreError};
use crate::subject::Kind;
use crate::triage;

/// Whether an import is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Only tell what would change.
    DryRun,
    /// Change it.
    Apply,
}

/// How many rows of each sort.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// People who were not known.
    pub added: usize,
    /// People of whom something differs.
    pub changed: usize,
    /// People who stay as they are.
    pub same: usize,
    /// Known people who are not in the file; they stay too.
    pub absent: usize,
}

/// What an import changes. Holds names: show it to whoever imports, log only [`Imported`].
#[derive(Clone, PartialEq, Eq)]
pub struct Changes {
    /// How many.
    pub counts: Imported,
    /// One line of text a person who is added, or of whom something differs.
    pub lines: Vec<String>,
}

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A row's accounts and address belong to different people.
    #[error("line {0}: accounts or address belong to different people; split the row")]
    Ambiguous(u64),
    /// Two rows mean the same person.
    #[error("line {0}: the person stands in line {1} already")]
    Twice(u64, u64),
    /// The database did not do it.
    #[error("cannot store people")]
    Store(#[from] StoreError),
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Changes({:?}, <redacted>)", self.counts)
    }
}

/// Brings the school's people in line with `listed`, and tells the difference. With [`Mode::DryRun`] nothing is
/// written. Undecided concerns are shown to people who may see them by their new roles.
///
/// # Errors
///
/// [`ImportError`]; nothing was written then.
pub async fn import(
    store: &Store,
    actor: &Actor,
    now_us: i64,
    listed: &[Listed],
    mode: Mode,
) -> Result<Changes, ImportError> {
    let school = actor.school();
    let mut tx = store.begin().await?;
    let known = people::all(&mut tx, school).await?;
    let matched = match_rows(&known, listed)?;
    let mut changes = Changes { counts: Imported::default(), lines: Vec::new() };
    for (listed, person) in listed.iter().zip(&matched) {
        let before = person.and_then(|person| known.get(&person));
        let id = match person {
            Some(person) => *person,
            None => PersonId::random().map_err(StoreError::from)?,
        };
        let after = row(listed, before);
        note(&mut changes, before, &after);
        if before != Some(&after) {
            people::put(&mut tx, school, id, &after).await?;
        }
        if after.kind != Kind::Shared {
            people::own_subjects(&mut tx, school, id).await?;
        }
    }
    changes.counts.absent = known.len() - matched.iter().flatten().count();
    if mode == Mode::DryRun {
        return Ok(changes);
    }
    triage::reroute(&mut tx, actor, now_us).await?;
    let counts = changes.counts;
    let act = Act::new(actor, now_us, ActKind::PeopleImported, "")
        .with("added", counts.added)
        .with("changed", counts.changed)
        .with("same", counts.same)
        .with("absent", counts.absent);
    audit::append(&mut tx, &act).await?;
    tx.commit().await?;
    Ok(changes)
}

/// The known person of each row, by account or address.
fn match_rows(known: &BTreeMap<PersonId, Row>, listed: &[Listed]) -> Result<Vec<Option<PersonId>>, ImportError> {
    let by_account: BTreeMap<&str, PersonId> =
        known.iter().flat_map(|(person, row)| row.accounts.iter().map(|account| (account.as_str(), *person))).collect();
    let by_mail: BTreeMap<&str, PersonId> = known
        .iter()
        .filter(|(_, row)| !row.mail.is_empty())
        .map(|(person, row)| (row.mail.as_str(), *person))
        .collect();
    let mut taken: BTreeMap<PersonId, u64> = BTreeMap::new();
    let mut matched = Vec::with_capacity(listed.len());
    for row in listed {
        let accounts = row.accounts.iter().filter_map(|account| by_account.get(account.as_str()));
        let found: BTreeSet<_> = accounts.chain(by_mail.get(row.mail.as_str())).copied().collect();
        if found.len() > 1 {
            return Err(ImportError::Ambiguous(row.line));
        }
        let person = found.first().copied();
        if let Some(first) = person.and_then(|person| taken.insert(person, row.line)) {
            return Err(ImportError::Twice(row.line, first));
        }
        matched.push(person);
    }
    Ok(matched)
}

/// The row as it shall stand. Accounts only ever add up: one that a capture named must not lose its person.
fn row(listed: &Listed, before: Option<&Row>) -> Row {
    let mut accounts = listed.accounts.clone();
    accounts.extend(before.into_iter().flat_map(|row| row.accounts.iter().cloned()));
    let mail = match (listed.mail.is_empty(), before) {
        (true, Some(before)) => before.mail.clone(),
        (true, None) | (false, _) => listed.mail.clone(),
    };
    Row {
        name: listed.name.clone(),
        kind: listed.kind,
        band: listed.band.as_str().to_owned(),
        class: listed.class.clone(),
        mail,
        roles: listed.roles.clone(),
        accounts,
    }
}

fn note(changes: &mut Changes, before: Option<&Row>, after: &Row) {
    let Some(before) = before else {
        changes.counts.added += 1;
        changes.lines.push(format!("+ {}", after.describe()));
        return;
    };
    if before == after {
        changes.counts.same += 1;
        return;
    }
    changes.counts.changed += 1;
    changes.lines.push(format!("~ {} -> {}", before.describe(), after.describe()));
}
