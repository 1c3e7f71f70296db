//! Nonces for proofs: each holds for a minute, and for one of them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use lapwing_proto::joining::NONCE_BYTES;

const HOLD_US: i64 = 60 * 1_000_000;
/// Held at most; when it is full, the oldest goes.
const MOST: usize = 4096;

/// Those that were made and not taken.
#[derive(Debug, Default)]
pub(crate) struct Nonces(Mutex<HashMap<[u8; NONCE_BYTES], i64>>);

impl Nonces {
    /// A new one, made at `now_us`.
    pub(super) fn make(&self, now_us: i64) -> Result<[u8; NONCE_BYTES], getrandom::Error> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce)?;
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= MOST {
            held.retain(|_, made_us| holds(*made_us, now_us));
        }
        if held.len() >= MOST
            && let Some(oldest) = held.iter().min_by_key(|(_, made_us)| **made_us).map(|(nonce, _)| *nonce)
        {
            held.remove(&oldest);
        }
        held.insert(nonce, now_us);
        Ok(nonce)
    }

    /// Whether it could be taken now.
    pub(super) fn holds(&self, nonce: &[u8], now_us: i64) -> bool {
        let Ok(nonce) = <[u8; NONCE_BYTES]>::try_from(nonce) else { return false };
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.get(&nonce).is_some_and(|made_us| holds(*made_us, now_us))
    }

    /// Takes one. Says whether it was made here, holds, and was not taken before.
    pub(super) fn take(&self, nonce: &[u8; NONCE_BYTES], now_us: i64) -> bool {
        let made_us = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(nonce);
        made_us.is_some_and(|made_us| holds(made_us, now_us))
    }
}

/// A clock that was set back makes none of them hold for longer.
const fn holds(made_us: i64, now_us: i64) -> bool {
    now_us >= made_us && now_us - made_us <= HOLD_US
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_taken_once_and_within_a_minute() {
        let nonces = Nonces::default();
        let [one, late, early] = [(); 3].map(|()| nonces.make(100).unwrap());
        assert!(nonces.take(&one, 100 + HOLD_US));
        assert!(!nonces.take(&one, 100));
        assert!(!nonces.take(&late, 101 + HOLD_US));
        assert!(!nonces.take(&early, 99));
        assert!(!nonces.take(&[0; NONCE_BYTES], 100));
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_goes_first() {
        let nonces = Nonces::default();
        let first = nonces.make(0).unwrap();
        let made: Vec<_> = (1..=MOST).map(|at| nonces.make(i64::try_from(at).unwrap()).unwrap()).collect();
        assert!(!nonces.take(&first, 50));
        assert!(nonces.take(&made[0], 5000));
        assert_eq!(nonces.0.lock().unwrap().len(), MOST - 1);
    }
}
