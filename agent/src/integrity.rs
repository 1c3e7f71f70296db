//! The files that the agent is made of: its program, its configuration, and what starts it.
//!
//! A change is told for a day and not fought: whoever may write there is an administrator, and mostly one by right. What the
//! files were is remembered in the state folder, so that a change while the service was down is told too.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use lapwing_proto::failpoint;
use lapwing_rules::Digest;
use serde::{Deserialize, Serialize};

use crate::{durable, platform, state_folder};

/// Largest such file, in bytes.
const MAX_KNOWN_BYTES: usize = 16 * 1024;
/// Longest beginning of a file that is looked at, in bytes.
const MAX_FILE_BYTES: u64 = 256 * 1024 * 1024;
/// How much of a file is held at once.
const CHUNK_BYTES: usize = 64 * 1024;
/// How long before the start of another version its files may have come, in microseconds: an hour.
const UPGRADE_US: i64 = 60 * 60 * 1_000_000;
/// How long a change is told, in microseconds: a day.
const TOLD_FOR_US: i64 = 24 * 60 * 60 * 1_000_000;

/// A part of the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Part {
    /// What runs.
    Program,
    /// `agent.toml`.
    Configuration,
    /// What the service manager starts it by.
    Service,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Program => "program",
            Self::Configuration => "configuration",
            Self::Service => "service",
        })
    }
}

/// What is remembered of the parts.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    /// Of the program that looked last.
    version: String,
    /// Digest of each part's files.
    parts: BTreeMap<Part, String>,
    /// When a part was last found to be another, by the wall clock.
    changed_us: BTreeMap<Part, i64>,
}

/// A file as it was last looked at: time and size.
type Stamp = Option<(SystemTime, u64)>;
/// Where the files of each part are, now.
type Files = Box<dyn Fn() -> BTreeMap<Part, Vec<PathBuf>> + Send>;

/// Looks after the parts.
pub(crate) struct Integrity {
    known_file: PathBuf,
    version: &'static str,
    files: Files,
    stamps: BTreeMap<PathBuf, Stamp>,
    known: Known,
    /// Whether what is known is on disk.
    is_kept: bool,
}

impl Integrity {
    /// Of these files; what is known of them stands in `state_dir`.
    pub(crate) fn new(state_dir: &Path, version: &'static str, files: Files) -> Self {
        let known_file = state_dir.join(state_folder::MADE_OF);
        let known = durable::read_bounded(&known_file, MAX_KNOWN_BYTES)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        Self { known_file, version, files, stamps: BTreeMap::new(), known, is_kept: true }
    }

    /// Looks whether anything changed. Answers the parts that did within the last day. What a full disk does not take is kept
    /// the next time.
    pub(crate) fn look(&mut self, now_us: i64) -> BTreeSet<Part> {
        let files = (self.files)();
        let stamps: BTreeMap<PathBuf, Stamp> =
            files.values().flatten().map(|path| (path.clone(), stamp(path))).collect();
        if stamps != self.stamps {
            let now = files.iter().map(|(part, files)| (*part, digest(files).to_string())).collect();
            self.is_kept &= !self.known.take(self.version, now, now_us);
            self.stamps = stamps;
        }
        if !self.is_kept {
            self.is_kept = self.keep().is_ok();
        }
        self.known.changed_lately(now_us)
    }

    fn keep(&self) -> io::Result<()> {
        let known = serde_json::to_vec(&self.known).map_err(io::Error::other)?;
        failpoint!("integrity.keep", durable::replace(&self.known_file, &known))
    }
}

impl Known {
    /// Takes what the parts are now. Another version of the program is an upgrade, which brings its own service file; a part
    /// never seen before is no change. Whether anything is to be kept.
    fn take(&mut self, version: &str, now: BTreeMap<Part, String>, now_us: i64) -> bool {
        let is_upgrade = self.version != version;
        // The version before may have seen the files of this one come.
        self.changed_us.retain(|part, at_us| {
            !is_upgrade || *part == Part::Configuration || now_us.saturating_sub(*at_us) > UPGRADE_US
        });
        for (part, digest) in &now {
            let is_other = self.parts.get(part).is_some_and(|known| known != digest);
            let is_expected = is_upgrade && *part != Part::Configuration;
            if is_other && !is_expected {
                self.changed_us.insert(*part, now_us);
            }
        }
        let is_news = is_upgrade || self.parts != now;
        version.clone_into(&mut self.version);
        self.parts = now;
        is_news
    }

    /// A clock that was ahead when it changed, or is set back since, is no reason to tell it for ever, nor to tell it less.
    fn changed_lately(&mut self, now_us: i64) -> BTreeSet<Part> {
        self.changed_us.retain(|_, at_us| {
            *at_us = (*at_us).min(now_us);
            now_us.saturating_sub(*at_us) < TOLD_FOR_US
        });
        self.changed_us.keys().copied().collect()
    }
}

