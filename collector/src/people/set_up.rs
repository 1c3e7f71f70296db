//! Whether a school has enough people for what one person may not do alone. Pure.
//!
//! Each such act takes three persons: one who asks and two others who approve. They hold a role of the DSL's team, of
//! the headteacher or of the chair of governors, can sign in, and are not whom it is about; a case is decided by those
//! whom routing could name for it. Roles add up on a person: a headteacher who is the DSL too is one person, and then
//! the chair has to be another. Whoever is away for a while counts: this is about who there is, not about today.

use std::collections::BTreeSet;
use std::fmt;

use lapwing_rules::Category;

use crate::actor::{PersonId, Role};
use crate::routing::{self, About, Row, Staffing, Table};
use crate::subject::Audience;

/// Persons it takes: who asks, and two who approve.
const PERSONS: usize = 3;
/// A topic that the law names: its cases are closed by three.
const ILLEGAL: Category = Category::Grooming;
/// In the order in which somebody is looked for.
const SENIOR: [Role; 4] = [Role::Dsl, Role::DeputyDsl, Role::Headteacher, Role::Chair];

/// What takes more than one person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    /// An illegal case about a pupil is closed.
    ClosePupilCase,
    /// An illegal case about a member of staff is closed.
    CloseStaffCase,
    /// An illegal case about the headteacher is closed.
    CloseHeadCase,
    /// An illegal case about the chair of governors is closed.
    CloseChairCase,
    /// A rule of level 4 or 5 is weakened.
    WeakenRule,
    /// A whole school is exempted, or more than a lesson.
    ExemptSchool,
    /// Routing is changed.
    ChangeRouting,
    /// Retention is overridden.
    OverrideRetention,
    /// A privileged role is granted.
    GrantRole,
}

/// An act that lacks people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lack {
    /// The act.
    pub act: Act,
    /// Persons there are for it.
    pub persons: usize,
    /// What is missing first.
    remedy: Remedy,
}

/// What a lack means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// A small school may have nobody else; the trust or local authority acts then.
    Borne,
    /// Nothing may be watched before it is mended.
    Refused,
}

/// Whom an act is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    /// The school.
    School,
    /// A pupil, or a member of staff without a role.
    Any(Audience),
    /// Whoever holds the role.
    Holder(Role),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Remedy {
    /// Somebody holds the role and cannot sign in.
    SignIn(Role),
    /// Nobody holds it.
    Role(Role),
    /// All roles are held, by too few persons: another one is to hold it.
    Another(Role),
}

impl Act {
    /// All acts.
    pub const ALL: [Self; 9] = [
        Self::ClosePupilCase,
        Self::CloseStaffCase,
        Self::CloseHeadCase,
        Self::CloseChairCase,
        Self::WeakenRule,
        Self::ExemptSchool,
        Self::ChangeRouting,
        Self::OverrideRetention,
        Self::GrantRole,
    ];

    const fn words(self) -> &'static str {
        match self {
            Self::ClosePupilCase => "close an illegal case about a pupil",
            Self::CloseStaffCase => "close an illegal case about a member of staff",
            Self::CloseHeadCase => "close an illegal case about the headteacher",
            Self::CloseChairCase => "close an illegal case about the chair of governors",
            Self::WeakenRule => "weaken a rule of level 4 or 5",
            Self::ExemptSchool => "exempt a whole school, or more than a lesson",
            Self::ChangeRouting => "change routing",
            Self::OverrideRetention => "override retention",
            Self::GrantRole => "grant a privileged role",
        }
    }

    const fn about(self) -> Subject {
        match self {
            Self::ClosePupilCase => Subject::Any(Audience::Pupil),
            Self::CloseStaffCase => Subject::Any(Audience::Staff),
            Self::CloseHeadCase => Subject::Holder(Role::Headteacher),
            Self::CloseChairCase => Subject::Holder(Role::Chair),
            Self::WeakenRule | Self::ExemptSchool | Self::ChangeRouting | Self::OverrideRetention | Self::GrantRole => {
                Subject::School
            }
        }
    }

    /// What its lack means.
    #[must_use]
    pub const fn weight(self) -> Weight {
        match self {
            // Few may know of such a case at all.
            Self::CloseStaffCase | Self::CloseHeadCase | Self::CloseChairCase => Weight::Borne,
            Self::ClosePupilCase
            | Self::WeakenRule
            | Self::ExemptSchool
            | Self::ChangeRouting
            | Self::OverrideRetention
            | Self::GrantRole => Weight::Refused,
        }
    }
}

