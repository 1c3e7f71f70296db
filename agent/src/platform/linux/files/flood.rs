//! Many drops in a moment are a burst: each is told, and what matches among them is summed up.

/// How long drops are counted together, in microseconds.
const SPAN_US: u64 = 10_000_000;
/// Drops in that time that are told as single ones.
const MOST: u32 = 20;

/// The drops of one folder in the current span.
#[derive(Debug, Default)]
pub(super) struct Flood {
    began_us: u64,
    drops: u32,
}

impl Flood {
    /// A drop at `now_us`: where it is one of a burst, when that is summed up.
    pub(super) fn enter(&mut self, now_us: u64) -> Option<u64> {
        let over_us = self.began_us.saturating_add(SPAN_US);
        if self.drops == 0 || now_us >= over_us {
            *self = Self { began_us: now_us, drops: 1 };
            return None;
        }
        self.drops = self.drops.saturating_add(1);
        (self.drops > MOST).then_some(over_us)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn more_than_twenty_drops_in_ten_seconds_are_a_burst() {
        let mut flood = Flood::default();
        let entered: Vec<_> = (0..50).map(|n| flood.enter(1_000 + n)).collect();
        assert!(entered.iter().take(20).all(Option::is_none));
        assert!(entered.iter().skip(20).all(|until| *until == Some(1_000 + SPAN_US)));
        assert_eq!(flood.enter(1_000 + SPAN_US), None, "a span later they are single ones again");
    }

    #[test]
    fn slow_drops_are_single_ones() {
        let mut flood = Flood::default();
        assert!((0..100_u64).all(|n| flood.enter(n * 1_000_000).is_none()));
    }

    proptest! {
        #[test]
        fn a_burst_is_summed_up_within_ten_seconds(steps in prop::collection::vec(0_u64..3_000_000, 0..300)) {
            let (mut flood, mut now_us) = (Flood::default(), 0);
            for step in &steps {
                now_us += step;
                let until_us = flood.enter(now_us);
                prop_assert!(until_us.is_none_or(|until_us| until_us > now_us && until_us <= now_us + SPAN_US));
            }
        }
    }
}
