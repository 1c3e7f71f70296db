//! How long to wait before trying again, so that a collector that comes back is not met by everyone at once.

use std::time::Duration;

/// Where waiting times come from: a number spread evenly over all 64 bits. A parameter, so that tests can choose.
pub type Dice = fn() -> u64;

/// Exponential back-off with full jitter: each wait is drawn evenly from zero to the cap of that try, the first one
/// too (Brooker, "Exponential Backoff And Jitter", AWS 2015).
#[derive(Debug)]
pub(super) struct Backoff {
    base: Duration,
    cap: Duration,
    tries: u32,
    dice: Dice,
}

impl Backoff {
    pub(super) const fn new(base: Duration, cap: Duration, dice: Dice) -> Self {
        Self { base, cap, tries: 0, dice }
    }

    /// The next wait.
    pub(super) fn next(&mut self) -> Duration {
        let ceiling = self.base.saturating_mul(2_u32.saturating_pow(self.tries)).min(self.cap);
        self.tries = self.tries.saturating_add(1);
        self.within(ceiling)
    }

    /// A wait of up to `ceiling`.
    pub(super) fn within(&self, ceiling: Duration) -> Duration {
        spread(ceiling, (self.dice)())
    }

    /// Failures since it last worked.
    pub(super) const fn tries(&self) -> u32 {
        self.tries
    }

    /// It worked: the next failure begins anew.
    pub(super) const fn reset(&mut self) {
        self.tries = 0;
    }
}

/// The machine's randomness. Where there is none, everybody waits longest.
pub(super) fn system_dice() -> u64 {
    let mut bytes = [0; 8];
    if getrandom::fill(&mut bytes).is_err() {
        return u64::MAX;
    }
    u64::from_le_bytes(bytes)
}

fn spread(ceiling: Duration, dice: u64) -> Duration {
    let micros = ceiling.as_micros().saturating_mul(u128::from(dice)) >> 64;
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Duration = Duration::from_secs(1);
    const CAP: Duration = Duration::from_secs(60);

    #[test]
    fn waits_double_up_to_the_cap() {
        let mut backoff = Backoff::new(BASE, CAP, || u64::MAX);
        let waits: Vec<_> = (0..8).map(|_| backoff.next().as_secs_f32().round() as u32).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        backoff.reset();
        assert_eq!(backoff.next().as_secs_f32().round() as u32, 1);
    }

    #[test]
    fn every_wait_is_jittered_the_first_and_the_capped_too() {
        let mut backoff = Backoff::new(BASE, CAP, || u64::MAX / 2);
        let waits: Vec<_> = (0..8).map(|_| backoff.next().as_millis()).collect();
        assert_eq!((waits[0], waits[7]), (499, 29_999));
    }
}
