//! What waits on the device, as the uplink needs it: the seam between it and the spool.

use lapwing_proto::{Epoch, Seq, wire};
use lapwing_rules::Level;
use tokio::sync::watch;

use crate::spool::{Gap, LaneState, Spool, SpoolError};

/// What waits to be delivered. The [`Spool`] is one; a test that plays thousands of devices brings its own. Each method
/// does what the spool's does.
#[expect(clippy::missing_errors_doc, reason = "each fails as the spool's does")]
pub trait Backlog: Send + Sync + 'static {
    /// See [`Spool::epoch`].
    fn epoch(&self) -> Epoch;
    /// See [`Spool::lane_states`].
    fn lane_states(&self) -> Vec<LaneState>;
    /// See [`Spool::live_bytes`].
    fn live_bytes(&self) -> u64;
    /// See [`Spool::appended`].
    fn appended(&self) -> watch::Receiver<u64>;
    /// See [`Spool::read`].
    fn read(&self, lane: Level, from: Seq, max: usize) -> Result<Vec<(Seq, wire::Capture)>, SpoolError>;
    /// See [`Spool::gaps`].
    fn gaps(&self, lane: Level, from: Seq) -> Result<Vec<Gap>, SpoolError>;
    /// See [`Spool::earlier_gaps`].
    fn earlier_gaps(&self) -> Result<Vec<Gap>, SpoolError>;
    /// See [`Spool::resume`].
    fn resume(&self, marks: &[(Level, Seq)]) -> Result<Vec<Level>, SpoolError>;
    /// See [`Spool::acknowledge`].
    fn acknowledge(&self, lane: Level, through: Seq) -> Result<(), SpoolError>;
    /// See [`Spool::forget_earlier_gaps`].
    fn forget_earlier_gaps(&self, lane: Level) -> Result<(), SpoolError>;
    /// See [`Spool::give_up`].
    fn give_up(&self, lane: Level, seq: Seq) -> Result<(), SpoolError>;
    /// See [`Spool::expire`].
    fn expire(&self) -> Result<(), SpoolError>;
}

/// Up to where each lane has been delivered, and its losses told.
pub(super) fn delivered(spool: &dyn Backlog) -> wire::SpoolState {
    let through = |state: LaneState| {
        let untold = spool.gaps(state.lane, Seq::NONE).unwrap_or_default().first().map(|gap| gap.from);
        let next = state.first.into_iter().chain(untold).chain([state.next]).min().unwrap_or(state.next);
        wire::LaneMark { lane: u32::from(state.lane.number()), through: next.number().saturating_sub(1) }
    };
    let through = spool.lane_states().into_iter().map(through).collect();
    wire::SpoolState { epoch: spool.epoch().as_bytes().to_vec(), through, starts: Vec::new() }
}

impl Backlog for Spool {
    fn epoch(&self) -> Epoch {
        Self::epoch(self)
    }

    fn lane_states(&self) -> Vec<LaneState> {
        Self::lane_states(self)
    }

    fn live_bytes(&self) -> u64 {
        Self::live_bytes(self)
    }

    fn appended(&self) -> watch::Receiver<u64> {
        Self::appended(self)
    }

    fn read(&self, lane: Level, from: Seq, max: usize) -> Result<Vec<(Seq, wire::Capture)>, SpoolError> {
        Self::read(self, lane, from, max)
    }

    fn gaps(&self, lane: Level, from: Seq) -> Result<Vec<Gap>, SpoolError> {
        Self::gaps(self, lane, from)
    }

    fn earlier_gaps(&self) -> Result<Vec<Gap>, SpoolError> {
        Self::earlier_gaps(self)
    }

    fn resume(&self, marks: &[(Level, Seq)]) -> Result<Vec<Level>, SpoolError> {
        Self::resume(self, marks)
    }

    fn acknowledge(&self, lane: Level, through: Seq) -> Result<(), SpoolError> {
        Self::acknowledge(self, lane, through)
    }

    fn forget_earlier_gaps(&self, lane: Level) -> Result<(), SpoolError> {
        Self::forget_earlier_gaps(self, lane)
    }

    fn give_up(&self, lane: Level, seq: Seq) -> Result<(), SpoolError> {
        Self::give_up(self, lane, seq)
    }

    fn expire(&self) -> Result<(), SpoolError> {
        Self::expire(self)
    }
}
