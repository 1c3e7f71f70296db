//! The way from a capture to the disk.

use std::sync::Arc;
use std::time::Duration;

use lapwing_proto::{Capture, wire};
use lapwing_rules::Level;
use tokio::sync::mpsc;

use super::ServiceError;
use crate::canary::Canaries;
use crate::clock::Clock;
use crate::config::Config;
use crate::diagnostic::{Code, Diagnostics};
use crate::identity::HardwareHash;
use crate::shutdown::Shutdown;
use crate::spool::{Appended, KeySource, Opened, Spool, SpoolError, SpoolLimits};
use crate::{platform, state_folder};

/// Between attempts to write to a spool that failed.
const AGAIN: Duration = Duration::from_secs(2);

/// Whom the writing tells what came of it.
pub(super) struct Told {
    pub(super) diagnostics: Diagnostics,
    pub(super) canaries: Canaries,
}

/// Writes every capture, one after the other, until all that judge have let go of their end. A spool that fails is
/// tried again, and judging waits meanwhile; once the service stops, it is tried once more.
pub(super) async fn run(
    mut captures: mpsc::Receiver<Capture>,
    spool: Arc<Spool>,
    Told { diagnostics, canaries }: Told,
    shutdown: Shutdown,
) {
    while let Some(capture) = captures.recv().await {
        let (level, capture) = (capture.level(), Arc::new(wire::Capture::from(capture)));
        loop {
            let (spool, record) = (Arc::clone(&spool), Arc::clone(&capture));
            let appended = tokio::task::spawn_blocking(move || spool.append(level, &record)).await;
            match appended {
                Ok(Ok(appended)) => {
                    if let Appended::Stored(seq) = appended {
                        canaries.spooled(&capture, level, seq);
                    }
                    report(level, appended, &diagnostics);
                    break;
                }
                Ok(Err(error @ SpoolError::TooLarge(_))) => {
                    diagnostics.raise(Code::SpoolFailed, error.to_string());
                    break;
                }
                Ok(Err(error)) => diagnostics.raise(Code::SpoolFailed, error.to_string()),
                Err(error) => diagnostics.raise(Code::SpoolFailed, error.to_string()),
            }
            if shutdown.is_requested() {
                break;
            }
            tokio::select! {
                () = tokio::time::sleep(AGAIN) => {}
                () = shutdown.requested() => {}
            }
        }
    }
}

/// Opens the spool, or begins a new one.
pub(crate) fn open(
    config: &Config,
    clock: Arc<dyn Clock>,
    diagnostics: &Diagnostics,
) -> Result<Arc<Spool>, ServiceError> {
    let key = KeySource::File(config.state_dir.join(state_folder::SPOOL_KEY));
    let hardware = HardwareHash::new(platform::hardware_hash());
    let folder = config.state_dir.join(state_folder::SPOOL);
    let (spool, report) = Spool::open(&folder, key, hardware, limits(config), clock)?;
    if let (Opened::Waiting, Some(why)) = (report.opened, spool.trouble()) {
        diagnostics.raise(Code::SpoolFailed, why.to_string());
    }
    tell_loss(&spool, diagnostics);
    Ok(Arc::new(spool))
}

/// Says whether a spool was set aside since the start of the service: at any time the disk may refuse to go on.
pub(super) fn tell_loss(spool: &Spool, diagnostics: &Diagnostics) {
    if let Some(why) = spool.opened().loss() {
        diagnostics.raise(Code::SpoolQuarantined, why);
    }
}

/// What the spool keeps.
pub(super) fn limits(config: &Config) -> SpoolLimits {
    SpoolLimits { live_bytes: u64::from(*config.spool_mib) * 1024 * 1024, ..SpoolLimits::default() }
}

fn report(level: Level, appended: Appended, diagnostics: &Diagnostics) {
    diagnostics.clear(Code::SpoolFailed);
    match appended {
        Appended::Stored(seq) => {
            tracing::debug!(capture.lane = %level, capture.seq = %seq, "a capture is spooled");
            diagnostics.clear(Code::SpoolFull);
        }
        Appended::Counted | Appended::Dropped(_) => diagnostics.raise(Code::SpoolFull, ""),
    }
}
