//! What a score is made of.

use super::RuleSet;
use crate::program::Test;
use crate::{Band, RuleId, Text};

/// A `[[score]]` on one signal: what it asks for, and which rules added to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scored {
    /// The points at which it fires.
    pub threshold: i32,
    /// Rules that fired and their points in the band, by id; those of no points or fewer are left out, as they are when
    /// points are added up.
    pub parts: Vec<(RuleId, i32)>,
}

impl Scored {
    /// The points of all rules together.
    #[must_use]
    pub fn points(&self) -> i32 {
        self.parts.iter().fold(0, |sum, (_, points)| sum.saturating_add(*points))
    }
}

impl RuleSet {
    /// What adds to a score on these texts; `None` where `id` is no score.
    ///
    /// The texts are judged once more.
    #[must_use]
    pub fn scored(&self, id: &RuleId, texts: &[Text], band: Band) -> Option<Scored> {
        let (layer, (score, rule)) = self.layers().find_map(|layer| Some((layer, layer.rule(id)?)))?;
        let Test::Score { threshold } = rule.test else { return None };
        let program = layer.program();
        let points = |(number, hit): (&u32, &crate::Hit)| {
            let contribution = program.contribution_of(*number).filter(|contribution| contribution.score == score)?;
            let points = i32::from(contribution.points_in(band));
            (points > 0).then(|| (hit.rule.clone(), points))
        };
        let parts = layer.fired(texts, band).iter().filter_map(points).collect();
        Some(Scored { threshold, parts })
    }
}
