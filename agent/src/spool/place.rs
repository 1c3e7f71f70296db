//! The spool's folder: opening what is in it, and moving away what cannot be used.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use lapwing_proto::{Epoch, Seq, failpoint};
use lapwing_rules::Level;
use sled::Batch;

use super::engine::{Engine, EngineError};
use super::lane::{Gap, GapReason};
use super::ledger::{Ledger, Loaded};
use super::record::{self, Sealer, Stamp};
use super::{LaneState, OpenReport, Opened, SpoolError, SpoolKey, SpoolLimits};
use crate::identity::HardwareHash;
use crate::{durable, platform};

const MAGIC: &[u8] = b"LWSP";
const FORMAT: u8 = 1;
const EPOCH_BYTES: usize = 16;
const BALLAST_BYTES: usize = 1024 * 1024;
/// Sealed at sequence 0 of lane 1, to tell a wrong key from a damaged record.
const PROBE: &[u8] = b"lapwing spool";

/// Where the spool lives, and under which terms.
pub(super) struct Place {
    folder: PathBuf,
    key: SpoolKey,
    hardware: HardwareHash,
    limits: SpoolLimits,
    /// Held as long as the spool is open: one process at a time.
    _lock: File,
}

/// What should be in the folder.
#[derive(Clone, Copy)]
enum Expected {
    /// A store that held something.
    Store,
    /// A store or nothing.
    Anything,
}

/// Why the store in the folder is not used.
enum Unusable {
    Unreadable(String),
    Foreign(Vec<Gap>),
    Failed(EngineError),
}

impl From<EngineError> for Unusable {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Unreadable(why) => Self::Unreadable(why),
            EngineError::Io(_) => Self::Failed(error),
        }
    }
}

impl Place {
    pub(super) fn take(
        folder: &Path,
        key: SpoolKey,
        hardware: HardwareHash,
        limits: SpoolLimits,
    ) -> Result<Self, SpoolError> {
        let failed = |error: io::Error| SpoolError::store(&EngineError::Io(error));
        platform::create_private_folder(folder).map_err(failed)?;
        let lock =
            File::options().create(true).truncate(false).write(true).open(folder.join("lock")).map_err(failed)?;
        failpoint!("spool.lock", lock.try_lock().map_err(|_| SpoolError::InUse)?);
        Ok(Self { folder: folder.to_owned(), key, hardware, limits, _lock: lock })
    }

    /// Opens the store. One that cannot be used is moved to quarantine and a new one started, with the gaps that tell
    /// of it.
    pub(super) fn open(&self, now: &Stamp) -> Result<(Ledger, OpenReport), SpoolError> {
        let former = self.former_epoch();
        let expected = if former.is_some() { Expected::Store } else { Expected::Anything };
        let (opened, gaps) = match self.open_live(now, expected) {
            Ok(opened) => return Ok(opened),
            Err(Unusable::Failed(error)) => return Err(SpoolError::store(&error)),
            Err(Unusable::Unreadable(why)) => {
                tracing::error!(error = %why, "the spool cannot be read and was moved to quarantine");
                (Opened::Quarantined, former.map(unknown_extent).unwrap_or_default())
            }
            Err(Unusable::Foreign(gaps)) => {
                tracing::error!("the spool was written on other hardware and was moved to quarantine");
                (Opened::Foreign, gaps)
            }
        };
        let fresh = self.quarantine().map_err(EngineError::Io).map_err(Unusable::from);
        match fresh.and_then(|()| self.open_live(now, Expected::Anything)) {
            Ok((mut ledger, report)) => {
                ledger.inherit(gaps).map_err(|error| SpoolError::store(&error))?;
                Ok((ledger, OpenReport { opened, ..report }))
            }
            Err(Unusable::Failed(error)) => Err(SpoolError::store(&error)),
            Err(Unusable::Unreadable(why)) => Err(SpoolError::store(&EngineError::Unreadable(why))),
            Err(Unusable::Foreign(_)) => Err(SpoolError::store(&EngineError::Unreadable("it is foreign anew".into()))),
        }
    }

    /// The limits the spool was opened with.
    pub(super) const fn limits(&self) -> SpoolLimits {
        self.limits
    }

    /// Keeps some of the disk, to be given up when the rest is full: dropping records needs room as well. Answers
    /// whether there was room.
    pub(super) fn keep_ballast(&self) -> bool {
        let path = self.folder.join("ballast");
        if fs::metadata(&path).is_ok_and(|facts| facts.len() == BALLAST_BYTES as u64) {
            return true;
        }
        let write = || File::create(&path).and_then(|mut file| file.write_all(&vec![0; BALLAST_BYTES]));
        let kept = failpoint!("spool.ballast", write()).is_ok();
        if !kept {
            self.drop_ballast();
        }
        kept
    }

    /// Gives the ballast's room back to the disk.
    pub(super) fn drop_ballast(&self) {
        if let Err(error) = durable::remove(&self.folder.join("ballast")) {
            tracing::warn!(error = %error, "the spool's ballast cannot be removed");
        }
    }