/// Every act that a school's people are too few for.
#[must_use]
pub fn lacks(staffing: &Staffing, table: &Table) -> Vec<Lack> {
    Act::ALL.into_iter().filter_map(|act| lack(act, staffing, table)).collect()
}

/// Whether a privileged role can be granted by those who approve.
#[must_use]
pub fn grants_roles(staffing: &Staffing) -> bool {
    seniors(staffing).len() >= PERSONS
}

fn lack(act: Act, staffing: &Staffing, table: &Table) -> Option<Lack> {
    let lack = |persons: usize, roles: &[Role]| Lack { act, persons, remedy: remedy(roles, staffing) };
    let is_few = |lack: &Lack| lack.persons < PERSONS;
    match act.about() {
        Subject::School => {
            let lack = lack(seniors(staffing).len(), &SENIOR);
            if !is_few(&lack) && lacks_chair(staffing) {
                return Some(Lack { remedy: remedy(&[Role::Chair], staffing), ..lack });
            }
            Some(lack).filter(is_few)
        }
        Subject::Any(audience) => {
            let about = case(audience, None, staffing);
            Some(lack(routing::chain(&about, staffing, table).len(), &named(&about, table))).filter(is_few)
        }
        // Each of them on their own: of two headteachers, one may decide about the other.
        Subject::Holder(role) => {
            let cases = staffing.with(role).map(|person| case(Audience::Staff, Some(person), staffing));
            let lacks = cases.map(|about| lack(routing::chain(&about, staffing, table).len(), &named(&about, table)));
            lacks.min_by_key(|lack| lack.persons).filter(is_few)
        }
    }
}

/// Holders of a role that asks and approves, who can sign in.
fn seniors(staffing: &Staffing) -> BTreeSet<PersonId> {
    let senior = SENIOR.into_iter().flat_map(|role| staffing.with(role));
    senior.filter(|person| staffing.can_sign_in(*person)).collect()
}

fn case(audience: Audience, person: Option<PersonId>, staffing: &Staffing) -> About {
    let roles = person.map(|person| staffing.roles(person)).unwrap_or_default();
    About { audience, person, roles, form: String::new(), category: Some(ILLEGAL) }
}

/// Every role that decides about it, in the order it climbs.
fn named(about: &About, table: &Table) -> Vec<Role> {
    let entry = table.entry(Row::of(about));
    [&entry.first, &entry.also, &entry.otherwise].into_iter().flatten().copied().collect()
}

/// What to do first about too few people in `roles`.
fn remedy(roles: &[Role], staffing: &Staffing) -> Remedy {
    for role in roles {
        let mut holders = staffing.with(*role).peekable();
        if holders.peek().is_none() {
            return Remedy::Role(*role);
        }
        if holders.all(|person| !staffing.can_sign_in(person)) {
            return Remedy::SignIn(*role);
        }
    }
    let another = roles.iter().copied().find(|role| *role == Role::DeputyDsl).or_else(|| roles.last().copied());
    Remedy::Another(another.unwrap_or(Role::DeputyDsl))
}

