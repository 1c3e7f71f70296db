//! Taking records out: acknowledged, evicted, expired, or overtaken by what the collector already holds.

use std::time::Duration;

use lapwing_proto::{Seq, failpoint};
use lapwing_rules::Level;
use sled::Batch;

use super::{Ledger, Stamp, record};
use crate::spool::engine::EngineError;
use crate::spool::lane::{GapReason, Lane};

/// A wall clock below this was not set when the record was spooled, so that it tells no age: 2026-01-01.
const CLOCK_UNSET_BELOW_US: i64 = 1_767_225_600_000_000;
/// How long after opening the wall clock is not asked how old a record of an earlier start is: a clock that is wrong at
/// the start is mostly set by then, and what waited out a holiday has a chance to be delivered.
const CLOCK_DOUBTED: Duration = Duration::from_hours(1);

impl Ledger {
    /// Forgets what is committed at the collector. Not synced: after a power cut it is delivered again, and dropped
    /// there.
    pub(in crate::spool) fn acknowledge(&mut self, level: Level, through: Seq) -> Result<(), EngineError> {
        let mut batch = Batch::default();
        let lane = self.lane(level);
        let past: Vec<Seq> = lane.gaps.iter().filter(|(_, (to, _))| *to <= through).map(|(from, _)| *from).collect();
        for from in past {
            lane.gaps.remove(&from);
            batch.remove(record::gap_key(level, Some(from)));
        }
        let freed = self.remove_records(&mut batch, level, Seq::NONE, through)?;
        failpoint!("spool.acknowledge", self.engine.apply(batch)?);
        self.freed(level, freed)
    }

    /// Removes a range and leaves a gap that says why.
    pub(in crate::spool) fn give_up(
        &mut self,
        level: Level,
        from: Seq,
        to: Seq,
        reason: GapReason,
    ) -> Result<(), EngineError> {
        let mut batch = Batch::default();
        let freed = self.remove_records(&mut batch, level, from, to)?;
        self.add_gap(&mut batch, level, from, to, reason);
        failpoint!("spool.give_up", self.engine.apply(batch)?);
        self.freed(level, freed)
    }

    /// Gives up what is older than the spool keeps. Critical captures have no age limit.
    pub(in crate::spool) fn expire(&mut self, now: &Stamp) -> Result<(), EngineError> {
        for level in Level::ALL.into_iter().filter(|level| *level < Level::Critical) {
            while let Some((oldest, stamp)) = self.lane(level).front {
                if self.age(&stamp, now) <= self.limits.max_age {
                    break;
                }
                self.give_up(level, oldest, oldest, GapReason::Expired)?;
            }
        }
        Ok(())
    }

    /// Compares the lane with what the collector has committed of it, at the first Welcome since the spool was
    /// opened. A mark at or above where the lane was opened means that the store came back from an earlier time:
    /// what it held then has arrived, and what was spooled since gets new sequences above the mark.
    pub(in crate::spool) fn resume(&mut self, level: Level, mark: Seq, now: &Stamp) -> Result<Resumed, EngineError> {
        let lane = self.lane(level);
        let overtaken = !lane.compared && mark >= lane.opened_at;
        lane.compared = true;
        if overtaken {
            self.move_above(level, mark, now)?;
            return Ok(Resumed::Overtaken);
        }
        if mark >= self.lane(level).next {
            return Ok(Resumed::Impossible);
        }
        self.acknowledge(level, mark)?;
        self.cover_from(level, mark.next())?;
        Ok(Resumed::Agreed)
    }

    /// A collector restored from an older copy asks for what was delivered before: there is nothing left but a gap.
    fn cover_from(&mut self, level: Level, from: Seq) -> Result<(), EngineError> {
        let lane = self.lane(level);
        let lowest = lane.front.map_or(lane.next, |(seq, _)| seq);
        let Some(to) = lowest.number().checked_sub(1).map(Seq::new).filter(|to| *to >= from) else { return Ok(()) };
        let open = lane.uncovered(from, to);
        let mut batch = Batch::default();
        for (from, to) in open {
            self.add_gap(&mut batch, level, from, to, GapReason::Restored);
        }
        self.engine.apply(batch)
    }

