//! What a round found, as a table.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use super::play::Played;

/// What a round found.
#[derive(Debug, Default)]
pub struct Report {
    rows: BTreeMap<String, Row>,
    /// What had to be struck and was not yet.
    missed: BTreeSet<String>,
    /// Runs that went wrong, in words.
    wrong: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Row {
    runs: usize,
    struck: usize,
    lost: usize,
    doubled: usize,
    broken: usize,
    mails_again: usize,
    worst_recovery: Duration,
}

impl Report {
    /// Nothing played yet; each of `targets` has to be struck.
    pub(super) fn of(targets: Vec<String>) -> Self {
        Self { missed: targets.into_iter().collect(), ..Self::default() }
    }

    /// Takes note of a run.
    pub(super) fn add(&mut self, played: Played) {
        let row = self.rows.entry(played.fault.kind()).or_default();
        row.add(&played);
        if let Some(target) = played.fault.target().filter(|_| played.has_struck) {
            self.missed.remove(&target);
        }
        if !played.verdict.is_sound() {
            self.wrong.push(played.to_string());
        }
    }

    /// Whether nothing was lost, doubled or broken, and everything that had to be struck was.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.wrong.is_empty() && self.missed.is_empty()
    }
}

impl Row {
    fn add(&mut self, played: &Played) {
        self.runs += 1;
        self.struck += usize::from(played.has_struck);
        self.lost += played.verdict.lost.len();
        self.doubled += played.verdict.doubled.len();
        self.broken += played.verdict.broken.len();
        self.mails_again += played.mails_again;
        self.worst_recovery = self.worst_recovery.max(played.recovery);
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
        let Self { runs, struck, lost, doubled, broken, mails_again, worst_recovery } = self;
        let worst = worst_recovery.as_secs_f64();
        writeln!(
            f,
            "{name:<32} {runs:>6} {struck:>7} {lost:>6} {doubled:>8} {broken:>7} {mails_again:>11} {worst:>15.1}"
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<32} {:>6} {:>7} {:>6} {:>8} {:>7} {:>11} {:>15}",
            "fault", "runs", "struck", "lost", "doubled", "broken", "mails again", "worst recovery s"
        )?;
        let mut all = Row::default();
        for (name, row) in &self.rows {
            row.write(f, name)?;
            all.runs += row.runs;
            all.struck += row.struck;
            all.lost += row.lost;
            all.doubled += row.doubled;
            all.broken += row.broken;
            all.mails_again += row.mails_again;
            all.worst_recovery = all.worst_recovery.max(row.worst_recovery);
        }
        all.write(f, "all")?;
        for target in &self.missed {
            writeln!(f, "never struck: {target}")?;
        }
        self.wrong.iter().try_for_each(|wrong| writeln!(f, "{wrong}"))
    }
}
