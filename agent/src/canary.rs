//! How far the daily check came: which sensors saw it since the start, and what of that the collector has acknowledged.
//!
//! A capture of the check is spooled like any other. Once its lane has moved past it, the collector has committed it;
//! where a gap stands in its place it was lost instead.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use lapwing_proto::{Seq, wire};
use lapwing_rules::{Category, Level};

use crate::frame::CanaryReport;
use crate::sensor::SensorName;
use crate::uplink::Backlog;

/// Captures of the check that wait to be acknowledged and are remembered; beyond them the oldest are forgotten.
const MAX_WAITING: usize = 64;

/// The daily checks of one run of the service. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Canaries(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// Where they wait; none in a test that delivers nothing.
    spool: Option<Arc<dyn Backlog>>,
    book: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    counts: BTreeMap<SensorName, Counts>,
    waiting: Vec<Waiting>,
}

#[derive(Clone, Copy, Default)]
struct Counts {
    spooled: u64,
    delivered: u64,
}

#[derive(Clone, Copy)]
struct Waiting {
    sensor: SensorName,
    lane: Level,
    seq: Seq,
}

impl Canaries {
    /// Of what waits in `spool`.
    pub(crate) fn of(spool: Arc<dyn Backlog>) -> Self {
        Self(Arc::new(Inner { spool: Some(spool), book: Mutex::default() }))
    }

    /// A capture was spooled; one that is no daily check is passed over.
    pub(crate) fn spooled(&self, capture: &wire::Capture, lane: Level, seq: Seq) {
        let Some(sensor) = sensor(capture) else { return };
        let mut book = self.0.book.lock().unwrap_or_else(PoisonError::into_inner);
        book.counts.entry(sensor).or_default().spooled += 1;
        if book.waiting.len() >= MAX_WAITING {
            book.waiting.remove(0);
        }
        book.waiting.push(Waiting { sensor, lane, seq });
    }

    /// How far the checks came by now.
    pub(crate) fn report(&self) -> Vec<CanaryReport> {
        let mut book = self.0.book.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = std::mem::take(&mut book.waiting);
        for one in waiting {
            match self.fate(one) {
                Fate::Waits => book.waiting.push(one),
                Fate::Delivered => book.counts.entry(one.sensor).or_default().delivered += 1,
                Fate::Lost => {}
            }
        }
        let report = |(sensor, counts): (&SensorName, &Counts)| CanaryReport {
            sensor: sensor.as_str().to_owned(),
            spooled: counts.spooled,
            delivered: counts.delivered,
        };
        book.counts.iter().map(report).collect()
    }

    fn fate(&self, one: Waiting) -> Fate {
        let Some(spool) = &self.0.spool else { return Fate::Waits };
        let states = spool.lane_states();
        let Some(state) = states.iter().find(|state| state.lane == one.lane) else { return Fate::Waits };
        // A spool that was begun anew counts from 1 again.
        if state.next <= one.seq {
            return Fate::Lost;
        }
        if state.first.is_some_and(|first| first <= one.seq) {
            return Fate::Waits;
        }
        match spool.gaps(one.lane, one.seq) {
            Ok(gaps) if gaps.iter().any(|gap| gap.from <= one.seq && one.seq <= gap.to) => Fate::Lost,
            Ok(_) => Fate::Delivered,
            Err(_) => Fate::Waits,
        }
    }
}

enum Fate {
    Waits,
    Delivered,
    Lost,
}

/// Which sensor saw the daily check.
fn sensor(capture: &wire::Capture) -> Option<SensorName> {
    let hits = &capture.verdict.as_ref()?.hits;
    if !hits.iter().any(|hit| hit.category == Category::Canary.id()) {
        return None;
    }
    match capture.signal() {
        wire::Signal::Title => Some(SensorName::Titles),
        wire::Signal::Url => Some(SensorName::Urls),
        wire::Signal::FileDrop => Some(SensorName::Files),
        wire::Signal::Media | wire::Signal::System | wire::Signal::Unspecified => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::identity::HardwareHash;
    use crate::spool::{Appended, KeySource, Spool, SpoolLimits};

    fn capture(signal: wire::Signal, category: Category) -> wire::Capture {
        let hit = wire::Hit { category: category.id().to_owned(), level: 1, ..wire::Hit::default() };
        let verdict = wire::Verdict { hits: vec![hit], ..wire::Verdict::default() };
        wire::Capture { signal: signal.into(), verdict: Some(verdict), ..wire::Capture::default() }
    }

    fn counts(canaries: &Canaries) -> Vec<(String, u64, u64)> {
        canaries.report().into_iter().map(|one| (one.sensor, one.spooled, one.delivered)).collect()
    }

    #[test]
    fn a_check_is_delivered_once_its_lane_is_acknowledged_and_what_is_none_is_not_counted() {
        let folder = tempfile::tempdir().unwrap();
        let (key, hardware) = (KeySource::File(folder.path().join("key")), HardwareHash::new(None));
        let clock = Arc::new(ManualClock::at(0));
        let (spool, _) =
            Spool::open(&folder.path().join("spool"), key, hardware, SpoolLimits::default(), clock).unwrap();
        let spool = Arc::new(spool);
        let canaries = Canaries::of(Arc::clone(&spool) as Arc<dyn Backlog>);
        let append = |signal, category| {
            let capture = capture(signal, category);
            let Ok(Appended::Stored(seq)) = spool.append(Level::Info, &capture) else { panic!("not stored") };
            canaries.spooled(&capture, Level::Info, seq);
            seq
        };
        append(wire::Signal::Title, Category::Profanity);
        let title = append(wire::Signal::Title, Category::Canary);
        append(wire::Signal::FileDrop, Category::Canary);
        assert_eq!(counts(&canaries), [("titles".to_owned(), 1, 0), ("files".to_owned(), 1, 0)]);
        spool.acknowledge(Level::Info, title).unwrap();
        assert_eq!(counts(&canaries), [("titles".to_owned(), 1, 1), ("files".to_owned(), 1, 0)]);
        spool.give_up(Level::Info, Seq::new(3)).unwrap();
        assert_eq!(counts(&canaries), [("titles".to_owned(), 1, 1), ("files".to_owned(), 1, 0)], "lost, not delivered");
    }
}
