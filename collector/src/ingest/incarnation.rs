//! Telling copies of one identity apart: each Welcome renews the incarnation, and the one before counts only until the
//! device says that it holds the new one, or has delivered under it.
//!
//! Whoever still shows the one before, in the same start of the PC, is given the same new one again: a Hello that was held
//! up on its way, and arrives after a later one, must not take the turn from the device it came from. In another start it
//! is the PC that lost power before it held the new one, or a copy: it is given another, and whoever holds theirs last
//! has the turn.
//!
//! Incarnations of a device grow with time. What is older than the current one was copied, or came back with a disk that
//! was reset; a reset PC is recognised by its firmware where no other start of it delivers now. What is newer was never
//! given by this database: it is older than it should be, and nobody is to become another device for that.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use lapwing_proto::{BootId, DeviceId, Epoch, Incarnation};

use super::Refused;
use crate::store::deliveries::{Incarnations, Previous, Spool};

/// Whoever is given an incarnation says within this that it is held, or is gone.
const SETTLES_MS: u64 = 60_000;
/// Bytes of an incarnation that hold its time, milliseconds since 1970.
const TIME_BYTES: usize = 6;

/// The right to deliver of one stream, until another takes it over or the stream ends.
#[derive(Debug)]
pub(super) struct Turn {
    live: Live,
    spool: Spool,
    incarnation: Incarnation,
    /// Starts of the PC it was given to: the present one, and those before that nobody has confirmed.
    boots: Vec<BootId>,
    /// Whether the incarnation is held, or a message came under it.
    carried: bool,
}

/// Who delivers now, and by how many open streams.
#[derive(Clone, Debug, Default)]
pub(super) struct Live(Arc<Mutex<HashMap<DeviceId, Streams>>>);

/// The open streams under one incarnation.
#[derive(Debug)]
struct Streams {
    of: Incarnation,
    boot: BootId,
    open: usize,
}

/// A Hello, as far as it says who comes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Comes {
    /// The incarnation it shows; none at the very first.
    pub(super) presented: Option<Incarnation>,
    /// Which start of the PC it is.
    pub(super) boot: BootId,
    /// The firmware names the PC that enrolled.
    pub(super) is_known_pc: bool,
    /// What makes a new incarnation one that nobody can guess.
    pub(super) random: Incarnation,
    /// When, microseconds of UTC.
    pub(super) now_us: i64,
}

impl Live {
    /// Takes the turn to deliver over.
    pub(super) fn take(&self, spool: Spool, of: Incarnations, boots: Vec<BootId>) -> Turn {
        let incarnation = of.current;
        let mut live = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let streams = live.entry(spool.device).or_insert(Streams { of: incarnation, boot: of.boot, open: 0 });
        let open = if streams.of == incarnation { streams.open.saturating_add(1) } else { 1 };
        *streams = Streams { of: incarnation, boot: of.boot, open };
        Turn { live: self.clone(), spool, incarnation, boots, carried: false }
    }

    /// Whether another start of `device` delivers now.
    pub(super) fn has_another(&self, device: DeviceId, boot: BootId) -> bool {
        let live = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        live.get(&device).is_some_and(|streams| streams.boot != boot)
    }

    fn is(&self, device: DeviceId, incarnation: Incarnation) -> bool {
        let live = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        live.get(&device).is_some_and(|streams| streams.of == incarnation)
    }

    fn end(&self, device: DeviceId, incarnation: Incarnation) {
        let mut live = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(streams) = live.get_mut(&device).filter(|streams| streams.of == incarnation) else { return };
        streams.open = streams.open.saturating_sub(1);
        if streams.open == 0 {
            live.remove(&device);
        }
    }
}

impl Turn {
    pub(super) const fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// Starts of the PC that it was given to, the present one first.
    pub(super) fn boots(&self) -> &[BootId] {
        &self.boots
    }

    pub(super) const fn spool(&self) -> Spool {
        self.spool
    }

    pub(super) const fn epoch(&self) -> Epoch {
        self.spool.epoch
    }

    /// Whether nobody has taken it over.
    pub(super) fn is_live(&self) -> bool {
        self.live.is(self.spool.device, self.incarnation)
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
        self.live.end(self.spool.device, self.incarnation);
    }
}

/// The rule: what stands after a Hello, or why it is not welcome. `is_alone`: no other start of the device delivers now.
pub(super) fn renew(known: Option<Incarnations>, comes: &Comes, is_alone: bool) -> Result<Incarnations, Refused> {
    let previous = comes.presented.map_or(Previous::First, Previous::Earlier);
    let current = fresh(known.map(|known| known.current).or(comes.presented), comes);
    let renewed = Incarnations { current, previous, boot: comes.boot };
    let Some(known) = known else { return Ok(renewed) };
    if previous == Previous::Earlier(known.current) {
        return Ok(renewed);
    }
    if previous == known.previous {
        return Ok(if known.boot == comes.boot { known } else { renewed });
    }
    match comes.presented {
        Some(presented) if time_of(presented) >= time_of(known.current) => Err(Refused::Clone),
        Some(_) | None if comes.is_known_pc && is_alone => Ok(renewed),
        Some(_) | None => Err(Refused::Copy),
    }
}

/// Whether it is not seen yet who of those that came lately goes on: their starts are not known before.
pub(super) fn is_settling(known: Option<Incarnations>, now_us: i64) -> bool {
    let Some(known) = known.filter(|known| known.previous != Previous::Over) else { return false };
    let now_ms = u64::try_from(now_us / 1_000).unwrap_or(0);
    now_ms.saturating_sub(time_of(known.current)) < SETTLES_MS
}

/// Later than `current`, whatever the clock says; where nothing is known of the device, than what it shows.
fn fresh(current: Option<Incarnation>, comes: &Comes) -> Incarnation {
    let now_ms = u64::try_from(comes.now_us / 1_000).unwrap_or(0);
    let time = current.map_or(now_ms, |current| now_ms.max(time_of(current).saturating_add(1)));
    let mut bytes = *comes.random.as_bytes();
    for (byte, of_time) in bytes.iter_mut().zip(time.to_be_bytes().into_iter().skip(size_of::<u64>() - TIME_BYTES)) {
        *byte = of_time;
    }
    Incarnation::from_bytes(bytes)
}

fn time_of(incarnation: Incarnation) -> u64 {
    incarnation.as_bytes().iter().take(TIME_BYTES).fold(0, |time, byte| (time << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests;
