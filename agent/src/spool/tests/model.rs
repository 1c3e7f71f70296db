//! The spool against a model that fits on a page.

use super::*;

#[derive(Clone, Debug)]
enum Act {
    Append(Level, usize),
    Acknowledge(Level, u8),
    /// An acknowledgement of what was never made.
    AcknowledgeBeyond(Level, u8),
    /// The collector cannot take a capture.
    GiveUp(Level, u8),
    Pass(Duration),
    Reopen,
    /// The process is killed, and the collector's marks are compared at the next start.
    Crash,
}

fn level() -> impl Strategy<Value = Level> {
    prop::sample::select(Level::ALL.to_vec())
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        12 => (level(), 0_usize..1_500).prop_map(|(level, size)| Act::Append(level, size)),
        3 => (level(), any::<u8>()).prop_map(|(level, share)| Act::Acknowledge(level, share)),
        1 => (level(), any::<u8>()).prop_map(|(level, more)| Act::AcknowledgeBeyond(level, more)),
        1 => (level(), any::<u8>()).prop_map(|(level, share)| Act::GiveUp(level, share)),
        1 => (1_u64..9).prop_map(|days| Act::Pass(Duration::from_hours(24 * days))),
        1 => Just(Act::Reopen),
        1 => Just(Act::Crash),
    ]
}

/// What a lane should hold: tag, size and age by sequence; the rest is acknowledged or a gap.
#[derive(Default)]
struct ModelLane {
    last: u64,
    held: BTreeMap<u64, (u64, u64, Duration)>,
    lost: BTreeMap<u64, GapReason>,
}

struct Model {
    limits: SpoolLimits,
    time: Duration,
    lanes: BTreeMap<Level, ModelLane>,
}

impl Model {
    fn new(limits: SpoolLimits) -> Self {
        let lanes = Level::ALL.into_iter().map(|level| (level, ModelLane::default())).collect();
        Self { limits, time: Duration::ZERO, lanes }
    }

    fn bytes(&self, of: impl Fn(Level) -> bool) -> u64 {
        let lanes = self.lanes.iter().filter(|(level, _)| of(**level));
        lanes.flat_map(|(_, lane)| lane.held.values()).map(|(_, size, _)| size).sum()
    }

    fn fits(&self, level: Level, size: u64) -> bool {
        let critical = self.bytes(|of| of == Level::Critical);
        let other = self.bytes(|of| of < Level::Critical);
        if level == Level::Critical {
            return critical + other + size <= self.limits.live_bytes;
        }
        other + size <= self.limits.live_bytes - critical.max(self.limits.critical_bytes)
    }

    fn drop_oldest(&mut self, level: Level, reason: GapReason) -> bool {
        let lane = self.lanes.get_mut(&level).unwrap();
        let oldest = lane.held.pop_first();
        lane.lost.extend(oldest.iter().map(|(seq, _)| (*seq, reason)));
        oldest.is_some()
    }

    fn expire(&mut self) {
        for level in [Level::Info, Level::Low, Level::Moderate, Level::High] {
            while self.lanes[&level]
                .held
                .values()
                .next()
                .is_some_and(|(_, _, at)| self.time - *at > self.limits.max_age)
            {
                self.drop_oldest(level, GapReason::Expired);
            }
        }
    }

    fn append(&mut self, level: Level, tag: u64, size: u64) {
        self.expire();
        for victim in Level::ALL.into_iter().filter(|victim| *victim <= level && *victim < Level::Critical) {
            while !self.fits(level, size) && self.drop_oldest(victim, GapReason::Full) {}
        }
        let fits = self.fits(level, size);
        let time = self.time;
        let lane = self.lanes.get_mut(&level).unwrap();
        if fits {
            lane.last += 1;
            lane.held.insert(lane.last, (tag, size, time));
        } else if level < Level::Critical {
            lane.last += 1;
            lane.lost.insert(lane.last, GapReason::Full);
        }
    }

    /// Takes out one of what the lane holds.
    fn give_up(&mut self, level: Level, share: u8) -> Option<Seq> {
        let lane = self.lanes.get_mut(&level).unwrap();
        let seq = *lane.held.keys().nth(lane.held.len() * usize::from(share) / 256)?;
        lane.held.remove(&seq);
        lane.lost.insert(seq, GapReason::Quarantined);
        Some(Seq::new(seq))
    }

