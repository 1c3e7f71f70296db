//! Weak signals that are nothing each and something together.

use std::collections::BTreeMap;

use super::MAX_EXCEPTED;
use crate::program::{Program, Rule, Test};
use crate::{Band, Hit, Span};

/// Adds a hit for each score whose threshold is reached by the points of the rules that fired on this signal.
pub(crate) fn add_scores(program: &Program, band: Band, hits: &mut BTreeMap<u32, Hit>) {
    let mut parts: BTreeMap<u32, Vec<(i16, &Hit)>> = BTreeMap::new();
    for (number, hit) in &*hits {
        if let Some(contribution) = program.contribution_of(*number) {
            parts.entry(contribution.score).or_default().push((contribution.points_in(band), hit));
        }
    }
    let scored = |(number, parts): (u32, Vec<(i16, &Hit)>)| {
        let rule = program.rules.get(usize::try_from(number).ok()?)?;
        Some((number, scored(rule, band, &parts)?))
    };
    let scored: Vec<(u32, Hit)> = parts.into_iter().filter_map(scored).collect();
    hits.extend(scored);
}

/// The hit of a score, with the spans and exceptions of the rules that add to it, so that it fires on what is kept of
/// them.
fn scored(rule: &Rule, band: Band, parts: &[(i16, &Hit)]) -> Option<Hit> {
    let Test::Score { threshold } = rule.test else { return None };
    let parts: Vec<(i32, &Hit)> =
        parts.iter().filter(|(points, _)| *points > 0).map(|(points, hit)| (i32::from(*points), *hit)).collect();
    let weight = parts.iter().fold(0_i32, |sum, (points, _)| sum.saturating_add(*points));
    if weight < threshold || !rule.bands.holds(band) {
        return None;
    }
    let mut excepted: Vec<_> = parts.iter().flat_map(|(_, hit)| hit.excepted.iter().cloned()).collect();
    excepted.truncate(MAX_EXCEPTED);
    let facts = &rule.facts;
    Some(Hit {
        rule: facts.id.clone(),
        category: facts.category,
        level: facts.level_for(band),
        spans: spans(&parts),
        excepted,
        weight,
    })
}

/// The spans of every rule, each rule's points on its first. Where there are more than a hit holds, those that carry
/// points are kept before others.
fn spans(parts: &[(i32, &Hit)]) -> Vec<Span> {
    let first = |(points, hit): &(i32, &Hit)| hit.spans.first().map(|span| Span { weight: *points, ..*span });
    let others = parts.iter().flat_map(|(_, hit)| hit.spans.iter().skip(1)).map(|span| Span { weight: 0, ..*span });
    let mut spans: Vec<Span> = Vec::new();
    for span in parts.iter().filter_map(first).chain(others) {
        let alike = |other: &&mut Span| {
            (other.text, other.start, other.end, other.mark) == (span.text, span.start, span.end, span.mark)
        };
        if let Some(other) = spans.iter_mut().find(alike) {
            other.weight = other.weight.saturating_add(span.weight);
        } else if spans.len() < Hit::MAX_SPANS {
            spans.push(span);
        }
    }
    spans.sort_unstable();
    spans
}
