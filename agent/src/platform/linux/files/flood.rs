//! Many drops in a moment are told as one.

/// How long drops are counted together, in microseconds.
const SPAN_US: u64 = 10_000_000;
/// Drops in that time that are told one by one; more are summed up when it is over.
const MOST: u32 = 20;

/// A drop to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Drop {
    /// The file's name; of the first where it stands for several.
    pub(super) name: String,
    /// The owner's number.
    pub(super) uid: u32,
    /// How many it stands for.
    pub(super) burst: u32,
}

/// The drops of one folder in the current span.
#[derive(Debug, Default)]
pub(super) struct Flood {
    began_us: u64,
    told: u32,
    held: Option<Drop>,
}

impl Flood {
    /// A drop at `now_us`: what to tell of it now. Call [`Flood::over`] first.
    pub(super) fn take(&mut self, name: String, uid: u32, now_us: u64) -> Option<Drop> {
        if self.told == 0 || now_us >= self.began_us.saturating_add(SPAN_US) {
            self.began_us = now_us;
            self.told = 0;
        }
        if self.told < MOST {
            self.told += 1;
            return Some(Drop { name, uid, burst: 1 });
        }
        match &mut self.held {
            Some(held) => held.burst = held.burst.saturating_add(1),
            None => self.held = Some(Drop { name, uid, burst: 1 }),
        }
        None
    }

    /// When there is a summary to tell.
    pub(super) fn due_us(&self) -> Option<u64> {
        self.held.as_ref().map(|_| self.began_us.saturating_add(SPAN_US))
    }

    /// The summary, once its span is over at `now_us`.
    pub(super) fn over(&mut self, now_us: u64) -> Option<Drop> {
        if self.due_us()? > now_us {
            return None;
        }
        self.told = 0;
        self.held.take()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_flood_is_told_one_by_one_to_the_bound_and_then_summed_up() {
        let mut flood = Flood::default();
        let told = (0..50).filter_map(|n| flood.take(format!("{n}.txt"), 1001, 1_000 + n)).count();
        assert_eq!(told, 20);
        assert_eq!(flood.over(1_000 + SPAN_US - 1), None);
        let due = flood.due_us().unwrap();
        assert_eq!(flood.over(due), Some(Drop { name: "20.txt".to_owned(), uid: 1001, burst: 30 }));
        assert_eq!(flood.due_us(), None);
    }

    #[test]
    fn slow_drops_are_told_one_by_one() {
        let mut flood = Flood::default();
        let told = (0..100_u64).filter_map(|n| flood.take("a".to_owned(), 1, n * 1_000_000)).count();
        assert_eq!(told, 100);
    }

    proptest! {
        #[test]
        fn no_drop_is_lost_and_none_told_twice(steps in prop::collection::vec(0_u64..3_000_000, 0..300)) {
            let (mut flood, mut now_us, mut told) = (Flood::default(), 0, 0);
            for step in &steps {
                now_us += step;
                told += flood.over(now_us).map_or(0, |drop| drop.burst);
                told += flood.take("a".to_owned(), 1, now_us).map_or(0, |drop| drop.burst);
            }
            told += flood.over(u64::MAX).map_or(0, |drop| drop.burst);
            prop_assert_eq!(usize::try_from(told).unwrap(), steps.len());
        }
    }
}
