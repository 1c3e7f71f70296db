//! A verdict after everything it needs was driven out of the caches, as on a PC whose person changes windows now and then.

use std::hint::black_box;

use lapwing_rules::{Band, RuleSet};

use super::peers;
use crate::report::{Effort, Goal, Metric, quantile, time};
use crate::sample::Subject;

/// Verdicts at full effort.
const SAMPLES: usize = 2_000;
/// Other memory that is walked through before each.
const WALK_BYTES: usize = 64 << 20;
const LINE_BYTES: usize = 64;
const P50_US: f64 = 25.0;
const P99_US: f64 = 100.0;

/// Times of single verdicts, beside single searches of the control in turn.
///
/// # Errors
///
/// When the control cannot be built.
pub(super) fn metrics(
    effort: Effort,
    rules: &RuleSet,
    phrases: &[String],
    subjects: &[Subject],
) -> anyhow::Result<Vec<Metric>> {
    let control = peers::contiguous(phrases)?;
    let mut other = vec![1_u8; WALK_BYTES];
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for subject in subjects.iter().cycle().take(effort.of(SAMPLES)) {
        walk(&mut other);
        let took = time(|| drop(black_box(rules.evaluate(&subject.texts, Band::Ks3))));
        ours.push(took.as_secs_f64() * 1e6);
        walk(&mut other);
        let took = time(|| {
            black_box(control.find_iter(&subject.line).count());
        });
        theirs.push(took.as_secs_f64() * 1e6);
    }
    let metric = |(name, share, most)| {
        let name = format!("cold verdict, {name}, control: {}", peers::CONTROL);
        Metric::of_run(name, "us", quantile(&ours, share), Some(quantile(&theirs, share)), Some(Goal::AtMost(most)))
    };
    Ok([("p50", 0.5, P50_US), ("p99", 0.99, P99_US)].map(metric).into())
}

/// Touches every line, so that nothing else is left in the caches.
fn walk(other: &mut [u8]) {
    for line in other.chunks_mut(LINE_BYTES) {
        line.iter_mut().take(1).for_each(|byte| *byte = byte.wrapping_add(1));
    }
    black_box(other);
}
