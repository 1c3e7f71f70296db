//! Whether an example of a score needs what each rule adds to it.

use std::collections::BTreeSet;

use crate::Band;
use crate::compile::expand::Draft;
use crate::compile::trial::{Trial, Trials};
use crate::diagnostic::{Code, Diagnostic};
use crate::program::{Contribution, Test};

/// The points of `drafts`, which are all rules, that no example of this score needs.
pub(in crate::compile) fn check(trials: &Trials<'_>, drafts: &[Draft<'_>]) -> Vec<Diagnostic> {
    let Test::Score { threshold } = trials.draft.rule.test else { return Vec::new() };
    let examples = &trials.draft.written.examples;
    let mut tried = trials.in_every_band(&examples.must_match);
    tried.extend(trials.in_every_band(&examples.must_not_match));
    // Whether the score comes out otherwise when one of its rules adds something else.
    let decides = |trial: &Trial<'_>, rule: u32, other: i16| {
        let parts = trial.parts();
        let sum = |points: &dyn Fn(u32, i16) -> i16| -> i32 {
            parts.iter().map(|(part, usual)| i32::from(points(*part, *usual))).sum()
        };
        let otherwise = sum(&|part, usual| if part == rule { other } else { usual });
        (sum(&|_, usual| usual) >= threshold) != (otherwise >= threshold)
    };
    let mut idle = Vec::new();
    for row in trials.program.contributions.iter().filter(|row| row.score == trials.number) {
        let Some(draft) = usize::try_from(row.rule).ok().and_then(|rule| drafts.get(rule)) else { continue };
        if !tried.iter().any(|trial| decides(trial, row.rule, 0)) {
            idle.extend(draft.not_added("what it adds", trials.draft));
        }
        for (band, points) in differing(row) {
            let there = |trial: &&Trial<'_>| trial.band == band;
            if !tried.iter().filter(there).any(|trial| decides(trial, row.rule, row.points)) {
                idle.extend(draft.not_added(&format!("the {points} it adds in band {band}"), trials.draft));
            }
        }
    }
    idle
}

/// The bands whose points are others than elsewhere.
fn differing(row: &Contribution) -> BTreeSet<(Band, i16)> {
    row.of_bands.iter().filter(|(_, points)| *points != row.points).copied().collect()
}

impl Draft<'_> {
    fn not_added(&self, part: &str, score: &Draft<'_>) -> Option<Diagnostic> {
        let span = self.written.points.as_ref()?.span();
        let message = format!("score `{}` needs {part} for none of its examples", score.rule.facts.id);
        let diagnostic = self.diagnostic(Code::NotNeeded, span, message, "these points");
        Some(diagnostic.help("show in an example of the score what they decide, or take them out"))
    }
}
