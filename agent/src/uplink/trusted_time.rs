//! The time by which the collector's certificate is judged: a device's own clock may be wrong or turned.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::time_provider::TimeProvider;
use rustls_pki_types::UnixTime;

use crate::clock::Clock;
use crate::signal::Moment;

/// The last time the collector told, plus what passed since by the clock that counts from the device's start. Before
/// the collector told one in this run: the wall clock, but never earlier than the collector's last known time.
pub(crate) struct TrustedTime {
    clock: Arc<dyn Clock>,
    known: Mutex<Known>,
}

struct Known {
    earliest_us: i64,
    /// The collector's time and ours since start, at one moment.
    told: Option<(i64, u64)>,
    /// What the collector last answered.
    answer: Option<Answer>,
}

/// The collector's time, said between two moments of ours.
#[derive(Clone, Copy, Debug)]
struct Answer {
    server_time_us: i64,
    asked_us: u64,
    heard_us: u64,
}

/// What time it was at the collector, as far as its last answer says: a slow network makes it vaguer, never wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Between {
    /// It was no earlier, microseconds of UTC.
    pub(crate) earliest_us: i64,
    /// It was no later.
    pub(crate) latest_us: i64,
    /// How long before the collector was last heard.
    pub(crate) silent: Duration,
}

impl TrustedTime {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, known: Mutex::new(Known { earliest_us: 0, told: None, answer: None }) }
    }

    /// It was at least this late at the collector when it was last heard, in an earlier run.
    pub(crate) fn is_after(&self, server_time_us: i64) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.earliest_us = known.earliest_us.max(server_time_us);
    }

    /// An authenticated collector told its time. One before what it told in an earlier run is no time: its clock was
    /// not set yet.
    pub(crate) fn tell(&self, server_time_us: i64) {
        let boot_us = self.clock.boot_us();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if server_time_us >= known.earliest_us {
            known.told = Some((server_time_us, boot_us));
        }
    }

    /// As [`TrustedTime::tell`], of a question that was asked `asked_us` after the device started.
    pub(crate) fn answered(&self, server_time_us: i64, asked_us: u64) {
        self.tell(server_time_us);
        let heard_us = self.clock.boot_us();
        let answer = Answer { server_time_us, asked_us: asked_us.min(heard_us), heard_us };
        self.known.lock().unwrap_or_else(PoisonError::into_inner).answer = Some(answer);
    }

    /// What time it was at the collector `boot_us` after the device started; `None` before it answered in this run. No
    /// wall clock enters it, however long the collector is silent.
    pub(crate) fn between(&self, boot_us: u64) -> Option<Between> {
        let answer = self.known.lock().unwrap_or_else(PoisonError::into_inner).answer?;
        let passed_since =
            |since_us: u64| i64::try_from(i128::from(boot_us) - i128::from(since_us)).unwrap_or(i64::MAX);
        Some(Between {
            earliest_us: answer.server_time_us.saturating_add(passed_since(answer.heard_us)),
            latest_us: answer.server_time_us.saturating_add(passed_since(answer.asked_us)),
            silent: Duration::from_micros(boot_us.saturating_sub(answer.heard_us)),
        })
    }

    /// The collector cannot be reached by the time it told: it may have been wrong, so that the wall clock counts.
    pub(crate) fn doubt(&self) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).told = None;
    }

    /// What else the time may be while the collector has not told it: the last it told in an earlier run.
    pub(crate) fn otherwise(&self) -> Option<UnixTime> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        (known.told.is_none() && known.earliest_us > 0).then_some(known.earliest_us).and_then(unix)
    }

    /// The best known time, microseconds of UTC.
    pub(crate) fn now_us(&self) -> i64 {
        self.at_us(Moment { boot_us: self.clock.boot_us(), wall_us: self.clock.wall_us() })
    }

    /// The best known time of a moment of this start of the device, microseconds of UTC.
    pub(crate) fn at_us(&self, moment: Moment) -> i64 {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let signed = |micros: u64| i64::try_from(micros).unwrap_or(i64::MAX);
        match known.told {
            Some((server_us, boot_us)) => {
                server_us.saturating_add(signed(moment.boot_us)).saturating_sub(signed(boot_us))
            }
            None => moment.wall_us.max(known.earliest_us),
        }
    }
}

/// As certificates are judged.
fn unix(time_us: i64) -> Option<UnixTime> {
    Some(UnixTime::since_unix_epoch(Duration::from_micros(u64::try_from(time_us).ok()?)))
}

impl TimeProvider for TrustedTime {
    fn current_time(&self) -> Option<UnixTime> {
        unix(self.now_us())
    }
}

impl fmt::Debug for TrustedTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TrustedTime")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn a_turned_wall_clock_changes_nothing_once_the_collector_was_heard() {
        let clock = Arc::new(ManualClock::at(5_000));
        let time = TrustedTime::new(Arc::clone(&clock) as Arc<dyn Clock>);
        time.tell(1_000_000);
        clock.set_wall_us(9_000_000_000);
        clock.advance(Duration::from_micros(7));
        assert_eq!(time.now_us(), 1_000_007);
    }

    #[test]
    fn a_slow_answer_makes_the_collectors_time_vaguer_and_never_wrong() {
        let clock = Arc::new(ManualClock::at(5_000));
        let time = TrustedTime::new(Arc::clone(&clock) as Arc<dyn Clock>);
        assert_eq!(time.between(clock.boot_us()), None);
        let asked_us = clock.boot_us();
        clock.advance(Duration::from_secs(30));
        time.answered(1_000_000_000, asked_us);
        clock.set_wall_us(i64::MAX);
        clock.advance(Duration::from_secs(60));
        time.doubt();
        let between = time.between(clock.boot_us()).unwrap();
        assert_eq!((between.earliest_us, between.latest_us), (1_060_000_000, 1_090_000_000));
        assert_eq!(between.silent, Duration::from_secs(60));
    }

    #[test]
    fn a_collector_whose_clock_was_wrong_is_reached_again() {
        let time = TrustedTime::new(Arc::new(ManualClock::at(5_000)));
        time.is_after(4_000);
        time.tell(3_000);
        assert_eq!(time.now_us(), 5_000);
        time.tell(9_000_000);
        time.doubt();
        assert_eq!(time.now_us(), 5_000);
    }

    #[test]
    fn until_the_collector_tells_the_time_it_may_also_be_when_it_was_last_heard() {
        let time = TrustedTime::new(Arc::new(ManualClock::at(9_000_000_000)));
        assert_eq!(time.otherwise(), None);
        time.is_after(4_000_000);
        assert_eq!(time.otherwise(), unix(4_000_000));
        time.tell(5_000_000);
        assert_eq!(time.otherwise(), None);
    }

    #[test]
    fn a_clock_that_lost_its_battery_is_no_earlier_than_the_last_run() {
        let time = TrustedTime::new(Arc::new(ManualClock::at(5_000)));
        time.is_after(8_000);
        assert_eq!(time.now_us(), 8_000);
    }
}
