//! The school's people as routing sees them: who holds which role, who is there, and who teaches which class.

use std::collections::{BTreeMap, BTreeSet};

use crate::actor::{PersonId, Role};

/// Everybody with a role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Staffing(pub(super) BTreeMap<PersonId, Holder>);

/// A person with roles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holder {
    /// Their roles.
    pub roles: BTreeSet<Role>,
    /// Whether a concern reaches them.
    pub reach: Reach,
    /// Classes they teach or head.
    pub teaches: BTreeSet<String>,
}

/// Whether a concern reaches somebody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// They can sign in, and are there.
    SignsIn,
    /// They can sign in, and are away.
    Away,
    /// They cannot.
    #[default]
    NoSignIn,
}

impl Staffing {
    /// Adds or replaces a person.
    pub fn insert(&mut self, person: PersonId, holder: Holder) {
        self.0.insert(person, holder);
    }

    /// Gives a role to somebody.
    pub fn grant(&mut self, person: PersonId, role: Role) {
        self.0.entry(person).or_default().roles.insert(role);
    }

    /// Takes a role from somebody.
    pub fn withdraw(&mut self, person: PersonId, role: Role) {
        if let Some(holder) = self.0.get_mut(&person) {
            holder.roles.remove(&role);
        }
    }

    /// Everybody, in order of their ids.
    pub fn people(&self) -> impl Iterator<Item = PersonId> {
        self.0.keys().copied()
    }

    /// Who holds `role`, in order of their ids.
    pub fn with(&self, role: Role) -> impl Iterator<Item = PersonId> {
        self.0.iter().filter(move |(_, holder)| holder.roles.contains(&role)).map(|(person, _)| *person)
    }

    /// Whether `person` holds `role`.
    #[must_use]
    pub fn holds(&self, person: PersonId, role: Role) -> bool {
        self.0.get(&person).is_some_and(|holder| holder.roles.contains(&role))
    }

    /// The roles of `person`.
    #[must_use]
    pub fn roles(&self, person: PersonId) -> BTreeSet<Role> {
        self.0.get(&person).map(|holder| holder.roles.clone()).unwrap_or_default()
    }

    /// Whether `person` can sign in, present or away.
    #[must_use]
    pub fn can_sign_in(&self, person: PersonId) -> bool {
        self.0.get(&person).is_some_and(|holder| holder.reach != Reach::NoSignIn)
    }

    /// Whether `person` can sign in and is there.
    #[must_use]
    pub fn is_present(&self, person: PersonId) -> bool {
        self.0.get(&person).is_some_and(|holder| holder.reach == Reach::SignsIn)
    }

    /// Who teaches or heads the class `form`; nobody for an empty one.
    pub fn teachers_of<'a>(&'a self, form: &'a str) -> impl Iterator<Item = PersonId> + 'a {
        let teaches = move |holder: &Holder| {
            let by_role = [Role::ClassTeacher, Role::HeadOfDepartment].iter().any(|role| holder.roles.contains(role));
            by_role && !form.is_empty() && holder.teaches.contains(form)
        };
        self.0.iter().filter(move |(_, holder)| teaches(holder)).map(|(person, _)| *person)
    }
}

impl FromIterator<(PersonId, Holder)> for Staffing {
    fn from_iter<I: IntoIterator<Item = (PersonId, Holder)>>(people: I) -> Self {
        Self(people.into_iter().collect())
    }
}
