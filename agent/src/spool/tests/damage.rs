//! Torn tails, flipped bits, missing files, other keys, other hardware, other processes. Whatever it is, the spool opens,
//! and each sequence it gave out is held with its content or told of by a gap.

use std::path::PathBuf;

use lapwing_rules::Digest;

use super::*;

fn hardware(text: &str) -> HardwareHash {
    HardwareHash::new(Some(Digest::of(text.as_bytes())))
}

fn filled(rig: &Rig) -> Epoch {
    let (spool, report) = rig.open_on(hardware("one"));
    for tag in 1..=60 {
        stored(spool.append(Level::High, &capture(tag, 300)));
    }
    report.epoch
}

/// A spool's files as they were when it was closed, to be damaged many times.
struct Kept {
    files: BTreeMap<PathBuf, Vec<u8>>,
    epoch: Epoch,
    /// Last sequence of each lane, and through which the collector has it.
    lanes: BTreeMap<Level, (u64, u64)>,
}

impl Kept {
    /// Several lanes with records of one and of many parts, some acknowledged, some given up; the tag is the sequence.
    fn made() -> Self {
        let rig = Rig::roomy();
        let (spool, report) = rig.open_on(hardware("one"));
        for tag in 1..=40 {
            stored(spool.append(Level::High, &capture(tag, 300)));
            stored(spool.append(Level::Low, &capture(tag, 40)));
        }
        for tag in 1..=4 {
            stored(spool.append(Level::Critical, &capture(tag, 5_000)));
        }
        spool.acknowledge(Level::Low, Seq::new(17)).unwrap();
        spool.give_up(Level::High, Seq::new(20)).unwrap();
        stored(spool.append(Level::Moderate, &capture(1, 10)));
        spool.acknowledge(Level::Moderate, Seq::new(1)).unwrap();
        drop(spool);
        let mut files = BTreeMap::new();
        take_files(rig.path(), Path::new(""), &mut files);
        let lanes = [(Level::Low, 40, 17), (Level::Moderate, 1, 1), (Level::High, 40, 0), (Level::Critical, 4, 0)];
        let lanes = lanes.into_iter().map(|(level, last, through)| (level, (last, through))).collect();
        Self { files, epoch: report.epoch, lanes }
    }

    fn bytes(&self, file: &str) -> &[u8] {
        &self.files[Path::new(file)]
    }

    /// A rig that holds a copy.
    fn copy(&self) -> Rig {
        let rig = Rig::quick(SpoolLimits::default());
        for (name, bytes) in &self.files {
            let path = rig.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        rig
    }

    /// The copy opens after `damage`, accounts for everything, and works.
    fn survives(&self, what: &str, damage: impl FnOnce(&Path)) -> Opened {
        let rig = self.copy();
        damage(rig.path());
        let (spool, report) = rig.open_on(hardware("one"));
        match report.opened {
            Opened::Continued => self.accounts_for(&spool, what),
            Opened::Quarantined => {
                let gaps = spool.earlier_gaps().unwrap();
                let lost: Vec<_> = Level::ALL.into_iter().map(|lane| (lane, Some(self.epoch))).collect();
                assert_eq!(gaps.iter().map(|gap| (gap.lane, gap.epoch)).collect::<Vec<_>>(), lost, "{what}");
            }
            opened @ (Opened::Fresh | Opened::Keyless | Opened::Foreign | Opened::Waiting) => {
                panic!("{what}: {opened:?}")
            }
        }
        let next = spool.lane_states()[3].next.number();
        assert_eq!(stored(spool.append(Level::High, &capture(next, 10))), next, "{what}");
        drop(spool);
        let (spool, again) = rig.open_on(hardware("one"));
        assert_eq!((again.opened, again.epoch), (Opened::Continued, report.epoch), "{what}");
        assert_eq!(held(&spool, Level::High).last(), Some(&(next, next)), "{what}");
        report.opened
    }

    fn accounts_for(&self, spool: &Spool, what: &str) {
        assert_eq!(spool.epoch(), self.epoch, "{what}");
        let marks: Vec<_> = self.lanes.iter().map(|(level, (_, through))| (*level, Seq::new(*through))).collect();
        spool.resume(&marks).unwrap();
        for (level, (last, through)) in &self.lanes {
            let held = held(spool, *level);
            assert!(held.iter().all(|(seq, tag)| seq == tag), "{what}: content of lane {level}");
            let mut known: BTreeSet<u64> = held.into_iter().map(|(seq, _)| seq).collect();
            known.extend(gaps(spool, *level).into_iter().flat_map(|(from, to, _)| from..=to));
            assert_eq!(known, (through + 1..=*last).collect(), "{what}: lane {level}");
        }
    }
}

fn take_files(root: &Path, below: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(root.join(below)).unwrap() {
        let name = below.join(entry.unwrap().file_name());
        if root.join(&name).is_dir() {
            take_files(root, &name, files);
        } else if name != Path::new("ballast") {
            files.insert(name.clone(), fs::read(root.join(&name)).unwrap());
        }
    }
}

fn flip(path: &Path, bit: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[bit / 8] ^= 1 << (bit % 8);
    fs::write(path, bytes).unwrap();
}

/// Numbers that are the same in every run.
fn drawn(seed: u64, count: usize, below: usize) -> impl Iterator<Item = usize> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    })
    .take(count)
}

