//! The concerns that the captures of one transaction may join or bring back, kept as they change within it.
//!
//! Read once and written once: a school that comes back after an hour brings thousands of captures, and what costs a
//! statement for each of them keeps the urgent ones waiting.

use std::collections::{BTreeMap, HashMap};

use lapwing_rules::Level;

use super::grouping::{Candidate, WINDOW};
use super::state::State;
use crate::ids::{CaptureId, ConcernId, SubjectId};
use crate::store::captures::Untriaged;
use crate::store::concerns::{Gain, Joinable};

/// What concerns are grouped by.
pub(crate) type Topic = (SubjectId, String);

/// The concerns of the topics in hand.
#[derive(Debug, Default)]
pub(super) struct Docket {
    joinable: HashMap<Topic, Vec<Joinable>>,
    gains: BTreeMap<ConcernId, Gain>,
    filed: Vec<(ConcernId, CaptureId)>,
}

/// When a capture was seen: a device's clock may be ahead, and nothing is seen after it arrived.
pub(super) fn seen_us(capture: &Untriaged) -> i64 {
    capture.wall_us.min(capture.received_us)
}

/// The topics of `captures`, each with the earliest and latest time at which a concern that they join was seen.
pub(super) fn topics(captures: &[Untriaged]) -> BTreeMap<Topic, (i64, i64)> {
    let window_us = window_us();
    let mut topics = BTreeMap::new();
    for capture in captures {
        let seen_us = seen_us(capture);
        let (from, to) = (seen_us.saturating_sub(window_us), seen_us.saturating_add(window_us));
        let range = topics.entry((capture.subject, capture.category.clone())).or_insert((from, to));
        *range = (range.0.min(from), range.1.max(to));
    }
    topics
}

impl Docket {
    /// A docket of these concerns.
    pub(super) fn of(joinable: Vec<(Topic, Joinable)>) -> Self {
        let mut docket = Self::default();
        for (topic, one) in joinable {
            docket.opened(topic, one);
        }
        docket
    }

    /// The latest concern of `topic` within the window of what was seen at `seen_us`; one that nobody has decided before
    /// one that somebody has.
    pub(super) fn candidate(&self, topic: &Topic, seen_us: i64) -> Option<Candidate> {
        let window_us = window_us();
        let near = |stands: &&Joinable| {
            stands.last_us >= seen_us.saturating_sub(window_us) && stands.first_us <= seen_us.saturating_add(window_us)
        };
        let latest = self
            .joinable
            .get(topic)?
            .iter()
            .filter(near)
            .max_by_key(|stands| (stands.state.is_undecided(), stands.last_us))?;
        let Joinable { concern, state, level, hits, .. } = *latest;
        Some(Candidate { concern, state, level, hits })
    }

    /// A concern was opened.
    pub(super) fn opened(&mut self, topic: Topic, concern: Joinable) {
        self.joinable.entry(topic).or_default().push(concern);
    }

    /// `concern` gained `hits`, seen at `seen_us`.
    pub(super) fn gained(&mut self, concern: ConcernId, seen_us: i64, hits: u64) {
        for stands in self.each(concern) {
            stands.hits = stands.hits.saturating_add(hits);
            stands.first_us = stands.first_us.min(seen_us);
            stands.last_us = stands.last_us.max(seen_us);
        }
        let gain = self.gains.entry(concern).or_insert(Gain { hits: 0, first_us: seen_us, last_us: seen_us });
        gain.hits = gain.hits.saturating_add(hits);
        gain.first_us = gain.first_us.min(seen_us);
        gain.last_us = gain.last_us.max(seen_us);
    }

    /// `concern` was raised.
    pub(super) fn raised(&mut self, concern: ConcernId, level: Level, state: State) {
        for stands in self.each(concern) {
            (stands.level, stands.state) = (level, state);
        }
    }

    /// `capture` belongs to `concern`.
    pub(super) fn filed(&mut self, concern: ConcernId, capture: CaptureId) {
        self.filed.push((concern, capture));
    }

    /// What concerns gained that stood before their captures came.
    pub(super) const fn gains(&self) -> &BTreeMap<ConcernId, Gain> {
        &self.gains
    }

    /// Which capture belongs to which concern.
    pub(super) fn links(&self) -> &[(ConcernId, CaptureId)] {
        &self.filed
    }

    /// Where `concern` stands: under its own topic, and under that of each concern that was merged into it.
    fn each(&mut self, concern: ConcernId) -> impl Iterator<Item = &mut Joinable> {
        self.joinable.values_mut().flatten().filter(move |stands| stands.concern == concern)
    }
}

fn window_us() -> i64 {
    i64::try_from(WINDOW.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_US: i64 = 3_600_000_000;

    fn stands(number: u8, first_us: i64, last_us: i64) -> Joinable {
        let concern = ConcernId::from_bytes([number; 16]);
        Joinable { concern, state: State::New, level: Level::Low, hits: 1, first_us, last_us }
    }

    fn topic() -> Topic {
        (SubjectId::from_bytes([1; 16]), "drugs".to_owned())
    }

    #[test]
    fn a_capture_joins_the_latest_concern_within_the_window() {
        let docket = Docket::of(vec![(topic(), stands(1, 0, 5)), (topic(), stands(2, 10, 20))]);
        let joined = |seen_us| docket.candidate(&topic(), seen_us).map(|candidate| candidate.concern);
        assert_eq!(joined(7), Some(ConcernId::from_bytes([2; 16])));
        assert_eq!(joined(20 + HOUR_US), Some(ConcernId::from_bytes([2; 16])));
        assert_eq!(joined(21 + HOUR_US), None);
        assert_eq!(joined(-HOUR_US), Some(ConcernId::from_bytes([1; 16])));
        assert_eq!(docket.candidate(&(topic().0, "hate".to_owned()), 7), None);
    }

    #[test]
    fn what_a_concern_gains_counts_for_the_next_capture() {
        let mut docket = Docket::of(vec![(topic(), stands(1, 0, 0))]);
        let concern = ConcernId::from_bytes([1; 16]);
        docket.gained(concern, HOUR_US, 3);
        docket.gained(concern, -5, 1);
        docket.raised(concern, Level::Moderate, State::Reopened);
        let candidate = docket.candidate(&topic(), 2 * HOUR_US).unwrap();
        assert_eq!((candidate.hits, candidate.level, candidate.state), (5, Level::Moderate, State::Reopened));
        assert_eq!(docket.gains()[&concern], Gain { hits: 4, first_us: -5, last_us: HOUR_US });
    }
    #[test]
    fn a_concern_that_another_was_merged_into_changes_under_both_topics() {
        let (own, merged) = (topic(), (topic().0, "hate".to_owned()));
        let mut docket = Docket::of(vec![(own.clone(), stands(1, 0, 0)), (merged.clone(), stands(1, 0, 0))]);
        let concern = ConcernId::from_bytes([1; 16]);
        docket.raised(concern, Level::High, State::Reopened);
        docket.gained(concern, 5, 3);
        for topic in [own, merged] {
            let candidate = docket.candidate(&topic, 5).unwrap();
            assert_eq!((candidate.level, candidate.state, candidate.hits), (Level::High, State::Reopened, 4));
        }
    }
}
