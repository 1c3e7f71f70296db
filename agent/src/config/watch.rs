//! A configuration that is read again when it changed.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{Config, ConfigError};

/// The configuration in effect and the file it stands in.
#[derive(Debug)]
pub struct Watched {
    path: PathBuf,
    current: Config,
    /// Time and size of the file when it was last looked at.
    stamp: Option<(SystemTime, u64)>,
}

/// What reading again found.
#[derive(Debug)]
pub enum Change {
    /// The file is the same.
    None,
    /// It is in effect, save for the keys named, which wait for a restart.
    Taken(Vec<&'static str>),
    /// It cannot be used; the last good one goes on.
    Kept(ConfigError),
}

impl Watched {
    /// Watches the file `current` was read from.
    #[must_use]
    pub fn new(path: &Path, current: Config) -> Self {
        Self { path: path.to_owned(), current, stamp: stamp(path) }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The configuration in effect.
    #[must_use]
    pub fn current(&self) -> &Config {
        &self.current
    }

    /// Reads the file again where it changed since the last look.
    pub fn look(&mut self) -> Change {
        let now = stamp(&self.path);
        if now == self.stamp { Change::None } else { self.reload() }
    }

    /// Reads the file again.
    pub fn reload(&mut self) -> Change {
        self.stamp = stamp(&self.path);
        match Config::load(&self.path) {
            Ok(newer) => {
                let waiting = self.current.needs_restart(&newer);
                self.current = newer;
                Change::Taken(waiting)
            }
            Err(error) => Change::Kept(error),
        }
    }
}

fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let facts = std::fs::metadata(path).ok()?;
    Some((facts.modified().ok()?, facts.len()))
}
