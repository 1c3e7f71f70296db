//! What the rules in force say to people: titles and guidance by rule.

use std::collections::BTreeMap;

use lapwing_rules::{Release, RuleId};

/// Words of the rule set in force; empty before the first is published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleBook {
    release: Option<Release>,
    ends_us: Option<i64>,
    words: BTreeMap<RuleId, RuleWords>,
}

/// What one rule says to people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleWords {
    /// What it looks for.
    pub title: String,
    /// What the reader does next; may be empty.
    pub guidance: String,
}

impl RuleBook {
    /// The words of one release.
    #[must_use]
    pub fn new(release: Release, words: impl IntoIterator<Item = (RuleId, RuleWords)>) -> Self {
        Self { release: Some(release), ends_us: None, words: words.into_iter().collect() }
    }

    /// The same of a release that is to be replaced by then, microseconds of UTC.
    #[must_use]
    pub fn ending(self, ends_us: Option<i64>) -> Self {
        Self { ends_us, ..self }
    }

    /// When the release in force is to be replaced, microseconds of UTC.
    #[must_use]
    pub const fn ends_us(&self) -> Option<i64> {
        self.ends_us
    }

    /// The release in force.
    #[must_use]
    pub const fn release(&self) -> Option<Release> {
        self.release
    }

    /// The words of `rule`, where the set in force has it.
    #[must_use]
    pub fn words(&self, rule: &RuleId) -> Option<&RuleWords> {
        self.words.get(rule)
    }
}
