//! What scores and the rules that add to them must be.

use super::expand::Draft;
use crate::Band;
use crate::diagnostic::{Code, Diagnostic};
use crate::program::Test;

/// Checks every score and every rule that adds to one.
pub(super) fn check(drafts: &[Draft<'_>], diagnostics: &mut Vec<Diagnostic>) {
    for draft in drafts {
        diagnostics.extend(illegal(draft));
        diagnostics.extend(nowhere(draft, drafts));
        if let Test::Score { threshold } = draft.rule.test {
            diagnostics.extend(second(draft, drafts));
            diagnostics.extend(out_of_reach(draft, threshold, drafts));
            diagnostics.extend(alone(draft, threshold, drafts));
        }
    }
}

impl Draft<'_> {
    /// Whether `other` is the score this rule adds to.
    pub(in crate::compile) fn adds_to(&self, other: &Self) -> bool {
        self.written.points.is_some() && other.is_score() && self.rule.facts.category == other.rule.facts.category
    }

    pub(super) fn is_score(&self) -> bool {
        matches!(self.rule.test, Test::Score { .. })
    }

    fn points_in(&self, band: Band) -> i32 {
        let points = self.written.points.as_ref().filter(|_| self.rule.bands.holds(band));
        points.map_or(0, |points| i32::from(points.get_ref().in_band(band)))
    }
}

/// What is illegal is reported by the rule that finds it.
fn illegal(draft: &Draft<'_>) -> Option<Diagnostic> {
    let category = draft.rule.facts.category;
    let span = match &draft.written.unreported {
        _ if draft.is_score() => draft.written.matching.span(),
        Some(span) => span.clone(),
        None => return None,
    };
    let message =
        format!("`{category}` is an illegal category: its rules report what they find, none by a score alone");
    category.class().is_illegal().then(|| draft.diagnostic(Code::IllegalWeakened, span, message, "a score"))
}

/// Points that no score counts, and a rule that is seen nowhere.
fn nowhere(draft: &Draft<'_>, drafts: &[Draft<'_>]) -> Option<Diagnostic> {
    let (id, category) = (&draft.rule.facts.id, draft.rule.facts.category);
    match (&draft.written.points, &draft.written.unreported) {
        (Some(points), _) if !drafts.iter().any(|other| draft.adds_to(other)) => {
            let message = format!("no `[[score]]` of these packs is of category `{category}`");
            let diagnostic = draft.diagnostic(Code::NoScore, points.span(), message, "added to nothing");
            Some(diagnostic.help("write a score of the category, or take `score` out"))
        }
        (Some(points), _) if draft.bands().all(|band| draft.points_in(band) == 0) => {
            let message = format!("rule `{id}` adds nothing to its score in any band");
            Some(draft.diagnostic(Code::NoEffect, points.span(), message, "nothing"))
        }
        (None, Some(span)) => {
            let message = format!("rule `{id}` is not reported and adds to no score");
            let diagnostic = draft.diagnostic(Code::NoScore, span.clone(), message, "never seen");
            Some(diagnostic.help("say with `score` what it adds, or take `report` out"))
        }
        (_, _) => None,
    }
}

/// A category has one score: rules add to that of their category.
fn second(draft: &Draft<'_>, drafts: &[Draft<'_>]) -> Option<Diagnostic> {
    let facts = &draft.rule.facts;
    let alike = |other: &&Draft<'_>| other.is_score() && other.rule.facts.category == facts.category;
    let first = drafts.iter().find(alike)?;
    let message = format!("category `{}` has the score `{}` already", facts.category, first.rule.facts.id);
    let span = draft.written.category.span();
    (first.rule.facts.id != facts.id).then(|| draft.diagnostic(Code::Repeated, span, message, "a second one"))
}

/// A threshold that all rules together do not reach, in some band of the score.
fn out_of_reach(draft: &Draft<'_>, threshold: i32, drafts: &[Draft<'_>]) -> Option<Diagnostic> {
    let adding = || drafts.iter().filter(|other| other.adds_to(draft));
    let most = |band: Band| adding().map(|other| other.points_in(band)).sum::<i32>();
    let band = draft.bands().find(|band| most(*band) < threshold)?;
    let (most, rules) = (most(band), adding().count());
    let message = format!("what {rules} rules add to it is {most} in band {band}, the threshold is {threshold}");
    let diagnostic = draft.diagnostic(Code::ScoreReach, draft.written.matching.span(), message, "out of reach");
    Some(diagnostic.help("add to it with `score` in rules of its category, lower it, or leave the band out of `bands`"))
}

/// A rule that reaches the threshold by itself is no weak signal.
fn alone(draft: &Draft<'_>, threshold: i32, drafts: &[Draft<'_>]) -> Vec<Diagnostic> {
    let score = &draft.rule.facts.id;
    let diagnostic = |other: &Draft<'_>| {
        let band = draft.bands().find(|band| other.points_in(*band) >= threshold)?;
        let span = other.written.points.as_ref()?.span();
        let message = format!("rule `{}` alone reaches score `{score}` in band {band}", other.rule.facts.id);
        let diagnostic = other.diagnostic(Code::ScoreReach, span, message, "as much as the threshold");
        Some(diagnostic.help("a score is what weak signals are together: report such a rule itself, or lower this"))
    };
    drafts.iter().filter(|other| other.adds_to(draft)).filter_map(diagnostic).collect()
}
