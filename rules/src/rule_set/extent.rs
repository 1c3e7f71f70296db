//! How far a rule reaches.

use super::RuleSet;
use crate::{Band, RuleId, Scope};

/// Whom a rule is for, where it looks, and for how much.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Bands it is for; none for a rule that is tuned off.
    pub bands: Vec<Band>,
    /// Scopes it looks at; none for a score.
    pub scopes: Vec<Scope>,
    /// Its phrases and substrings, those of exceptions among them.
    pub phrases: usize,
}

impl RuleSet {
    /// The extent of a rule; `None` where there is none of this id.
    #[must_use]
    pub fn extent(&self, id: &RuleId) -> Option<Extent> {
        let program = self.matcher.program();
        let at = program.rules.binary_search_by(|rule| rule.facts.id.cmp(id)).ok()?;
        let (rule, number) = (program.rules.get(at)?, u32::try_from(at).ok()?);
        let phrases = program.phrase_rows.iter().filter(|row| row.rule == number).count();
        let substrings = program.substrings.iter().flat_map(|substring| &substring.rows);
        Some(Extent {
            bands: Band::ALL.into_iter().filter(|band| rule.bands.holds(*band)).collect(),
            scopes: Scope::ALL.into_iter().filter(|scope| rule.scopes.holds(*scope)).collect(),
            phrases: phrases + substrings.filter(|(rule, _)| *rule == number).count(),
        })
    }
}
