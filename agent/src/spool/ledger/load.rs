//! Reading the whole store once, when it is opened.

use std::collections::BTreeMap;

use lapwing_proto::{Seq, failpoint};
use lapwing_rules::Level;
use sled::Batch;

use super::earlier::read_earlier;
use super::{Ledger, record};
use crate::spool::SpoolLimits;
use crate::spool::engine::{Engine, EngineError};
use crate::spool::lane::{GapReason, Lane};
use crate::spool::reach::Reach;
use crate::spool::record::{Sealer, Stamp};

/// Rows of a batch when a store is copied, in bytes.
const COPY_BYTES: usize = 64 * 1024;

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
        reach: Reach,
        limits: SpoolLimits,
        now: &Stamp,
    ) -> Result<(Self, Loaded), EngineError> {
        let reached = reach.read();
        let mut ledger = Self {
            engine,
            sealer,
            reach,
            lanes: BTreeMap::new(),
            earlier: Vec::new(),
            opened_us: now.boot_us,
            carried: 0,
            limits,
            shrunk: false,
        };
        ledger.carried = ledger.read_carried()?;
        ledger.earlier = read_earlier(&ledger.engine)?;
        let mut loaded = Loaded::default();
        for level in Level::ALL {
            let reached = reached.get(&level).copied().unwrap_or(Seq::new(1));
            ledger.load_lane(level, reached, &mut loaded)?;
        }
        ledger.commit()?;
        Ok((ledger, loaded))
    }

    /// Copies every row to another store, durably.
    pub(in crate::spool) fn copy_to(&self, engine: &Engine) -> Result<(), EngineError> {
        let (mut batch, mut bytes) = (Batch::default(), 0);
        let mut outcome = Ok(());
        self.engine.visit(Vec::new().., |key, value| {
            batch.insert(key, value);
            bytes += key.len() + value.len();
            if bytes > COPY_BYTES {
                outcome = engine.apply(std::mem::take(&mut batch));
                bytes = 0;
            }
            outcome.is_ok()
        })?;
        outcome?;
        failpoint!("spool.copy", engine.apply(batch)?);
        engine.commit()
    }

    fn load_lane(&mut self, level: Level, reached: Seq, loaded: &mut Loaded) -> Result<(), EngineError> {
        let next = self.engine.get(&record::next_key(level))?;
        let next = next.and_then(|value| record::number(&value)).map_or(Seq::new(1), Seq::new);
        let mut lane = Lane::new(next.max(reached));
        lane.gaps = read_gaps(&self.engine, level)?;
        let mut damaged = Vec::new();
        let mut lost = Vec::new();
        let mut last = None::<Seq>;
        record::visit(&self.engine, level, Seq::NONE, |seq, stored, size| {
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
        lane.set_next(lane.next.max(last.map_or(Seq::NONE, Seq::next)));
        // A store that forgot how far it was held at least this much more; below it only what follows a record is known
        // to be missing, since the rest may have been acknowledged.
        let missing_from = last.map_or(next, Seq::next);
        if missing_from < lane.next {
            lost.extend(lane.uncovered(missing_from, lane.last()));
        }
        if next < lane.next {
            let mut batch = Batch::default();
            batch.insert(record::next_key(level), &lane.next.number().to_be_bytes());
            self.engine.apply(batch)?;
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

    fn read_carried(&self) -> Result<u32, EngineError> {
        let value = self.engine.get(&record::carried_key())?;
        Ok(value.and_then(|value| <[u8; 4]>::try_from(value.as_ref()).ok()).map_or(0, u32::from_be_bytes))
    }
}

/// The gaps of a lane.
pub(in crate::spool) fn read_gaps(
    engine: &Engine,
    level: Level,
) -> Result<BTreeMap<Seq, (Seq, GapReason)>, EngineError> {
    let mut gaps = BTreeMap::new();
    let first = record::gap_key(level, None);
    let last = record::gap_key(level, Some(Seq::new(u64::MAX)));
    engine.visit(first..=last, |key, value| {
        if let (Some(from), [to @ .., reason]) = (record::read_gap_key(key), value)
            && let (Some(to), Some(reason)) = (record::number(to), GapReason::from_number(*reason))
        {
            gaps.insert(from, (Seq::new(to), reason));
        }
        true
    })?;
    Ok(gaps)
}
