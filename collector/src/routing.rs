//! Who may see a concern, who is told of it, and to whom it climbs. Pure: the table is data, the people are a parameter.
//!
//! Invariants, held by property tests: the subject is never a recipient and nothing climbs to them; wherever somebody
//! named by the subject's row can sign in, at least one recipient can; a technician never receives a concern for being
//! one; whoever teaches a class sees low behaviour of that class and nothing else.

mod staffing;
mod table;
mod written;

use std::collections::{BTreeMap, BTreeSet};

use lapwing_rules::{Category, Class, Level};

pub use staffing::{Holder, Reach, Staffing};
pub use table::{Entry, Row, Table};
pub use written::{MAX_ROUTING_BYTES, RoutingFault};

use crate::actor::{PersonId, Role};
use crate::subject::Audience;

/// People who can decide an illegal case together: whoever asks to close it and two who approve.
const TOGETHER: usize = 3;
/// Reason of a recipient who teaches the subject's class; taken away again when the concern is raised.
pub(crate) const BY_CLASS: &str = "class";

/// Whom a concern is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// The subject's audience.
    pub audience: Audience,
    /// The person, where the subject is one.
    pub person: Option<PersonId>,
    /// That person's roles.
    pub roles: BTreeSet<Role>,
    /// The class they are in; may be empty.
    pub form: String,
    /// The topic; `None` for one newer than this build.
    pub category: Option<Category>,
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

impl About {
    /// What the law asks of the topic.
    #[must_use]
    pub fn class(&self) -> Class {
        self.category.map_or(Class::Ordinary, Category::class)
    }

    /// Everyday behaviour, which whoever teaches the class deals with.
    fn is_behaviour(&self) -> bool {
        self.audience == Audience::Pupil && self.category.is_some_and(table::is_behaviour)
    }
}

/// The recipients of a concern of `level` about `about`, in order of their ids. Empty only where nobody named by the
/// row holds a role.
#[must_use]
pub fn route(about: &About, level: Level, staffing: &Staffing, table: &Table) -> Vec<Recipient> {
    let row = Row::of(about);
    let entry = table.entry(row);
    let mut told: BTreeMap<PersonId, (Told, &'static str)> = BTreeMap::new();
    let mut add = |person: PersonId, at: Told, reason: &'static str| {
        if about.person != Some(person) {
            let known = told.entry(person).or_insert((at, reason));
            known.0 = at.max(known.0);
        }
    };
    for (place, roles) in [(Place::First, &entry.first), (Place::Also, &entry.also)] {
        let told = told_when(place.is_told(level));
        for role in roles {
            staffing.with(*role).for_each(|person| add(person, told, row.as_str()));
        }
    }
    if about.is_behaviour() && level <= Level::Low {
        staffing.teachers_of(&about.form).for_each(|person| add(person, Told::Listed, BY_CLASS));
    }
    let mut recipients: Vec<_> =
        told.into_iter().map(|(person, (told, reason))| Recipient { person, reason, told }).collect();
    stand_in(&mut recipients, about, level, staffing, table);
    recipients.sort_unstable_by_key(|one| one.person);
    recipients
}

/// People to whom a concern climbs together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rung {
    /// Where in the row they stand.
    pub place: Place,
    /// Who can sign in; never the subject, and nobody stands on two rungs.
    pub people: Vec<PersonId>,
}

/// Where in its row a role stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Told from level 4 on.
    First,
    /// Told at level 5.
    Also,
    /// Told when it climbs.
    Otherwise,
}

impl Place {
    /// Whether those who stand here are told of a concern of `level` when it opens.
    #[must_use]
    pub const fn is_told(self, level: Level) -> bool {
        match self {
            Self::First => level.number() >= Level::High.number(),
            Self::Also => level.number() >= Level::Critical.number(),
            Self::Otherwise => false,
        }
    }
}

/// To whom a concern climbs, rung by rung: the row's first, then those who see it too, then each further role. A rung on
/// which nobody can sign in is none.
#[must_use]
pub fn ladder(about: &About, staffing: &Staffing, table: &Table) -> Vec<Rung> {
    let entry = table.entry(Row::of(about));
    let mut known = BTreeSet::new();
    let rungs = [(Place::First, entry.first.as_slice()), (Place::Also, entry.also.as_slice())].into_iter();
    let further = entry.otherwise.iter().map(|role| (Place::Otherwise, std::slice::from_ref(role)));
    rungs
        .chain(further)
        .map(|(place, roles)| {
            let people = roles.iter().flat_map(|role| staffing.with(*role));
            let people = people.filter(|person| staffing.can_sign_in(*person) && about.person != Some(*person));
            Rung { place, people: people.filter(|person| known.insert(*person)).collect() }
        })
        .filter(|rung| !rung.people.is_empty())
        .collect()
}

/// Everybody whom routing could ever name for it.
#[must_use]
pub fn chain(about: &About, staffing: &Staffing, table: &Table) -> BTreeSet<PersonId> {
    ladder(about, staffing, table).into_iter().flat_map(|rung| rung.people).collect()
}

/// Who is told that an account which is on no list is concerned, so that no one person could let it vanish. They see
/// nothing of it.
#[must_use]
pub fn informed(about: &About, staffing: &Staffing, table: &Table) -> Vec<PersonId> {
    let roles = &table.entry(Row::of(about)).informed;
    let people = roles.iter().flat_map(|role| staffing.with(*role));
    people.filter(|person| about.person != Some(*person)).collect()
}

/// Where none of the recipients is there, the first of the row's further roles that somebody present holds; where nobody
/// is, somebody who can sign in. An illegal case has as many of three people who can
/// decide it together as the row names.
fn stand_in(recipients: &mut Vec<Recipient>, about: &About, level: Level, staffing: &Staffing, table: &Table) {
    let row = Row::of(about);
    let wanted = if about.class().is_illegal() { TOGETHER } else { 1 };
    let further = |there: fn(&Staffing, PersonId) -> bool, recipients: &[Recipient]| -> Vec<PersonId> {
        // Whoever teaches the class may stand on the row besides.
        let named = recipients.iter().filter(|one| one.reason != BY_CLASS);
        let known: BTreeSet<_> = named.map(|one| one.person).collect();
        let may =
            |person: &PersonId| there(staffing, *person) && about.person != Some(*person) && !known.contains(person);
        let of_role = |role: &Role| staffing.with(*role).filter(may).collect::<Vec<_>>();
        table.entry(row).otherwise.iter().map(of_role).find(|people| !people.is_empty()).unwrap_or_default()
    };
    for there in [Staffing::is_present, Staffing::can_sign_in] {
        // Whoever teaches the class decides nothing that nobody else sees.
        let count = |recipients: &[Recipient]| {
            recipients.iter().filter(|one| one.reason != BY_CLASS && there(staffing, one.person)).count()
        };
        while count(recipients) < wanted {
            let people = further(there, recipients);
            if people.is_empty() {
                break;
            }
            let told = told_when(Place::First.is_told(level));
            let reason = row.as_str();
            recipients.retain(|one| !people.contains(&one.person));
            recipients.extend(people.into_iter().map(|person| Recipient { person, reason, told }));
        }
    }
}

const fn told_when(is_told: bool) -> Told {
    if is_told { Told::AtOnce } else { Told::Listed }
}

#[cfg(test)]
mod tests;
