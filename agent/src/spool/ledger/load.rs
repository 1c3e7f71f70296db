//! Reading the whole store once, when it is opened.

use std::collections::BTreeMap;

use lapwing_proto::{Epoch, Seq, failpoint, wire};
use lapwing_rules::Level;
use prost::Message;
use sled::Batch;

use super::{Ledger, record};
use crate::spool::SpoolLimits;
use crate::spool::engine::{Engine, EngineError};
use crate::spool::lane::{Gap, GapReason, Lane};
use crate::spool::record::Sealer;

/// What a look at every record found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::spool) struct Loaded {
    /// Records that are whole.
    pub(in crate::spool) held: u64,
    /// Sequences that are damaged or missing, now gaps.
    pub(in crate::spool) damaged: u64,
}

impl Ledger {
    /// Reads every record. What is damaged or missing becomes a gap, so that a collector is told.
    pub(in crate::spool) fn load(
        engine: Engine,
        sealer: Sealer,
        limits: SpoolLimits,
    ) -> Result<(Self, Loaded), EngineError> {
        let mut ledger =
            Self { engine, sealer, lanes: BTreeMap::new(), earlier: Vec::new(), carried: 0, limits, shrunk: false };
        ledger.carried = ledger.read_carried()?;
        ledger.earlier = ledger.read_earlier()?;
        let mut loaded = Loaded::default();
        for level in Level::ALL {
            ledger.load_lane(level, &mut loaded)?;
        }
        ledger.commit()?;
        Ok((ledger, loaded))
    }

    /// Writes the gaps that a lost spool leaves behind into a new one.
    pub(in crate::spool) fn inherit(&mut self, gaps: Vec<Gap>) -> Result<(), EngineError> {
        let mut batch = Batch::default();
        for (index, gap) in gaps.iter().enumerate() {
            let key = record::earlier_key(u8::try_from(index).unwrap_or(u8::MAX));
            batch.insert(key, wire::Gap::from(*gap).encode_to_vec());
        }
        failpoint!("spool.inherit", self.engine.apply(batch)?);
        self.earlier = gaps;
        self.commit()
    }

    fn load_lane(&mut self, level: Level, loaded: &mut Loaded) -> Result<(), EngineError> {
        let next = self.engine.get(&record::next_key(level))?;
        let next = next.and_then(|value| record::number(&value)).map_or(Seq::new(1), Seq::new);
        let mut lane = Lane::new(next);
        lane.gaps = self.read_gaps(level)?;
        let mut damaged = Vec::new();
        let mut lost = Vec::new();
        let mut last = None::<Seq>;
        self.visit_records(level, Seq::NONE, |seq, stored, size| {
            if let Some(hole) = last.filter(|last| last.next() < seq) {
                lost.extend(lane.uncovered(hole.next(), Seq::new(seq.number().saturating_sub(1))));
            }
            last = Some(seq);
            let stamp = record::stamp(stored).and_then(|stamp| self.open(level, seq, stored).map(|_| stamp));
            match stamp {
                Ok(stamp) => {
                    loaded.held += 1;
                    lane.front.get_or_insert((seq, stamp));
                }
                Err(record::Damaged) => damaged.push(seq),
            }
            lane.bytes += size;
            true
        })?;
        if let Some(last) = last {
            lane.next = lane.next.max(last.next());
            let end = lane.last();
            lost.extend(if last < end { lane.uncovered(last.next(), end) } else { Vec::new() });
            lane.opened_at = lane.next;
            lane.handed_out = end;
        }
        self.lanes.insert(level, lane);
        lost.extend(damaged.into_iter().map(|seq| (seq, seq)));
        lost.sort_unstable();
        for (from, to) in lost {
            loaded.damaged += to.number() - from.number() + 1;
            self.give_up(level, from, to, GapReason::Quarantined)?;
        }
        Ok(())
    }

    fn read_gaps(&self, level: Level) -> Result<BTreeMap<Seq, (Seq, GapReason)>, EngineError> {
        let mut gaps = BTreeMap::new();
        let first = record::gap_key(level, None);
        let last = record::gap_key(level, Some(Seq::new(u64::MAX)));
        self.engine.visit(first..=last, |key, value| {
            if let (Some(from), [to @ .., reason]) = (record::read_gap_key(key), value)
                && let (Some(to), Some(reason)) = (record::number(to), GapReason::from_number(*reason))
            {
                gaps.insert(from, (Seq::new(to), reason));
            }
            true
        })?;
        Ok(gaps)
    }

    fn read_carried(&self) -> Result<u32, EngineError> {
        let value = self.engine.get(&record::carried_key())?;
        Ok(value.and_then(|value| <[u8; 4]>::try_from(value.as_ref()).ok()).map_or(0, u32::from_be_bytes))
    }

    fn read_earlier(&self) -> Result<Vec<Gap>, EngineError> {
        let mut gaps = Vec::new();
        self.engine.visit(record::earlier_key(0)..=record::earlier_key(u8::MAX), |_, value| {
            gaps.extend(wire::Gap::decode(value).ok().and_then(|gap| read_gap(&gap)));
            true
        })?;
        Ok(gaps)
    }
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
