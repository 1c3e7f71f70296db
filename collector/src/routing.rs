//! Who may see a concern, and who is told of it. Pure: the table is data, the people are a parameter.
//!
//! Invariants, held by property tests: the subject is never a recipient; wherever somebody named by the subject's row
//! can sign in, at least one recipient can; a technician never receives a concern for being one.

mod table;

use std::collections::{BTreeMap, BTreeSet};

use lapwing_rules::{Class, Level};

use crate::actor::{PersonId, Role};
use crate::subject::Audience;
use table::Entry;

/// Everybody with a role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Staffing(BTreeMap<PersonId, Holder>);

/// A person with roles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holder {
    /// Their roles.
    pub roles: BTreeSet<Role>,
    /// Whether they have a sign-in.
    pub reach: Reach,
}

/// Whether a concern reaches somebody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// They can sign in.
    SignsIn,
    /// They cannot.
    #[default]
    Absent,
}

/// Whom a concern is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// The subject's audience.
    pub audience: Audience,
    /// The person, where the subject is one.
    pub person: Option<PersonId>,
    /// That person's roles.
    pub roles: BTreeSet<Role>,
    /// What the law asks of the category.
    pub class: Class,
}

/// Somebody who may see a concern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Who.
    pub person: PersonId,
    /// Code of the row that named them.
    pub reason: &'static str,
    /// Whether a message goes out.
    pub told: Told,
}

/// Whether a recipient gets a message, or finds the concern in their list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Told {
    /// Finds it in the list.
    Listed,
    /// Gets a message at once.
    AtOnce,
}

impl Staffing {
    /// Adds or replaces a person.
    pub fn insert(&mut self, person: PersonId, holder: Holder) {
        self.0.insert(person, holder);
    }

    fn with(&self, role: Role) -> impl Iterator<Item = (PersonId, Reach)> {
        self.0.iter().filter(move |(_, holder)| holder.roles.contains(&role)).map(|(person, one)| (*person, one.reach))
    }

    fn signs_in(&self, person: PersonId) -> bool {
        self.0.get(&person).is_some_and(|holder| holder.reach == Reach::SignsIn)
    }
}

impl FromIterator<(PersonId, Holder)> for Staffing {
    fn from_iter<I: IntoIterator<Item = (PersonId, Holder)>>(people: I) -> Self {
        Self(people.into_iter().collect())
    }
}

/// The recipients of a concern of `level` about `about`, in order of their ids. Empty only where nobody named by the
/// row holds a role.
#[must_use]
pub fn route(about: &About, level: Level, staffing: &Staffing) -> Vec<Recipient> {
    let entry = table::entry(about);
    let mut told: BTreeMap<PersonId, Told> = BTreeMap::new();
    let mut add = |person: PersonId, at: Told| {
        if about.person != Some(person) {
            let known = told.entry(person).or_insert(at);
            *known = at.max(*known);
        }
    };
    for role in entry.first {
        staffing.with(*role).for_each(|(person, _)| add(person, told_from(Level::High, level)));
    }
    for role in entry.also {
        staffing.with(*role).for_each(|(person, _)| add(person, told_from(Level::Critical, level)));
    }
    if !told.keys().any(|person| staffing.signs_in(*person)) {
        told.extend(stand_ins(entry, about, level, staffing));
    }
    told.into_iter().map(|(person, told)| Recipient { person, reason: entry.code, told }).collect()
}

/// The first of the row's further roles that somebody reachable holds.
fn stand_ins(entry: &Entry, about: &About, level: Level, staffing: &Staffing) -> Vec<(PersonId, Told)> {
    let reachable = |role: &Role| -> Vec<_> {
        staffing
            .with(*role)
            .filter(|(person, reach)| *reach == Reach::SignsIn && about.person != Some(*person))
            .map(|(person, _)| (person, told_from(Level::High, level)))
            .collect()
    };
    entry.otherwise.iter().map(reachable).find(|holders| !holders.is_empty()).unwrap_or_default()
}

const fn told_from(threshold: Level, level: Level) -> Told {
    if level.number() >= threshold.number() { Told::AtOnce } else { Told::Listed }
}

#[cfg(test)]
mod tests;
