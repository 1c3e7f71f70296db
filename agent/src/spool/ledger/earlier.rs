//! What earlier epochs left behind: gaps to be told by the spool that took their place.

use lapwing_proto::{Epoch, Seq, failpoint, wire};
use lapwing_rules::Level;
use prost::Message;
use sled::Batch;

use super::{Ledger, record};
use crate::spool::engine::{Engine, EngineError};
use crate::spool::lane::{Gap, GapReason};

/// Most gaps a lane keeps of earlier epochs; a batch holds twice as many. The latest stay.
const MAX_A_LANE: usize = 8;

impl Ledger {
    /// The gaps of earlier epochs.
    pub(in crate::spool) fn earlier_gaps(&self) -> &[Gap] {
        &self.earlier
    }

    /// Takes up the gaps of another epoch, durably.
    pub(in crate::spool) fn tell_of(&mut self, gaps: Vec<Gap>) -> Result<(), EngineError> {
        if gaps.is_empty() {
            return Ok(());
        }
        self.set_earlier(gaps.into_iter().chain(self.earlier.iter().copied()).collect())?;
        self.commit()
    }

    /// Forgets the gaps of earlier epochs that were of this lane.
    pub(in crate::spool) fn forget_earlier(&mut self, level: Level) -> Result<(), EngineError> {
        self.set_earlier(self.earlier.iter().filter(|gap| gap.lane != level).copied().collect())
    }

    fn set_earlier(&mut self, gaps: Vec<Gap>) -> Result<(), EngineError> {
        let mut batch = Batch::default();
        for index in 0..self.earlier.len() {
            batch.remove(record::earlier_key(u8::try_from(index).unwrap_or(u8::MAX)));
        }
        let kept = insert_earlier(&mut batch, &gaps);
        failpoint!("spool.inherit", self.engine.apply(batch)?);
        self.earlier = kept;
        Ok(())
    }
}

/// Puts the gaps of earlier epochs into a batch, the latest first, and tells which found room.
pub(in crate::spool) fn insert_earlier(batch: &mut Batch, gaps: &[Gap]) -> Vec<Gap> {
    let of = |lane| gaps.iter().filter(move |gap| gap.lane == lane).take(MAX_A_LANE).copied();
    let kept: Vec<Gap> = Level::ALL.into_iter().flat_map(of).collect();
    for (index, gap) in kept.iter().enumerate() {
        let key = record::earlier_key(u8::try_from(index).unwrap_or(u8::MAX));
        batch.insert(key, wire::Gap::from(*gap).encode_to_vec());
    }
    kept
}

/// The gaps of earlier epochs that a store has to tell.
pub(in crate::spool) fn read_earlier(engine: &Engine) -> Result<Vec<Gap>, EngineError> {
    let mut gaps = Vec::new();
    engine.visit(record::earlier_key(0)..=record::earlier_key(u8::MAX), |_, value| {
        gaps.extend(wire::Gap::decode(value).ok().and_then(|gap| read_gap(&gap)));
        true
    })?;
    Ok(gaps)
}

fn read_gap(gap: &wire::Gap) -> Option<Gap> {
    Some(Gap {
        lane: Level::try_from(u8::try_from(gap.lane).ok()?).ok()?,
        from: Seq::new(gap.from),
        to: Seq::new(gap.to),
        reason: GapReason::from_number(u8::try_from(gap.reason).ok()?)?,
        epoch: Epoch::try_from(gap.epoch.as_slice()).ok(),
    })
}
