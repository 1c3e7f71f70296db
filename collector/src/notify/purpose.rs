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
    /// A colleague asks whoever reads this to deal with a concern.
    Asked,
    /// A topic came again about the same subject, of which whoever reads this wanted to hear.
    Recurred,
    /// A change waits for an approval.
    Request,
    /// A concern was read by one person alone, as the law asks where it is urgent.
    ReadAlone,
    /// A review date has come.
    Review,
    /// An account on no list is concerned; whoever reads this sees nothing of it.
    Unmapped,
    /// A message about a concern was given up: somebody else who may see it is told.
    Undelivered,
    /// What waits, once a school day.
    Digest,
    /// Whether the school is watched, once a school day.
    AllWell,
    /// A channel has failed for a while; told by the others.
    CannotSend,
    /// Devices of a room fell silent.
    Silence,
    /// PCs came up with one device's identity: an image was made of an enrolled one.
    Image,
    /// A certificate of the collector ends soon, or has ended.
    Certificate,
    /// A rule set or policy makes devices unwell, and goes no further.
    RollOut,
    /// The rule set in force is to be replaced soon, or by now.
    Outdated,
    /// The agent was taken off computers.
    Removed,
    /// Files that agents are made of changed.
    Changed,
}

/// What a reader must be to a message's concern, at the moment it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bond {
    /// Somebody who may see it.
    Sees,
    /// Anybody but the person it is about.
    NotTheSubject,
    /// It is about no concern.
    None,
}

impl Purpose {
    /// All of them.
    pub(crate) const ALL: [Self; 20] = [
        Self::Concern,
        Self::Climbed,
        Self::Again,
        Self::Asked,
        Self::Recurred,
        Self::Request,
        Self::ReadAlone,
        Self::Review,
        Self::Unmapped,
        Self::Undelivered,
        Self::Digest,
        Self::AllWell,
        Self::CannotSend,
        Self::Silence,
        Self::Image,
        Self::Certificate,
        Self::RollOut,
        Self::Outdated,
        Self::Removed,
        Self::Changed,
    ];

    /// The one text form.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Concern => "concern",
            Self::Climbed => "climbed",
            Self::Again => "again",
            Self::Asked => "asked",
            Self::Recurred => "recurred",
            Self::Request => "request",
            Self::ReadAlone => "read_alone",
            Self::Review => "review",
            Self::Unmapped => "unmapped",
            Self::Undelivered => "undelivered",
            Self::Digest => "digest",
            Self::AllWell => "all_well",
            Self::CannotSend => "cannot_send",
            Self::Silence => "silence",
            Self::Image => "image",
            Self::Certificate => "certificate",
            Self::RollOut => "roll_out",
            Self::Outdated => "outdated",
            Self::Removed => "removed",
            Self::Changed => "changed",
        }
    }

    /// Who may still be told when it is sent.
    pub(crate) const fn bond(self) -> Bond {
        match self {
            Self::Concern
            | Self::Climbed
            | Self::Again
            | Self::Asked
            | Self::Recurred
            | Self::Review
            | Self::Undelivered => Bond::Sees,
            Self::Request
            | Self::ReadAlone
            | Self::Unmapped
            | Self::Silence
            | Self::Image
            | Self::Certificate
            | Self::RollOut
            | Self::Outdated
            | Self::Removed
            | Self::Changed => Bond::NotTheSubject,
            Self::Digest | Self::AllWell | Self::CannotSend => Bond::None,
        }
    }

    /// Whether it goes to shared channels too: once an event, however many people are told.
    pub(crate) const fn is_shared(self) -> bool {
        match self {
            Self::Concern | Self::Climbed | Self::Again | Self::Undelivered => true,
            Self::Asked
            | Self::Recurred
            | Self::Request
            | Self::ReadAlone
            | Self::Review
            | Self::Unmapped
            | Self::Digest
            | Self::AllWell
            | Self::CannotSend
            | Self::Silence
            | Self::Image
            | Self::Certificate
            | Self::RollOut
            | Self::Outdated
            | Self::Removed
            | Self::Changed => false,
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