/// Flips the bits of every file that `bits` names, each alone in a fresh copy.
fn flips_are_survived(kept: &Kept, bits: impl Fn(usize) -> Vec<usize>) {
    for (name, bytes) in &kept.files {
        for bit in bits(bytes.len() * 8) {
            kept.survives(&format!("bit {bit} of {}", name.display()), |folder| flip(&folder.join(name), bit));
        }
    }
}

#[test]
fn a_snapshot_that_a_crash_cut_short_costs_nothing() {
    let kept = Kept::made();
    for bytes in [b"".as_slice(), b"s", &[7; 300]] {
        // Named by a place in the log, of which sled takes the last.
        let opened = kept.survives("an unfinished snapshot", |folder| {
            fs::write(folder.join("live/snap.00000000000F0000.generating"), bytes).unwrap();
        });
        assert_eq!(opened, Opened::Continued);
    }
}

#[test]
fn a_spool_with_any_one_bit_flipped_opens_and_accounts() {
    let kept = Kept::made();
    flips_are_survived(&kept, |bits| {
        let count = if bits > 1_000_000 { 300 } else { 40.min(bits) };
        drawn(20_261_122, count, bits).collect()
    });
}

/// `cargo nextest run --release -p lapwing-agent --run-ignored only every_bit_of_the_spool`
#[test]
#[ignore = "takes hours: one bit of every byte of every file"]
fn every_bit_of_the_spool_can_flip() {
    let kept = Kept::made();
    flips_are_survived(&kept, |bits| (0..bits / 8).map(|byte| byte * 8 + byte % 8).collect());
}

#[test]
fn a_spool_torn_anywhere_in_its_last_writes_opens_and_accounts() {
    let kept = Kept::made();
    let db = kept.bytes("live/db");
    let end = db.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let cuts = (end.saturating_sub(600)..end).step_by(7).chain([0, 1, 20, 65_535, 65_536, 65_537, end / 2]);
    for cut in cuts {
        kept.survives(&format!("cut at {cut}"), |folder| {
            fs::write(folder.join("live/db"), &db[..cut]).unwrap();
        });
    }
}

#[test]
fn a_spool_with_zeroed_blocks_opens_and_accounts() {
    let kept = Kept::made();
    let db = kept.bytes("live/db");
    for start in (0..db.len()).step_by(4_096) {
        kept.survives(&format!("zeroes at {start}"), |folder| {
            let mut bytes = db.to_vec();
            let end = bytes.len().min(start + 4_096);
            bytes[start..end].fill(0);
            fs::write(folder.join("live/db"), bytes).unwrap();
        });
    }
}

#[test]
fn a_spool_that_lost_a_file_opens_and_accounts() {
    let kept = Kept::made();
    for name in kept.files.keys() {
        kept.survives(&format!("without {}", name.display()), |folder| fs::remove_file(folder.join(name)).unwrap());
        kept.survives(&format!("{} emptied", name.display()), |folder| fs::write(folder.join(name), b"").unwrap());
    }
    let opened = kept.survives("without live", |folder| fs::remove_dir_all(folder.join("live")).unwrap());
    assert_eq!(opened, Opened::Quarantined);
}

