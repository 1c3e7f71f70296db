//! What a benchmark found, as a table and as JSON.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use serde::Serialize;

/// How much work a run does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Enough to see that it runs.
    Quick,
    /// Enough to quote.
    Full,
}

impl Effort {
    /// `full`, or a hundredth of it for a quick run.
    #[must_use]
    pub fn of(self, full: usize) -> usize {
        match self {
            Self::Quick => (full / 100).max(1),
            Self::Full => full,
        }
    }

    /// Interleaved repeats.
    #[must_use]
    pub fn repeats(self) -> usize {
        match self {
            Self::Quick => 2,
            Self::Full => 7,
        }
    }
}

/// One benchmark's result.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Its name.
    pub bench: &'static str,
    /// Cores and system.
    pub machine: String,
    /// What was measured.
    pub metrics: Vec<Metric>,
}

/// One figure with its control.
#[derive(Clone, Debug, Serialize)]
pub struct Metric {
    /// What it is.
    pub name: String,
    /// Its unit.
    pub unit: &'static str,
    /// Median over the repeats.
    pub value: f64,
    /// Greatest less smallest over the repeats.
    pub spread: f64,
    /// Median of the control in the same run; none where there is nothing to hold it against.
    pub control: Option<f64>,
    /// Medians of other programs in the same run.
    pub peers: BTreeMap<String, f64>,
    /// Median of value by control, pair by pair.
    pub ratio: Option<f64>,
    /// What was aimed at, where something was.
    pub goal: Option<Goal>,
    /// Whether it was reached.
    pub met: Option<bool>,
}

/// What a figure should be; as JSON, the number alone.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Goal {
    /// The greatest ratio to the control.
    Ratio(f64),
    /// The least ratio to the control.
    RatioAtLeast(f64),
    /// The greatest value.
    AtMost(f64),
    /// The least value.
    AtLeast(f64),
}

impl Goal {
    fn is_met(self, value: f64, ratio: Option<f64>) -> bool {
        match self {
            Self::Ratio(most) => ratio.is_some_and(|ratio| ratio <= most),
            Self::RatioAtLeast(least) => ratio.is_some_and(|ratio| ratio >= least),
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ratio(most) => write!(f, "ratio <= {most:.2}"),
            Self::RatioAtLeast(least) => write!(f, "ratio >= {least:.2}"),
            Self::AtMost(most) => write!(f, "<= {most}"),
            Self::AtLeast(least) => write!(f, ">= {least}"),
        }
    }
}

impl Metric {
    /// A figure from pairs of (value, control) taken in turn.
    #[must_use]
    pub fn of_pairs(name: impl Into<String>, unit: &'static str, pairs: &[(f64, f64)], goal: Option<Goal>) -> Self {
        let values = sorted(pairs.iter().map(|pair| pair.0));
        let value = median(&values);
        let ratio = median(&sorted(pairs.iter().map(|pair| pair.0 / pair.1)));
        let spread = values.last().zip(values.first()).map_or(0.0, |(last, first)| last - first);
        Self {
            name: name.into(),
            unit,
            value,
            spread,
            control: Some(median(&sorted(pairs.iter().map(|pair| pair.1)))),
            peers: BTreeMap::new(),
            ratio: Some(ratio),
            goal,
            met: goal.map(|goal| goal.is_met(value, Some(ratio))),
        }
    }

    /// A figure of one run, beside a control of the same run where there is one.
    #[must_use]
    pub fn of_run(
        name: impl Into<String>,
        unit: &'static str,
        value: f64,
        control: Option<f64>,
        goal: Option<Goal>,
    ) -> Self {
        let ratio = control.map(|control| value / control).filter(|ratio| ratio.is_finite());
        Self {
            name: name.into(),
            unit,
            value,
            spread: 0.0,
            control,
            peers: BTreeMap::new(),
            ratio,
            goal,
            met: goal.map(|goal| goal.is_met(value, ratio)),
        }
    }

    /// With the same figure of another program in the same run.
    #[must_use]
    pub fn beside(mut self, peer: impl Into<String>, value: f64) -> Self {
        self.peers.insert(peer.into(), value);
        self
    }
}