    fn move_above(&mut self, level: Level, mark: Seq, now: &Stamp) -> Result<(), EngineError> {
        let since = self.lane(level).opened_at;
        let mut kept = Vec::new();
        record::visit(&self.engine, level, since, |seq, stored, _| {
            kept.extend(self.sealer.open(level, seq, stored));
            true
        })?;
        let last = self.lane(level).last();
        self.acknowledge(level, last)?;
        let lane = self.lane(level);
        *lane = Lane { compared: true, ..Lane::new(mark.next()) };
        let mut batch = Batch::default();
        batch.insert(record::next_key(level), &mark.next().number().to_be_bytes());
        self.engine.apply(batch)?;
        for plain in kept {
            self.append(level, &plain, now)?;
        }
        Ok(())
    }

    /// Adds the removal of a range to the batch, and tells what it frees.
    fn remove_records(&self, batch: &mut Batch, level: Level, from: Seq, to: Seq) -> Result<u64, EngineError> {
        let keys = record::record_key(level, from, 0)..=record::record_key(level, to, u8::MAX);
        let mut freed = 0;
        self.engine.visit(keys, |key, part| {
            freed += u64::try_from(key.len() + part.len()).unwrap_or(u64::MAX);
            batch.remove(key);
            true
        })?;
        Ok(freed)
    }

    /// Takes note of freed bytes and finds the lane's new front.
    fn freed(&mut self, level: Level, freed: u64) -> Result<(), EngineError> {
        if let Some((from, _)) = self.lane(level).front {
            let mut front = None;
            record::visit(&self.engine, level, from, |seq, stored, _| {
                front = record::stamp(stored).ok().map(|stamp| (seq, stamp));
                front.is_none()
            })?;
            self.lane(level).front = front;
        }
        let lane = self.lane(level);
        lane.bytes = lane.bytes.saturating_sub(freed);
        Ok(())
    }

    /// How long a record has been held: by the time since the device started where it has not restarted, else by the
    /// wall clock, where it was set then and had time to be set now.
    fn age(&self, since: &Stamp, now: &Stamp) -> Duration {
        let open_for = Duration::from_micros(now.boot_us.saturating_sub(self.opened_us));
        if since.boot_id != now.boot_id && open_for < CLOCK_DOUBTED {
            return Duration::ZERO;
        }
        age(since, now)
    }
}

/// How a lane stands to what the collector has committed of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::spool) enum Resumed {
    /// The lane goes on above the mark.
    Agreed,
    /// The store came back from an earlier time; the lane was moved above the mark.
    Overtaken,
    /// The collector says to hold what this spool never made.
    Impossible,
}

/// How long a record has been held, by the clock that can tell.
fn age(since: &Stamp, now: &Stamp) -> Duration {
    if since.boot_id == now.boot_id {
        return Duration::from_micros(now.boot_us.saturating_sub(since.boot_us));
    }
    if since.wall_us < CLOCK_UNSET_BELOW_US {
        return Duration::ZERO;
    }
    Duration::from_micros(u64::try_from(now.wall_us.saturating_sub(since.wall_us)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use lapwing_proto::BootId;

    use super::*;

    fn stamp(wall_us: i64, boot_us: u64, boot: u8) -> Stamp {
        Stamp { wall_us, boot_us, boot_id: BootId::from_bytes([boot; 16]) }
    }

    #[test]
    fn a_wall_clock_that_jumps_ages_nothing_within_one_start() {
        let since = stamp(0, 5, 1);
        let now = stamp(CLOCK_UNSET_BELOW_US * 2, 7, 1);
        assert_eq!(age(&since, &now), Duration::from_micros(2));
    }

    #[test]
    fn a_clock_that_was_never_set_tells_no_age() {
        assert_eq!(age(&stamp(10, 5, 1), &stamp(CLOCK_UNSET_BELOW_US * 2, 7, 2)), Duration::ZERO);
    }

    #[test]
    fn a_clock_set_back_tells_no_negative_age() {
        let since = stamp(CLOCK_UNSET_BELOW_US + 9, 5, 1);
        assert_eq!(age(&since, &stamp(CLOCK_UNSET_BELOW_US, 7, 2)), Duration::ZERO);
    }
}