#[test]
fn a_lost_end_of_the_store_is_told_of() {
    let rig = Rig::roomy();
    filled(&rig);
    let before = fs::read(rig.path().join("live/db")).unwrap();
    let (spool, _) = rig.open_on(hardware("one"));
    for tag in 61..=70 {
        stored(spool.append(Level::High, &capture(tag, 10)));
    }
    drop(spool);
    fs::write(rig.path().join("live/db"), before).unwrap();
    let (spool, report) = rig.open_on(hardware("one"));
    assert_eq!((report.opened, report.held, report.damaged), (Opened::Continued, 60, 10));
    assert_eq!(gaps(&spool, Level::High), [(61, 70, GapReason::Quarantined)]);
    assert_eq!(stored(spool.append(Level::High, &capture(71, 10))), 71);
}

#[test]
fn a_store_of_another_epoch_goes_on_and_the_one_it_replaced_is_told_of() {
    let (rig, other) = (Rig::roomy(), Rig::roomy());
    let (former, epoch) = (filled(&rig), filled(&other));
    fs::remove_dir_all(rig.path().join("live")).unwrap();
    fs::rename(other.path().join("live"), rig.path().join("live")).unwrap();
    for _ in 0..2 {
        let (spool, report) = rig.open_on(hardware("one"));
        assert_eq!((report.opened, report.epoch, report.held), (Opened::Continued, epoch, 60));
        let gaps = spool.earlier_gaps().unwrap();
        assert_eq!(gaps.len(), Level::ALL.len(), "told once");
        assert!(gaps.iter().all(|gap| gap.epoch == Some(former)));
    }
}

#[test]
fn stores_lost_one_after_the_other_are_all_told_of() {
    let rig = Rig::roomy();
    let mut lost = BTreeSet::new();
    for _ in 0..3 {
        lost.insert(filled(&rig));
        fs::write(rig.path().join("live/db"), b"nothing").unwrap();
    }
    let (spool, report) = rig.open_on(hardware("one"));
    assert_eq!(report.opened, Opened::Quarantined);
    let told: BTreeSet<_> = spool.earlier_gaps().unwrap().iter().filter_map(|gap| gap.epoch).collect();
    assert_eq!(told, lost);
    for lane in Level::ALL {
        spool.forget_earlier_gaps(lane).unwrap();
    }
    drop(spool);
    fs::write(rig.path().join("live/db"), b"nothing").unwrap();
    let told = rig.open_on(hardware("one")).0.earlier_gaps().unwrap();
    assert!(told.iter().all(|gap| gap.epoch == Some(report.epoch)), "{told:?}");
}

#[test]
fn a_way_to_quarantine_that_was_cut_short_loses_neither_gap_nor_quarantine() {
    let rig = Rig::roomy();
    let former = filled(&rig);
    // As a kill between the move and the new store leaves it.
    fs::rename(rig.path().join("live"), rig.path().join("quarantine")).unwrap();
    let (spool, report) = rig.open_on(hardware("one"));
    assert_eq!(report.opened, Opened::Quarantined);
    assert!(spool.earlier_gaps().unwrap().iter().all(|gap| gap.epoch == Some(former)));
    assert!(rig.path().join("quarantine/db").exists());
}

#[test]
fn a_spool_of_a_later_format_is_kept_aside() {
    let rig = Rig::roomy();
    let former = filled(&rig);
    let engine = engine::Engine::open(&rig.path().join("live")).unwrap();
    let mut meta = engine.get(&record::meta_key()).unwrap().unwrap().to_vec();
    meta[4] = 2;
    let mut batch = sled::Batch::default();
    batch.insert(record::meta_key(), meta);
    engine.apply(batch).unwrap();
    engine.commit().unwrap();
    drop(engine);
    let (spool, report) = rig.open_on(hardware("one"));
    assert_eq!(report.opened, Opened::Quarantined);
    assert_eq!(spool.earlier_gaps().unwrap()[0].epoch, Some(former));
    assert!(rig.path().join("quarantine/db").exists());
}

#[test]
fn a_disk_that_refuses_is_waited_for() {
    let rig = Rig::roomy();
    let folder = rig.path().join("disk/spool");
    fs::write(rig.path().join("disk"), b"no folder yet").unwrap();
    let clock = Arc::clone(&rig.clock) as Arc<dyn Clock>;
    let key = SpoolKey::from_bytes([9; 32]);
    let (spool, report) = Spool::open(&folder, &key, HardwareHash::default(), rig.limits, clock).unwrap();
    assert_eq!(report.opened, Opened::Waiting);
    assert!(matches!(spool.append(Level::High, &capture(1, 10)), Err(SpoolError::Store(_))));
    fs::remove_file(rig.path().join("disk")).unwrap();
    assert_eq!(stored(spool.append(Level::High, &capture(1, 10))), 1);
    assert_eq!(held(&spool, Level::High), [(1, 1)]);
}

