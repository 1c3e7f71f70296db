//! Which copy of the identity this is, as the last Welcome said, and what the spool held at each start of the PC since it
//! was confirmed.
//!
//! ```text
//! incarnation   epoch 16 ‖ incarnation 16, zeros before the first Welcome ‖ start 56, at most 8 of them
//! start         boot id 16 ‖ next sequence 8 of each lane
//! ```
//!
//! The starts tell a copy's own captures from those that it was copied with: the PC that it was copied from knows the
//! starts that both have. An earlier version wrote the first 32 bytes alone.

use lapwing_proto::bounds::MAX_STARTS;
use lapwing_proto::{BootId, Epoch, Incarnation, wire};
use lapwing_rules::Level;

use crate::spool::LaneState;

const ID_BYTES: usize = 16;
const SEQ_BYTES: usize = 8;
const START_BYTES: usize = ID_BYTES + Level::ALL.len() * SEQ_BYTES;
/// Longest file read.
pub(super) const MAX_BYTES: usize = 2 * ID_BYTES + MAX_STARTS * START_BYTES;

/// What is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) epoch: Epoch,
    /// `None` before the first Welcome.
    pub(super) incarnation: Option<Incarnation>,
    /// In order; the last is the present one.
    pub(super) starts: Vec<Start>,
}

/// One start of the PC, and what the spool held then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Start {
    pub(super) boot: BootId,
    next: [u64; Level::ALL.len()],
}

impl Start {
    pub(super) fn of(boot: BootId, lanes: &[LaneState]) -> Self {
        let next = |level: Level| lanes.iter().find(|state| state.lane == level).map_or(1, |state| state.next.number());
        Self { boot, next: Level::ALL.map(next) }
    }

    pub(super) fn to_wire(self) -> wire::SpoolStart {
        let mark = |(lane, next): (Level, u64)| wire::LaneMark {
            lane: u32::from(lane.number()),
            through: next.saturating_sub(1),
        };
        let through = Level::ALL.into_iter().zip(self.next).map(mark).collect();
        wire::SpoolStart { boot_id: self.boot.as_bytes().to_vec(), through }
    }

    fn read(bytes: &[u8; START_BYTES]) -> Option<Self> {
        let (boot, next) = bytes.split_at_checked(ID_BYTES)?;
        let numbers = next.as_chunks::<SEQ_BYTES>().0.iter().map(|bytes| u64::from_be_bytes(*bytes));
        Some(Self { boot: BootId::try_from(boot).ok()?, next: numbers.collect::<Vec<_>>().try_into().ok()? })
    }

    fn to_bytes(self) -> impl Iterator<Item = u8> {
        let boot = self.boot.as_bytes().to_vec();
        boot.into_iter().chain(self.next.into_iter().flat_map(u64::to_be_bytes))
    }
}

impl Kept {
    /// `None` for what is none.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (epoch, rest) = bytes.split_at_checked(ID_BYTES)?;
        let (incarnation, starts) = rest.split_at_checked(ID_BYTES)?;
        let incarnation = Incarnation::try_from(incarnation).ok()?;
        Some(Self {
            epoch: Epoch::try_from(epoch).ok()?,
            incarnation: Some(incarnation).filter(|incarnation| *incarnation.as_bytes() != [0; ID_BYTES]),
            starts: starts.as_chunks::<START_BYTES>().0.iter().filter_map(Start::read).collect(),
        })
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let incarnation = self.incarnation.map_or([0; ID_BYTES], |incarnation| *incarnation.as_bytes());
        let starts = self.starts.iter().flat_map(|start| start.to_bytes());
        self.epoch.as_bytes().iter().copied().chain(incarnation).chain(starts).collect()
    }

    /// What is kept once the PC has started, with a spool of `epoch`.
    pub(super) fn started(kept: Option<Self>, epoch: Epoch, start: Start) -> Self {
        let mut kept = kept.unwrap_or(Self { epoch, incarnation: None, starts: Vec::new() });
        if kept.epoch != epoch {
            kept.epoch = epoch;
            kept.starts.clear();
        }
        if kept.starts.last().is_none_or(|last| last.boot != start.boot) {
            kept.starts.push(start);
        }
        let too_many = kept.starts.len().saturating_sub(MAX_STARTS);
        kept.starts.drain(..too_many);
        kept
    }
}

#[cfg(test)]
mod tests {
    use lapwing_proto::Seq;

    use super::*;

    const EPOCH: Epoch = Epoch::from_bytes([1; 16]);

    fn start(boot: u8, next: u64) -> Start {
        let lanes = [LaneState { lane: Level::High, first: None, next: Seq::new(next) }];
        Start::of(BootId::from_bytes([boot; 16]), &lanes)
    }

    #[test]
    fn what_is_written_is_read_and_so_is_what_an_earlier_version_wrote() {
        let incarnation = Some(Incarnation::from_bytes([2; 16]));
        for (incarnation, starts) in
            [(incarnation, vec![start(3, 7), start(4, 9)]), (incarnation, vec![]), (None, vec![])]
        {
            let kept = Kept { epoch: EPOCH, incarnation, starts };
            assert_eq!(Kept::read(&kept.to_bytes()), Some(kept));
        }
        assert_eq!(Kept::read(&[0; 31]), None);
    }

    #[test]
    fn starts_of_the_same_spool_are_kept_in_order_and_the_oldest_of_many_goes() {
        let mut kept = None;
        for boot in 1..=10 {
            kept = Some(Kept::started(kept, EPOCH, start(boot, u64::from(boot))));
            kept = Some(Kept::started(kept, EPOCH, start(boot, 99)));
        }
        let starts = kept.clone().unwrap().starts;
        assert_eq!(starts, (3..=10).map(|boot| start(boot, u64::from(boot))).collect::<Vec<_>>());
        assert!(starts[0].to_wire().through.contains(&wire::LaneMark { lane: 4, through: 2 }));
        let other = Kept::started(kept, Epoch::from_bytes([9; 16]), start(11, 1));
        assert_eq!(other.starts, [start(11, 1)]);
    }
}
