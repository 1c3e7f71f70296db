//! Whoever a capture is about, and which audience that is. An account is not a person.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use lapwing_proto::{Account, DeviceId};

use crate::actor::PersonId;
use crate::ids::InvalidId;
use crate::seal::Identity;

/// What a person of people.csv is to the school.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A pupil.
    Pupil,
    /// A member of staff, or a governor.
    Staff,
    /// A class log-on: no person.
    Shared,
    /// A visitor.
    Guest,
}

/// Whom a concern about a subject goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Audience {
    /// A pupil.
    Pupil,
    /// A member of staff.
    Staff,
    /// One log-on session of a class log-on, or of a device that named no account.
    Shared,
    /// A visitor.
    Guest,
    /// An account that nobody mapped, in an operating-system group of pupils.
    UnmappedPupil,
    /// An account that nobody mapped, in an operating-system group of staff.
    UnmappedStaff,
    /// An account that nobody mapped, in neither.
    Unmapped,
}

/// The operating-system groups that tell pupils from staff where an account is not mapped. Lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountGroups {
    /// Groups of pupils.
    pub pupils: BTreeSet<String>,
    /// Groups of staff.
    pub staff: BTreeSet<String>,
}

/// A subject as one capture names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Named {
    /// A mapped person.
    Person { person: PersonId, audience: Audience },
    /// An account nobody mapped.
    Account { account: String, audience: Audience },
    /// A log-on session.
    Session { device: DeviceId, account: String, session: String },
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Pupil, Self::Staff, Self::Shared, Self::Guest];

    /// The one text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pupil => "pupil",
            Self::Staff => "staff",
            Self::Shared => "shared",
            Self::Guest => "guest",
        }
    }
}

impl FromStr for Kind {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let expected = "pupil, staff, shared or guest";
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(InvalidId { what: "kind of person", expected })
    }
}

impl Audience {
    /// All audiences.
    pub const ALL: [Self; 7] =
        [Self::Pupil, Self::Staff, Self::Shared, Self::Guest, Self::UnmappedPupil, Self::UnmappedStaff, Self::Unmapped];

    /// The one text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pupil => "pupil",
            Self::Staff => "staff",
            Self::Shared => "shared",
            Self::Guest => "guest",
            Self::UnmappedPupil => "unmapped_pupil",
            Self::UnmappedStaff => "unmapped_staff",
            Self::Unmapped => "unmapped",
        }
    }
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Audience {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let expected = "pupil, staff, shared, guest, unmapped_pupil, unmapped_staff or unmapped";
        Self::ALL.into_iter().find(|one| one.as_str() == text).ok_or(InvalidId { what: "audience", expected })
    }
}

impl Default for AccountGroups {
    fn default() -> Self {
        Self { pupils: BTreeSet::from(["pupils".to_owned()]), staff: BTreeSet::from(["staff".to_owned()]) }
    }
}

impl AccountGroups {
    /// Of an account nobody mapped. In a group of both, it counts as staff: a pupil's concern reaching the headteacher
    /// harms less than a member of staff's reaching colleagues.
    fn audience(&self, groups: &[String]) -> Audience {
        let any_of = |named: &BTreeSet<String>| groups.iter().any(|group| named.contains(&group.to_lowercase()));
        match (any_of(&self.staff), any_of(&self.pupils)) {
            (true, _) => Audience::UnmappedStaff,
            (false, true) => Audience::UnmappedPupil,
            (false, false) => Audience::Unmapped,
        }
    }
}

impl Named {
    /// Whom `account` on `device` stands for; `mapped` is its row of people.csv.
    pub(crate) fn by(
        account: &Account,
        device: DeviceId,
        mapped: Option<(PersonId, Kind)>,
        groups: &AccountGroups,
    ) -> Self {
        let name = account_key(&account.name);
        let session = |name| Self::Session { device, account: name, session: account.session.clone() };
        match mapped {
            Some((_, Kind::Shared)) => session(name),
            Some((person, Kind::Pupil)) => Self::Person { person, audience: Audience::Pupil },
            Some((person, Kind::Staff)) => Self::Person { person, audience: Audience::Staff },
            Some((person, Kind::Guest)) => Self::Person { person, audience: Audience::Guest },
            // A stick in a device where nobody is signed in, a folder of an account that is gone: never guess who.
            None if name.is_empty() => session(name),
            None => Self::Account { audience: groups.audience(&account.groups), account: name },
        }
    }

    pub(crate) fn identity(&self) -> Identity<'_> {
        match self {
            Self::Person { person, .. } => Identity::Person(*person),
            Self::Account { account, .. } => Identity::Account(account),
            Self::Session { device, account, session } => Identity::Session { device: *device, account, session },
        }
    }

    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Person { .. } => "person",
            Self::Account { .. } => "account",
            Self::Session { .. } => "session",
        }
    }

    pub(crate) const fn audience(&self) -> Audience {
        match self {
            Self::Person { audience, .. } | Self::Account { audience, .. } => *audience,
            Self::Session { .. } => Audience::Shared,
        }
    }

    pub(crate) const fn person(&self) -> Option<PersonId> {
        match self {
            Self::Person { person, .. } => Some(*person),
            Self::Account { .. } | Self::Session { .. } => None,
        }
    }

    pub(crate) fn account(&self) -> Option<&str> {
        match self {
            Self::Person { .. } => None,
            Self::Account { account, .. } | Self::Session { account, .. } => Some(account),
        }
    }

    pub(crate) const fn device(&self) -> Option<DeviceId> {
        match self {
            Self::Session { device, .. } => Some(*device),
            Self::Person { .. } | Self::Account { .. } => None,
        }
    }
}

/// The form of an account's name that is compared: operating systems differ in case, people.csv does not matter.
pub(crate) fn account_key(name: &str) -> String {
    name.trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEVICE: DeviceId = DeviceId::from_bytes([1; 16]);

    fn account(name: &str, groups: &[&str]) -> Account {
        let groups = groups.iter().map(ToString::to_string).collect();
        Account { name: name.to_owned(), session: "7".to_owned(), groups }
    }

    fn named(account: &Account, mapped: Option<Kind>) -> Named {
        let mapped = mapped.map(|kind| (PersonId::from_bytes([2; 16]), kind));
        Named::by(account, DEVICE, mapped, &AccountGroups::default())
    }

    #[test]
    fn a_class_log_on_is_one_session_and_no_person() {
        let shared = named(&account("KS1", &["pupils"]), Some(Kind::Shared));
        assert_eq!(shared, Named::Session { device: DEVICE, account: "ks1".to_owned(), session: "7".to_owned() });
        assert_eq!((shared.person(), shared.audience()), (None, Audience::Shared));
    }

    #[test]
    fn an_unmapped_account_goes_by_its_groups() {
        let audience = |groups: &[&str]| named(&account("x", groups), None).audience();
        assert_eq!(audience(&["users", "Pupils"]), Audience::UnmappedPupil);
        assert_eq!(audience(&["staff"]), Audience::UnmappedStaff);
        assert_eq!(audience(&["staff", "pupils"]), Audience::UnmappedStaff);
        assert_eq!(audience(&["sudo"]), Audience::Unmapped);
    }

    #[test]
    fn nobody_is_guessed_where_no_account_is_named() {
        assert_eq!(named(&account("", &["pupils"]), None).kind(), "session");
    }
}
