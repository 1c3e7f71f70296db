//! What the state folder holds, by name: each file is written by one module, and taken away here.

use std::io;
use std::path::Path;

use crate::spool::{self, ExamineError};
use crate::{durable, platform};

/// The spool's folder.
pub(crate) const SPOOL: &str = "spool";
/// The key that the spool is encrypted under.
pub(crate) const SPOOL_KEY: &str = "spool.key";
/// The device's key and certificate.
pub(crate) const IDENTITY: &str = "identity.json";
/// One that could not be used.
pub(crate) const IDENTITY_BAD: &str = "identity.json.bad";
/// There for a moment, to see that there is room.
pub(crate) const IDENTITY_ROOM: &str = "identity.room";
/// Which copy of the identity this is.
pub(crate) const INCARNATION: &str = "incarnation";
/// The key that a certificate was asked for and did not come yet.
pub(crate) const JOINING: &str = "joining.key";
/// The rule set that was in force last.
pub(crate) const RULE_SET: &str = "rule_set.artefact";
/// The one that was in force before it.
pub(crate) const RULE_SET_BEFORE: &str = "rule_set_before.artefact";
/// Which rule sets are new, and how often the service started with them.
pub(crate) const TRIAL: &str = "rule_set.trial";
/// The policy that was in force last.
pub(crate) const POLICY: &str = "policy.artefact";
/// The highest release of an illegal base that was ever in force here, in digits.
pub(crate) const BASE: &str = "illegal_base.release";
/// What is remembered of the files that the agent is made of.
pub(crate) const MADE_OF: &str = "made_of.json";
/// The last configuration that could be used.
pub(crate) const LAST_GOOD: &str = "last-good.toml";

/// What makes a PC the device that it is, besides the spool.
const OF_THE_DEVICE: [&str; 6] = [SPOOL_KEY, INCARNATION, JOINING, IDENTITY_BAD, IDENTITY_ROOM, IDENTITY];
/// What a PC watches by, and what is remembered.
const OF_WATCHING: [&str; 7] = [RULE_SET, RULE_SET_BEFORE, TRIAL, POLICY, BASE, MADE_OF, LAST_GOOD];

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
