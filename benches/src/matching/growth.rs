//! How the time of a verdict grows with hostile texts: the exponent is 1 where twice the text takes twice the time.

use std::hint::black_box;

use lapwing_rules::{Band, RuleSet, Scope, Text, split_url};

use crate::report::{Effort, Goal, Metric, now};

/// Verdicts a size and round, at full effort; the quickest round counts, as what else runs only ever adds.
const VERDICTS: usize = 400;
const ROUNDS: usize = 5;
const STEPS: [usize; 4] = [1, 2, 4, 8];
/// Twice the text may take 2.3 times as long: what is fixed and what the caches hold bend the line a little.
const GOAL: f64 = 1.2;

/// A text of so many parts that is meant to take long.
type Hostile = fn(usize) -> String;

/// Name, parts of the smallest, scope (none: a URL), and the text. The largest is what a signal may hold.
const TEXTS: [(&str, usize, Option<Scope>, Hostile); 9] = [
    ("a title of words", 100, Some(Scope::Title), |parts| "pleat ".repeat(parts)),
    ("a title of one word", 500, Some(Scope::Title), |parts| "a".repeat(parts)),
    ("single letters", 250, Some(Scope::Title), |parts| "a ".repeat(parts)),
    ("look-alike digits", 250, Some(Scope::Title), |parts| "1a".repeat(parts)),
    ("words glued by symbols", 250, Some(Scope::Title), |parts| "@a".repeat(parts)),
    ("repeats in every word", 60, Some(Scope::Title), |parts| "aaabbb1 ".repeat(parts)),
    ("combining marks", 250, Some(Scope::Title), |parts| "a".to_owned() + &"\u{301}".repeat(parts)),
    ("percent escapes in a URL", 300, None, |parts| format!("https://a.example/{}", "%61".repeat(parts))),
    ("invalid UTF-8 in a URL", 300, None, |parts| format!("https://a.example/{}", "%ff".repeat(parts))),
];

/// One exponent for each, and what lies beyond the bounds.
pub(super) fn metrics(effort: Effort, rules: &RuleSet) -> Vec<Metric> {
    let grown = |(name, parts, scope, text): (&str, usize, Option<Scope>, Hostile)| {
        let times = STEPS.map(|step| each(effort, rules, scope, &text(parts * step)));
        let sizes = STEPS.map(|step| parts * step);
        let name = format!("{name}, {} to {} parts", parts, parts * 8);
        Metric::of_run(name, "exponent", exponent(&sizes, &times), None, Some(Goal::AtMost(GOAL)))
    };
    let mut metrics: Vec<_> = TEXTS.into_iter().map(grown).collect();
    let title = |kib: usize| each(effort, rules, Some(Scope::Title), &"pleat barn ".repeat(kib * 1024 / 11));
    let name = "a title of 64 KiB, control: one of 4 KiB";
    metrics.push(Metric::of_run(name, "us", title(64) * 1e6, Some(title(4) * 1e6), Some(Goal::Ratio(GOAL))));
    let url = |escapes: usize| each(effort, rules, None, &format!("https://a.example/{}", "%61".repeat(escapes)));
    let name = "a URL of 10,000 escapes, control: one of 2,400";
    metrics.push(Metric::of_run(name, "us", url(10_000) * 1e6, Some(url(2_400) * 1e6), Some(Goal::Ratio(1.0))));
    metrics
}

/// Seconds of one verdict, from the quickest of some rounds.
#[expect(clippy::cast_precision_loss, reason = "counts are small")]
fn each(effort: Effort, rules: &RuleSet, scope: Option<Scope>, text: &str) -> f64 {
    let texts = scope.map(|scope| [Text::new(scope, text)]);
    let verdict = || match &texts {
        Some(texts) => rules.evaluate(texts, Band::Ks3),
        None => rules.evaluate(&split_url(text).map(|parts| parts.texts()).unwrap_or_default(), Band::Ks3),
    };
    let count = effort.of(VERDICTS);
    let round = |_| {
        let started = now();
        (0..count).for_each(|_| drop(black_box(verdict())));
        started.elapsed().as_secs_f64() / count as f64
    };
    (0..ROUNDS).map(round).fold(f64::INFINITY, f64::min)
}

/// The slope of the line through the logarithms.
#[expect(clippy::cast_precision_loss, reason = "sizes are small")]
pub(crate) fn exponent(sizes: &[usize], times: &[f64]) -> f64 {
    let points: Vec<_> = sizes.iter().zip(times).map(|(size, time)| ((*size as f64).ln(), time.ln())).collect();
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let (mut up, mut along) = (0.0, 0.0);
    for point in &points {
        up += (point.0 - x) * (point.1 - y);
        along += (point.0 - x) * (point.0 - x);
    }
    up / along
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponent_of_a_square_is_two() {
        let close = |found: f64, meant: f64| (found - meant).abs() < 1e-9;
        assert!(close(exponent(&[1, 2, 4, 8], &[3.0, 12.0, 48.0, 192.0]), 2.0));
        assert!(close(exponent(&[10, 20, 40], &[5.0, 10.0, 20.0]), 1.0));
    }
}
