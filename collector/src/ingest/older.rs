//! Devices that show incarnations this database never gave. One may have been tampered with; many at once mean that it is the
//! collector's database that came back from a back-up.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use lapwing_proto::DeviceId;

/// More than by chance.
const MANY: usize = 3;

/// Who was refused since the start, until there are many.
#[derive(Debug, Default)]
pub(super) struct Older(Mutex<BTreeSet<DeviceId>>);

impl Older {
    /// Takes note of `device`. Says once that there are many.
    pub(super) fn are_now_many(&self, device: DeviceId) -> bool {
        let mut refused = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        refused.len() < MANY && refused.insert(device) && refused.len() == MANY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_are_told_once_and_one_that_comes_again_is_one() {
        let older = Older::default();
        let told = [1, 1, 1, 2, 2, 3, 3, 4, 5].map(|device| older.are_now_many(DeviceId::from_bytes([device; 16])));
        assert_eq!(told, [false, false, false, false, false, true, false, false, false]);
    }
}
