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
    /// Median of the control in the same run.
    pub control: f64,
    /// Medians of other programs in the same run.
    pub peers: BTreeMap<String, f64>,
    /// Median of value by control, pair by pair.
    pub ratio: f64,
    /// The ratio aimed at, where one was set.
    pub goal: Option<f64>,
    /// Whether it was reached.
    pub met: Option<bool>,
}

impl Metric {
    /// A figure from pairs of (value, control) taken in turn; the goal is the greatest ratio allowed.
    #[must_use]
    pub fn of_pairs(name: impl Into<String>, unit: &'static str, pairs: &[(f64, f64)], goal: Option<f64>) -> Self {
        let values = sorted(pairs.iter().map(|pair| pair.0));
        let ratio = median(&sorted(pairs.iter().map(|pair| pair.0 / pair.1)));
        let spread = values.last().zip(values.first()).map_or(0.0, |(last, first)| last - first);
        Self {
            name: name.into(),
            unit,
            value: median(&values),
            spread,
            control: median(&sorted(pairs.iter().map(|pair| pair.1))),
            peers: BTreeMap::new(),
            ratio,
            goal,
            met: goal.map(|goal| ratio <= goal),
        }
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
            "{:<44} {:>10} {:>10} {:>10} {:>7} {:>7}",
            "figure", "median", "spread", "control", "ratio", "goal"
        )?;
        for metric in &self.metrics {
            let goal = metric.goal.map_or_else(String::new, |goal| format!("{goal:.2}"));
            let name = format!("{} ({})", metric.name, metric.unit);
            write!(f, "{name:<44} {:>10.1} {:>10.1} {:>10.1}", metric.value, metric.spread, metric.control)?;
            writeln!(f, " {:>7.2} {goal:>7}", metric.ratio)?;
        }
        Ok(())
    }
}

/// How long `work` takes.
pub(crate) fn time(work: impl FnOnce()) -> Duration {
    let started = now();
    work();
    started.elapsed()
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn now() -> Instant {
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
        let metric = Metric::of_pairs("x", "ns", &[(2.0, 1.0), (40.0, 20.0), (6.0, 3.0)], Some(1.5));
        assert_eq!((metric.value, metric.control, metric.ratio), (6.0, 3.0, 2.0));
        assert_eq!(metric.met, Some(false));
    }

    #[test]
    fn every_benchmark_runs_quickly() {
        for (name, run) in crate::ALL {
            let report = run(Effort::Quick).unwrap_or_else(|error| panic!("{name}: {error:#}"));
            assert!(!report.metrics.is_empty(), "{name} measured nothing");
            assert!(report.metrics.iter().all(|metric| metric.ratio.is_finite() && metric.ratio > 0.0), "{report}");
        }
    }
}
