//! Which of a rule's own phrases a hit stands on.

use std::collections::BTreeSet;

use super::RuleSet;
use crate::matcher::{Find, Source};
use crate::{Band, Hit, Text};

/// Substrings are numbered after every phrase there can be, and expressions after those.
const AFTER_PHRASES: u64 = 1 << u32::BITS;

impl RuleSet {
    /// Numbers of the phrases, substrings and expressions of this rule set that the spans of `hit` are: however the text spells one,
    /// it is the same. They say nothing of the words. Hosts, media and what
    /// is on a hashed list have none.
    ///
    /// `texts` and `band` are those that were judged; they are searched once more.
    #[must_use]
    pub fn matched_phrases(&self, hit: &Hit, texts: &[Text], band: Band) -> BTreeSet<u64> {
        let number = self.matcher.program().rules.binary_search_by(|rule| rule.facts.id.cmp(&hit.rule)).ok();
        let finds = number.and_then(|number| self.finds(texts, band).remove(&u32::try_from(number).ok()?));
        let stands = |find: &&Find| {
            hit.spans.iter().any(|span| (span.text, span.start, span.end) == (find.text, find.start, find.end))
        };
        let phrase = |find: &Find| match find.source {
            Source::Phrase(phrase) => Some(u64::from(phrase)),
            Source::Substring(number) => Some(AFTER_PHRASES + number as u64),
            Source::Pattern(number) => Some(2 * AFTER_PHRASES + number as u64),
            Source::Host | Source::Medium | Source::Hashed => None,
        };
        finds.iter().flatten().filter(stands).filter_map(phrase).collect()
    }
}
