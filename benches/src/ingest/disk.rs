//! The control: what the disk does when it is asked to keep one record after the other.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use crate::report::{now, quantile};

/// A file that is only ever added to.
pub(crate) struct Disk(File);

/// Raw syncs of one record each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Syncs {
    /// A second.
    pub(crate) rate: f64,
    pub(crate) p99_ms: f64,
}

impl Disk {
    pub(crate) fn open(folder: &Path) -> anyhow::Result<Self> {
        Ok(Self(File::create(folder.join("control"))?))
    }

    /// Writes and syncs records of the size of a batch, one after the other.
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    pub(crate) fn sync_for(&mut self, lasting: Duration) -> anyhow::Result<Syncs> {
        let record = vec![7; super::ENTRY_BYTES * 16];
        let started = now();
        let mut each = Vec::new();
        while started.elapsed() < lasting {
            let before = now();
            self.0.write_all(&record)?;
            self.0.sync_data()?;
            each.push(before.elapsed().as_secs_f64() * 1e3);
        }
        Ok(Syncs { rate: each.len() as f64 / started.elapsed().as_secs_f64(), p99_ms: quantile(&each, 0.99) })
    }
}
