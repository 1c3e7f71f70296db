//! Numbers that travel with the status: what was looked at and dropped, and anonymous counts by day.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use lapwing_proto::wire;

/// Most anonymous counts kept and sent at once; further keys are not counted.
pub const MAX_COUNTS: usize = 256;
/// Longest key of an anonymous count, in bytes; longer ones are not counted.
pub const MAX_COUNT_KEY_BYTES: usize = 96;

const DAY_US: i64 = 24 * 60 * 60 * 1_000_000;

/// Why something was dropped before it was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// It exceeded its bound.
    Oversize,
    /// It came too fast.
    Rate,
    /// It was not what it should be.
    Malformed,
    /// The agent was near a limit of its own, and did less.
    Limit,
}

/// The numbers of one run of the service. Clones are the same numbers.
#[derive(Clone, Debug, Default)]
pub struct Counters(Arc<Numbers>);

#[derive(Debug, Default)]
struct Numbers {
    seen: AtomicU64,
    matched: AtomicU64,
    oversize: AtomicU64,
    rate: AtomicU64,
    malformed: AtomicU64,
    limit: AtomicU64,
    /// By key and day since 1970; who, where and when else is not kept.
    anonymous: Mutex<BTreeMap<(String, u32), u64>>,
}

impl Counters {
    /// All zero.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A signal was looked at.
    pub fn count_seen(&self) {
        self.0.seen.fetch_add(1, Ordering::Relaxed);
    }

    /// A signal matched.
    pub fn count_matched(&self) {
        self.0.matched.fetch_add(1, Ordering::Relaxed);
    }

    /// Something was dropped, so many times.
    pub fn count_dropped(&self, why: Dropped, times: u32) {
        let number = match why {
            Dropped::Oversize => &self.0.oversize,
            Dropped::Rate => &self.0.rate,
            Dropped::Malformed => &self.0.malformed,
            Dropped::Limit => &self.0.limit,
        };
        number.fetch_add(u64::from(times), Ordering::Relaxed);
    }

    /// Counts `key` on the day of `wall_us`, without account or time.
    pub fn count_anonymously(&self, key: &str, wall_us: i64) {
        if key.len() <= MAX_COUNT_KEY_BYTES {
            self.add(key.to_owned(), u32::try_from(wall_us.div_euclid(DAY_US)).unwrap_or(0), 1);
        }
    }

    /// How much was not looked at for the sake of the agent's own limits.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.0.limit.load(Ordering::Relaxed)
    }

    /// The numbers since the start, as they travel; what a limit cost came too fast.
    #[must_use]
    pub fn to_wire(&self) -> wire::Counters {
        wire::Counters {
            seen: self.0.seen.load(Ordering::Relaxed),
            matched: self.0.matched.load(Ordering::Relaxed),
            dropped_oversize: self.0.oversize.load(Ordering::Relaxed),
            dropped_rate: self.0.rate.load(Ordering::Relaxed).saturating_add(self.skipped()),
            dropped_malformed: self.0.malformed.load(Ordering::Relaxed),
        }
    }

    /// Takes the anonymous counts since they were last taken: each is sent once.
    #[must_use]
    pub fn take_counts(&self) -> Vec<wire::Count> {
        let counts = std::mem::take(&mut *self.0.anonymous.lock().unwrap_or_else(PoisonError::into_inner));
        counts.into_iter().map(|((key, day), count)| wire::Count { key, day, count }).collect()
    }

    /// Gives back counts that could not be sent.
    pub fn give_back(&self, counts: Vec<wire::Count>) {
        for wire::Count { key, day, count } in counts {
            self.add(key, day, count);
        }
    }

    fn add(&self, key: String, day: u32, count: u64) {
        let mut counts = self.0.anonymous.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() < MAX_COUNTS || counts.contains_key(&(key.clone(), day)) {
            let number = counts.entry((key, day)).or_default();
            *number = number.saturating_add(count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anonymous_count_is_sent_once_and_kept_when_it_could_not_be() {
        let counters = Counters::new();
        counters.count_anonymously("support:example.org", DAY_US * 3 + 1);
        counters.count_anonymously("support:example.org", DAY_US * 3 + 2);
        let taken = counters.take_counts();
        assert_eq!(taken.first().map(|count| (count.day, count.count)), Some((3, 2)));
        assert!(counters.take_counts().is_empty());
        counters.give_back(taken);
        assert_eq!(counters.take_counts().len(), 1);
    }

    #[test]
    fn a_flood_of_keys_stays_within_its_bound() {
        let counters = Counters::new();
        for number in 0..1_000 {
            counters.count_anonymously(&format!("support:h{number}.example"), 0);
        }
        counters.count_anonymously(&"x".repeat(97), 0);
        assert_eq!(counters.take_counts().len(), MAX_COUNTS);
    }
}
