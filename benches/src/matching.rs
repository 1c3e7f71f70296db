//! `match`: verdicts on titles and addresses beside others that look for the same phrases in the same run; cold ones; and
//! how the time grows with phrases and with hostile texts.

mod cold;
mod growth;
pub(crate) mod peers;
mod vectorscan;

use std::collections::BTreeMap;

use lapwing_rules::{Band, Release, RuleSet};

use crate::report::{Effort, Goal, Metric, Report, quantile, time};
use crate::sample::{self, Sample, Subject};
pub(crate) use growth::exponent;
use peers::{CONTROL, Peer};

/// Sizes of rule sets, at full effort; hosts stand beside the phrases of each.
const PHRASES: [usize; 3] = [1_000, 10_000, 100_000];
/// The size that the goals are for.
const GOAL_PHRASES: usize = 10_000;
const HOSTS: usize = 100_000;
/// Titles and addresses a repeat, at full effort.
const SUBJECTS: usize = 200_000;
/// No slower than the automaton alone, and this many microseconds.
const GOAL_RATIO: f64 = 1.0;
const GOAL_US: f64 = 2.0;

/// Measures it.
///
/// # Errors
///
/// When the sample packs do not compile, or a peer cannot be built.
pub(crate) fn run(effort: Effort) -> anyhow::Result<Report> {
    let sample = Sample::new();
    let hosts = sample.hosts(effort.of(HOSTS));
    let (mut metrics, mut sizes, mut times) = (Vec::new(), Vec::new(), Vec::new());
    for count in PHRASES {
        let phrases = sample.phrases(effort.of(count));
        let subjects = sample.subjects(effort.of(SUBJECTS), &phrases);
        let compiler = sample::upon_base(sample::compiler(&phrases, &hosts));
        let rules = compiler.rule_set(Release::new(1)).map_err(sample::mistakes)?;
        let metric = beside_peers(effort, &rules, &phrases, &subjects, count == GOAL_PHRASES)?;
        sizes.push(phrases.len());
        times.push(metric.value);
        if count == GOAL_PHRASES {
            let value = metric.value / 1e3;
            let name = format!("the same, {} phrases", phrases.len());
            metrics.extend([metric, Metric::of_run(name, "us", value, None, Some(Goal::AtMost(GOAL_US)))]);
            metrics.extend(cold::metrics(effort, &rules, &phrases, &subjects)?);
            metrics.extend(growth::metrics(effort, &rules));
        } else {
            metrics.push(metric);
        }
    }
    let name = format!("verdict by phrases, {sizes:?}");
    metrics.push(Metric::of_run(name, "exponent", exponent(&sizes, &times), None, None));
    Ok(Report::new("match", metrics))
}

/// A verdict and a search of each peer, in turn.
fn beside_peers(
    effort: Effort,
    rules: &RuleSet,
    phrases: &[String],
    subjects: &[Subject],
    has_goal: bool,
) -> anyhow::Result<Metric> {
    let mut peers = Peer::all(phrases, subjects)?;
    let mut pairs = Vec::new();
    let mut others: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for _ in 0..effort.repeats() {
        let ours = verdicts(rules, subjects);
        for peer in &mut peers {
            let theirs = peer.measure(subjects)?;
            match peer.name {
                CONTROL => pairs.push((ours, theirs)),
                name => others.entry(name).or_default().push(theirs),
            }
        }
    }
    let name = format!("verdict, {} phrases, control: {CONTROL}", phrases.len());
    let goal = has_goal.then_some(Goal::Ratio(GOAL_RATIO));
    let metric = Metric::of_pairs(name, "ns", &pairs, goal);
    Ok(others.iter().fold(metric, |metric, (name, times)| metric.beside(*name, quantile(times, 0.5))))
}

/// Nanoseconds a verdict.
#[expect(clippy::cast_precision_loss, reason = "counts are small")]
fn verdicts(rules: &RuleSet, subjects: &[Subject]) -> f64 {
    let mut hits = 0;
    let took = time(|| {
        hits = subjects.iter().map(|subject| rules.evaluate(&subject.texts, Band::Ks3).hits.len()).sum::<usize>();
    });
    std::hint::black_box(hits);
    took.as_secs_f64() * 1e9 / subjects.len() as f64
}
