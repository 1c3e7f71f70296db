//! What a rule set says of one signal, complete enough to explain itself.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Band, Category, Digest, InvalidId, Level, Release, RuleId};

/// Everything that fired on one signal. No hit: the signal is forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Release of the rule set that judged.
    pub release: Release,
    /// Digest of that rule set's artefact.
    pub rule_set: Digest,
    /// Band it was judged by.
    pub band: Band,
    /// Rules that fired, highest level first, then by id. At most [`Verdict::MAX_HITS`].
    pub hits: Vec<Hit>,
}

impl Verdict {
    /// Most hits kept for one signal.
    pub const MAX_HITS: usize = 16;

    /// The highest level of all hits.
    #[must_use]
    pub fn level(&self) -> Option<Level> {
        self.hits.iter().map(|hit| hit.level).max()
    }
}

/// One rule that fired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The rule.
    pub rule: RuleId,
    /// Its category.
    pub category: Category,
    /// Its level for the verdict's band.
    pub level: Level,
    /// Where it matched, in order of text and offset. At most [`Hit::MAX_SPANS`]. Empty for a rule that fires on
    /// a fact alone (any removable medium).
    pub spans: Vec<Span>,
    /// Exceptions that consumed a span and yet did not silence the rule.
    pub excepted: Vec<Excepted>,
    /// Sum of weights for the band; 0 for a rule without weights.
    pub weight: i32,
}

impl Hit {
    /// Most spans kept for one hit.
    pub const MAX_SPANS: usize = 32;
}

/// A matched stretch of one of the texts, in bytes of the original (unfolded) text, on character boundaries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// Index into the texts that were judged.
    pub text: usize,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// What the words say.
    pub mark: Mark,
    /// Weight it added for the band.
    pub weight: i32,
}

/// What a matched word or phrase says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// What it is about.
    #[default]
    Topic,
    /// Wanting to.
    Intent,
    /// How to.
    Method,
    /// Words that had to stand near.
    Context,
}

impl Mark {
    /// All marks.
    pub const ALL: [Self; 4] = [Self::Topic, Self::Intent, Self::Method, Self::Context];

    /// The one text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Topic => "topic",
            Self::Intent => "intent",
            Self::Method => "method",
            Self::Context => "context",
        }
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Mark {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Self::ALL
            .into_iter()
            .find(|mark| mark.as_str() == text)
            .ok_or_else(|| InvalidId::new("mark", text, "topic, intent, method or context"))
    }
}

/// An allow-phrase that won over a span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excepted {
    /// The rule set's words.
    pub phrase: String,
    /// Index into the texts that were judged.
    pub text: usize,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// A rule that would have fired but for its exceptions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spared {
    /// The rule.
    pub rule: RuleId,
    /// Allow-phrases that won.
    pub excepted: Vec<Excepted>,
    /// Whether the rule is silent on the host.
    pub by_host: bool,
}
