//! Which folders are watched, and what came into them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use notify::event::{AccessKind, EventKind, ModifyKind, RenameMode};
use notify::{ErrorKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::drops::Present;
use super::flood::Flood;
use super::homes;
use crate::sensor::{Reason, SensorHealth};

/// What people call the folders that files land in.
const LANDINGS: [&str; 2] = ["Downloads", "Desktop"];
/// Most entries of a folder that are listed.
const MAX_LISTED: usize = 50_000;
/// Times that a folder may come and go while it is being looked for, before the next look.
const MAX_LOOKS: usize = 8;
/// Between looks while something could not be watched, in microseconds.
const RETRY_US: u64 = 30_000_000;
/// The process may open no further file, and the kernel's inotify instances are used up: the same remedy.
const TOO_MANY_FILES: i32 = nix::libc::EMFILE;

/// A drop that the sensor tells.
pub(super) struct Found {
    /// The watched folder.
    pub(super) folder: PathBuf,
    /// The file's name.
    pub(super) name: String,
    /// The owner's number.
    pub(super) uid: u32,
    /// Where it is one of many, when they are summed up.
    pub(super) burst_until_us: Option<u64>,
}

/// A name that came into a folder.
pub(super) struct Arrival {
    folder: PathBuf,
    name: String,
}

/// One folder that files land in.
struct Landing {
    /// Whose home it is in.
    owner: Option<u32>,
    /// What it holds; nothing while it does not exist or cannot be watched.
    present: Option<Present>,
    flood: Flood,
}

/// The folders, and the watches that stand for them: on the folder itself where it exists, else on the nearest
/// folder above it.
pub(super) struct Desk {
    watcher: RecommendedWatcher,
    least_uid: Option<u32>,
    landings: BTreeMap<PathBuf, Landing>,
    watched: BTreeSet<PathBuf>,
    trouble: Option<Reason>,
    retry_us: Option<u64>,
}

impl Desk {
    /// A desk that watches nothing yet.
    pub(super) fn new(watcher: RecommendedWatcher, least_uid: Option<u32>, folders: Vec<PathBuf>) -> Self {
        let landings = folders.into_iter().map(|folder| (folder, Landing::of(None))).collect();
        Self { watcher, least_uid, landings, watched: BTreeSet::new(), trouble: None, retry_us: None }
    }

    /// Watches what there is. What the folders hold already is no drop.
    pub(super) fn take_stock(&mut self) {
        self.follow();
        for (path, landing) in &mut self.landings {
            landing.present = self.watched.contains(path).then(|| Present::with(files_in(path)));
        }
    }

    /// What an event brought.
    pub(super) fn note(&mut self, event: &notify::Event) -> Vec<Arrival> {
        let mut arrivals = Vec::new();
        for path in &event.paths {
            arrivals.extend(self.note_name(path, event.kind));
        }
        if event.paths.iter().any(|path| self.is_above(path)) && !is_written(event.kind) {
            arrivals.extend(self.look());
        }
        arrivals
    }

    /// Lists every folder again, after events were lost.
    pub(super) fn list_again(&mut self) -> Vec<Arrival> {
        let mut arrivals = self.look();
        for (path, landing) in &mut self.landings {
            if let Some(present) = &mut landing.present {
                arrivals.extend(present.listed(files_in(path)).into_iter().map(|name| Arrival::new(path, name)));
            }
        }
        arrivals
    }

    /// Looks once more for what could not be watched, when that is due.
    pub(super) fn look_again(&mut self, now_us: u64) -> Vec<Arrival> {
        if self.retry_us.is_none_or(|retry_us| retry_us > now_us) {
            return Vec::new();
        }
        self.retry_us = None;
        self.look()
    }

    /// When something is due without an event.
    pub(super) const fn due_us(&self) -> Option<u64> {
        self.retry_us
    }

    /// What to tell at `now_us` of what arrived.
    pub(super) fn tell(&mut self, arrivals: Vec<Arrival>, now_us: u64) -> Vec<Found> {
        let mut found: Vec<Found> = Vec::new();
        for arrival in arrivals {
            let Some(landing) = self.landings.get_mut(&arrival.folder) else { continue };
            // In a home its owner decides: whoever moves another's file there and renames it must not speak as them.
            let uid = landing.owner.or_else(|| owner_of(&arrival.folder.join(&arrival.name))).unwrap_or(0);
            let burst_until_us = landing.flood.enter(now_us);
            let Arrival { folder, name } = arrival;
            found.push(Found { folder, name, uid, burst_until_us });
        }
        if self.trouble.is_some() && self.retry_us.is_none() {
            self.retry_us = Some(now_us.saturating_add(RETRY_US));
        }
        found
    }

    /// How the sensor is.
    pub(super) fn health(&self) -> SensorHealth {
        let open = self.landings.values().filter(|landing| landing.present.is_some()).count();
        let counted = format!("{open} of {} folders watched", self.landings.len());
        match self.trouble {
            Some(reason) => SensorHealth::Blind(reason, Some(counted)),
            None if open == 0 => SensorHealth::Blind(Reason::NoSuchFolder, Some(counted)),
            None => SensorHealth::Working,
        }
    }

    /// A name in a folder came or went.
    fn note_name(&mut self, path: &Path, kind: EventKind) -> Option<Arrival> {
        let has_come = is_written(kind) || matches!(kind, EventKind::Modify(ModifyKind::Name(RenameMode::To)));
        let has_gone = matches!(kind, EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(RenameMode::From)));
        if has_gone && self.watched.remove(path) {
            // The kernel's watch went with the folder, or follows it to where nobody asked for it.
            let _ = self.watcher.unwatch(path);
        }
        let (folder, name) = (path.parent()?, path.file_name()?.to_string_lossy());
        let present = self.landings.get_mut(folder)?.present.as_mut()?;
        if has_gone {
            present.left(&name);
        }
        // A folder that was moved in is none; a file that is gone already was written.
        let is_file = fs::symlink_metadata(path).map_or(is_written(kind), |facts| facts.is_file());
        let is_drop = has_come && is_file && present.arrived(&name);
        is_drop.then(|| Arrival::new(folder, name.into_owned()))
    }

    /// Whether a folder to watch is at or under `path`, or may be the home of somebody new.
    fn is_above(&self, path: &Path) -> bool {
        let is_home = self.least_uid.is_some() && path.parent() == Some(Path::new(homes::HOMES));
        is_home || self.landings.keys().any(|landing| landing.starts_with(path))
    }

    /// Watches folders that came. What they hold by now are drops.
    fn look(&mut self) -> Vec<Arrival> {
        self.follow();
        let mut arrivals = Vec::new();
        for (path, landing) in &mut self.landings {
            if !self.watched.contains(path) {
                landing.present = None;
            } else if landing.present.is_none() {
                let mut present = Present::default();
                arrivals.extend(present.listed(files_in(path)).into_iter().map(|name| Arrival::new(path, name)));
                landing.present = Some(present);
            }
        }
        arrivals
    }

    /// Moves the watches to where they are wanted.
    fn follow(&mut self) {
        self.trouble = None;
        if let Some(least_uid) = self.least_uid {
            for (home, owner) in homes::of_people(least_uid) {
                for name in LANDINGS {
                    self.landings.entry(home.join(name)).or_insert_with(|| Landing::of(Some(owner)));
                }
            }
        }
        // A folder may appear after it was looked for and before the folder above it is watched.
        for _ in 0..MAX_LOOKS {
            let wanted = self.wanted();
            if wanted == self.watched {
                return;
            }
            self.move_watches(&wanted);
            if self.trouble.is_some() {
                return;
            }
        }
    }

    fn wanted(&self) -> BTreeSet<PathBuf> {
        let homes = self.least_uid.map(|_| PathBuf::from(homes::HOMES)).filter(|homes| homes.is_dir());
        let nearest = |path: &PathBuf| path.ancestors().find(|above| above.is_dir()).map(Path::to_owned);
        self.landings.keys().filter_map(nearest).chain(homes).collect()
    }

    fn move_watches(&mut self, wanted: &BTreeSet<PathBuf>) {
        for path in self.watched.difference(wanted) {
            // It may be gone, and its watch with it.
            let _ = self.watcher.unwatch(path);
        }
        self.watched.retain(|path| wanted.contains(path));
        for path in wanted {
            if self.watched.contains(path) {
                continue;
            }
            match self.watcher.watch(path, RecursiveMode::NonRecursive) {
                Ok(()) => drop(self.watched.insert(path.clone())),
                Err(error) if matches!(error.kind, ErrorKind::PathNotFound) => {}
                Err(error) => self.trouble = Some(reason_of(&error)),
            }
        }
    }
}

