//! What a message is for.

use std::str::FromStr;

use crate::ids::InvalidId;

/// Which fixed sentences a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Purpose {
    /// A concern waits.
    Concern,
    /// Nobody acknowledged a concern in time, and it climbed to whoever reads this.
    Climbed,
    /// A critical concern still waits.
    Again,
    /// A change waits for an approval.
    Request,
    /// A concern was read by one person alone, as the law asks where it is urgent.
    ReadAlone,
    /// A review date has come.
    Review,
    /// An account on no list is concerned; whoever reads this sees nothing of it.
    Unmapped,
}

impl Purpose {
    /// All of them.
    pub(crate) const ALL: [Self; 7] =
        [Self::Concern, Self::Climbed, Self::Again, Self::Request, Self::ReadAlone, Self::Review, Self::Unmapped];

    /// The one text form.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Concern => "concern",
            Self::Climbed => "climbed",
            Self::Again => "again",
            Self::Request => "request",
            Self::ReadAlone => "read_alone",
            Self::Review => "review",
            Self::Unmapped => "unmapped",
        }
    }
}

impl FromStr for Purpose {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let expected = "what a message is for";
        Self::ALL.into_iter().find(|one| one.as_str() == text).ok_or(InvalidId { what: "purpose", expected })
    }
}
