//! What matched among many file drops at a time: one capture a rule, with their number.

use std::collections::BTreeMap;

use lapwing_proto::{Account, Capture};
use lapwing_rules::{Level, Verdict};

use crate::signal::Burst;

/// Most captures that wait; a further one is not held back.
const MAX_HELD: usize = 256;

/// The captures of bursts that are not over.
#[derive(Debug, Default)]
pub struct Bursts(BTreeMap<Burst, Vec<Capture>>);

impl Bursts {
    /// No burst.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts the hits of a drop whose rules have a capture in its burst, and takes them out of the verdict.
    pub fn count(&mut self, burst: &Burst, account: &Account, verdict: &mut Verdict) {
        let Some(held) = self.0.get_mut(burst) else { return };
        for capture in held.iter_mut().filter(|capture| capture.account == *account) {
            let before = verdict.hits.len();
            verdict.hits.retain(|hit| capture.verdict.hits.iter().all(|held| held.rule != hit.rule));
            capture.burst = capture.burst.saturating_add(u32::from(verdict.hits.len() < before));
        }
    }

    /// Holds the first capture of its rules until the burst is over; answers what cannot wait. A critical one goes at
    /// once, and stands for those that follow as well.
    pub fn hold(&mut self, burst: Burst, capture: Capture) -> Option<Capture> {
        if self.0.values().map(Vec::len).sum::<usize>() >= MAX_HELD {
            return Some(capture);
        }
        let held = self.0.entry(burst).or_default();
        if capture.level() < Level::Critical {
            held.push(capture);
            return None;
        }
        held.push(Capture { burst: 0, repeats: 0, ..capture.clone() });
        Some(capture)
    }

    /// When the next burst is over, microseconds since the device started.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        self.0.first_key_value().map(|(burst, _)| burst.until_us)
    }

    /// The captures of the bursts that are over by `now_us`.
    pub fn over(&mut self, now_us: u64) -> Vec<Capture> {
        let mut captures = Vec::new();
        while let Some(entry) = self.0.first_entry().filter(|entry| entry.key().until_us <= now_us) {
            captures.extend(entry.remove().into_iter().filter(|capture| capture.burst > 0));
        }
        captures
    }
}
