//! What a collector has committed, and its rule: at or below the mark drop, the next store, above it demand a gap.

use std::collections::BTreeMap;

use lapwing_proto::wire;

/// The committed captures of one device and epoch.
#[derive(Clone, Default)]
pub(super) struct Book {
    /// Lane, sequence and capture in order of commit.
    pub(super) captures: Vec<(u32, u64, wire::Capture)>,
    pub(super) gaps: Vec<wire::Gap>,
    pub(super) through: BTreeMap<u32, u64>,
}

impl Book {
    /// Commits the whole batch or nothing of it; the lane's mark afterwards.
    pub(super) fn commit(&mut self, batch: wire::Batch) -> Result<wire::LaneMark, wire::ErrorCode> {
        let (lane, mut through) = (batch.lane, self.through.get(&batch.lane).copied().unwrap_or(0));
        for gap in batch.gaps.iter().filter(|gap| gap.epoch.is_empty()) {
            if gap.from > through + 1 {
                return Err(wire::ErrorCode::Hole);
            }
            through = through.max(gap.to);
        }
        let mut fresh = Vec::new();
        for (seq, capture) in (batch.first_seq..).zip(batch.captures) {
            match seq.checked_sub(through + 1) {
                None => {}
                Some(0) => {
                    through = seq;
                    fresh.push((lane, seq, capture));
                }
                Some(_) => return Err(wire::ErrorCode::Hole),
            }
        }
        self.captures.extend(fresh);
        self.gaps.extend(batch.gaps);
        self.through.insert(lane, through);
        Ok(wire::LaneMark { lane, through })
    }

    /// The marks of all lanes.
    pub(super) fn marks(&self) -> Vec<wire::LaneMark> {
        self.through.iter().map(|(lane, through)| wire::LaneMark { lane: *lane, through: *through }).collect()
    }
}
