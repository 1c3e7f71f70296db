//! Places for connections: counted in all and for each address they come from, and given back when a place is dropped.
//!
//! A connection over the bound is closed before it costs a handshake. One within it waits for its turn to shake hands:
//! an address that lets its handshakes hang holds up nobody but itself.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::ingest::network;

/// What one listener bears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections, those in their handshake included.
    pub connections: usize,
    /// Of these, from one address (IPv6: one /64).
    pub per_address: usize,
    /// Handshakes at a time.
    pub handshakes: usize,
    /// Of these, from one address.
    pub handshakes_per_address: usize,
    /// A handshake takes at most this, and waits for its turn as long again.
    pub handshake_within: Duration,
}

/// The places of one listener.
#[derive(Debug)]
pub(super) struct Slots {
    limits: Limits,
    handshakes: Arc<Semaphore>,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_address: HashMap<IpAddr, Address>,
    /// Connections closed for want of a place.
    refused: u64,
}

#[derive(Debug)]
struct Address {
    open: usize,
    handshakes: Arc<Semaphore>,
}

/// The place of one connection.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    address: IpAddr,
    handshakes: Arc<Semaphore>,
}

/// The turn of one handshake.
#[derive(Debug)]
pub(super) struct Turn {
    _of_address: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl Slots {
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        let handshakes = Arc::new(Semaphore::new(limits.handshakes));
        Arc::new(Self { limits, handshakes, taken: Mutex::default() })
    }

    /// A place for a connection from `address`, or how many found none so far.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Result<Slot, u64> {
        let address = network(address);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let from_address = taken.by_address.get(&address).map_or(0, |address| address.open);
        if taken.all >= self.limits.connections || from_address >= self.limits.per_address {
            taken.refused = taken.refused.saturating_add(1);
            return Err(taken.refused);
        }
        taken.all += 1;
        let entry = taken.by_address.entry(address).or_insert_with(|| Address {
            open: 0,
            handshakes: Arc::new(Semaphore::new(self.limits.handshakes_per_address)),
        });
        entry.open += 1;
        Ok(Slot { slots: Arc::clone(self), address, handshakes: Arc::clone(&entry.handshakes) })
    }

    fn give_back(&self, address: IpAddr) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all = taken.all.saturating_sub(1);
        let Some(entry) = taken.by_address.get_mut(&address) else { return };
        entry.open = entry.open.saturating_sub(1);
        if entry.open == 0 {
            taken.by_address.remove(&address);
        }
    }
}

impl Slot {
    pub(super) fn limits(&self) -> Limits {
        self.slots.limits
    }

    /// Waits for the turn to shake hands; none when it did not come in time.
    pub(super) async fn turn(&self) -> Option<Turn> {
        let turn = async {
            let of_address = Arc::clone(&self.handshakes).acquire_owned().await.ok()?;
            let of_all = Arc::clone(&self.slots.handshakes).acquire_owned().await.ok()?;
            Some(Turn { _of_address: of_address, _of_all: of_all })
        };
        tokio::time::timeout(self.slots.limits.handshake_within, turn).await.ok()?
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.give_back(self.address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        connections: 5,
        per_address: 3,
        handshakes: 2,
        handshakes_per_address: 1,
        handshake_within: Duration::from_millis(1),
    };

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn places_are_counted_in_all_and_by_address_and_come_back() {
        let slots = Slots::new(LIMITS);
        let (one, other) = (address("10.0.0.1"), address("10.0.0.2"));
        let mut held: Vec<_> = (0..3).map(|_| slots.take(one).unwrap()).collect();
        assert_eq!(slots.take(one).unwrap_err(), 1);
        held.extend((0..2).map(|_| slots.take(other).unwrap()));
        assert_eq!(slots.take(other).unwrap_err(), 2);
        assert_eq!(slots.take(address("10.0.0.3")).unwrap_err(), 3);

        drop(held.swap_remove(0));
        held.push(slots.take(one).unwrap());
        drop(held);

        let taken = slots.taken.lock().unwrap();
        assert_eq!((taken.all, taken.by_address.len()), (0, 0));
    }

    #[test]
    fn addresses_of_one_network_share_their_places() {
        let slots = Slots::new(LIMITS);
        let _held: Vec<_> = (1..=3).map(|host| slots.take(address(&format!("2001:db8::{host}"))).unwrap()).collect();
        assert!(slots.take(address("2001:db8::9")).is_err());
        assert!(slots.take(address("2001:db8:0:1::9")).is_ok());
    }

    #[tokio::test]
    async fn hanging_handshakes_of_one_address_hold_up_nobody_else() {
        let slots = Slots::new(LIMITS);
        let (one, other) = (slots.take(address("10.0.0.1")).unwrap(), slots.take(address("10.0.0.2")).unwrap());
        let hanging = one.turn().await.unwrap();
        let next = slots.take(address("10.0.0.1")).unwrap();
        assert!(next.turn().await.is_none());
        assert!(other.turn().await.is_some());
        drop(hanging);
        assert!(next.turn().await.is_some());
    }
}
