//! Time, as a parameter: the only place that reads the machine's clocks.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use lapwing_proto::BootId;

use crate::platform;

/// Reads both clocks a capture carries.
pub trait Clock: Send + Sync + 'static {
    /// The device's wall clock, microseconds of UTC since 1970. May jump.
    fn wall_us(&self) -> i64;
    /// Microseconds since the device started, sleep included. Never goes back within one start.
    fn boot_us(&self) -> u64;
    /// Which start of the device [`Clock::boot_us`] counts from.
    fn boot_id(&self) -> BootId;
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn wall_us(&self) -> i64 {
        (**self).wall_us()
    }

    fn boot_us(&self) -> u64 {
        (**self).boot_us()
    }

    fn boot_id(&self) -> BootId {
        (**self).boot_id()
    }
}

/// The machine's own clocks.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    boot_id: BootId,
}

impl SystemClock {
    /// The machine's clocks, for this start of it.
    ///
    /// # Errors
    ///
    /// When the operating system does not tell one start from another.
    pub fn new() -> io::Result<Self> {
        Ok(Self { boot_id: platform::boot_id()? })
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn wall_us(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    }

    fn boot_us(&self) -> u64 {
        platform::boot_us()
    }

    fn boot_id(&self) -> BootId {
        self.boot_id
    }
}

/// A clock that stands still until it is told to go on: the seam for tests of everything that waits.
#[derive(Debug)]
pub struct ManualClock {
    wall_us: AtomicI64,
    boot_us: AtomicU64,
    boot_id: BootId,
}

impl ManualClock {
    /// A clock at `wall_us`, one second after the device started.
    #[must_use]
    pub fn at(wall_us: i64) -> Self {
        Self {
            wall_us: AtomicI64::new(wall_us),
            boot_us: AtomicU64::new(1_000_000),
            boot_id: BootId::from_bytes([7; 16]),
        }
    }

    /// Moves both clocks on.
    pub fn advance(&self, by: std::time::Duration) {
        let micros = u64::try_from(by.as_micros()).unwrap_or(u64::MAX);
        self.boot_us.fetch_add(micros, Ordering::SeqCst);
        self.wall_us.fetch_add(i64::try_from(micros).unwrap_or(i64::MAX), Ordering::SeqCst);
    }

    /// Sets the wall clock alone, as a person or a time server does.
    pub fn set_wall_us(&self, wall_us: i64) {
        self.wall_us.store(wall_us, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn wall_us(&self) -> i64 {
        self.wall_us.load(Ordering::SeqCst)
    }

    fn boot_us(&self) -> u64 {
        self.boot_us.load(Ordering::SeqCst)
    }

    fn boot_id(&self) -> BootId {
        self.boot_id
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_changed_wall_clock_leaves_the_time_since_start_alone() {
        let clock = ManualClock::at(5_000_000);
        clock.set_wall_us(1);
        clock.advance(Duration::from_millis(2));
        assert_eq!((clock.wall_us(), clock.boot_us()), (2_001, 1_002_000));
    }
}