impl Report {
    /// A report of this machine.
    #[must_use]
    pub fn new(bench: &'static str, metrics: Vec<Metric>) -> Self {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let machine = format!("{cores} cores, {} {}", std::env::consts::OS, std::env::consts::ARCH);
        Self { bench, machine, metrics }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} on {}", self.bench, self.machine)?;
        writeln!(
            f,
            "{:<58} {:>10} {:>10} {:>10} {:>7}  {:<16} met",
            "figure", "median", "spread", "control", "ratio", "goal"
        )?;
        for metric in &self.metrics {
            let name = format!("{} ({})", metric.name, metric.unit);
            let goal = metric.goal.map_or_else(String::new, |goal| goal.to_string());
            let met = metric.met.map_or("", |met| if met { "yes" } else { "NO" });
            let control = metric.control.map_or_else(String::new, |control| format!("{control:.1}"));
            let ratio = metric.ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
            write!(f, "{name:<58} {:>10.2} {:>10.2} {control:>10} {ratio:>7}", metric.value, metric.spread)?;
            writeln!(f, "  {goal:<16} {met}")?;
            for (peer, value) in &metric.peers {
                writeln!(f, "    {peer:<54} {value:>10.2}")?;
            }
        }
        Ok(())
    }
}

/// The value below which `share` of them are: 0.5 is the median.
pub(crate) fn quantile(values: &[f64], share: f64) -> f64 {
    let sorted = sorted(values.iter().copied());
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "few")]
    let index = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(index.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

/// How long `work` takes.
pub(crate) fn time(work: impl FnOnce()) -> Duration {
    let started = now();
    work();
    started.elapsed()
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

fn median(sorted: &[f64]) -> f64 {
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_taken_pair_by_pair() {
        let metric = Metric::of_pairs("x", "ns", &[(2.0, 1.0), (40.0, 20.0), (6.0, 3.0)], Some(Goal::Ratio(1.5)));
        assert_eq!((metric.value, metric.control, metric.ratio), (6.0, Some(3.0), Some(2.0)));
        assert_eq!(metric.met, Some(false));
    }

    #[test]
    fn goals_are_of_the_value_or_of_the_ratio() {
        let met = |goal| Metric::of_run("x", "ms", 6.0, Some(3.0), Some(goal)).met;
        assert_eq!([Goal::Ratio(2.0), Goal::Ratio(1.9)].map(met), [Some(true), Some(false)]);
        assert_eq!([Goal::RatioAtLeast(2.0), Goal::RatioAtLeast(2.1)].map(met), [Some(true), Some(false)]);
        assert_eq!([Goal::AtMost(6.0), Goal::AtMost(5.9)].map(met), [Some(true), Some(false)]);
        assert_eq!([Goal::AtLeast(6.0), Goal::AtLeast(6.1)].map(met), [Some(true), Some(false)]);
        assert_eq!(Metric::of_run("x", "ms", 6.0, None, Some(Goal::Ratio(9.0))).met, Some(false));
    }

    #[test]
    fn a_goal_is_a_number_in_the_json() {
        let json = serde_json::to_value(Metric::of_run("x", "ms", 6.0, None, Some(Goal::AtMost(7.0)))).unwrap();
        assert_eq!(
            (json["goal"].as_f64(), json["met"].as_bool(), json["control"].is_null()),
            (Some(7.0), Some(true), true)
        );
    }

    #[test]
    fn a_quantile_is_one_of_the_values() {
        let values: Vec<_> = (1..=100).rev().map(f64::from).collect();
        assert_eq!([0.5, 0.99, 1.0].map(|share| quantile(&values, share)), [50.0, 99.0, 100.0]);
    }

    #[test]
    fn every_benchmark_runs_quickly() {
        // That one has a test of its own: it needs the accounts of the stories.
        for (name, run) in crate::ALL.iter().filter(|(name, _)| *name != "end-to-end") {
            let report = run(Effort::Quick).unwrap_or_else(|error| panic!("{name}: {error:#}"));
            assert!(!report.metrics.is_empty(), "{name} measured nothing");
            let sound = |metric: &Metric| metric.value.is_finite() && metric.ratio.is_none_or(|ratio| ratio > 0.0);
            assert!(report.metrics.iter().all(sound), "{report}");
        }
    }
}