/// The files of this agent, whose configuration stands at `config`.
pub(crate) fn made_of(config: &Path) -> Files {
    // Asked at once: where it was replaced, the system no longer says where it stood.
    let program: Vec<PathBuf> = std::env::current_exe().into_iter().collect();
    let config = config.to_owned();
    Box::new(move || {
        [
            (Part::Program, program.clone()),
            (Part::Configuration, vec![config.clone()]),
            (Part::Service, platform::service_files()),
        ]
        .into()
    })
}

fn stamp(path: &Path) -> Stamp {
    let facts = fs::metadata(path).ok()?;
    Some((facts.modified().ok()?, facts.len()))
}

/// Of the files that are there, by name.
fn digest(files: &[PathBuf]) -> Digest {
    let one = |path: &PathBuf| Some(format!("{} {}", path.display(), chained(path).ok()?));
    let parts: Vec<String> = files.iter().filter_map(one).collect();
    Digest::of(parts.join("\n").as_bytes())
}

/// Of a file's chunks, each with the digest of those before it: little is held, however long the file is.
fn chained(path: &Path) -> io::Result<Digest> {
    // A pipe that somebody put there is never read to its end.
    if !fs::metadata(path)?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut file = File::open(path)?.take(MAX_FILE_BYTES);
    let (mut digest, mut chunk) = (Digest::of(&[]), Vec::with_capacity(CHUNK_BYTES));
    loop {
        chunk.clear();
        chunk.extend_from_slice(digest.as_bytes());
        if file.by_ref().take(CHUNK_BYTES as u64).read_to_end(&mut chunk)? == 0 {
            return Ok(digest);
        }
        digest = Digest::of(&chunk);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_US: i64 = 60 * 60 * 1_000_000;

    struct Desk {
        folder: tempfile::TempDir,
    }

    impl Desk {
        fn new() -> Self {
            let desk = Self { folder: tempfile::tempdir().unwrap() };
            desk.write("program", "one");
            desk.write("config", "one");
            desk
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        /// Of another size each time: two writes may fall into one tick of the file system's clock.
        fn write(&self, name: &str, text: &str) {
            fs::write(self.path(name), text).unwrap();
        }

        fn integrity(&self, version: &'static str) -> Integrity {
            let files = [(Part::Program, "program"), (Part::Configuration, "config"), (Part::Service, "unit")];
            let files: BTreeMap<_, _> = files.map(|(part, name)| (part, vec![self.path(name)])).into();
            Integrity::new(self.folder.path(), version, Box::new(move || files.clone()))
        }
    }

    fn told(integrity: &mut Integrity, hour: i64) -> Vec<String> {
        integrity.look(hour * HOUR_US).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_change_is_told_for_a_day_and_a_file_that_appears_or_goes_is_one() {
        let desk = Desk::new();
        let mut integrity = desk.integrity("1");
        assert!(told(&mut integrity, 0).is_empty(), "nothing was known before");
        desk.write("config", "another");
        desk.write("unit", "new");
        assert_eq!(told(&mut integrity, 1), ["configuration", "service"]);
        desk.write("config", "one");
        assert_eq!(told(&mut integrity, 24), ["configuration", "service"], "what was put back was changed twice");
        assert_eq!(told(&mut integrity, 26), ["configuration"]);
        assert!(told(&mut integrity, 48).is_empty());
        fs::remove_file(desk.path("unit")).unwrap();
        assert_eq!(told(&mut integrity, 49), ["service"]);
        assert_eq!(told(&mut integrity, -9), ["service"], "nor does a clock that was set back hide it");
    }

    #[test]
    fn a_change_while_the_service_was_down_is_told_and_an_upgrade_is_none() {
        let desk = Desk::new();
        told(&mut desk.integrity("1"), 0);
        desk.write("program", "another");
        assert_eq!(told(&mut desk.integrity("1"), 1), ["program"]);
        assert_eq!(told(&mut desk.integrity("1"), 2), ["program"], "a restart does not hide it");
        desk.write("program", "the next version");
        desk.write("unit", "its unit");
        desk.write("config", "another");
        assert_eq!(told(&mut desk.integrity("2"), 30), ["configuration"], "an upgrade explains the others");
        let mut running = desk.integrity("2");
        told(&mut running, 56);
        desk.write("program", "a version after it");
        assert_eq!(told(&mut running, 57), ["program"], "before it is started");
        assert!(told(&mut desk.integrity("3"), 57).is_empty(), "and then explained");
        told(&mut desk.integrity("2"), 58);
        desk.write("program", "no version at all");
        assert_eq!(told(&mut desk.integrity("2"), 60), ["program"]);
    }

    #[test]
    fn what_is_known_and_cannot_be_read_is_begun_anew() {
        let desk = Desk::new();
        desk.write(state_folder::MADE_OF, "{\"version\":");
        assert!(told(&mut desk.integrity("1"), 0).is_empty());
        desk.write("config", "another");
        assert_eq!(told(&mut desk.integrity("1"), 1), ["configuration"]);
    }
}
