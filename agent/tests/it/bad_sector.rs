//! The spool on a disk with a sector that can no longer be read. The disk is real; a library laid under the process
//! refuses each read that touches the sector, as the disk would.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use lapwing_agent::clock::ManualClock;
use lapwing_agent::identity::HardwareHash;
use lapwing_agent::spool::{Appended, GapReason, Opened, Spool, SpoolKey, SpoolLimits};
use lapwing_proto::{Seq, wire};
use lapwing_rules::Level;

/// Refuses reads of one file between two offsets. The file is told by its number, so that a copy of it can be read.
const LIBRARY: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
static long number(const char *name) { const char *text = getenv(name); return text ? atol(text) : 0; }
static int refuses(int fd, size_t count, off_t at) {
    struct stat facts;
    return fstat(fd, &facts) == 0 && (long)facts.st_ino == number("BAD_FILE")
        && at < number("BAD_END") && at + (off_t)count > number("BAD_START");
}
ssize_t pread64(int fd, void *into, size_t count, off_t at) {
    if (refuses(fd, count, at)) { errno = EIO; return -1; }
    return ((ssize_t (*)(int, void *, size_t, off_t))dlsym(RTLD_NEXT, "pread64"))(fd, into, count, at);
}
ssize_t read(int fd, void *into, size_t count) {
    off_t at = lseek(fd, 0, SEEK_CUR);
    if (at >= 0 && refuses(fd, count, at)) { errno = EIO; return -1; }
    return ((ssize_t (*)(int, void *, size_t))dlsym(RTLD_NEXT, "read"))(fd, into, count);
}
"#;
/// Captures spooled before the sector goes bad.
const SPOOLED: u64 = 300;
const SECTOR: u64 = 4_096;
/// More attempts than a spool waits for.
const ATTEMPTS: u64 = 20;
const FOLDER: &str = "BAD_SECTOR_FOLDER";

fn open(folder: &Path, clock: &Arc<ManualClock>) -> (Spool, Opened) {
    let (key, limits) = (SpoolKey::from_bytes([9; 32]), SpoolLimits::default());
    let (spool, report) =
        Spool::open(folder, &key, HardwareHash::default(), limits, Arc::clone(clock) as Arc<_>).unwrap();
    (spool, report.opened)
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(1_800_000_000_000_000))
}

fn capture(number: u64) -> wire::Capture {
    wire::Capture { boot_us: number, app: "x".repeat(500), ..wire::Capture::default() }
}

/// Plays `part`, a test of this program that is run in no other way, with part of the spool's file refused.
/// The file's number.
fn with_bad_bytes(part: &str, folder: &Path, start: u64, end: u64) -> u64 {
    let scratch = tempfile::tempdir_in(folder.parent().unwrap()).unwrap();
    let (source, library) = (scratch.path().join("bad.c"), scratch.path().join("bad.so"));
    std::fs::write(&source, LIBRARY).unwrap();
    let mut compile = Command::new("cc");
    compile.args(["-shared", "-fPIC", "-O1", "-o"]).args([&library, &source]).arg("-ldl");
    assert!(compile.status().expect("what links this program").success());
    // Named a second time, so that no later file gets its number.
    let kept = scratch.path().join("db");
    std::fs::hard_link(folder.join("live/db"), &kept).unwrap();
    let file = std::fs::metadata(kept).unwrap().ino();
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", part, "--ignored", "--nocapture"]).env(FOLDER, folder).env("LD_PRELOAD", &library);
    child.env("BAD_FILE", file.to_string()).env("BAD_START", start.to_string()).env("BAD_END", end.to_string());
    let output = child.output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.contains("1 passed"), "{told}");
    file
}

/// What cannot be read was moved, not deleted.
fn is_kept(folder: &Path, file: u64) -> bool {
    std::fs::metadata(folder.join("quarantine/db")).is_ok_and(|facts| facts.ino() == file)
}

/// A spool of an agent that stopped.
fn filled() -> (tempfile::TempDir, PathBuf) {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("spool");
    let (spool, _) = open(&folder, &clock());
    for number in 1..=SPOOLED {
        spool.append(Level::High, &capture(number)).unwrap();
    }
    (scratch, folder)
}

/// Appends as the service does, until the spool takes it; how often it refused.
fn append_at_last(spool: &Spool, clock: &ManualClock) -> u64 {
    let taken = |attempt: &u64| {
        clock.advance(Duration::from_secs(10));
        let appended = spool.append(Level::High, &capture(SPOOLED + 1));
        assert!(appended.is_ok() || *attempt < ATTEMPTS, "{appended:?}");
        matches!(appended, Ok(Appended::Stored(_)))
    };
    (0..=ATTEMPTS).find(taken).unwrap()
}

