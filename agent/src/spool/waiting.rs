//! Captures on their way into a group, and what is known of them when its commit fails.
//!
//! A failed commit may have reached the disk all the same, and whoever appended will append again. When the store is
//! opened anew it is asked at once what it holds: later the uplink may have had it delivered and removed.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use lapwing_proto::Seq;
use lapwing_rules::Level;

use super::engine::EngineError;
use super::ledger::Ledger;
use super::lock;
use super::record::Stamp;
use super::terms::{Appended, SpoolError};

/// More captures than judging has in hand; one that is forgotten may be kept twice.
const MOST_UNDECIDED: usize = 256;

/// A capture on its way into a group.
pub(super) struct Waiting {
    level: Level,
    capture: Vec<u8>,
    /// Where the last attempt put it, until it is known whether it got there.
    tried: Mutex<Option<Seq>>,
    /// Where the store turned out to hold it.
    landed: Mutex<Option<Seq>>,
    outcome: Mutex<Option<Result<Appended, SpoolError>>>,
}

/// Captures whose commit failed and that may be appended again, the latest [`MOST_UNDECIDED`].
#[derive(Default)]
pub(super) struct Undecided(VecDeque<Arc<Waiting>>);

impl Waiting {
    pub(super) fn new(level: Level, capture: Vec<u8>) -> Arc<Self> {
        let (tried, landed, outcome) = (Mutex::default(), Mutex::default(), Mutex::default());
        Arc::new(Self { level, capture, tried, landed, outcome })
    }

    /// Puts it into the open commit, unless an earlier one took it.
    pub(super) fn append_to(&self, ledger: &mut Ledger, now: &Stamp) -> Result<Appended, EngineError> {
        self.decide(ledger)?;
        if let Some(seq) = *lock(&self.landed) {
            return Ok(Appended::Stored(seq));
        }
        *lock(&self.tried) = Some(ledger.lane_next(self.level));
        ledger.append(self.level, &self.capture, now)
    }

    /// Says how it ended.
    pub(super) fn settle(&self, outcome: Result<Appended, SpoolError>) {
        *lock(&self.outcome) = Some(outcome);
    }

    /// How it ended, once.
    pub(super) fn outcome(&self) -> Option<Result<Appended, SpoolError>> {
        lock(&self.outcome).take()
    }

    fn decide(&self, ledger: &Ledger) -> Result<(), EngineError> {
        let mut tried = lock(&self.tried);
        if let Some(seq) = *tried
            && ledger.holds(self.level, seq, &self.capture)?
        {
            *lock(&self.landed) = Some(seq);
        }
        *tried = None;
        Ok(())
    }
}

impl Undecided {
    /// The attempt to append `capture` whose commit failed, if there was one.
    pub(super) fn take(&mut self, lane: Level, capture: &[u8]) -> Option<Arc<Waiting>> {
        let at = self.0.iter().position(|member| member.level == lane && member.capture == capture)?;
        self.0.remove(at)
    }

    /// The commit of `group` failed.
    pub(super) fn keep(&mut self, group: Vec<Arc<Waiting>>) {
        self.0.extend(group);
        let excess = self.0.len().saturating_sub(MOST_UNDECIDED);
        self.0.drain(..excess);
    }

    /// Asks the store, opened anew, which of these and of the `queue` got there after all.
    pub(super) fn decide(&self, ledger: &Ledger, queue: &[Arc<Waiting>]) -> Result<(), SpoolError> {
        let decided = self.0.iter().chain(queue).try_for_each(|member| member.decide(ledger));
        decided.map_err(|error| SpoolError::store(&error))
    }
}
