//! Time, as a parameter: everything that needs it takes a [`Clock`].

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// Where the collector reads the time.
pub trait Clock: Send + Sync + 'static {
    /// Microseconds of UTC since 1970.
    fn wall_us(&self) -> i64;
}

/// The machine's own clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn wall_us(&self) -> i64 {
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since_1970.as_micros()).unwrap_or(i64::MAX)
    }
}

/// How long something took; no time of day.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads it")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// A clock that stands still until it is moved: a seam for tests.
#[derive(Debug)]
pub struct ManualClock {
    wall_us: AtomicI64,
}

impl ManualClock {
    /// A clock that stands at `wall_us`.
    #[must_use]
    pub const fn at(wall_us: i64) -> Self {
        Self { wall_us: AtomicI64::new(wall_us) }
    }

    /// Moves it by `us`, backwards where negative.
    pub fn advance_us(&self, us: i64) {
        self.wall_us.fetch_add(us, Ordering::SeqCst);
    }

    /// Sets it to `wall_us`.
    pub fn set_us(&self, wall_us: i64) {
        self.wall_us.store(wall_us, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn wall_us(&self) -> i64 {
        self.wall_us.load(Ordering::SeqCst)
    }
}
