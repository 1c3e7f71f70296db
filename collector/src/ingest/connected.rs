//! How many connections each device has open.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use lapwing_proto::DeviceId;

/// A device needs one; after a cut it opens another before the old one is known to be gone.
const MAX_A_DEVICE: usize = 8;

/// Connections by device.
#[derive(Clone, Debug, Default)]
pub(super) struct Connected(Arc<Mutex<HashMap<DeviceId, usize>>>);

/// The place of one connection, given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    connected: Connected,
    device: DeviceId,
}

impl Connected {
    /// A place for one more connection of `device`, if it may have one.
    pub(super) fn enter(&self, device: DeviceId) -> Option<Place> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(device).or_default();
        if *count >= MAX_A_DEVICE {
            return None;
        }
        *count += 1;
        Some(Place { connected: self.clone(), device })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.connected.0.lock().unwrap_or_else(PoisonError::into_inner);
        match open.get_mut(&self.device) {
            Some(count) if *count > 1 => *count -= 1,
            Some(_) | None => {
                open.remove(&self.device);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_has_a_few_connections_and_none_is_counted_twice() {
        let connected = Connected::default();
        let (one, other) = (DeviceId::from_bytes([1; 16]), DeviceId::from_bytes([2; 16]));
        let mut places: Vec<_> = (0..MAX_A_DEVICE).map(|_| connected.enter(one).unwrap()).collect();
        assert!(connected.enter(one).is_none());
        assert!(connected.enter(other).is_some());
        places.pop();
        assert!(connected.enter(one).is_some());
        places.clear();
        assert!(connected.0.lock().unwrap().is_empty());
    }
}
