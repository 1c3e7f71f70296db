//! A spool without a disk: what it holds survives the agent, what it has forgotten may come back.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use lapwing_proto::{Epoch, Seq, wire};
use lapwing_rules::Level;
use tokio::sync::watch;

use super::draw::Draw;
use crate::spool::{Gap, GapReason, LaneState, SpoolError};
use crate::uplink::backlog::Backlog;

pub(in crate::uplink::tests) struct Held {
    lanes: Mutex<BTreeMap<Level, Lane>>,
    appended: watch::Sender<u64>,
}

#[derive(Default)]
struct Lane {
    last: u64,
    records: BTreeMap<u64, wire::Capture>,
    /// First of the range, and its last.
    gaps: BTreeMap<u64, u64>,
    /// Forgotten, but not by the disk yet.
    forgotten: BTreeMap<u64, wire::Capture>,
    forgotten_gaps: BTreeMap<u64, u64>,
}

impl Lane {
    fn forget(&mut self, through: u64) {
        let kept = self.records.split_off(&(through + 1));
        self.forgotten.append(&mut std::mem::replace(&mut self.records, kept));
        let (kept, past) = std::mem::take(&mut self.gaps).into_iter().partition(|(_, to)| *to > through);
        self.gaps = kept;
        self.forgotten_gaps.extend::<BTreeMap<u64, u64>>(past);
    }

    /// Accounts for all between `from` and what is held that neither is held nor has a gap.
    fn cover(&mut self, from: u64) {
        let end = self.records.keys().next().copied().unwrap_or(self.last + 1);
        for seq in from..end {
            if !self.gaps.iter().any(|(from, to)| (*from..=*to).contains(&seq)) {
                self.gaps.insert(seq, seq);
            }
        }
    }
}

impl Held {
    pub(in crate::uplink::tests) fn new() -> Self {
        let lanes = Level::ALL.into_iter().map(|lane| (lane, Lane::default())).collect();
        Self { lanes: Mutex::new(lanes), appended: watch::Sender::new(0) }
    }

    pub(in crate::uplink::tests) fn append(&self, lane: Level, capture: wire::Capture) {
        let mut lanes = self.lanes();
        let lane = lanes.entry(lane).or_default();
        lane.last += 1;
        lane.records.insert(lane.last, capture);
        drop(lanes);
        self.appended.send_modify(|commits| *commits += 1);
    }

    pub(in crate::uplink::tests) fn is_empty(&self) -> bool {
        self.lanes().values().all(|lane| lane.records.is_empty() && lane.gaps.is_empty())
    }

    /// The power goes: what was forgotten last may be there again.
    pub(super) fn lose_power(&self, draw: &mut Draw) {
        for lane in self.lanes().values_mut() {
            let from = lane.last.saturating_sub(draw.below(20));
            let mut back = std::mem::take(&mut lane.forgotten).split_off(&from);
            lane.records.append(&mut back);
            let gaps = std::mem::take(&mut lane.forgotten_gaps);
            lane.gaps.extend(gaps.into_iter().filter(|(_, to)| *to >= from));
        }
    }

    fn lanes(&self) -> MutexGuard<'_, BTreeMap<Level, Lane>> {
        self.lanes.lock().unwrap()
    }

    fn on<T>(&self, lane: Level, call: impl FnOnce(&mut Lane) -> T) -> T {
        call(self.lanes().get_mut(&lane).unwrap())
    }
}

impl Backlog for Held {
    fn epoch(&self) -> Epoch {
        Epoch::from_bytes([7; 16])
    }

    fn lane_states(&self) -> Vec<LaneState> {
        let state = |(level, lane): (&Level, &Lane)| LaneState {
            lane: *level,
            first: lane.records.keys().next().map(|seq| Seq::new(*seq)),
            next: Seq::new(lane.last + 1),
        };
        self.lanes().iter().map(state).collect()
    }

    fn live_bytes(&self) -> u64 {
        0
    }

    fn appended(&self) -> watch::Receiver<u64> {
        self.appended.subscribe()
    }

    fn read(&self, lane: Level, from: Seq, max: usize) -> Result<Vec<(Seq, wire::Capture)>, SpoolError> {
        Ok(self.on(lane, |lane| {
            let mut run: Vec<(Seq, wire::Capture)> = Vec::new();
            for (seq, capture) in lane.records.range(from.number()..).take(max) {
                if run.last().is_some_and(|(last, _)| last.number() + 1 != *seq) {
                    break;
                }
                run.push((Seq::new(*seq), capture.clone()));
            }
            run
        }))
    }

    fn gaps(&self, level: Level, from: Seq) -> Result<Vec<Gap>, SpoolError> {
        let gap = |(start, end): (&u64, &u64)| Gap {
            lane: level,
            from: Seq::new(*start),
            to: Seq::new(*end),
            reason: GapReason::Quarantined,
            epoch: None,
        };
        Ok(self.on(level, |lane| lane.gaps.iter().map(gap).filter(|gap| gap.to >= from).collect()))
    }

    fn earlier_gaps(&self) -> Result<Vec<Gap>, SpoolError> {
        Ok(Vec::new())
    }

    fn resume(&self, marks: &[(Level, Seq)]) -> Result<Vec<Level>, SpoolError> {
        for lane in Level::ALL {
            let mark = marks.iter().find(|(of, _)| *of == lane).map_or(0, |(_, mark)| mark.number());
            self.on(lane, |lane| {
                lane.forget(mark);
                lane.cover(mark + 1);
            });
        }
        Ok(Vec::new())
    }

    fn acknowledge(&self, lane: Level, through: Seq) -> Result<(), SpoolError> {
        self.on(lane, |held| {
            if through.number() > held.last {
                return Err(SpoolError::Impossible { lane, through });
            }
            held.forget(through.number());
            Ok(())
        })
    }

    fn forget_earlier_gaps(&self, _: Level) -> Result<(), SpoolError> {
        Ok(())
    }

    fn give_up(&self, lane: Level, seq: Seq) -> Result<(), SpoolError> {
        self.on(lane, |lane| {
            lane.records.remove(&seq.number());
            lane.gaps.insert(seq.number(), seq.number());
        });
        Ok(())
    }

    fn expire(&self) -> Result<(), SpoolError> {
        Ok(())
    }
}