#[test]
fn what_is_in_quarantine_goes_when_the_spool_needs_its_share_of_the_disk() {
    let rig = Rig::small(600_000);
    filled(&rig);
    fs::write(rig.path().join("live/db"), b"nothing").unwrap();
    let (spool, report) = rig.open_on(hardware("one"));
    assert_eq!(report.opened, Opened::Quarantined);
    fs::write(rig.path().join("quarantine/more"), vec![0; 2_000_000]).unwrap();
    spool.expire().unwrap();
    assert!(!rig.path().join("quarantine").exists());
}

#[test]
fn a_spool_of_another_key_is_quarantined() {
    let rig = Rig::roomy();
    let former = filled(&rig);
    let clock = Arc::clone(&rig.clock) as Arc<dyn Clock>;
    let key = SpoolKey::from_bytes([8; 32]);
    let (spool, report) = Spool::open(rig.path(), &key, hardware("one"), rig.limits, clock).unwrap();
    assert_eq!(report.opened, Opened::Keyless);
    assert_eq!(spool.earlier_gaps().unwrap()[0].epoch, Some(former));
}

#[test]
fn records_of_other_hardware_are_not_sent_and_their_number_is_told() {
    let rig = Rig::roomy();
    let former = filled(&rig);
    let (spool, _) = rig.open_on(hardware("one"));
    spool.give_up(Level::High, Seq::new(1)).unwrap();
    drop(spool);
    let (spool, report) = rig.open_on(hardware("two"));
    assert_eq!((report.opened, report.held), (Opened::Foreign, 0));
    let expected =
        Gap { lane: Level::High, from: Seq::new(1), to: Seq::new(60), reason: GapReason::Foreign, epoch: Some(former) };
    assert_eq!(spool.earlier_gaps().unwrap(), [expected]);
    drop(spool);
    let (spool, _) = rig.open_on(hardware("two"));
    assert_eq!(spool.earlier_gaps().unwrap(), [expected], "told until the collector has it");
    spool.forget_earlier_gaps(Level::High).unwrap();
    drop(spool);
    assert_eq!(rig.open_on(hardware("two")).0.earlier_gaps().unwrap(), []);
}

#[test]
fn hardware_that_does_not_say_who_it_is_keeps_its_spool() {
    let rig = Rig::roomy();
    filled(&rig);
    assert_eq!(rig.open_on(HardwareHash::default()).1.opened, Opened::Continued);
}

#[test]
fn a_spool_in_use_is_left_alone() {
    let rig = Rig::roomy();
    let (_spool, _) = rig.open();
    let clock = Arc::clone(&rig.clock) as Arc<dyn Clock>;
    let key = SpoolKey::from_bytes([9; 32]);
    let refused = Spool::open(rig.path(), &key, HardwareHash::default(), rig.limits, clock).unwrap_err();
    assert_eq!(refused, SpoolError::InUse);
}

#[test]
fn nothing_of_a_capture_is_readable_at_rest() {
    let rig = Rig::roomy();
    let (spool, _) = rig.open();
    let marked = wire::Excerpt { scope: 1, text: "seeded-marker".into() };
    spool.append(Level::High, &wire::Capture { excerpts: vec![marked], ..wire::Capture::default() }).unwrap();
    drop(spool);
    let db = fs::read(rig.path().join("live/db")).unwrap();
    assert!(!db.windows(13).any(|window| window == b"seeded-marker"));
}

#[test]
fn a_folder_where_the_reach_belongs_costs_what_the_reach_says_and_nothing_else() {
    let rig = Rig::roomy();
    filled(&rig);
    fs::remove_file(rig.path().join("reach")).unwrap();
    fs::create_dir(rig.path().join("reach")).unwrap();
    let (spool, report) = rig.open_on(hardware("one"));
    assert_eq!((report.opened, report.held), (Opened::Continued, 60));
    stored(spool.append(Level::High, &capture(61, 300)));
    drop(spool);
    assert_eq!(rig.open_on(hardware("one")).1.held, 61);
}