    fn acknowledge(&mut self, level: Level, share: u8) -> u64 {
        let lane = self.lanes.get_mut(&level).unwrap();
        let through = lane.last * u64::from(share) / 255;
        lane.held.retain(|seq, _| *seq > through);
        through
    }
}

/// Everything held is equal; what is lost above `acknowledged` is told by gaps with the same reason.
fn agree(spool: &Spool, model: &Model, acknowledged: &BTreeMap<Level, u64>) {
    for (level, lane) in &model.lanes {
        let expected: Vec<_> = lane.held.iter().map(|(seq, (tag, ..))| (*seq, *tag)).collect();
        assert_eq!(held(spool, *level), expected, "lane {level}");
        let mut told = BTreeMap::new();
        for (from, to, reason) in gaps(spool, *level) {
            told.extend((from..=to).map(|seq| (seq, reason)));
        }
        let through = acknowledged.get(level).copied().unwrap_or(0);
        told.retain(|seq, _| *seq > through);
        let lost: BTreeMap<_, _> = lane.lost.range(through + 1..).map(|(seq, reason)| (*seq, *reason)).collect();
        assert_eq!(told, lost, "lane {level}");
        let state = spool.lane_states()[usize::from(level.number()) - 1];
        assert_eq!(state.next.number(), lane.last + 1);
        assert_eq!(state.first.map(Seq::number), lane.held.keys().next().copied());
    }
    assert_eq!(spool.live_bytes(), model.bytes(|_| true));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_spool_does_what_the_model_does(acts in prop::collection::vec(act(), 1..60)) {
        let mut rig = Rig::quick(Rig::small(12_000).limits);
        let mut model = Model::new(rig.limits);
        let mut acknowledged: BTreeMap<Level, u64> = BTreeMap::new();
        let mut spool = rig.open().0;
        for (tag, act) in acts.into_iter().enumerate() {
            let tag = u64::try_from(tag).unwrap();
            match act {
                Act::Append(level, size) => {
                    let capture = capture(tag, size);
                    let takes = record::stored_bytes(capture.encoded_len());
                    // Read first, so that a critical capture without room is counted into the next, never in place.
                    held(&spool, Level::Critical);
                    if level != Level::Critical || model.fits_critical_plain(takes) {
                        spool.append(level, &capture).unwrap();
                        model.append(level, tag, takes);
                    }
                }
                Act::Acknowledge(level, share) => {
                    let through = model.acknowledge(level, share);
                    spool.acknowledge(level, Seq::new(through)).unwrap();
                    let mark = acknowledged.entry(level).or_default();
                    *mark = (*mark).max(through);
                }
                Act::AcknowledgeBeyond(level, more) => {
                    let through = Seq::new(model.lanes[&level].last + 1 + u64::from(more));
                    let refused = spool.acknowledge(level, through).unwrap_err();
                    assert_eq!(refused, SpoolError::Impossible { lane: level, through });
                }
                Act::GiveUp(level, share) => {
                    if let Some(seq) = model.give_up(level, share) {
                        spool.give_up(level, seq).unwrap();
                    }
                }
                Act::Pass(time) => {
                    rig.clock.advance(time);
                    model.time += time;
                }
                Act::Reopen => {
                    drop(spool);
                    spool = rig.open().0;
                    model.expire();
                }
                Act::Crash => {
                    rig = rig.as_killed();
                    spool = rig.open().0;
                    let marks: Vec<_> =
                        acknowledged.iter().map(|(level, through)| (*level, Seq::new(*through))).collect();
                    prop_assert_eq!(spool.resume(&marks).unwrap(), []);
                    model.expire();
                }
            }
            agree(&spool, &model, &acknowledged);
        }
    }
}

impl Model {
    /// Whether a critical capture finds room once all others are dropped: what is counted instead has tests of its own.
    fn fits_critical_plain(&self, size: u64) -> bool {
        self.bytes(|of| of == Level::Critical) + size <= self.limits.live_bytes
    }
}
