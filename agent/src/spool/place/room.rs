//! What the spool's folder takes of the disk: its share, the ballast, and what was moved away.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use lapwing_proto::failpoint;

use super::{Place, Trust};
use crate::{durable, platform};

const BALLAST_BYTES: usize = 1024 * 1024;

/// How much room a full disk was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::spool) enum MadeWay {
    /// So much that no record has to go.
    Much,
    /// What it takes to let records go.
    Enough,
    /// There was nothing left to give.
    Nothing,
}

impl Place {
    /// Keeps some of the disk, to be given up when the rest is full: dropping records needs room as well. Answers
    /// whether there was room.
    pub(in crate::spool) fn keep_ballast(&self) -> bool {
        let path = self.folder.join("ballast");
        if fs::metadata(&path).is_ok_and(|facts| facts.len() == BALLAST_BYTES as u64) {
            return true;
        }
        // Nothing a file system could store in less room.
        let mut ballast = vec![0; BALLAST_BYTES];
        if getrandom::fill(&mut ballast).is_err() {
            return false;
        }
        let write = |mut file: File| file.write_all(&ballast).and_then(|()| file.sync_all());
        let kept = failpoint!("spool.ballast", File::create(&path).and_then(write)).is_ok();
        if !kept {
            self.drop_ballast();
        }
        kept
    }

    /// Makes room on a full disk: what was quarantined goes first, then the ballast.
    pub(in crate::spool) fn make_way(&self) -> MadeWay {
        let kept = self.folder.join("quarantine");
        let much = folder_bytes(&kept).is_ok_and(|bytes| bytes >= BALLAST_BYTES as u64);
        if much && fs::remove_dir_all(&kept).is_ok() {
            return MadeWay::Much;
        }
        if self.folder.join("ballast").exists() {
            self.drop_ballast();
            return MadeWay::Enough;
        }
        // Others may have made room meanwhile.
        if self.keep_ballast() { MadeWay::Much } else { MadeWay::Nothing }
    }

    /// Removes what was quarantined once it and the live store together are over the spool's share of the disk.
    pub(in crate::spool) fn keep_within_share(&self) {
        let kept = self.folder.join("quarantine");
        let over = kept.exists() && folder_bytes(&self.folder).is_ok_and(|bytes| bytes > self.share());
        if over && let Err(error) = fs::remove_dir_all(&kept) {
            tracing::warn!(error = %error, "what the spool quarantined cannot be removed");
        }
    }

    /// Moves the key beside the store that it should open, so that both are kept, or go, together.
    pub(super) fn set_key_aside(&self) -> io::Result<()> {
        let mut beside = self.folder.join("live");
        if !beside.try_exists()? {
            beside = self.folder.join("quarantine");
            platform::create_private_folder(&beside)?;
        }
        self.keys.set_aside(&beside.join("spool.key"))
    }

    /// Moves the store away, where there is one; the one moved away before is removed, and so is this one when it is over
    /// its bound. A copy goes beside what it was copied from.
    pub(super) fn quarantine(&self, trust: Trust) -> io::Result<()> {
        let (live, mut kept) = (self.folder.join("live"), self.folder.join("quarantine"));
        if !live.try_exists()? {
            return Ok(());
        }
        if trust == Trust::Rescued && kept.exists() {
            kept.push("copy");
        }
        if kept.exists() {
            failpoint!("spool.forget_quarantine", fs::remove_dir_all(&kept)?);
        }
        if folder_bytes(&live)? > self.share() {
            fs::remove_dir_all(&live)?;
        } else {
            failpoint!("spool.quarantine", fs::rename(&live, &kept)?);
        }
        platform::sync_folder(&self.folder)
    }

    /// Most bytes of disk.
    const fn share(&self) -> u64 {
        self.limits.live_bytes.saturating_mul(2)
    }

    fn drop_ballast(&self) {
        if let Err(error) = durable::remove(&self.folder.join("ballast")) {
            tracing::warn!(error = %error, "the spool's ballast cannot be removed");
        }
    }
}

fn folder_bytes(folder: &Path) -> io::Result<u64> {
    let mut total = 0_u64;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let facts = entry.metadata()?;
        total = total.saturating_add(if facts.is_dir() { folder_bytes(&entry.path())? } else { facts.len() });
    }
    Ok(total)
}