impl Landing {
    fn of(owner: Option<u32>) -> Self {
        Self { owner, present: None, flood: Flood::default() }
    }
}

impl Arrival {
    fn new(folder: &Path, name: String) -> Self {
        Self { folder: folder.to_owned(), name }
    }
}

/// Why a folder cannot be watched.
pub(super) fn reason_of(error: &notify::Error) -> Reason {
    match &error.kind {
        ErrorKind::MaxFilesWatch => Reason::WatchLimit,
        ErrorKind::PathNotFound => Reason::NoSuchFolder,
        ErrorKind::Io(error) if error.raw_os_error() == Some(TOO_MANY_FILES) => Reason::WatchLimit,
        ErrorKind::Io(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Reason::NotPermitted,
        ErrorKind::Io(_) | ErrorKind::Generic(_) | ErrorKind::WatchNotFound | ErrorKind::InvalidConfig(_) => {
            Reason::Failed
        }
    }
}

const fn is_written(kind: EventKind) -> bool {
    matches!(kind, EventKind::Access(AccessKind::Close(_)))
}

/// Names of the files in a folder.
fn files_in(folder: &Path) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(folder).into_iter().flatten().take(MAX_LISTED).filter_map(Result::ok);
    let files = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    files.map(|entry| entry.file_name().to_string_lossy().into_owned())
}

