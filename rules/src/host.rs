//! Classes of hosts.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::InvalidId;

/// How the pages of a host are treated, whatever the rules say of their words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostClass {
    /// Like any other.
    #[default]
    Ordinary,
    /// Helplines and counselling: without an intent span an anonymous count only.
    Support,
    /// Mail, health, banking: rules of levels 4 and 5 only, and the span alone.
    Confidential,
    /// Whistle-blowing, unions, legal advice, complaints: never captured for anyone.
    Protected,
}

impl HostClass {
    /// All classes, least careful first.
    pub const ALL: [Self; 4] = [Self::Ordinary, Self::Support, Self::Confidential, Self::Protected];

    /// The one text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ordinary => "ordinary",
            Self::Support => "support",
            Self::Confidential => "confidential",
            Self::Protected => "protected",
        }
    }
}

impl fmt::Display for HostClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for HostClass {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Self::ALL
            .into_iter()
            .find(|class| class.as_str() == text)
            .ok_or_else(|| InvalidId::new("host class", text, "support, confidential, protected or ordinary"))
    }
}