    fn open_live(&self, now: &Stamp, expected: Expected) -> Result<(Ledger, OpenReport), Unusable> {
        let live = self.folder.join("live");
        let engine = Engine::open(&live)?;
        platform::sync_folder(&self.folder).map_err(EngineError::Io)?;
        let Some(meta) = engine.get(&record::meta_key())? else {
            return match expected {
                Expected::Anything => self.begin(engine, now),
                Expected::Store => Err(Unusable::Unreadable("its head is missing".into())),
            };
        };
        let (epoch, hardware, probe) = read_meta(&meta).ok_or_else(|| Unusable::Unreadable("its head is".into()))?;
        let sealer = Sealer::new(&self.key, epoch);
        if sealer.open(Level::Info, Seq::NONE, probe).is_err() {
            return Err(Unusable::Unreadable("it was written under another key".into()));
        }
        let (ledger, loaded) = Ledger::load(engine, sealer, self.limits)?;
        if hardware.differs_from(&self.hardware) {
            return Err(Unusable::Foreign(foreign_gaps(&ledger, epoch)));
        }
        Ok((ledger, report(Opened::Continued, epoch, loaded)))
    }

    fn begin(&self, engine: Engine, now: &Stamp) -> Result<(Ledger, OpenReport), Unusable> {
        let mut empty = true;
        engine.visit(vec![0].., |_, _| {
            empty = false;
            false
        })?;
        if !empty {
            return Err(Unusable::Unreadable("its head is missing".into()));
        }
        let random = |error: getrandom::Error| EngineError::Io(durable::no_randomness(error));
        let epoch = Epoch::random().map_err(random)?;
        let sealer = Sealer::new(&self.key, epoch);
        let probe = sealer.seal(Level::Info, Seq::NONE, now, PROBE).map_err(random)?;
        let mut batch = Batch::default();
        batch.insert(record::meta_key(), write_meta(epoch, &self.hardware, &probe));
        failpoint!("spool.begin", engine.apply(batch).and_then(|()| engine.commit())?);
        // Only now may something be acknowledged: a spool without this file held nothing.
        failpoint!(
            "spool.epoch",
            durable::replace(&self.folder.join("epoch"), epoch.as_bytes()).map_err(EngineError::Io)?
        );
        let (ledger, loaded) = Ledger::load(engine, sealer, self.limits)?;
        Ok((ledger, report(Opened::Fresh, epoch, loaded)))
    }

    fn former_epoch(&self) -> Option<Epoch> {
        let bytes = durable::read_bounded(&self.folder.join("epoch"), EPOCH_BYTES).ok()?;
        Epoch::try_from(bytes.as_slice()).ok()
    }

    /// Moves the store away; the one moved away before is removed, and so is this one when it is over its bound.
    fn quarantine(&self) -> io::Result<()> {
        let (live, kept) = (self.folder.join("live"), self.folder.join("quarantine"));
        if kept.exists() {
            failpoint!("spool.forget_quarantine", fs::remove_dir_all(&kept)?);
        }
        if folder_bytes(&live)? > self.limits.live_bytes.saturating_mul(2) {
            fs::remove_dir_all(&live)?;
        } else {
            failpoint!("spool.quarantine", fs::rename(&live, &kept)?);
        }
        platform::sync_folder(&self.folder)
    }
}

const fn report(opened: Opened, epoch: Epoch, loaded: Loaded) -> OpenReport {
    OpenReport { opened, epoch, held: loaded.held, damaged: loaded.damaged }
}

/// How much a spool held that cannot be read is not known: each lane's first sequence stands for it.
fn unknown_extent(epoch: Epoch) -> Vec<Gap> {
    let gap = |lane| Gap { lane, from: Seq::NONE, to: Seq::NONE, reason: GapReason::Quarantined, epoch: Some(epoch) };
    Level::ALL.into_iter().map(gap).collect()
}

fn foreign_gaps(ledger: &Ledger, epoch: Epoch) -> Vec<Gap> {
    let states = ledger.lane_states();
    let gap = |state: &LaneState| {
        let to = Seq::new(state.next.number().saturating_sub(1));
        Some(Gap { lane: state.lane, from: state.first?, to, reason: GapReason::Foreign, epoch: Some(epoch) })
    };
    states.iter().filter_map(gap).collect()
}

/// `LWSP`, format, epoch, length of the hardware hash and the hash, probe.
fn write_meta(epoch: Epoch, hardware: &HardwareHash, probe: &[u8]) -> Vec<u8> {
    let mut meta = MAGIC.to_vec();
    meta.push(FORMAT);
    meta.extend_from_slice(epoch.as_bytes());
    meta.push(u8::try_from(hardware.as_bytes().len()).unwrap_or_default());
    meta.extend_from_slice(hardware.as_bytes());
    meta.extend_from_slice(probe);
    meta
}

fn read_meta(meta: &[u8]) -> Option<(Epoch, HardwareHash, &[u8])> {
    let rest = meta.strip_prefix(MAGIC)?.strip_prefix(&[FORMAT])?;
    let (epoch, rest) = rest.split_at_checked(EPOCH_BYTES)?;
    let (length, rest) = rest.split_first()?;
    let (hardware, probe) = rest.split_at_checked(usize::from(*length))?;
    Some((Epoch::try_from(epoch).ok()?, HardwareHash::from_bytes(hardware)?, probe))
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
