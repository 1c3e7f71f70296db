//! How urgent a hit is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::InvalidId;

/// One of the five levels; also the lane a capture travels in. Ordered by urgency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Level {
    /// Context only; counted.
    Info = 1,
    /// Profanity, off task, gambling: the digest.
    Low = 2,
    /// Pornography, drugs, bullying, filter bypass: the same day.
    Moderate = 3,
    /// Strong self-harm or suicide interest, exploitation, weapons: now.
    High = 4,
    /// Threat to life, live abuse, illegal material: at once.
    Critical = 5,
}

impl Level {
    /// All levels, lowest first.
    pub const ALL: [Self; 5] = [Self::Info, Self::Low, Self::Moderate, Self::High, Self::Critical];

    /// The number people and the wire use, 1 to 5.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The word shown beside the shape.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Moderate => "moderate",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl TryFrom<u8> for Level {
    type Error = InvalidId;

    fn try_from(number: u8) -> Result<Self, InvalidId> {
        match number {
            1 => Ok(Self::Info),
            2 => Ok(Self::Low),
            3 => Ok(Self::Moderate),
            4 => Ok(Self::High),
            5 => Ok(Self::Critical),
            _ => Err(InvalidId::new("level", number.to_string(), "1 to 5")),
        }
    }
}

impl From<Level> for u8 {
    fn from(level: Level) -> Self {
        level.number()
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.number())
    }
}

impl FromStr for Level {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let number = text.parse::<u8>().map_err(|_| InvalidId::new("level", text, "1 to 5"))?;
        Self::try_from(number)
    }
}
