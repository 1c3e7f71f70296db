//! Which of a rule's own phrases a hit stands on.

use std::collections::BTreeSet;

use super::RuleSet;
use crate::matcher::{Find, Source};
use crate::{Band, Hit, Text};

/// Substrings are numbered after every phrase there can be, and expressions after those.
const AFTER_PHRASES: u64 = 1 << u32::BITS;

impl RuleSet {
    /// Numbers of the phrases, substrings and expressions of the hit's rule that its spans are: however the text spells one,
    /// it is the same. They say nothing of the words. Hosts, media and what is on a hashed list have none. The numbers of
    /// one rule differ; those of a rule in the illegal base may be those of others for rules outside it.
    ///
    /// `texts` and `band` are those that were judged; they are searched once more.
    #[must_use]
    pub fn matched_phrases(&self, hit: &Hit, texts: &[Text], band: Band) -> BTreeSet<u64> {
        let layer = self.layers().find_map(|layer| Some((layer, layer.rule(&hit.rule)?.0)));
        let finds = layer.and_then(|(layer, number)| layer.finds(texts, band).remove(&number));
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
