//! When a disk that refuses to be read counts as damaged, rather than as busy or away for a while.

use std::time::Duration;

use super::record::Stamp;

/// A cable, a bus or a controller that comes back does so within a minute: that is two rounds of what a kernel itself
/// tries. Until then a spool that cannot be read is left where it is, since nothing may be wrong with it.
const LASTS: Duration = Duration::from_secs(60);
/// A machine that slept for a minute has not tried for a minute.
const TRIES: u32 = 5;

/// How often, and since when, the disk has refused in a row.
#[derive(Debug, Default)]
pub(super) struct Patience {
    tries: u32,
    since_us: u64,
}

impl Patience {
    /// Takes note of a refusal, and answers whether it was one too many.
    pub(super) fn is_over(&mut self, now: &Stamp) -> bool {
        if self.tries == 0 {
            self.since_us = now.boot_us;
        }
        self.tries = self.tries.saturating_add(1);
        let lasted = Duration::from_micros(now.boot_us.saturating_sub(self.since_us));
        self.tries >= TRIES && lasted >= LASTS
    }

    /// The disk did as it was told, or something was done about it.
    pub(super) const fn renew(&mut self) {
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests {
    use lapwing_proto::BootId;

    use super::*;

    fn at(seconds: u64) -> Stamp {
        Stamp { wall_us: 0, boot_us: seconds * 1_000_000, boot_id: BootId::from_bytes([1; 16]) }
    }

    #[test]
    fn patience_ends_after_several_tries_and_a_minute() {
        let mut patience = Patience::default();
        let over: Vec<_> = [0, 1, 2, 3, 4, 59, 60].map(|second| patience.is_over(&at(second))).into();
        assert_eq!(over, [false, false, false, false, false, false, true]);
        patience.renew();
        assert!(!patience.is_over(&at(61)));
        assert!(!patience.is_over(&at(1_000)), "few tries, however far apart, are not many");
    }
}
