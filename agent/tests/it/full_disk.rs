//! The spool on a disk that is really full.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use lapwing_agent::clock::ManualClock;
use lapwing_agent::identity::HardwareHash;
use lapwing_agent::spool::{Appended, GapReason, KeySource, Opened, Spool, SpoolError, SpoolKey, SpoolLimits};
use lapwing_proto::{Seq, wire};
use lapwing_rules::Level;

use crate::process::Process;

/// Room on the disk: a fraction of what a spool may hold.
const SIZE: &str = "size=12m,nr_inodes=64";
/// More captures than would ever fit.
const MANY: u64 = 4_000;
/// More captures than fit on a disk that others filled.
const BEYOND: u64 = 600;
/// Of one capture, before the disk counts as refusing for ever.
const ATTEMPTS: usize = 8;

/// A disk in memory that goes with the test.
struct SmallDisk {
    folder: tempfile::TempDir,
}

impl SmallDisk {
    /// Nothing where this user may not mount.
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", SIZE, "lapwing-test"]).arg(folder.path()).output();
        if !mounted.is_ok_and(|output| output.status.success()) {
            eprintln!("skipped: only root may mount a disk");
            return None;
        }
        Some(Self { folder })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Takes all room but what the spool has.
    fn fill(&self) -> PathBuf {
        let file = self.path().join("other");
        let _full = std::fs::write(&file, vec![1; 64 * 1024 * 1024]).unwrap_err();
        file
    }

    /// Takes every file that the disk can still have, so that there is not even room for a folder.
    fn use_up_files(&self) -> PathBuf {
        let folder = self.path().join("others");
        std::fs::create_dir(&folder).unwrap();
        let _full = (0..).map(|number| std::fs::write(folder.join(format!("{number}")), "")).find(Result::is_err);
        folder
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["--lazy".as_ref(), self.folder.path()]).status();
    }
}

fn capture(number: u64) -> wire::Capture {
    let text = "x".repeat(6_000);
    wire::Capture { boot_us: number, excerpts: vec![wire::Excerpt { scope: 1, text }], ..wire::Capture::default() }
}

fn open(disk: &SmallDisk) -> Spool {
    let (key, clock) = (SpoolKey::from_bytes([9; 32]), Arc::new(ManualClock::at(1_800_000_000_000_000)));
    let folder = disk.path().join("spool");
    Spool::open(&folder, &key, HardwareHash::default(), SpoolLimits::default(), clock).unwrap().0
}

/// Numbers of the captures a lane holds.
fn held(spool: &Spool, lane: Level) -> Vec<u64> {
    let (mut numbers, mut from) = (Vec::new(), Seq::new(1));
    loop {
        let read = spool.read(lane, from, 256).unwrap();
        let Some((last, _)) = read.last() else { return numbers };
        from = last.next();
        numbers.extend(read.iter().map(|(_, capture)| capture.boot_us));
    }
}

/// Appends as the service does: again where the disk refuses, since each attempt makes way.
fn append(spool: &Spool, lane: Level, number: u64) -> Appended {
    let mut attempts = (0..ATTEMPTS).map(|_| spool.append(lane, &capture(number)));
    let taken = |outcome: &Result<Appended, SpoolError>| *outcome != Err(SpoolError::DiskFull);
    attempts.find(taken).expect("the disk refuses for ever").unwrap()
}

/// Appends until the spool has to drop something; how many went in.
fn append_until_dropped(spool: &Spool, lane: Level) -> u64 {
    for number in 1..MANY {
        append(spool, lane, number);
        if !spool.gaps(lane, Seq::new(1)).unwrap().is_empty() {
            return number;
        }
    }
    panic!("the disk never was full");
}

#[test]
fn a_first_start_on_a_full_disk_waits_for_room_and_loses_nothing() {
    let Some(disk) = SmallDisk::mount() else { return };
    let other = disk.fill();
    let key = KeySource::File(disk.path().join("spool.key"));
    let (folder, clock) = (disk.path().join("spool"), Arc::new(ManualClock::at(1_800_000_000_000_000)));
    let (spool, report) =
        Spool::open(&folder, key, HardwareHash::default(), SpoolLimits::default(), clock).expect("a spool that waits");
    assert_eq!((report.opened, spool.trouble()), (Opened::Waiting, Some(SpoolError::DiskFull)));
    assert_eq!(spool.append(Level::High, &capture(1)), Err(SpoolError::DiskFull));

    std::fs::remove_file(other).unwrap();

    assert_eq!(spool.append(Level::High, &capture(1)), Ok(Appended::Stored(Seq::new(1))));
    assert_eq!((spool.opened(), spool.trouble()), (Opened::Fresh, None));
    assert_eq!((held(&spool, Level::High), spool.earlier_gaps().unwrap()), (vec![1], vec![]));
}

