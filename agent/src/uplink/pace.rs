//! Pacing what waited: a school that comes back after an outage does not deliver in one blow.
//!
//! What waited in the spool when the stream was welcomed, below the two highest levels, is spread over
//! [`OVER`], in batches that begin at a random moment. What is urgent, what came since, and what fits into one small
//! batch goes at once.

use std::collections::BTreeMap;
use std::time::Duration;

use lapwing_proto::Seq;
use lapwing_proto::bounds::MAX_BATCH;
use lapwing_rules::Level;

use super::backoff::Backoff;
use crate::spool::LaneState;

/// What draining takes, where the collector is quick enough.
const OVER: Duration = Duration::from_secs(30);
/// The longest pause between two batches, and before the first.
const LONGEST: Duration = Duration::from_secs(4);
/// Captures a batch at least.
const LEAST: usize = 16;
/// Batches at most, as long as they can be made larger.
const BATCHES: usize = 200;
/// The highest level that can wait.
const HIGHEST: Level = Level::Moderate;

/// How one stream drains what waited.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// The first sequence that did not wait, of each lane that is paced.
    ends: BTreeMap<Level, Seq>,
    batch: usize,
    every: Duration,
    /// It is not the time for the next batch yet.
    held: bool,
}

impl Pace {
    /// The pace for what waits in `lanes`.
    pub(super) fn of(lanes: &[LaneState]) -> Self {
        let paced = || lanes.iter().filter(|state| state.lane <= HIGHEST);
        let waiting =
            |state: &LaneState| state.first.map_or(0, |first| state.next.number().saturating_sub(first.number()));
        let total = usize::try_from(paced().map(waiting).sum::<u64>()).unwrap_or(usize::MAX);
        if total <= LEAST {
            return Self::default();
        }
        let batch = (total / BATCHES).clamp(LEAST, MAX_BATCH);
        let batches = u32::try_from(total.div_ceil(batch)).unwrap_or(u32::MAX);
        let ends = paced().map(|state| (state.lane, state.next)).collect();
        Self { ends, batch, every: (OVER / batches).min(LONGEST), held: true }
    }

    /// How long the first batch waits, drawn so that devices that were welcomed together do not go on together.
    pub(super) fn first(&self, dice: &Backoff) -> Duration {
        dice.within(self.every)
    }

    /// From one batch to the next.
    pub(super) const fn every(&self) -> Duration {
        self.every
    }

    /// Whether what waited waits for its time.
    pub(super) const fn is_held(&self) -> bool {
        self.held
    }

    /// It is time for the next batch.
    pub(super) const fn release(&mut self) {
        self.held = false;
    }

    /// Most captures the next batch of `lane` may hold, where the window has `room`; 0: not yet.
    pub(super) fn room(&self, lane: Level, at: Seq, room: usize) -> usize {
        match (self.paces(lane, at), self.held) {
            (true, true) => 0,
            (true, false) => room.min(self.batch),
            (false, _) => room,
        }
    }

    /// A batch of `lane` was sent that began at `at`. Says whether the next has to wait.
    pub(super) fn sent(&mut self, lane: Level, at: Seq) -> bool {
        let waited = self.paces(lane, at);
        self.held = self.held || waited;
        waited
    }

    fn paces(&self, lane: Level, at: Seq) -> bool {
        self.ends.get(&lane).is_some_and(|end| at < *end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(lane: Level, first: u64, next: u64) -> LaneState {
        LaneState { lane, first: (first < next).then_some(Seq::new(first)), next: Seq::new(next) }
    }

    #[test]
    fn what_waited_is_spread_and_what_is_urgent_or_new_is_not() {
        let mut pace = Pace::of(&[lane(Level::Low, 1, 201), lane(Level::Critical, 1, 50), lane(Level::Info, 7, 7)]);
        assert_eq!((pace.batch, pace.every()), (16, OVER / 13));
        let room = |pace: &Pace, lane, at| pace.room(lane, Seq::new(at), 200);
        assert_eq!((room(&pace, Level::Low, 1), room(&pace, Level::Critical, 1)), (0, 200));
        assert!(!pace.sent(Level::Critical, Seq::new(1)), "it does not put off what waits");
        assert_eq!((room(&pace, Level::Low, 201), room(&pace, Level::Info, 7)), (200, 200), "these did not wait");
        pace.release();
        assert_eq!((room(&pace, Level::Low, 1), room(&pace, Level::Low, 201)), (16, 200));
        assert!(!pace.sent(Level::Critical, Seq::new(1)));
        assert!(pace.sent(Level::Low, Seq::new(1)));
        assert_eq!(room(&pace, Level::Low, 17), 0);
    }

    #[test]
    fn one_small_batch_goes_at_once() {
        let pace = Pace::of(&[lane(Level::Low, 1, 17), lane(Level::High, 1, 1000)]);
        assert!(!pace.is_held());
        assert_eq!(pace.room(Level::Low, Seq::new(1), 256), 256);
    }

    #[test]
    fn however_much_waited_it_takes_about_as_long() {
        for waiting in [17, 100, 1_000, 5_000, 200_000] {
            let pace = Pace::of(&[lane(Level::Moderate, 1, waiting + 1)]);
            let batches = u32::try_from(waiting).unwrap().div_ceil(u32::try_from(pace.batch).unwrap());
            assert!(pace.every() * batches <= OVER, "{waiting}");
            assert!(pace.every() <= LONGEST, "{waiting}");
        }
    }
}
