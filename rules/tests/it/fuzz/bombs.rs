//! Artefacts that claim much. The tool reads them in a process that may not have much.

use std::process::{Command, Output};

use lapwing_rules::{ArtefactError, Compiler, Release, RuleSet, Validity, key_text, sign};
use tempfile::TempDir;

use super::container::{self, Stored};
use super::{masked, targets};

const RELEASE: u64 = 9;
/// Address space of the tool, in KiB: what it needs for itself and for an artefact of a few KiB, many times over.
const LIMIT_KIB: usize = 96 * 1024;

/// Sections that are numbers from their first byte to their last.
const WITHOUT_COUNTS: [u16; 3] = [31, 32, 34];

/// The sample, signed, with its sections in clear.
fn sample() -> Vec<u8> {
    let compiler = Compiler::new().pack("t.toml", targets::BIRDS);
    let artefact = compiler.compile(Release::new(RELEASE), Validity::default()).unwrap();
    masked::undone(&sign(&artefact, &targets::key()), &targets::key()).unwrap()
}

/// The sample with one section replaced.
fn with(section: Stored) -> Vec<u8> {
    let sample = sample();
    let mut sections = container::sections(&sample).unwrap();
    let place = sections.iter().position(|known| known.id == section.id).unwrap();
    sections[place] = section;
    container::signed(&sample, &sections, &targets::key()).unwrap()
}

/// What `verify` says of an artefact, in little memory.
fn verify(artefact: &[u8]) -> Output {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("set"), artefact).unwrap();
    let tool = env!("CARGO_BIN_EXE_lapwing-rules");
    let script = format!("ulimit -v {LIMIT_KIB}; exec \"$0\" verify --set set --trust \"$1\"");
    let trust = key_text(&targets::key().verifying_key());
    Command::new("sh").args(["-c", &script, tool, &trust]).current_dir(folder.path()).output().unwrap()
}

/// Refused for this reason, by a program that ended as it meant to.
fn refused(artefact: &[u8], reason: &str) {
    let output = verify(artefact);
    let (said, complaint) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{said}{complaint}");
    assert!(said.contains(reason), "{said}, not {reason}");
}

#[test]
fn the_sample_itself_is_read_in_so_little_memory() {
    let output = verify(&sample());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_bombs_are_bombs() {
    let plain = masked::revealed(masked::zeros(1, 5, 1000, RELEASE).bytes, RELEASE, 1).unwrap();
    assert_eq!((plain.len(), plain.iter().max()), (5 << 20, Some(&0)));
}

/// The limit would not tell: reading into a vector takes running out of memory for an error like any other.
#[cfg(target_os = "linux")]
#[test]
fn a_section_that_inflates_to_more_than_it_says_is_refused_before_it_does() {
    let bomb = with(masked::zeros(1, 512, 1000, RELEASE));
    let before = most_resident_mib();
    let error = RuleSet::load(&bomb, &targets::trusted()).unwrap_err();
    assert_eq!(error, ArtefactError::Damaged { what: "a section does not unpack" });
    assert!(most_resident_mib() < before + 128, "from {before} MiB");
}

/// What this process has had in memory at once.
#[cfg(target_os = "linux")]
fn most_resident_mib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() / 1024
}

#[test]
fn sections_that_say_they_become_too_much_are_refused_before_they_do() {
    refused(&with(masked::zeros(1, 256, 256 << 20, RELEASE)), "its header");
}

#[test]
fn a_count_that_the_bytes_cannot_hold_reserves_nothing() {
    let sections = container::sections(&sample()).unwrap();
    assert!(sections.len() >= 10, "the sample has every section");
    for section in sections.into_iter().filter(|section| !WITHOUT_COUNTS.contains(&section.id)) {
        for count in [u32::MAX, u32::MAX / 2, 1 << 24] {
            let mut bytes = section.bytes.clone();
            bytes[..4].copy_from_slice(&count.to_le_bytes());
            refused(&with(masked::clear(section.id, bytes)), "artefact is damaged: its ");
        }
    }
}
