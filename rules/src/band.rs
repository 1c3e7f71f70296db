//! Age bands.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::InvalidId;

/// The age band an account is judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Band {
    /// Early years.
    Eyfs,
    /// Years 1 and 2.
    Ks1,
    /// Years 3 to 6.
    Ks2,
    /// Years 7 to 9.
    Ks3,
    /// Years 10 and 11.
    Ks4,
    /// Years 12 and 13.
    Ks5,
    /// After 19.
    Post19,
    /// A member of staff.
    Staff,
    /// A visitor.
    Guest,
    /// A class log-on: the person is unknown.
    Shared,
}

impl Band {
    /// All bands, youngest first, then those without an age.
    pub const ALL: [Self; 10] = [
        Self::Eyfs,
        Self::Ks1,
        Self::Ks2,
        Self::Ks3,
        Self::Ks4,
        Self::Ks5,
        Self::Post19,
        Self::Staff,
        Self::Guest,
        Self::Shared,
    ];

    /// The one text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Eyfs => "eyfs",
            Self::Ks1 => "ks1",
            Self::Ks2 => "ks2",
            Self::Ks3 => "ks3",
            Self::Ks4 => "ks4",
            Self::Ks5 => "ks5",
            Self::Post19 => "post19",
            Self::Staff => "staff",
            Self::Guest => "guest",
            Self::Shared => "shared",
        }
    }
}

impl fmt::Display for Band {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Band {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Self::ALL
            .into_iter()
            .find(|band| band.as_str() == text)
            .ok_or_else(|| InvalidId::new("band", text, "eyfs, ks1 to ks5, post19, staff, guest or shared"))
    }
}
