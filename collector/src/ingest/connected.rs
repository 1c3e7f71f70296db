//! How many connections each device has open, and what all of them may take up of the room for messages.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use lapwing_proto::DeviceId;
use lapwing_proto::bounds::MAX_MESSAGE_BYTES;
use tokio::sync::Semaphore;

use super::room::Share;

/// A device needs one; after a cut it opens another before the old one is known to be gone.
const MAX_A_DEVICE: usize = 8;
/// Bytes of its messages that are received in part, or whole and not committed; each.
const MAX_BYTES: usize = 2 * MAX_MESSAGE_BYTES;

/// Connections by device.
#[derive(Clone, Debug, Default)]
pub(super) struct Connected(Arc<Mutex<HashMap<DeviceId, Open>>>);

#[derive(Debug)]
struct Open {
    connections: usize,
    received: Share,
    whole: Share,
}

/// The place of one connection, given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    connected: Connected,
    device: DeviceId,
    /// For messages received in part.
    pub(super) received: Share,
    /// For messages that are whole.
    pub(super) whole: Share,
}

impl Connected {
    /// A place for one more connection of `device`, if it may have one.
    pub(super) fn enter(&self, device: DeviceId) -> Option<Place> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of = open.entry(device).or_insert_with(|| {
            let [received, whole] = [(), ()].map(|()| Arc::new(Semaphore::new(MAX_BYTES)));
            Open { connections: 0, received, whole }
        });
        if of.connections >= MAX_A_DEVICE {
            return None;
        }
        of.connections += 1;
        let (received, whole) = (Arc::clone(&of.received), Arc::clone(&of.whole));
        Some(Place { connected: self.clone(), device, received, whole })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.connected.0.lock().unwrap_or_else(PoisonError::into_inner);
        match open.get_mut(&self.device) {
            Some(of) if of.connections > 1 => of.connections -= 1,
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
