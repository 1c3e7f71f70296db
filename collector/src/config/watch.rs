//! Noticing on disk that a configuration changed: its own file, and the files it names.
//!
//! Looking is cheap and the caller says when. A change counts once two looks in a row saw the same: half-written TOML
//! may well be TOML, and mean something else.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::Config;

/// What the files of a configuration looked like when they were read last.
#[derive(Debug)]
pub struct Watch {
    read: Looks,
    seen: Looks,
}

/// A file that is not there looks like nothing.
type Looks = BTreeMap<PathBuf, Option<Look>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    modified: Option<SystemTime>,
    bytes: u64,
    inode: u64,
}

impl Watch {
    /// Watches `file`. What it names is watched from [`Watch::follow`] on.
    #[must_use]
    pub fn new(file: &Path) -> Self {
        let read = Looks::from([(file.to_owned(), look(file))]);
        Self { seen: read.clone(), read }
    }

    /// Watches what `config` names as well, and no longer what an earlier one named.
    pub fn follow(&mut self, file: &Path, config: &Config) {
        let files = std::iter::once(file).chain(config.files());
        let looks = files.map(|path| (path.to_owned(), self.read.get(path).copied().unwrap_or_else(|| look(path))));
        self.read = looks.collect();
        self.seen.clone_from(&self.read);
    }

    /// Takes what is on disk now as read: called before reading it.
    pub fn refresh(&mut self) {
        self.read = self.look();
        self.seen.clone_from(&self.read);
    }

    /// Looks, and says whether something differs from what was read and holds still since the last look. What it says
    /// once it does not say again.
    pub fn changed(&mut self) -> bool {
        let now = self.look();
        let changed = now != self.read && now == self.seen;
        if changed {
            self.read.clone_from(&now);
        }
        self.seen = now;
        changed
    }

    fn look(&self) -> Looks {
        self.read.keys().map(|path| (path.clone(), look(path))).collect()
    }
}

fn look(path: &Path) -> Option<Look> {
    let found = fs::metadata(path).ok()?;
    Some(Look { modified: found.modified().ok(), bytes: found.len(), inode: found.ino() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALLEST: &str = "[school]\nid = \"hill\"\nname = \"Hill\"\nzone = \"Europe/London\"\n";

    fn written(folder: &Path, text: &str) -> PathBuf {
        let file = folder.join("collector.toml");
        fs::write(&file, text).unwrap();
        file
    }

    #[test]
    fn a_change_is_told_once_and_only_when_it_holds_still() {
        let folder = tempfile::tempdir().unwrap();
        let file = written(folder.path(), SMALLEST);
        let mut watch = Watch::new(&file);
        assert!(!watch.changed());

        fs::write(&file, "[school]\n").unwrap();
        assert!(!watch.changed());
        fs::write(&file, SMALLEST.repeat(2)).unwrap();
        assert!(!watch.changed());
        assert!(watch.changed());
        assert!(!watch.changed());

        fs::remove_file(&file).unwrap();
        assert_eq!([watch.changed(), watch.changed(), watch.changed()], [false, true, false]);
    }

    #[test]
    fn another_file_of_the_same_size_and_time_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let file = written(folder.path(), SMALLEST);
        let mut watch = Watch::new(&file);
        let other = folder.path().join("other.toml");
        fs::write(&other, SMALLEST.replace("hill", "dale")).unwrap();
        let time = fs::metadata(&file).unwrap().modified().unwrap();
        fs::File::open(&other).unwrap().set_modified(time).unwrap();

        fs::rename(&other, &file).unwrap();

        assert_eq!([watch.changed(), watch.changed()], [false, true]);
    }

    #[test]
    fn a_certificate_the_configuration_names_is_watched_and_forgotten_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = written(folder.path(), &format!("{SMALLEST}[console]\ncertificate = \"a.pem\"\nkey = \"a.key\"\n"));
        let certificate = folder.path().join("a.pem");
        let mut watch = Watch::new(&file);
        watch.follow(&file, &Config::load(&file).unwrap());
        assert_eq!([watch.changed(), watch.changed()], [false, false]);

        fs::write(&certificate, "renewed").unwrap();
        assert_eq!([watch.changed(), watch.changed()], [false, true]);

        watch.follow(&file, &Config::parse(&file, SMALLEST).unwrap());
        fs::write(&certificate, "renewed again").unwrap();
        assert_eq!([watch.changed(), watch.changed()], [false, false]);
    }
}
