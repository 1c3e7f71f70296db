//! Who can wait gives way: devices wait for their acknowledgements, and most of what triage takes can wait for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::Store;

/// Batches on their way to a commit from which on they press: a device or two at a time never do.
const FROM: usize = 4;
/// How much longer than it held the database a writer that can wait gives way.
const WAY: u32 = 4;
const LONGEST_WAY: Duration = Duration::from_millis(200);

/// One batch that waits for its commit, for as long as it lives.
#[derive(Debug)]
pub(crate) struct Pressing(Arc<AtomicUsize>);

impl Store {
    /// One more batch waits.
    pub(crate) fn press(&self) -> Pressing {
        self.pressing.fetch_add(1, Ordering::Relaxed);
        Pressing(Arc::clone(&self.pressing))
    }

    /// Whether many wait.
    pub(crate) fn is_pressed(&self) -> bool {
        self.pressing.load(Ordering::Relaxed) >= FROM
    }

    /// Called between its transactions by a writer that can wait, after one that took `held`: while many press it takes
    /// a fifth of the time.
    pub(crate) async fn give_way(&self, held: Duration) {
        if self.is_pressed() {
            tokio::time::sleep((held * WAY).min(LONGEST_WAY)).await;
        }
    }
}

impl Drop for Pressing {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fixture::School;

    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "the test's own paused clock")]
    async fn who_can_wait_waits_only_while_many_press() {
        let school = School::open().await;
        let store = &school.store;
        tokio::time::pause();
        let waited = async || {
            let before = tokio::time::Instant::now();
            store.give_way(Duration::from_millis(10)).await;
            before.elapsed()
        };
        let mut few: Vec<_> = (1..FROM).map(|_| store.press()).collect();
        assert_eq!(waited().await, Duration::ZERO);
        few.push(store.press());
        // Timers have whole milliseconds.
        assert!((40..=41).contains(&waited().await.as_millis()));
        few.pop();
        assert_eq!(waited().await, Duration::ZERO);
    }
}
