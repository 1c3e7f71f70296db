//! One lane: the captures of one level, dense from 1 and first in first out, as the spool remembers it.

use std::collections::BTreeMap;

use lapwing_proto::{Epoch, Seq, wire};
use lapwing_rules::Level;

use super::record::Stamp;

/// Why a range of a lane will never come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GapReason {
    /// Evicted, or never stored: the spool was full.
    Full,
    /// Older than the spool keeps.
    Expired,
    /// It could not be read.
    Quarantined,
    /// Written on other hardware.
    Foreign,
    /// Delivered, and gone with the collector's database, which came back from an older copy.
    Restored,
}

impl GapReason {
    pub(super) const fn to_wire(self) -> wire::GapReason {
        match self {
            Self::Full => wire::GapReason::Full,
            Self::Expired => wire::GapReason::Expired,
            Self::Quarantined => wire::GapReason::Quarantined,
            Self::Foreign => wire::GapReason::Foreign,
            Self::Restored => wire::GapReason::Restored,
        }
    }

    /// In a word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Expired => "expired",
            Self::Quarantined => "quarantined",
            Self::Foreign => "foreign",
            Self::Restored => "restored",
        }
    }

    pub(super) const fn number(self) -> u8 {
        match self {
            Self::Full => 1,
            Self::Expired => 2,
            Self::Quarantined => 3,
            Self::Foreign => 4,
            Self::Restored => 5,
        }
    }

    pub(super) const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Full),
            2 => Some(Self::Expired),
            3 => Some(Self::Quarantined),
            4 => Some(Self::Foreign),
            5 => Some(Self::Restored),
            _ => None,
        }
    }
}

/// A range of a lane that will never come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The lane.
    pub lane: Level,
    /// First sequence of the range.
    pub from: Seq,
    /// Last sequence of the range.
    pub to: Seq,
    /// Why.
    pub reason: GapReason,
    /// The spool it belonged to, when not the present one.
    pub epoch: Option<Epoch>,
}

impl From<Gap> for wire::Gap {
    fn from(gap: Gap) -> Self {
        Self {
            lane: u32::from(gap.lane.number()),
            from: gap.from.number(),
            to: gap.to.number(),
            reason: i32::from(gap.reason.to_wire()),
            epoch: gap.epoch.map(|epoch| epoch.as_bytes().to_vec()).unwrap_or_default(),
        }
    }
}

/// What a lane holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneState {
    /// The lane.
    pub lane: Level,
    /// Lowest sequence held, none when empty.
    pub first: Option<Seq>,
    /// The sequence the next capture will get.
    pub next: Seq,
}

impl From<LaneState> for wire::LaneState {
    fn from(state: LaneState) -> Self {
        Self {
            lane: u32::from(state.lane.number()),
            first: state.first.map_or(0, Seq::number),
            next: state.next.number(),
        }
    }
}

/// What the spool remembers of a lane.
#[derive(Debug)]
pub(super) struct Lane {
    /// Lowest record held and when it was spooled.
    pub(super) front: Option<(Seq, Stamp)>,
    /// The sequence the next capture will get.
    pub(super) next: Seq,
    /// `next` when the spool was opened: what a collector cannot have seen yet begins here.
    pub(super) opened_at: Seq,
    /// Whether a collector's mark was compared with `opened_at`.
    pub(super) compared: bool,
    /// Live bytes, keys included.
    pub(super) bytes: u64,
    /// The last record that was read for delivery: it may have arrived as it is.
    pub(super) handed_out: Seq,
    /// Ranges that will never come, by their first sequence: last sequence and reason.
    pub(super) gaps: BTreeMap<Seq, (Seq, GapReason)>,
}

impl Lane {
    pub(super) const fn new(next: Seq) -> Self {
        Self {
            front: None,
            next,
            opened_at: next,
            compared: false,
            bytes: 0,
            handed_out: Seq::new(next.number().saturating_sub(1)),
            gaps: BTreeMap::new(),
        }
    }

    /// Moves the lane to `next`, as if it had been opened there.
    pub(super) const fn set_next(&mut self, next: Seq) {
        self.next = next;
        self.opened_at = next;
        self.handed_out = self.last();
    }

    /// The sequence of the last capture that got one.
    pub(super) const fn last(&self) -> Seq {
        Seq::new(self.next.number().saturating_sub(1))
    }

    /// The parts of `from..=to` that no gap covers.
    pub(super) fn uncovered(&self, from: Seq, to: Seq) -> Vec<(Seq, Seq)> {
        let mut open = Vec::new();
        let mut at = from;
        for (start, (end, _)) in &self.gaps {
            if *end < at || *start > to {
                continue;
            }
            if *start > at {
                open.push((at, Seq::new(start.number() - 1)));
            }
            at = end.next();
        }
        if at <= to {
            open.push((at, to));
        }
        open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_gap_covers_is_found() {
        let mut lane = Lane::new(Seq::new(20));
        lane.gaps.insert(Seq::new(3), (Seq::new(5), GapReason::Full));
        lane.gaps.insert(Seq::new(8), (Seq::new(8), GapReason::Expired));
        let open = lane.uncovered(Seq::new(1), Seq::new(10));
        let numbers: Vec<_> = open.iter().map(|(from, to)| (from.number(), to.number())).collect();
        assert_eq!(numbers, [(1, 2), (6, 7), (9, 10)]);
        assert_eq!(lane.uncovered(Seq::new(3), Seq::new(5)), []);
    }
}
