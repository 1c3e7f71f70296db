//! The files of the state folder by name, for whoever takes them away. Each belongs to the module that writes it.

use std::io;
use std::path::Path;

use crate::spool::{self, ExamineError};
use crate::{durable, platform};

/// The spool's folder.
pub(crate) const SPOOL: &str = "spool";
/// What makes a PC the device that it is, besides the spool.
const OF_THE_DEVICE: [&str; 6] =
    ["spool.key", "incarnation", "joining.key", "identity.json.bad", "identity.room", "identity.json"];
/// What a PC watches by, and what is remembered of the agent's own files.
const OF_WATCHING: [&str; 6] = [
    "rule_set.artefact",
    "rule_set_before.artefact",
    "policy.artefact",
    "illegal_base.release",
    "made_of.json",
    "last-good.toml",
];

/// Captures in a spool that no agent has open; 0 where there is none.
///
/// # Errors
///
/// When it is in use, damaged, or cannot be read.
pub(crate) fn held(folder: &Path) -> Result<u64, Held> {
    match spool::examine(&folder.join(SPOOL), None) {
        Ok(found) if found.damage.is_empty() => Ok(found.lanes.iter().map(|lane| lane.held).sum()),
        Ok(found) => Err(Held::Unknown(found.damage.join("; "))),
        Err(ExamineError::NoSpool(_)) => Ok(0),
        Err(ExamineError::InUse(_)) => Err(Held::InUse),
        Err(error) => Err(Held::Unknown(error.to_string())),
    }
}

/// Why it is not known how much a spool holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// An agent has it open.
    InUse,
    /// In words.
    Unknown(String),
}

/// Removes what makes a PC the device that it is, the spool first: cut short, nothing is doubled. Durable when it returns.
///
/// # Errors
///
/// When the disk refuses; some of it may be gone then.
pub(crate) fn remove_device(folder: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(folder.join(SPOOL)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    remove(folder, &OF_THE_DEVICE)
}

/// Removes all that an agent ever writes, and the folder unless something else is in it or it is a mount point. Says whether
/// it is gone.
///
/// # Errors
///
/// When the disk refuses; some of it may be gone then.
pub(crate) fn remove_all(folder: &Path) -> io::Result<bool> {
    remove_device(folder)?;
    remove(folder, &OF_WATCHING)?;
    match std::fs::remove_dir(folder) {
        Err(error) if matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::ResourceBusy) => {
            Ok(false)
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(true),
    }
}

fn remove(folder: &Path, files: &[&str]) -> io::Result<()> {
    for file in files {
        durable::remove(&folder.join(file))?;
        // A replacement that was cut short.
        durable::remove(&folder.join(format!("{file}.new")))?;
    }
    if folder.is_dir() { platform::sync_folder(folder) } else { Ok(()) }
}