fn owner_of(path: &Path) -> Option<u32> {
    Some(fs::symlink_metadata(path).ok()?.uid())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A desk for one folder, whose own events go nowhere.
    fn desk(folder: &Path) -> Desk {
        let watcher = notify::recommended_watcher(|_: notify::Result<notify::Event>| {}).unwrap();
        let mut desk = Desk::new(watcher, None, vec![folder.to_owned()]);
        desk.take_stock();
        desk
    }

    fn told(found: Vec<Found>) -> Vec<String> {
        found.into_iter().map(|found| found.name).collect()
    }

    #[test]
    fn events_that_the_kernel_lost_are_made_up_for_by_a_listing() {
        let scratch = tempfile::tempdir().unwrap();
        fs::write(scratch.path().join("before.txt"), "").unwrap();
        let mut desk = desk(scratch.path());
        fs::write(scratch.path().join("missed.txt"), "").unwrap();
        fs::write(scratch.path().join("half.part"), "").unwrap();
        let arrivals = desk.list_again();
        assert_eq!(told(desk.tell(arrivals, 1)), ["missed.txt"]);
        assert!(desk.list_again().is_empty());
    }

    #[test]
    fn a_file_in_a_home_is_its_owners_whoever_the_file_belongs_to() {
        let scratch = tempfile::tempdir().unwrap();
        let mut desk = desk(scratch.path());
        desk.landings.insert(scratch.path().to_owned(), Landing::of(Some(4_242)));
        fs::write(scratch.path().join("renamed.txt"), "").unwrap();
        let arrival = Arrival::new(scratch.path(), "renamed.txt".to_owned());
        let owners: Vec<u32> = desk.tell(vec![arrival], 1).into_iter().map(|found| found.uid).collect();
        assert_eq!(owners, [4_242]);
    }

    #[test]
    fn every_name_of_a_burst_is_told() {
        let scratch = tempfile::tempdir().unwrap();
        let mut desk = desk(scratch.path());
        for number in 0..30 {
            fs::write(scratch.path().join(format!("{number:02}.txt")), "").unwrap();
        }
        let arrivals = desk.list_again();
        let found = desk.tell(arrivals, 5);
        assert_eq!(found.iter().filter(|found| found.burst_until_us.is_none()).count(), 20);
        assert_eq!(told(found), (0..30).map(|number| format!("{number:02}.txt")).collect::<Vec<_>>());
    }

    #[test]
    fn a_used_up_limit_is_told_from_a_refusal() {
        let io = |number| notify::Error::io(std::io::Error::from_raw_os_error(number));
        assert_eq!(reason_of(&notify::Error::new(ErrorKind::MaxFilesWatch)), Reason::WatchLimit);
        assert_eq!(reason_of(&io(nix::libc::EMFILE)), Reason::WatchLimit);
        assert_eq!(reason_of(&io(nix::libc::EACCES)), Reason::NotPermitted);
        assert_eq!(reason_of(&io(nix::libc::EIO)), Reason::Failed);
    }
}
