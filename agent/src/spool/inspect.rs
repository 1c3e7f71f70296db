//! Looking into a spool while no agent has it open, without showing what the captures say.

use lapwing_proto::Seq;
use lapwing_rules::Level;

use super::{Gap, LaneState, Spool, SpoolError};

/// Records read at once.
const READ: usize = 64;

/// What a spool holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// What each lane holds, lowest first.
    pub lanes: Vec<LaneState>,
    /// Live bytes, keys included.
    pub live_bytes: u64,
    /// Ranges that will never come, of this epoch and of earlier ones.
    pub gaps: Vec<Gap>,
    /// Every record that is whole.
    pub records: Vec<RecordFacts>,
}

/// A record without account, title, URL or name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordFacts {
    /// Its lane.
    pub lane: Level,
    /// Its place in the lane.
    pub seq: Seq,
    /// Device clock when the signal was seen, microseconds of UTC.
    pub wall_us: i64,
    /// Rules that fired.
    pub rules: Vec<String>,
}

/// Reads everything in the spool. Damage found on the way becomes gaps, as at any reading.
///
/// # Errors
///
/// When the disk refuses.
pub fn inspect(spool: &Spool) -> Result<Inspection, SpoolError> {
    let mut records = Vec::new();
    let mut gaps = spool.earlier_gaps()?;
    for lane in Level::ALL {
        let mut from = Seq::NONE;
        loop {
            let run = spool.read(lane, from, READ)?;
            let Some((last, _)) = run.last() else { break };
            from = last.next();
            records.extend(run.iter().map(|(seq, capture)| RecordFacts {
                lane,
                seq: *seq,
                wall_us: capture.wall_us,
                rules: capture.verdict.iter().flat_map(|v| &v.hits).map(|hit| hit.rule.clone()).collect(),
            }));
        }
        gaps.extend(spool.gaps(lane, Seq::NONE)?);
    }
    Ok(Inspection { lanes: spool.lane_states(), live_bytes: spool.live_bytes(), gaps, records })
}