/// Sequences that the spool holds, each with its own content, and those it tells of.
fn accounted(spool: &Spool) -> (Vec<u64>, Vec<u64>) {
    let (mut held, mut from) = (Vec::new(), Seq::new(1));
    loop {
        let run = spool.read(Level::High, from, 256).unwrap();
        let Some((last, _)) = run.last() else { break };
        from = last.next();
        assert!(run.iter().all(|(seq, capture)| seq.number() == capture.boot_us));
        held.extend(run.iter().map(|(seq, _)| seq.number()));
    }
    let gaps = spool.gaps(Level::High, Seq::new(1)).unwrap();
    assert!(gaps.iter().all(|gap| gap.reason == GapReason::Quarantined));
    (held, gaps.iter().flat_map(|gap| gap.from.number()..=gap.to.number()).collect())
}

#[test]
fn a_sector_that_can_be_read_again_soon_costs_nothing() {
    let (_scratch, folder) = filled();
    with_bad_bytes("bad_sector::waits", &folder, 8 * SECTOR, 9 * SECTOR);
    let (spool, opened) = open(&folder, &clock());
    assert_eq!((opened, accounted(&spool).0.len() as u64), (Opened::Continued, SPOOLED));
}

#[test]
#[ignore = "played under a library that refuses to read"]
fn waits() {
    let (folder, clock) = (PathBuf::from(std::env::var_os(FOLDER).unwrap()), clock());
    let (spool, opened) = open(&folder, &clock);
    assert_eq!(opened, Opened::Waiting);
    for _ in 0..ATTEMPTS {
        clock.advance(Duration::from_secs(2));
        spool.append(Level::High, &capture(SPOOLED + 1)).unwrap_err();
    }
}

#[test]
fn a_sector_that_cannot_be_read_costs_what_lay_in_it_and_a_gap_says_so() {
    let mut went_on = 0;
    for eighth in [0, 1, 4, 7] {
        let (_scratch, folder) = filled();
        let length = std::fs::metadata(folder.join("live/db")).unwrap().len();
        let start = length * eighth / 8 / SECTOR * SECTOR;
        let file = with_bad_bytes("bad_sector::goes_on_with_the_rest", &folder, start, start + SECTOR);
        assert!(is_kept(&folder, file), "{eighth}");
        went_on += usize::from(open(&folder, &clock()).0.earlier_gaps().unwrap().is_empty());
    }
    assert!(went_on > 0, "each time all of the spool was set aside");
}

#[test]
#[ignore = "played under a library that refuses to read"]
fn goes_on_with_the_rest() {
    let (folder, clock) = (PathBuf::from(std::env::var_os(FOLDER).unwrap()), clock());
    let (spool, opened) = open(&folder, &clock);
    assert_eq!(opened, Opened::Waiting);
    append_at_last(&spool, &clock);
    if spool.opened() == Opened::Quarantined {
        assert_eq!(spool.earlier_gaps().unwrap().len(), Level::ALL.len());
    } else {
        assert_eq!(spool.opened(), Opened::Continued);
        let (held, told) = accounted(&spool);
        let mut all = [held, told].concat();
        all.sort_unstable();
        assert_eq!(all, (1..=SPOOLED + 1).collect::<Vec<_>>(), "each is held, or told");
    }
    drop(spool);
    assert_eq!(open(&folder, &clock).1, Opened::Continued);
}

#[test]
fn a_store_that_cannot_be_read_at_all_is_set_aside_and_told_of() {
    let (_scratch, folder) = filled();
    let file = with_bad_bytes("bad_sector::begins_anew", &folder, 0, u64::MAX >> 1);
    assert!(is_kept(&folder, file));
}

#[test]
#[ignore = "played under a library that refuses to read"]
fn begins_anew() {
    let (folder, clock) = (PathBuf::from(std::env::var_os(FOLDER).unwrap()), clock());
    let (spool, opened) = open(&folder, &clock);
    assert_eq!(opened, Opened::Waiting);
    append_at_last(&spool, &clock);
    assert_eq!(spool.opened(), Opened::Quarantined);
    let earlier = spool.earlier_gaps().unwrap();
    assert_eq!(earlier.iter().map(|gap| gap.lane).collect::<Vec<_>>(), Level::ALL);
    assert_eq!(spool.read(Level::High, Seq::new(1), 9).unwrap().len(), 1);
}