/// Whether whoever heads the school leads its safeguarding too, and no chair can sign in.
fn lacks_chair(staffing: &Staffing) -> bool {
    let both = staffing.with(Role::Headteacher).any(|person| staffing.holds(person, Role::Dsl));
    both && !staffing.with(Role::Chair).any(|person| staffing.can_sign_in(person))
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "to {} takes {PERSONS} persons, one who asks and two who approve: ", self.act.words())?;
        match self.persons {
            enough if enough >= PERSONS => f.write_str("the headteacher is the DSL, so the chair has to be one")?,
            1 => f.write_str("1 can")?,
            persons => write!(f, "{persons} can")?,
        }
        match self.remedy {
            Remedy::Role(role) => write!(f, "; give somebody the role {role} and a sign-in")?,
            Remedy::SignIn(role) => write!(f, "; give a sign-in to whoever holds the role {role}")?,
            Remedy::Another(role) => write!(f, "; give another person the role {role} and a sign-in")?,
        }
        match self.act.weight() {
            Weight::Refused => Ok(()),
            Weight::Borne => {
                f.write_str(" (a small school may have nobody else: the trust or local authority acts then)")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::{Holder, Reach};

    fn staffing(people: &[(&[Role], Reach)]) -> Staffing {
        let holder = |(roles, reach): &(&[Role], Reach)| Holder {
            roles: roles.iter().copied().collect(),
            reach: *reach,
            teaches: BTreeSet::new(),
        };
        (1_u8..).zip(people).map(|(number, one)| (PersonId::from_bytes([number; 16]), holder(one))).collect()
    }

    fn lacks_of(people: &[(&[Role], Reach)]) -> Vec<Lack> {
        lacks(&staffing(people), &Table::default())
    }

    fn refused(lacks: &[Lack]) -> Vec<Act> {
        lacks.iter().map(|lack| lack.act).filter(|act| act.weight() == Weight::Refused).collect()
    }

    const WHOLE: [(&[Role], Reach); 4] = [
        (&[Role::Dsl], Reach::SignsIn),
        (&[Role::DeputyDsl], Reach::Away),
        (&[Role::Headteacher], Reach::SignsIn),
        (&[Role::Chair], Reach::SignsIn),
    ];

    #[test]
    fn a_dsl_deputy_head_and_chair_are_enough_but_for_cases_that_few_may_know_of() {
        let lacks = lacks_of(&WHOLE);
        assert_eq!(refused(&lacks), []);
        let head = lacks.iter().find(|lack| lack.act == Act::CloseHeadCase).unwrap();
        assert!(head.persons < PERSONS && head.to_string().contains("(a small school may have nobody else"), "{head}");
    }

    #[test]
    fn roles_of_one_person_are_one_person() {
        let two: [(&[Role], Reach); 2] =
            [(&[Role::Dsl, Role::DeputyDsl, Role::Headteacher], Reach::SignsIn), (&[Role::Chair], Reach::SignsIn)];
        let lacks = lacks_of(&two);
        assert_eq!(refused(&lacks).len(), 6);
        let said = lacks.first().unwrap().to_string();
        assert!(said.contains("2 can; give another person the role deputy_dsl"), "{said}");
    }

    #[test]
    fn whoever_cannot_sign_in_does_not_count_and_is_named() {
        let silent = WHOLE.map(|(roles, _)| match roles {
            [Role::Headteacher | Role::Chair] => (roles, Reach::NoSignIn),
            [..] => (roles, Reach::SignsIn),
        });
        let lacks = lacks_of(&silent);
        assert!(refused(&lacks).contains(&Act::GrantRole));
        assert!(lacks.first().unwrap().to_string().contains("give a sign-in to whoever holds the role headteacher"));
    }

    #[test]
    fn where_the_head_is_the_dsl_the_chair_has_to_be_one() {
        let mut people: Vec<(&[Role], Reach)> = vec![
            (&[Role::Dsl, Role::Headteacher], Reach::SignsIn),
            (&[Role::DeputyDsl], Reach::SignsIn),
            (&[Role::DeputyDsl], Reach::SignsIn),
        ];
        let without = lacks_of(&people);
        assert!(refused(&without).contains(&Act::GrantRole));
        let grants = without.iter().find(|lack| lack.act == Act::GrantRole).unwrap().to_string();
        assert!(grants.contains("the chair has to be one; give somebody the role chair"), "{grants}");
        people.push((&[Role::Chair], Reach::SignsIn));
        assert_eq!(refused(&lacks_of(&people)), []);
    }

    #[test]
    fn others_than_seniors_approve_nothing() {
        let others: [(&[Role], Reach); 3] = [
            (&[Role::Technician], Reach::SignsIn),
            (&[Role::Governor], Reach::SignsIn),
            (&[Role::Administrator], Reach::SignsIn),
        ];
        assert!(!grants_roles(&staffing(&[&WHOLE[..2], &others].concat())));
        assert!(grants_roles(&staffing(&WHOLE[..3])));
    }

    #[test]
    fn a_case_about_the_head_is_never_decided_by_the_head() {
        let lacks = lacks_of(&WHOLE[..3]);
        let about_head = lacks.iter().find(|lack| lack.act == Act::CloseHeadCase).unwrap();
        assert_eq!(about_head.act.weight(), Weight::Borne);
        assert!(about_head.to_string().contains("give somebody the role chair and a sign-in (a small school"));
    }
}
