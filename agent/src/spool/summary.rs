//! What a spool says of itself without asking the disk.

use lapwing_proto::{Epoch, Seq};
use lapwing_rules::Level;

use super::ledger::Ledger;
use super::{LaneState, Opened, SpoolError};

/// What is told without waiting for the disk.
#[derive(Clone, Debug)]
pub(super) struct Summary {
    pub(super) epoch: Epoch,
    pub(super) lanes: Vec<LaneState>,
    pub(super) live_bytes: u64,
    /// How it came to be open; a store that was set aside is not forgotten.
    pub(super) opened: Opened,
    /// Why the last call did not do as it was told.
    pub(super) trouble: Option<SpoolError>,
    /// A write or sync failed since the store was opened.
    pub(super) failed: bool,
}

impl Summary {
    /// Of a spool that the disk does not let us open: its epoch is what its folder says, else a passing one.
    pub(super) fn unopened(epoch: Option<Epoch>) -> Self {
        let lanes = Level::ALL.into_iter().map(|lane| LaneState { lane, first: None, next: Seq::new(1) }).collect();
        let epoch = epoch.or_else(|| Epoch::random().ok()).unwrap_or(Epoch::from_bytes([0; 16]));
        Self { epoch, lanes, live_bytes: 0, opened: Opened::Waiting, trouble: None, failed: false }
    }

    /// Of an open one that works.
    pub(super) fn of(ledger: &Ledger, epoch: Epoch, opened: Opened) -> Self {
        let (lanes, live_bytes) = (ledger.lane_states(), ledger.live_bytes());
        Self { epoch, lanes, live_bytes, opened, trouble: None, failed: false }
    }
}
