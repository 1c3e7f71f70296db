//! What the spool promises, over its public face: against a model, and with what disks and people do to it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::clock::ManualClock;

mod damage;
mod examining;
mod fixtures;
mod keys;
mod model;

/// The wall clock of these tests: well after clocks count as set.
const NOW_US: i64 = 1_800_000_000_000_000;

/// A spool in a folder of its own.
struct Rig {
    folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
    limits: SpoolLimits,
}

impl Rig {
    fn new(limits: SpoolLimits) -> Self {
        let clock = Arc::new(ManualClock::at(NOW_US));
        Self { folder: tempfile::tempdir().unwrap(), clock, limits }
    }

    /// A spool in memory, where the machine has such a place: for tests that open hundreds.
    fn quick(limits: SpoolLimits) -> Self {
        let rig = Self::new(limits);
        let folder = tempfile::tempdir_in("/dev/shm").unwrap_or(rig.folder);
        Self { folder, ..rig }
    }

    fn roomy() -> Self {
        Self::new(SpoolLimits::default())
    }

    /// A spool of `live` bytes, an eighth of them for critical captures.
    fn small(live_bytes: u64) -> Self {
        Self::new(SpoolLimits { live_bytes, critical_bytes: live_bytes / 8, ..SpoolLimits::default() })
    }

