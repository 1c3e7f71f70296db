//! What is in the store, and every change to it. Each change is one batch that leaves the store consistent.

use std::collections::BTreeMap;

use lapwing_proto::{Seq, wire};
use lapwing_rules::Level;
use prost::Message;
use sled::Batch;

use super::engine::{Engine, EngineError};
use super::lane::{Gap, GapReason, Lane, LaneState};
use super::reach::Reach;
use super::record::{self, Damaged, Sealer, Stamp};
use super::{Appended, SpoolLimits};
use crate::durable;

mod earlier;
mod load;
mod remove;

pub(super) use earlier::{insert_earlier, read_earlier};
pub(super) use load::read_gaps;
pub(super) use remove::Resumed;

/// Most bytes of captures read at once.
const MAX_READ_BYTES: usize = 1024 * 1024;

/// The store and what is remembered of it.
pub(super) struct Ledger {
    engine: Engine,
    sealer: Sealer,
    reach: Reach,
    lanes: BTreeMap<Level, Lane>,
    /// What earlier epochs left behind and the collector was not told yet.
    earlier: Vec<Gap>,
    /// Time since the device started when the store was opened, microseconds.
    opened_us: u64,
    /// Critical captures that found no room and wait to be counted into the next one.
    carried: u32,
    limits: SpoolLimits,
    /// The limits are lower than they should be: the disk was full.
    shrunk: bool,
}

impl Ledger {
    /// Makes every change so far durable.
    pub(super) fn commit(&self) -> Result<(), EngineError> {
        self.engine.commit()?;
        self.reach.write(|level| self.lane_next(level));
        Ok(())
    }

    pub(super) fn lane_states(&self) -> Vec<LaneState> {
        let state = |(lane, held): (&Level, &Lane)| LaneState {
            lane: *lane,
            first: held.front.map(|(seq, _)| seq),
            next: held.next,
        };
        self.lanes.iter().map(state).collect()
    }

    pub(super) fn live_bytes(&self) -> u64 {
        self.lanes.values().map(|lane| lane.bytes).sum()
    }

    /// Lowers the limit to `bytes`, and drops what is above it.
    pub(super) fn shrink_to(&mut self, bytes: u64) -> Result<(), EngineError> {
        self.shrunk = true;
        self.limits.live_bytes = self.limits.live_bytes.min(bytes);
        self.limits.critical_bytes = self.limits.critical_bytes.min(bytes / 8);
        self.make_room(Level::High, 0)
    }

    /// Whether the limit was lowered.
    pub(super) const fn is_shrunk(&self) -> bool {
        self.shrunk
    }

    /// Takes back what [`Ledger::shrink_to`] did to the limits.
    pub(super) const fn restore(&mut self, limits: SpoolLimits) {
        self.limits = limits;
        self.shrunk = false;
    }

    /// Stores one capture, or says what became of it.
    pub(super) fn append(&mut self, level: Level, capture: &[u8], now: &Stamp) -> Result<Appended, EngineError> {
        let folded = self.fold_carried(level, capture);
        let plain = folded.as_deref().unwrap_or(capture);
        self.make_room(level, record::stored_bytes(plain.len()))?;
        let seq = self.lane(level).next;
        let fits = self.fits(level, record::stored_bytes(plain.len()));
        match (fits, level) {
            (true, _) => self.store(level, plain, now, folded.is_some()),
            (false, Level::Critical) => self.count(capture, now),
            (false, Level::Info | Level::Low | Level::Moderate | Level::High) => {
                let mut batch = Batch::default();
                self.add_gap(&mut batch, level, seq, seq, GapReason::Full);
                self.advance(&mut batch, level);
                self.engine.apply(batch)?;
                Ok(Appended::Dropped(seq))
            }
        }
    }

    /// Reads at most `max` captures that follow each other, the first of them at or above `from`. What turns out to
    /// be damaged becomes a gap.
    pub(super) fn read(
        &mut self,
        level: Level,
        from: Seq,
        max: usize,
    ) -> Result<Vec<(Seq, wire::Capture)>, EngineError> {
        let mut run: Vec<(Seq, wire::Capture)> = Vec::new();
        let mut damaged = Vec::new();
        let mut bytes = 0_usize;
        record::visit(&self.engine, level, from, |seq, stored, _| {
            let follows = run.last().is_none_or(|(last, _)| last.next() == seq);
            bytes = bytes.saturating_add(stored.len());
            if !follows || run.len() >= max || (bytes > MAX_READ_BYTES && !run.is_empty()) {
                return false;
            }
            match self.open(level, seq, stored) {
                Ok(capture) => run.push((seq, capture)),
                Err(Damaged) => damaged.push(seq),
            }
            true
        })?;
        for seq in damaged {
            self.give_up(level, seq, seq, GapReason::Quarantined)?;
        }
        if let Some((last, _)) = run.last() {
            let lane = self.lane(level);
            lane.handed_out = lane.handed_out.max(*last);
            // From now on a collector may hold what this opening made: a mark tells nothing about earlier ones.
            lane.compared = true;
        }
        Ok(run)
    }

    /// The gaps of a lane that end at or above `from`.
    pub(super) fn gaps(&self, level: Level, from: Seq) -> Vec<Gap> {
        let Some(lane) = self.lanes.get(&level) else { return Vec::new() };
        let gap = |(start, (end, reason)): (&Seq, &(Seq, GapReason))| Gap {
            lane: level,
            from: *start,
            to: *end,
            reason: *reason,
            epoch: None,
        };
        lane.gaps.iter().map(gap).filter(|gap| gap.to >= from).collect()
    }

