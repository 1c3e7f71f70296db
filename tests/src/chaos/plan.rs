//! What goes wrong, on which connection, after how many bytes: a pure function of seed, plan and connection.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the device to the collector.
    Up,
    /// From the collector to the device.
    Down,
}

/// What can happen to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Both ends see it end.
    Cut,
    /// Both ends see it reset.
    Reset,
    /// Nothing passes any more, and neither end is told. It never heals: what was swallowed is missing for ever.
    HalfOpen,
    /// As [`Fault::HalfOpen`], one way only.
    OneWay(Way),
    /// At most this many bytes a second, both ways together; at least 20.
    Slow {
        /// Bytes a second.
        bytes_per_second: u32,
    },
    /// Written in pieces of 1 to this many bytes.
    Sliced {
        /// Longest piece, bytes; at least 1.
        at_most: usize,
    },
    /// Each piece waits, for up to this long.
    Delayed {
        /// Longest wait.
        at_most: Duration,
    },
    /// What the device says is held back until the next plan, and arrives then, even where the device has long opened
    /// other connections and closed this one: connections out of order.
    Held,
}

/// Which connections suffer what, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    faults: Vec<Fault>,
    after: RangeInclusive<u64>,
    percent: u8,
    only_open: bool,
}

impl Plan {
    /// Nothing goes wrong.
    #[must_use]
    pub fn calm() -> Self {
        Self { faults: Vec::new(), after: 0..=0, percent: 100, only_open: false }
    }

    /// Each connection suffers `fault` at once.
    #[must_use]
    pub fn of(fault: Fault) -> Self {
        Self { faults: vec![fault], ..Self::calm() }
    }

    /// Each connection suffers one of `faults`, drawn.
    #[must_use]
    pub fn any_of(faults: &[Fault]) -> Self {
        Self { faults: faults.to_vec(), ..Self::calm() }
    }

    /// The fault strikes once the connection has carried a number of bytes, both ways together, drawn from `bytes`.
    #[must_use]
    pub fn after(self, bytes: RangeInclusive<u64>) -> Self {
        Self { after: bytes, ..self }
    }

    /// Only so many of a hundred connections suffer, drawn.
    #[must_use]
    pub fn percent(self, percent: u8) -> Self {
        Self { percent, ..self }
    }

    /// Only connections that are open when the plan is set suffer; later ones are calm.
    #[must_use]
    pub fn only_open(self) -> Self {
        Self { only_open: true, ..self }
    }

    pub(super) fn fate(&self, mut draw: Draw, open: bool) -> Fate {
        let spared = draw.below(100) >= u64::from(self.percent) || (self.only_open && !open);
        let chosen = draw.below(u64::try_from(self.faults.len()).unwrap_or(u64::MAX));
        let fault = usize::try_from(chosen).ok().and_then(|chosen| self.faults.get(chosen)).copied();
        let span = self.after.end().saturating_sub(*self.after.start()).saturating_add(1);
        let after = self.after.start().saturating_add(draw.below(span));
        Fate { fault: fault.filter(|_| !spared), after, draw }
    }
}

/// What one connection suffers under one plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fate {
    pub(super) fault: Option<Fault>,
    /// Bytes it still carries unharmed.
    pub(super) after: u64,
    /// For the lengths and waits of its pieces.
    pub(super) draw: Draw,
}

/// Numbers that follow from a seed (SplitMix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators",
/// 2014).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) fn of(seeds: [u64; 3]) -> Self {
        let mut draw = Self(0);
        for seed in seeds {
            draw.0 ^= seed;
            draw.0 = draw.next();
        }
        draw
    }

    /// From zero to `end`, `end` left out; 0 where that is 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next().checked_rem(end).unwrap_or(0)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fates(seed: u64, plan: &Plan) -> Vec<Fate> {
        (0..200).map(|number| plan.fate(Draw::of([seed, 0, number]), false)).collect()
    }

    #[test]
    fn a_seed_draws_the_same_fates_again_and_another_seed_draws_others() {
        let plan = Plan::any_of(&[Fault::Cut, Fault::Reset, Fault::HalfOpen]).after(10..=9_000).percent(50);

        assert_eq!(fates(1, &plan), fates(1, &plan));
        assert_ne!(fates(1, &plan), fates(2, &plan));
    }

    #[test]
    fn fates_keep_within_the_plan_and_use_all_of_it() {
        let plan = Plan::any_of(&[Fault::Cut, Fault::Reset]).after(10..=19).percent(50);

        let fates = fates(7, &plan);

        assert!(fates.iter().all(|fate| (10..=19).contains(&fate.after)));
        for fault in [None, Some(Fault::Cut), Some(Fault::Reset)] {
            assert!(fates.iter().any(|fate| fate.fault == fault), "{fault:?}");
        }
    }

    #[test]
    fn a_plan_for_open_connections_spares_later_ones() {
        let plan = Plan::of(Fault::Cut).only_open();

        assert_eq!(plan.fate(Draw::of([0; 3]), true).fault, Some(Fault::Cut));
        assert_eq!(plan.fate(Draw::of([0; 3]), false).fault, None);
    }

    #[test]
    fn nothing_strikes_in_a_calm() {
        assert!(fates(7, &Plan::calm()).iter().all(|fate| fate.fault.is_none()));
    }
}
