//! The routing table.
//!
//! Tampering and silence go by whoever was signed in: a concern names a person, and technicians, who see no content,
//! have the state of each device on a page of their own.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use lapwing_rules::Category;

use super::About;
use crate::actor::Role;
use crate::ids::InvalidId;
use crate::subject::Audience;

/// Whom a concern is about, as the table tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Row {
    /// A pupil.
    Pupil,
    /// Somebody of a pupil's standing, and an illegal topic.
    PupilIllegal,
    /// A pupil who may be drawn into extremism.
    Radicalisation,
    /// A class log-on.
    Shared,
    /// An account on no list, in a group of pupils.
    UnmappedPupil,
    /// A visitor.
    Guest,
    /// A member of staff.
    Staff,
    /// An account on no list, in no group of pupils.
    Unmapped,
    /// A DSL.
    Dsl,
    /// A deputy DSL.
    DeputyDsl,
    /// The headteacher.
    Headteacher,
    /// The chair of governors, or a governor.
    Governance,
    /// A technician.
    Technician,
}

/// Whom a row names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Told from level 4 on.
    pub first: Vec<Role>,
    /// May see it from the start; told at level 5.
    pub also: Vec<Role>,
    /// In order, where none of those is there, and where nobody acknowledges.
    pub otherwise: Vec<Role>,
    /// Told that there is one, and no more.
    pub informed: Vec<Role>,
}

/// Every row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table(BTreeMap<Row, Entry>);

impl Row {
    /// All rows.
    pub const ALL: [Self; 13] = [
        Self::Pupil,
        Self::PupilIllegal,
        Self::Radicalisation,
        Self::Shared,
        Self::UnmappedPupil,
        Self::Guest,
        Self::Staff,
        Self::Unmapped,
        Self::Dsl,
        Self::DeputyDsl,
        Self::Headteacher,
        Self::Governance,
        Self::Technician,
    ];

    /// The one text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pupil => "pupil",
            Self::PupilIllegal => "pupil_illegal",
            Self::Radicalisation => "radicalisation",
            Self::Shared => "shared",
            Self::UnmappedPupil => "unmapped_pupil",
            Self::Guest => "guest",
            Self::Staff => "staff",
            Self::Unmapped => "unmapped",
            Self::Dsl => "dsl",
            Self::DeputyDsl => "deputy_dsl",
            Self::Headteacher => "headteacher",
            Self::Governance => "governance",
            Self::Technician => "technician",
        }
    }

    /// The row of a subject: by the most senior of their roles, else by audience.
    #[must_use]
    pub fn of(about: &About) -> Self {
        let by_role = [
            (Role::Headteacher, Self::Headteacher),
            (Role::Chair, Self::Governance),
            (Role::Governor, Self::Governance),
            (Role::Dsl, Self::Dsl),
            (Role::DeputyDsl, Self::DeputyDsl),
            (Role::Technician, Self::Technician),
        ];
        let senior = by_role.into_iter().find(|(role, _)| about.roles.contains(role));
        senior.map_or_else(|| Self::by_audience(about), |(_, row)| row)
    }

    fn by_audience(about: &About) -> Self {
        match (about.audience, about.class().is_illegal()) {
            (Audience::Pupil | Audience::Shared | Audience::Guest | Audience::UnmappedPupil, true) => {
                Self::PupilIllegal
            }
            (Audience::Pupil, false) if about.category == Some(Category::Radicalisation) => Self::Radicalisation,
            (Audience::Pupil, false) => Self::Pupil,
            (Audience::Shared, false) => Self::Shared,
            (Audience::Guest, false) => Self::Guest,
            (Audience::UnmappedPupil, false) => Self::UnmappedPupil,
            (Audience::Staff, _) => Self::Staff,
            (Audience::UnmappedStaff | Audience::Unmapped, _) => Self::Unmapped,
        }
    }
}

impl Table {
    /// The table as it comes.
    #[must_use]
    pub fn standard() -> Self {
        Self(Row::ALL.into_iter().map(|row| (row, standard(row))).collect())
    }

    /// Whom `row` names.
    #[must_use]
    pub fn entry(&self, row: Row) -> &Entry {
        const NOBODY: &Entry =
            &Entry { first: Vec::new(), also: Vec::new(), otherwise: Vec::new(), informed: Vec::new() };
        // Every row has its entry from the start.
        self.0.get(&row).unwrap_or(NOBODY)
    }

    pub(super) fn set(&mut self, row: Row, entry: Entry) {
        self.0.insert(row, entry);
    }
}

impl Default for Table {
    fn default() -> Self {
        Self::standard()
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Row {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let expected = "a row of the routing table";
        Self::ALL.into_iter().find(|row| row.as_str() == text).ok_or(InvalidId { what: "row", expected })
    }
}

/// Whether the topic is everyday behaviour, which whoever teaches the class deals with.
pub(super) const fn is_behaviour(category: Category) -> bool {
    matches!(
        category,
        Category::FilterBypass
            | Category::AccountMisuse
            | Category::MalwareHacking
            | Category::RemovableMedia
            | Category::FileSharing
            | Category::Profanity
            | Category::OffTaskGaming
            | Category::Gambling
            | Category::Scams
            | Category::Shopping
            | Category::LootBoxesCrypto
    )
}

fn standard(row: Row) -> Entry {
    let entry = |first: &[Role], also: &[Role], otherwise: &[Role]| Entry {
        first: first.to_vec(),
        also: also.to_vec(),
        otherwise: otherwise.to_vec(),
        informed: Vec::new(),
    };
    match row {
        Row::Pupil | Row::Radicalisation | Row::Shared | Row::UnmappedPupil => {
            entry(&[Role::Dsl], &[Role::DeputyDsl], &[Role::Headteacher, Role::Chair])
        }
        Row::PupilIllegal => entry(&[Role::Dsl, Role::DeputyDsl, Role::Headteacher], &[], &[Role::Chair]),
        Row::Guest => entry(&[Role::Dsl, Role::SiteLead], &[Role::DeputyDsl], &[Role::Headteacher, Role::Chair]),
        Row::Staff | Row::Dsl | Row::DeputyDsl | Row::Governance => entry(&[Role::Headteacher], &[], &[Role::Chair]),
        Row::Unmapped => Entry { informed: vec![Role::Chair], ..entry(&[Role::Headteacher], &[], &[Role::Chair]) },
        Row::Headteacher => entry(&[Role::Chair], &[], &[]),
        Row::Technician => entry(&[Role::Headteacher, Role::Dsl], &[], &[Role::DeputyDsl, Role::Chair]),
    }
}
