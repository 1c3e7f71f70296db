//! What the collector cannot do without.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lapwing_collector::clock::{Clock, SystemClock};
use lapwing_collector::config::Config;
use lapwing_collector::lifecycle::Collector;

use crate::school::{PATIENCE, School};

/// Stops whoever asks it, once it is broken.
#[derive(Default)]
struct Clockwork {
    is_broken: AtomicBool,
}

impl Clock for Clockwork {
    fn wall_us(&self) -> i64 {
        assert!(!self.is_broken.load(Ordering::SeqCst), "broken");
        SystemClock.wall_us()
    }
}

#[tokio::test]
async fn a_part_that_breaks_ends_the_collector_so_that_it_is_started_again() {
    let mut school = School::open().await;
    school.stop().await;
    let clock = Arc::new(Clockwork::default());
    let collector = Collector::start(Config::load(&school.config()).unwrap(), clock.clone()).await.unwrap();

    // The upkeep asks for the time once a second.
    clock.is_broken.store(true, Ordering::SeqCst);
    let failed = tokio::time::timeout(PATIENCE, collector.failed()).await;

    assert!(failed.is_ok() && collector.has_failed());
    clock.is_broken.store(false, Ordering::SeqCst);
    collector.stop().await;
}