    /// What a process killed now would leave: every file as the operating system has it.
    fn as_killed(&self) -> Self {
        let left = Self { clock: Arc::clone(&self.clock), ..Self::quick(self.limits) };
        copy_folder(self.path(), left.path());
        left
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn open(&self) -> (Spool, OpenReport) {
        self.open_on(HardwareHash::default())
    }

    fn open_on(&self, hardware: HardwareHash) -> (Spool, OpenReport) {
        let key = SpoolKey::from_bytes([9; 32]);
        Spool::open(self.path(), &key, hardware, self.limits, Arc::clone(&self.clock) as Arc<dyn Clock>).unwrap()
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A capture told apart by `tag`, of about `size` bytes.
fn capture(tag: u64, size: usize) -> wire::Capture {
    let text = "x".repeat(size);
    wire::Capture { boot_us: tag, excerpts: vec![wire::Excerpt { scope: 1, text }], ..wire::Capture::default() }
}

fn stored(appended: Result<Appended, SpoolError>) -> u64 {
    match appended.unwrap() {
        Appended::Stored(seq) => seq.number(),
        other @ (Appended::Counted | Appended::Dropped(_)) => panic!("not stored: {other:?}"),
    }
}

/// Sequence and tag of everything a lane holds.
fn held(spool: &Spool, lane: Level) -> Vec<(u64, u64)> {
    let mut held = Vec::new();
    let mut from = Seq::NONE;
    loop {
        let run = spool.read(lane, from, 100).unwrap();
        let Some((last, _)) = run.last() else { return held };
        from = last.next();
        held.extend(run.iter().map(|(seq, capture)| (seq.number(), capture.boot_us)));
    }
}

fn gaps(spool: &Spool, lane: Level) -> Vec<(u64, u64, GapReason)> {
    let gaps = spool.gaps(lane, Seq::NONE).unwrap();
    gaps.iter().map(|gap| (gap.from.number(), gap.to.number(), gap.reason)).collect()
}

/// Has `capture` committed, and forgets that it was: as where the last sync of a commit fails.
fn committed_unheard(spool: &Spool, lane: Level, capture: &wire::Capture) -> Seq {
    let waiting = Waiting::new(lane, capture.encode_to_vec());
    let mut ledger = lock(&spool.ledger);
    spool.commit(&mut ledger, &[Arc::clone(&waiting)]).unwrap();
    let Some(Ok(Appended::Stored(seq))) = waiting.outcome() else { panic!("not stored") };
    lock(&spool.undecided).keep(vec![waiting]);
    *ledger = None;
    seq
}

#[test]
fn a_capture_whose_commit_failed_after_all_was_written_is_kept_once() {
    let rig = Rig::roomy();
    let (spool, _) = rig.open();
    let seq = committed_unheard(&spool, Level::High, &capture(1, 10));
    let other = spool.append(Level::High, &capture(2, 10)).unwrap();
    assert_eq!(spool.append(Level::High, &capture(1, 10)), Ok(Appended::Stored(seq)));
    assert_eq!(other, Appended::Stored(seq.next()));
    assert_eq!(spool.read(Level::High, Seq::new(1), 9).unwrap().len(), 2);
}

#[test]
fn a_capture_that_was_delivered_before_it_is_appended_again_is_kept_once() {
    let rig = Rig::roomy();
    let (spool, _) = rig.open();
    let seq = committed_unheard(&spool, Level::High, &capture(1, 10));
    spool.acknowledge(Level::High, seq).unwrap();
    assert_eq!(spool.append(Level::High, &capture(1, 10)), Ok(Appended::Stored(seq)));
    assert!(spool.read(Level::High, Seq::new(1), 9).unwrap().is_empty());
}

#[test]
fn what_was_appended_is_there_after_reopening() {
    let rig = Rig::roomy();
    let (spool, fresh) = rig.open();
    assert_eq!(stored(spool.append(Level::High, &capture(11, 10))), 1);
    assert_eq!(stored(spool.append(Level::High, &capture(12, 10))), 2);
    assert_eq!(stored(spool.append(Level::Low, &capture(13, 10))), 1);
    drop(spool);
    let (spool, report) = rig.open();
    assert_eq!((report.opened, report.epoch, report.held), (Opened::Continued, fresh.epoch, 3));
    assert_eq!(held(&spool, Level::High), [(1, 11), (2, 12)]);
    assert_eq!(stored(spool.append(Level::High, &capture(14, 10))), 3);
}

#[test]
fn an_acknowledged_lane_never_gives_a_sequence_twice() {
    let rig = Rig::roomy();
    let (spool, _) = rig.open();
    stored(spool.append(Level::High, &capture(1, 10)));
    spool.acknowledge(Level::High, Seq::new(1)).unwrap();
    assert_eq!(spool.live_bytes(), 0);
    drop(spool);
    let (spool, _) = rig.open();
    assert_eq!(stored(spool.append(Level::High, &capture(2, 10))), 2);
}

#[test]
fn an_acknowledgement_of_what_was_never_made_is_refused() {
    let (spool, _) = Rig::roomy().open();
    let refused = spool.acknowledge(Level::High, Seq::new(1)).unwrap_err();
    assert_eq!(refused, SpoolError::Impossible { lane: Level::High, through: Seq::new(1) });
}

#[test]
fn a_full_spool_drops_the_lowest_lane_first_and_says_so() {
    let rig = Rig::small(10_000);
    let (spool, _) = rig.open();
    for tag in 0..4 {
        stored(spool.append(Level::Low, &capture(tag, 1_000)));
    }
    for tag in 0..6 {
        stored(spool.append(Level::High, &capture(tag, 1_000)));
    }
    assert_eq!(held(&spool, Level::High).len(), 6);
    let lost = 4 - u64::try_from(held(&spool, Level::Low).len()).unwrap();
    assert_eq!(gaps(&spool, Level::Low), [(1, lost, GapReason::Full)]);
    assert!(spool.live_bytes() <= 10_000 - 10_000 / 8);
}

#[test]
fn a_low_capture_never_drops_a_higher_one() {
    let rig = Rig::small(4_000);
    let (spool, _) = rig.open();
    while spool.live_bytes() < 2_500 {
        stored(spool.append(Level::High, &capture(1, 400)));
    }
    let before = held(&spool, Level::High);
    assert_eq!(spool.append(Level::Low, &capture(2, 2_000)), Ok(Appended::Dropped(Seq::new(1))));
    assert_eq!(held(&spool, Level::High), before);
    assert_eq!(gaps(&spool, Level::Low), [(1, 1, GapReason::Full)]);
}

#[test]
fn critical_captures_are_kept_then_counted_and_never_dropped() {
    let rig = Rig::small(4_000);
    let (spool, _) = rig.open();
    stored(spool.append(Level::Info, &capture(0, 900)));
    let mut kept = 0;
    while let Appended::Stored(_) = spool.append(Level::Critical, &capture(kept, 900)).unwrap() {
        kept += 1;
    }
    spool.append(Level::Critical, &capture(99, 900)).unwrap();
    assert_eq!(held(&spool, Level::Info), []);
    let all = spool.read(Level::Critical, Seq::NONE, 100).unwrap();
    assert_eq!(u64::try_from(all.len()).unwrap(), kept);
    assert_eq!(all.last().unwrap().1.repeats, 2);
    assert!(gaps(&spool, Level::Critical).is_empty());
}

#[test]
fn a_critical_capture_is_counted_into_the_next_once_the_last_was_read() {
    let rig = Rig::small(2_500);
    let (spool, _) = rig.open();
    stored(spool.append(Level::Critical, &capture(0, 900)));
    stored(spool.append(Level::Critical, &capture(1, 900)));
    assert_eq!(held(&spool, Level::Critical).len(), 2);
    assert_eq!(spool.append(Level::Critical, &capture(2, 900)), Ok(Appended::Counted));
    drop(spool);
    let (spool, _) = rig.open();
    spool.acknowledge(Level::Critical, Seq::new(2)).unwrap();
    stored(spool.append(Level::Critical, &capture(3, 900)));
    let run = spool.read(Level::Critical, Seq::NONE, 10).unwrap();
    assert_eq!((run.len(), run[0].0.number(), run[0].1.repeats), (1, 3, 1));
}

#[test]
fn what_is_too_old_expires_and_critical_captures_do_not() {
    let rig = Rig::roomy();
    let (spool, _) = rig.open();
    stored(spool.append(Level::High, &capture(1, 10)));
    stored(spool.append(Level::Critical, &capture(2, 10)));
    rig.clock.advance(rig.limits.max_age);
    stored(spool.append(Level::High, &capture(3, 10)));
    rig.clock.advance(Duration::from_secs(1));
    spool.expire().unwrap();
    assert_eq!(held(&spool, Level::High), [(2, 3)]);
    assert_eq!(held(&spool, Level::Critical), [(1, 2)]);
    assert_eq!(gaps(&spool, Level::High), [(1, 1, GapReason::Expired)]);
}

#[test]
fn a_capture_over_its_bound_is_refused_and_the_largest_is_kept() {
    let rig = Rig::roomy();
    let (spool, _) = rig.open();
    let refused = spool.append(Level::High, &capture(1, bounds::MAX_CAPTURE_BYTES)).unwrap_err();
    assert!(matches!(refused, SpoolError::TooLarge(_)));
    for tag in 0..40 {
        stored(spool.append(Level::High, &capture(tag, bounds::MAX_CAPTURE_BYTES - 100)));
    }
    assert_eq!(held(&spool, Level::High).len(), 40);
    let unsynced = fs::read_dir(rig.path().join("live/blobs")).map_or(0, Iterator::count);
    assert_eq!(unsynced, 0, "sled never syncs what it puts there");
}

#[test]
fn captures_appended_at_once_share_commits_and_all_arrive() {
    let rig = Rig::roomy();
    let (spool, _) = rig.open();
    std::thread::scope(|scope| {
        for tag in 0..32 {
            let spool = &spool;
            scope.spawn(move || stored(spool.append(Level::High, &capture(tag, 50))));
        }
    });
    let held = held(&spool, Level::High);
    assert_eq!(held.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), (1..=32).collect::<Vec<_>>());
    assert_eq!(held.iter().map(|(_, tag)| *tag).collect::<BTreeSet<_>>().len(), 32);
    assert!(*spool.appended().borrow() <= 32);
}

#[test]
fn a_store_that_came_back_from_an_earlier_time_keeps_what_was_spooled_since() {
    let rig = Rig::roomy();
    let (spool, _) = rig.open();
    stored(spool.append(Level::High, &capture(1, 10)));
    drop(spool);
    let (spool, _) = rig.open();
    stored(spool.append(Level::High, &capture(2, 10)));
    assert_eq!(spool.resume(&[(Level::High, Seq::new(7))]).unwrap(), [Level::High]);
    assert_eq!(held(&spool, Level::High), [(8, 2)]);
    assert_eq!(spool.resume(&[(Level::High, Seq::new(7))]).unwrap(), []);
}

#[test]
fn a_collector_that_forgot_is_told_of_the_gap() {
    let rig = Rig::roomy();
    let (spool, _) = rig.open();
    for tag in 0..3 {
        stored(spool.append(Level::High, &capture(tag, 10)));
    }
    spool.resume(&[]).unwrap();
    spool.acknowledge(Level::High, Seq::new(2)).unwrap();
    spool.resume(&[]).unwrap();
    assert_eq!(gaps(&spool, Level::High), [(1, 2, GapReason::Restored)]);
    assert_eq!(held(&spool, Level::High), [(3, 2)]);
}
