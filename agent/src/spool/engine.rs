//! The store under the spool, held so that what was committed survives a power cut.
//!
//! On Linux sled's `flush` ends in `sync_file_range`, which is no fsync. So `conf`, `db` and the folder are synced
//! through handles of our own after opening, and each commit is `apply_batch`, `flush`, then `sync_data` of `db`
//! through such a handle. Every call is guarded: a panic inside becomes [`EngineError::Unreadable`].

use std::fs::File;
use std::io;
use std::ops::RangeBounds;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::time::Duration;

use lapwing_proto::failpoint;
use sled::{Batch, IVec, Mode};

use crate::platform;

const CACHE_BYTES: u64 = 1024 * 1024;
const SEGMENT_BYTES: usize = 64 * 1024;
/// Two seconds in all for an earlier store to let go of its file; it takes milliseconds.
const LET_GO_TRIES: u32 = 200;
const LET_GO_PAUSE: Duration = Duration::from_millis(10);

/// What ends the name of a snapshot that sled has not finished.
const UNFINISHED: &str = "generating";

/// Why the store did not do as it was told.
#[derive(Debug, thiserror::Error)]
pub(super) enum EngineError {
    /// What is on disk makes no sense: move it away.
    #[error("the store cannot be read: {0}")]
    Unreadable(String),
    /// The disk said no.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl EngineError {
    /// Whether room on the disk would help.
    pub(super) fn is_disk_full(&self) -> bool {
        match self {
            Self::Io(error) => matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded),
            Self::Unreadable(_) => false,
        }
    }
}

impl From<sled::Error> for EngineError {
    fn from(error: sled::Error) -> Self {
        match error {
            sled::Error::Io(cause) => {
                if matches!(cause.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData) {
                    return Self::Unreadable(cause.to_string());
                }
                Self::Io(cause)
            }
            sled::Error::Corruption { .. } => Self::Unreadable("corruption".into()),
            sled::Error::Unsupported(why) | sled::Error::ReportableBug(why) => Self::Unreadable(why),
            sled::Error::CollectionNotFound(_) => Self::Unreadable("a tree is missing".into()),
        }
    }
}

/// An open store.
pub(super) struct Engine {
    /// Taken at the end alone.
    db: Option<sled::Db>,
    file: File,
}

impl Engine {
    /// Opens the store in `folder`, or makes it.
    pub(super) fn open(folder: &Path) -> Result<Self, EngineError> {
        failpoint!("spool.make_folder", platform::create_private_folder(folder)?);
        let config = sled::Config::new()
            .path(folder)
            .mode(Mode::LowSpace)
            .cache_capacity(CACHE_BYTES)
            .segment_size(SEGMENT_BYTES)
            .flush_every_ms(None);
        failpoint!("spool.sweep", remove_unfinished(folder)?);
        let db = failpoint!("spool.open", open_when_let_go(&config)?);
        let conf = File::options().read(true).write(true).open(folder.join("conf"))?;
        failpoint!("spool.sync_conf", conf.sync_all()?);
        let file = File::options().read(true).write(true).open(folder.join("db"))?;
        failpoint!("spool.sync_db", file.sync_all()?);
        failpoint!("spool.sync_folder", platform::sync_folder(folder)?);
        Ok(Self { db: Some(db), file })
    }

    /// Applies a batch as one: all of it or nothing survives. Durable after [`Engine::commit`].
    pub(super) fn apply(&self, batch: Batch) -> Result<(), EngineError> {
        failpoint!("spool.apply", self.with(|db| db.apply_batch(batch)))
    }

    /// Makes durable everything applied so far.
    pub(super) fn commit(&self) -> Result<(), EngineError> {
        failpoint!("spool.flush", self.with(sled::Tree::flush)?);
        Ok(failpoint!("spool.sync", self.file.sync_data())?)
    }

    /// The value under a key.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<IVec>, EngineError> {
        self.with(|db| db.get(key))
    }

    /// Whether nothing was ever kept in it.
    pub(super) fn is_empty(&self) -> Result<bool, EngineError> {
        self.with(|db| Ok(db.first()?.is_none()))
    }

    /// Visits entries in key order until `visit` answers `false`.
    pub(super) fn visit(
        &self,
        keys: impl RangeBounds<Vec<u8>>,
        mut visit: impl FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), EngineError> {
        self.with(|db| {
            for entry in db.range(keys) {
                let (key, value) = entry?;
                if !visit(&key, &value) {
                    break;
                }
            }
            Ok(())
        })
    }

    fn with<T>(&self, call: impl FnOnce(&sled::Tree) -> sled::Result<T>) -> Result<T, EngineError> {
        let Some(db) = &self.db else { return Err(EngineError::Unreadable("it is closed".into())) };
        guarded(|| call(db))
    }
}

/// Removes snapshots that a crash cut short: sled reads one like a whole one, and takes the store for damaged. Nobody needs
/// them: what they were to hold is in the log, and the snapshot before is kept until they are whole.
fn remove_unfinished(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == UNFINISHED) {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

impl Drop for Engine {
    fn drop(&mut self) {
        // sled writes what is left as it goes. What matters was committed, or has failed and was said to have.
        let closed = guarded(|| {
            drop(self.db.take());
            Ok(())
        });
        if let Err(error) = closed {
            tracing::warn!(error = %error, "the spool's store did not close well");
        }
    }
}

/// Opens a store, waiting while an earlier one of this process lets go of it: sled's threads hold its file a little
/// longer than the store itself lives. No other process can hold it; the spool's own lock is taken before.
fn open_when_let_go(config: &sled::Config) -> Result<sled::Db, EngineError> {
    for _ in 0..LET_GO_TRIES {
        match guarded(|| config.open()) {
            Err(EngineError::Io(error)) if error.to_string().contains("could not acquire lock") => {
                std::thread::sleep(LET_GO_PAUSE);
            }
            outcome => return outcome,
        }
    }
    guarded(|| config.open())
}

fn guarded<T>(call: impl FnOnce() -> sled::Result<T>) -> Result<T, EngineError> {
    match panic::catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => Ok(result?),
        Err(_) => Err(EngineError::Unreadable("it panicked".into())),
    }
}
