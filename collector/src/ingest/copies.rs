//! Devices whose copies were refused lately: those copies alone may join as copies.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use lapwing_proto::DeviceId;

/// A copy joins within this of its being refused.
const HOLD_US: i64 = 60 * 60 * 1_000_000;
/// Devices remembered; when it is full, those that are long past go, and without any nobody new is noted.
const MOST: usize = 4096;

/// When a copy of each device was last refused.
#[derive(Debug, Default)]
pub(crate) struct Copies(Mutex<HashMap<DeviceId, i64>>);

impl Copies {
    /// A copy of `device` was refused at `now_us`.
    pub(super) fn note(&self, device: DeviceId, now_us: i64) {
        let mut refused = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.len() >= MOST {
            refused.retain(|_, at_us| holds(*at_us, now_us));
        }
        if refused.len() < MOST || refused.contains_key(&device) {
            refused.insert(device, now_us);
        }
    }

    /// Whether one was refused lately.
    pub(super) fn has(&self, device: DeviceId, now_us: i64) -> bool {
        let refused = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        refused.get(&device).is_some_and(|at_us| holds(*at_us, now_us))
    }
}

const fn holds(at_us: i64, now_us: i64) -> bool {
    now_us.abs_diff(at_us) <= HOLD_US.unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_counts_for_an_hour_and_memory_is_bounded() {
        let (copies, device) = (Copies::default(), |number: usize| {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&number.to_be_bytes());
            DeviceId::from_bytes(bytes)
        });
        copies.note(device(0), 5);
        assert!(copies.has(device(0), 5 + HOLD_US) && !copies.has(device(0), 6 + HOLD_US));
        assert!(!copies.has(device(1), 5));
        for number in 0..MOST + 10 {
            copies.note(device(number), 10);
        }
        assert!(!copies.has(device(MOST + 5), 10));
        copies.note(device(MOST + 5), 11 + HOLD_US);
        assert!(copies.has(device(MOST + 5), 11 + HOLD_US), "the others are long past");
    }
}