    /// Whether a record is this very capture.
    pub(super) fn holds(&self, level: Level, seq: Seq, capture: &[u8]) -> Result<bool, EngineError> {
        Ok(self.find(level, seq)?.is_some_and(|(held, _)| held.encode_to_vec() == capture))
    }

    pub(super) fn lane_next(&self, level: Level) -> Seq {
        self.lanes.get(&level).map_or(Seq::new(1), |lane| lane.next)
    }

    fn lane(&mut self, level: Level) -> &mut Lane {
        self.lanes.entry(level).or_insert_with(|| Lane::new(Seq::new(1)))
    }

    fn fits(&self, level: Level, needed: u64) -> bool {
        let total = self.live_bytes().saturating_add(needed);
        let critical = self.lanes.get(&Level::Critical).map_or(0, |lane| lane.bytes);
        match level {
            Level::Critical => total <= self.limits.live_bytes,
            Level::Info | Level::Low | Level::Moderate | Level::High => {
                let reserved = critical.max(self.limits.critical_bytes);
                total.saturating_sub(critical) <= self.limits.live_bytes.saturating_sub(reserved)
            }
        }
    }

    /// Evicts from the lowest lane, and from none above `level` or critical, until `needed` bytes fit.
    fn make_room(&mut self, level: Level, needed: u64) -> Result<(), EngineError> {
        for victim in Level::ALL.into_iter().filter(|victim| *victim <= level && *victim < Level::Critical) {
            while !self.fits(level, needed) {
                let Some((oldest, _)) = self.lane(victim).front else { break };
                self.give_up(victim, oldest, oldest, GapReason::Full)?;
            }
        }
        Ok(())
    }

    fn store(&mut self, level: Level, plain: &[u8], now: &Stamp, folded: bool) -> Result<Appended, EngineError> {
        let seq = self.lane(level).next;
        let sealed = self.seal(level, seq, now, plain)?;
        let mut batch = Batch::default();
        record::insert(&mut batch, level, seq, &sealed);
        if folded {
            batch.remove(record::carried_key());
        }
        self.advance(&mut batch, level);
        self.engine.apply(batch)?;
        if folded {
            self.carried = 0;
        }
        let lane = self.lane(level);
        lane.bytes += record::stored_bytes(plain.len());
        lane.front.get_or_insert((seq, *now));
        Ok(Appended::Stored(seq))
    }

    /// Counts a critical capture into the last one, or, when that may have been delivered as it is, into the next.
    fn count(&mut self, capture: &[u8], now: &Stamp) -> Result<Appended, EngineError> {
        let repeats = wire::Capture::decode(capture).map_or(0, |capture| capture.repeats).saturating_add(1);
        let last = self.lane(Level::Critical).last();
        let untouched = last > self.lane(Level::Critical).handed_out;
        let held = if untouched { self.find(Level::Critical, last)? } else { None };
        let mut batch = Batch::default();
        let Some((mut kept, stored)) = held else {
            self.carried = self.carried.saturating_add(repeats);
            batch.insert(record::carried_key(), &self.carried.to_be_bytes());
            self.engine.apply(batch)?;
            return Ok(Appended::Counted);
        };
        kept.repeats = kept.repeats.saturating_add(repeats);
        let plain = kept.encode_to_vec();
        let sealed = self.seal(Level::Critical, last, now, &plain)?;
        record::insert(&mut batch, Level::Critical, last, &sealed);
        self.engine.apply(batch)?;
        let lane = self.lane(Level::Critical);
        lane.bytes = lane.bytes.saturating_sub(stored).saturating_add(record::stored_bytes(plain.len()));
        Ok(Appended::Counted)
    }

    fn fold_carried(&self, level: Level, capture: &[u8]) -> Option<Vec<u8>> {
        if level != Level::Critical || self.carried == 0 {
            return None;
        }
        let mut capture = wire::Capture::decode(capture).ok()?;
        capture.repeats = capture.repeats.saturating_add(self.carried);
        Some(capture.encode_to_vec())
    }

    fn advance(&mut self, batch: &mut Batch, level: Level) {
        let lane = self.lane(level);
        lane.next = lane.next.next();
        batch.insert(record::next_key(level), &lane.next.number().to_be_bytes());
    }

    /// Remembers a gap in memory and in the batch, joined to the one it continues.
    fn add_gap(&mut self, batch: &mut Batch, level: Level, from: Seq, to: Seq, reason: GapReason) {
        let lane = self.lane(level);
        let before = lane.gaps.range(..from).next_back().map(|(start, gap)| (*start, *gap));
        let start = match before {
            Some((start, (end, same))) if end.next() >= from && same == reason => start,
            Some(_) | None => from,
        };
        lane.gaps.insert(start, (to, reason));
        let mut value = to.number().to_be_bytes().to_vec();
        value.push(reason.number());
        batch.insert(record::gap_key(level, Some(start)), value);
    }

    fn seal(&self, level: Level, seq: Seq, now: &Stamp, plain: &[u8]) -> Result<Vec<u8>, EngineError> {
        self.sealer.seal(level, seq, now, plain).map_err(|error| EngineError::Io(durable::no_randomness(error)))
    }

    fn open(&self, level: Level, seq: Seq, stored: &[u8]) -> Result<wire::Capture, Damaged> {
        let plain = self.sealer.open(level, seq, stored)?;
        wire::Capture::decode(plain.as_slice()).map_err(|_| Damaged)
    }

    fn find(&self, level: Level, seq: Seq) -> Result<Option<(wire::Capture, u64)>, EngineError> {
        let mut found = None;
        record::visit(&self.engine, level, seq, |at, stored, size| {
            if at == seq {
                found = self.open(level, seq, stored).ok().map(|capture| (capture, size));
            }
            false
        })?;
        Ok(found)
    }
}
