//! Removable media, from changes of the mount table: nothing is polled.
//!
//! What is mounted when the sensor starts is the baseline. After that a block device that was mounted nowhere before
//! and is removable, or hangs on USB or in a card slot, is a medium; so is a file mounted as a disk. Nothing on the
//! medium is listed or read but its label.

mod medium;
mod mounts;
mod superblock;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::readiness::register;
use crate::observation::Observation;
use crate::sensor::{HealthBoard, Observations, Reason, Sensor, SensorHealth, SensorName};
use crate::shutdown::Shutdown;
use mounts::{DeviceNumber, Mount};

/// The process's mount table; the kernel marks it ready for urgent data at each change.
const MOUNTS: &str = "/proc/self/mountinfo";
/// Most of the table that is read, in bytes: some ten thousand mounts.
const MAX_TABLE_BYTES: u64 = 4 * 1024 * 1024;

/// The sensor for removable media.
#[derive(Clone, Copy, Debug, Default)]
pub struct Media {}

impl Media {
    /// A sensor for the mounts that this process sees.
    #[must_use]
    pub const fn new() -> Self {
        Self {}
    }
}

impl Sensor for Media {
    fn name(&self) -> SensorName {
        SensorName::Media
    }

    async fn run(self, out: Observations, health: HealthBoard, shutdown: Shutdown) {
        let watched = async {
            if let Err(error) = watch(&out, &health).await {
                let is_refused = error.kind() == io::ErrorKind::PermissionDenied;
                let reason = if is_refused { Reason::NotPermitted } else { Reason::Failed };
                health.set(SensorName::Media, None, SensorHealth::Blind(reason, Some(error.to_string())));
            }
        };
        tokio::select! {
            () = shutdown.requested() => {}
            () = watched => {}
        }
    }
}

/// The removable media that are mounted now, each once.
pub(crate) fn media_now() -> io::Result<Vec<lapwing_proto::Media>> {
    let mounts: std::collections::BTreeMap<DeviceNumber, Mount> =
        table_now()?.into_iter().map(|mount| (mount.device(), mount)).collect();
    Ok(mounts.values().filter_map(medium::facts).collect())
}

/// Reports new media until nobody takes them any more.
async fn watch(out: &Observations, health: &HealthBoard) -> io::Result<()> {
    let table = register(OwnedFd::from(File::open(MOUNTS)?), Interest::PRIORITY)?;
    let mut present: BTreeSet<DeviceNumber> = table_now()?.iter().map(Mount::device).collect();
    health.set(SensorName::Media, None, SensorHealth::Working);
    loop {
        changed(&table).await?;
        let mounts = table_now()?;
        for observation in mounts.iter().filter(|mount| !present.contains(&mount.device())).filter_map(seen) {
            if out.send(observation).await.is_err() {
                return Ok(());
            }
        }
        present = mounts.iter().map(Mount::device).collect();
    }
}

async fn changed(table: &AsyncFd<OwnedFd>) -> io::Result<()> {
    // The wish to hear again is renewed before the table is read, so that no change falls between.
    table.ready(Interest::PRIORITY).await?.clear_ready();
    Ok(())
}

/// Every mount of a block device, the first mount point of each device alone.
fn table_now() -> io::Result<Vec<Mount>> {
    let mut bytes = Vec::new();
    File::open(MOUNTS)?.take(MAX_TABLE_BYTES).read_to_end(&mut bytes)?;
    Ok(mounts::of_devices(&String::from_utf8_lossy(&bytes)))
}

fn seen(mount: &Mount) -> Option<Observation> {
    let facts = medium::facts(mount)?;
    Some(Observation::Media { facts, mount_point: mount.point().to_owned(), owner: medium::owner(mount) })
}