#[test]
fn a_service_that_first_starts_on_a_full_disk_says_so_and_opens_its_spool_once_there_is_room() {
    let Some(disk) = SmallDisk::mount() else { return };
    let config = tempfile::NamedTempFile::new().unwrap();
    let socket = config.path().with_extension("sock");
    let text = format!("state_dir = \"{}/state\"\nsocket = \"{}\"\n", disk.path().display(), socket.display());
    std::fs::write(config.path(), text).unwrap();
    let agent = |words: &[&str]| {
        let mut agent = Command::new(env!("CARGO_BIN_EXE_lapwing-agent"));
        agent.args(words).arg("--config").arg(config.path());
        agent
    };
    let files = disk.use_up_files();
    let mut service = Process::start(agent(&["service"]));
    service.says("LW-STATE-WRITE");
    service.says("LW-SPOOL-FAIL");
    service.says("the service watches");
    let told = agent(&["doctor"]).output().unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.contains("the state folder cannot be written, and is tried again (No space left"), "{told}");
    assert!(told.contains("is tried again (the disk under the spool is full)"), "{told}");
    assert!(told.contains("ok    matching"), "{told}");

    std::fs::remove_dir_all(files).unwrap();

    assert!(service.says("the spool is open").contains("opened=Fresh"));
    assert!(disk.path().join("state/spool.key").exists());
}

#[test]
fn a_full_disk_costs_the_lowest_lane_first_and_a_gap_says_so() {
    let Some(disk) = SmallDisk::mount() else { return };
    let spool = open(&disk);
    let low = append_until_dropped(&spool, Level::Low);
    let (high, critical) = (low / 4, low / 8);
    for number in 1..=high {
        assert!(matches!(append(&spool, Level::High, number), Appended::Stored(_)), "{number}");
    }
    for number in 1..=critical {
        assert!(matches!(append(&spool, Level::Critical, number), Appended::Stored(_)), "{number}");
    }

    let left = held(&spool, Level::Low);
    assert!(left.len() < low as usize / 2, "{} of {low}", left.len());
    let gaps = spool.gaps(Level::Low, Seq::new(1)).unwrap();
    let told: u64 = gaps.iter().map(|gap| gap.to.number() - gap.from.number() + 1).sum();
    assert_eq!(told + left.len() as u64, low, "what is not held is told");
    assert!(gaps.iter().all(|gap| gap.reason == GapReason::Full));
    assert_eq!(held(&spool, Level::High), (1..=high).collect::<Vec<_>>());
    assert_eq!(held(&spool, Level::Critical), (1..=critical).collect::<Vec<_>>());
    assert!(spool.gaps(Level::High, Seq::new(1)).unwrap().is_empty());

    drop(spool);
    let again = open(&disk);
    assert_eq!(held(&again, Level::High), (1..=high).collect::<Vec<_>>(), "and after a restart");
    assert_eq!(held(&again, Level::Low), left);
}

#[test]
fn a_disk_that_others_filled_takes_captures_again_once_it_has_room() {
    let Some(disk) = SmallDisk::mount() else { return };
    let spool = open(&disk);
    spool.append(Level::High, &capture(1)).unwrap();
    let other = disk.fill();
    // More than the ballast and what the store has free.
    let dropped = (2..=BEYOND).filter(|number| matches!(append(&spool, Level::High, *number), Appended::Dropped(_)));
    assert!(dropped.count() > 0, "the disk was full");
    std::fs::remove_file(other).unwrap();
    // As the service does once in a while.
    spool.expire().unwrap();

    let appended = append(&spool, Level::High, BEYOND + 1);

    assert!(matches!(appended, Appended::Stored(_)), "{appended:?}");
    let (held, gaps) = (held(&spool, Level::High), spool.gaps(Level::High, Seq::new(1)).unwrap());
    assert_eq!(held.last(), Some(&(BEYOND + 1)));
    let told: u64 = gaps.iter().map(|gap| gap.to.number() - gap.from.number() + 1).sum();
    assert_eq!(held.len() as u64 + told, BEYOND + 1, "each is held, or told");
}
