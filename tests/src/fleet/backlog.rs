//! A spool in memory: it holds how far each lane came, and writes captures when they are read.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lapwing_agent::spool::{Gap, LaneState, SpoolError};
use lapwing_agent::uplink::Backlog;
use lapwing_proto::{Epoch, Seq, wire};
use lapwing_rules::Level;
use tokio::sync::watch;
use tokio::time::Instant;

use super::{Device, LaneAccount, now};

/// What one device of a fleet holds.
pub(super) struct Memory {
    device: Arc<Device>,
    held: Mutex<Held>,
    appended: watch::Sender<u64>,
}

#[derive(Default)]
struct Held {
    lanes: BTreeMap<Level, Lane>,
    /// When the collector welcomed this device.
    welcomes: Vec<Instant>,
    /// Captures that the collector refused one by one.
    given_up: u64,
}

/// Both are last sequences.
#[derive(Clone, Copy, Default)]
struct Lane {
    issued: Seq,
    acknowledged: Seq,
}

impl Memory {
    pub(super) fn new(device: Arc<Device>) -> Self {
        Self { device, held: Mutex::default(), appended: watch::Sender::new(0) }
    }

    /// The device captures `count` more of `lane`.
    pub(super) fn capture(&self, lane: Level, count: u64) {
        let mut held = self.held();
        let at = held.lanes.entry(lane).or_default();
        at.issued = Seq::new(at.issued.number().saturating_add(count));
        drop(held);
        self.appended.send_modify(|commits| *commits = commits.wrapping_add(1));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held().lanes.values().all(|lane| lane.acknowledged == lane.issued)
    }

    pub(super) fn welcomes(&self) -> Vec<Instant> {
        self.held().welcomes.clone()
    }

    pub(super) fn given_up(&self) -> u64 {
        self.held().given_up
    }

    pub(super) fn account(&self) -> Vec<LaneAccount> {
        let held = self.held();
        let account = |(lane, at): (&Level, &Lane)| self.device.lane_account(*lane, at.issued, at.acknowledged);
        held.lanes.iter().map(account).collect()
    }

    fn lane(&self, lane: Level) -> Lane {
        self.held().lanes.get(&lane).copied().unwrap_or_default()
    }

    fn acknowledged(&self, lane: Level, through: Seq) -> Result<(), SpoolError> {
        let mut held = self.held();
        let at = held.lanes.entry(lane).or_default();
        if through > at.issued {
            return Err(SpoolError::Impossible { lane, through });
        }
        at.acknowledged = at.acknowledged.max(through);
        Ok(())
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Backlog for Memory {
    fn epoch(&self) -> Epoch {
        self.device.epoch
    }

    fn lane_states(&self) -> Vec<LaneState> {
        let state = |level| {
            let Lane { issued, acknowledged } = self.lane(level);
            let first = (acknowledged < issued).then(|| acknowledged.next());
            LaneState { lane: level, first, next: issued.next() }
        };
        Level::ALL.into_iter().map(state).collect()
    }

    fn live_bytes(&self) -> u64 {
        0
    }

    fn appended(&self) -> watch::Receiver<u64> {
        self.appended.subscribe()
    }

    fn read(&self, lane: Level, from: Seq, max: usize) -> Result<Vec<(Seq, wire::Capture)>, SpoolError> {
        let Lane { issued, acknowledged } = self.lane(lane);
        let places = from.max(acknowledged.next()).number()..=issued.number();
        Ok(places.take(max).map(Seq::new).map(|seq| (seq, self.device.writer.capture(lane, seq))).collect())
    }

    fn gaps(&self, _: Level, _: Seq) -> Result<Vec<Gap>, SpoolError> {
        Ok(Vec::new())
    }

    fn earlier_gaps(&self) -> Result<Vec<Gap>, SpoolError> {
        Ok(Vec::new())
    }

    fn resume(&self, marks: &[(Level, Seq)]) -> Result<Vec<Level>, SpoolError> {
        for (lane, mark) in marks {
            self.acknowledged(*lane, *mark)?;
        }
        self.held().welcomes.push(now());
        Ok(Vec::new())
    }

    fn acknowledge(&self, lane: Level, through: Seq) -> Result<(), SpoolError> {
        self.acknowledged(lane, through)
    }

    fn forget_earlier_gaps(&self, _: Level) -> Result<(), SpoolError> {
        Ok(())
    }

    fn give_up(&self, lane: Level, seq: Seq) -> Result<(), SpoolError> {
        self.held().given_up += 1;
        self.acknowledged(lane, seq)
    }

    fn expire(&self) -> Result<(), SpoolError> {
        Ok(())
    }
}
