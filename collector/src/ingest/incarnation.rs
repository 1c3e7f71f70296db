//! Telling copies of one identity apart: each Welcome renews the incarnation, and the one before counts only until the
//! new one has carried a message. Whoever still shows the one before is given the same new one again: a Hello that was
//! held up on its way, and arrives after a later one, must not take the turn from the device it came from.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use lapwing_proto::{Epoch, Incarnation};

use crate::store::deliveries::{Incarnations, Previous, Spool};

/// The right to deliver of one stream, until another takes it over or the stream ends.
#[derive(Debug)]
pub(super) struct Turn {
    live: Live,
    spool: Spool,
    incarnation: Incarnation,
    /// Whether a message came under this incarnation.
    carried: bool,
}

/// Who delivers now, and by how many open streams.
#[derive(Clone, Debug, Default)]
pub(super) struct Live(Arc<Mutex<HashMap<Spool, Streams>>>);

/// The open streams under one incarnation.
#[derive(Debug)]
struct Streams {
    of: Incarnation,
    open: usize,
}

impl Live {
    /// Takes the turn to deliver of a spool over.
    pub(super) fn take(&self, spool: Spool, incarnation: Incarnation) -> Turn {
        let mut live = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let streams = live.entry(spool).or_insert(Streams { of: incarnation, open: 0 });
        let open = if streams.of == incarnation { streams.open.saturating_add(1) } else { 1 };
        *streams = Streams { of: incarnation, open };
        Turn { live: self.clone(), spool, incarnation, carried: false }
    }

    fn is(&self, spool: Spool, incarnation: Incarnation) -> bool {
        let live = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        live.get(&spool).is_some_and(|streams| streams.of == incarnation)
    }

    fn end(&self, spool: Spool, incarnation: Incarnation) {
        let mut live = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(streams) = live.get_mut(&spool).filter(|streams| streams.of == incarnation) else { return };
        streams.open = streams.open.saturating_sub(1);
        if streams.open == 0 {
            live.remove(&spool);
        }
    }
}

impl Turn {
    pub(super) const fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    pub(super) const fn spool(&self) -> Spool {
        self.spool
    }

    pub(super) const fn epoch(&self) -> Epoch {
        self.spool.epoch
    }

    /// Whether nobody has taken it over.
    pub(super) fn is_live(&self) -> bool {
        self.live.is(self.spool, self.incarnation)
    }

    pub(super) const fn has_carried(&self) -> bool {
        self.carried
    }

    pub(super) const fn set_carried(&mut self) {
        self.carried = true;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.live.end(self.spool, self.incarnation);
    }
}

/// The rule: what stands after a Hello that presents `presented`, or none where it is a copy.
pub(super) fn renew(
    known: Option<Incarnations>,
    presented: Option<Incarnation>,
    fresh: Incarnation,
) -> Option<Incarnations> {
    let previous = presented.map_or(Previous::First, Previous::Earlier);
    match known {
        Some(known) if previous == known.previous => Some(known),
        Some(known) if previous != Previous::Earlier(known.current) => None,
        Some(_) | None => Some(Incarnations { current: fresh, previous }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn incarnation(number: u8) -> Incarnation {
        Incarnation::from_bytes([number; 16])
    }

    /// How far a device gets after its Hello.
    #[derive(Clone, Copy, Debug)]
    enum Reached {
        Nothing,
        Stored,
        /// The Hello before this one arrives only now.
        StoredAndOvertaken,
        Message,
    }

    proptest! {
        /// One device that stores each incarnation before its first batch, cut off wherever it may be, and whose Hellos
        /// may arrive late.
        #[test]
        fn a_device_alone_is_never_taken_for_a_copy(
            reached in prop::collection::vec(
                prop_oneof![Just(Reached::Nothing), Just(Reached::Stored), Just(Reached::StoredAndOvertaken), Just(Reached::Message)],
                1..60,
            )
        ) {
            let mut known = None;
            let mut held = None;
            for (number, got) in (1..).zip(reached) {
                let renewed = renew(known, held, incarnation(number));
                prop_assert!(renewed.is_some());
                let welcomed = renewed.map(|renewed| renewed.current);
                known = renewed;
                match got {
                    Reached::Nothing => {}
                    Reached::Stored => held = welcomed,
                    Reached::StoredAndOvertaken => {
                        known = renew(known, held, incarnation(100 + number)).or(known);
                        held = welcomed;
                        prop_assert_eq!(known.map(|known| known.current), held, "it may deliver");
                    }
                    Reached::Message => {
                        held = welcomed;
                        known = welcomed.map(|current| Incarnations { current, previous: Previous::Over });
                    }
                }
            }
        }

        /// However many Hellos went by: once the original has carried a message, whatever a copy took with it before
        /// is refused.
        #[test]
        fn a_copy_is_refused_once_the_original_has_delivered(hellos in 1_u8..50) {
            let copied = (hellos > 1).then(|| incarnation(hellos - 1));
            let after = Incarnations { current: incarnation(hellos), previous: Previous::Over };

            prop_assert_eq!(renew(Some(after), copied, incarnation(200)), None);
            prop_assert_eq!(renew(Some(after), None, incarnation(200)), None);
            prop_assert!(renew(Some(after), Some(incarnation(hellos)), incarnation(200)).is_some());
        }
    }
}
