//! Taking the agent off a computer: what it holds is delivered, the collector is told, and nothing of it stays.
//!
//! ```text
//! service stopped -> deliver the spool -> Goodbye{removed}, written down -> remove the state folder, the token
//! ```
//!
//! The program, the service and the configuration are the package's to remove. Cut short anywhere, it is done again; once the
//! collector has written the goodbye down it denies the device, and the second time needs [`Terms::discards`].

use std::io;
use std::sync::Arc;
use std::time::Duration;

use lapwing_proto::{DeviceId, wire};
use tokio::sync::{mpsc, watch};
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::config::Config;
use crate::counters::Counters;
use crate::diagnostic::Diagnostics;
use crate::identity::{HardwareHash, IdentityStore};
use crate::pipeline::{self, ServiceError};
use crate::shutdown::Shutdown;
use crate::state_folder::{self, Held};
use crate::status::StatusFacts;
use crate::uplink::{Backlog, LinkState, Uplink, UplinkConfig, UplinkParts};
use crate::{doctor, durable, platform};

/// Between looks at what still waits: an acknowledgement wakes nobody here.
const LOOK: Duration = Duration::from_millis(50);

/// How a computer is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// How long the collector is waited for.
    pub within: Duration,
    /// Go on although captures are lost or nobody was told.
    pub discards: bool,
}

/// Why nothing was removed, unless the disk refused half-way.
#[derive(Debug, thiserror::Error)]
pub enum RemovalError {
    /// It would make it all anew.
    #[error("the service runs: stop it first, and keep it from starting again")]
    Running,
    /// Captures would be lost.
    #[error(
        "the spool holds {captures} captures that the collector did not take ({why}); nothing is removed: try again once it \
         can be reached, or give `--discard`"
    )]
    Holds {
        /// How many.
        captures: u64,
        /// Why, in words.
        why: String,
    },
    /// What the spool holds cannot be told.
    #[error("it cannot be told what the spool holds ({0}); nothing is removed: `--discard` gives it up")]
    Spool(String),
    /// The school would miss the computer.
    #[error(
        "the collector was not told ({0}); nothing is removed: try again once it can be reached, or give `--discard`, and \
         the school will see a silent computer"
    )]
    Untold(String),
    /// The configuration, or a spool that is not read.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The disk.
    #[error("the state folder cannot be used: {0}")]
    Disk(#[from] io::Error),
}

/// What came of telling the collector.
enum Told {
    /// There is no identity, or no collector: nobody misses this computer.
    Nobody,
    /// It was written down; how many captures are left all the same.
    Written { device: DeviceId, captures: u64 },
    /// It was not, and why; how many captures are left.
    Not { device: DeviceId, why: String, captures: u64 },
}

/// Removes what the agent keeps on this computer. Answers what was done, a line each.
///
/// # Errors
///
/// [`RemovalError`].
pub async fn remove(config: &Config, terms: Terms, clock: Arc<dyn Clock>) -> Result<Vec<String>, RemovalError> {
    if doctor::ask_status(&config.socket).await.is_ok() {
        return Err(RemovalError::Running);
    }
    let folder = config.state_dir.to_path_buf();
    let held = match state_folder::held(&folder) {
        Ok(held) => held,
        Err(Held::InUse) => return Err(RemovalError::Running),
        Err(Held::Unknown(_)) if terms.discards => 0,
        Err(Held::Unknown(why)) => return Err(RemovalError::Spool(why)),
    };
    let lines = match tell(config, terms, held, clock).await? {
        Told::Nobody if held > 0 && !terms.discards => {
            return Err(RemovalError::Holds { captures: held, why: "this computer is not enrolled".to_owned() });
        }
        Told::Nobody => vec!["this computer was not enrolled: nobody is told".to_owned()],
        Told::Written { device, captures } => {
            let known = format!("the collector knows that {device} is removed, and denies it");
            [Some(known), lost(captures)].into_iter().flatten().collect()
        }
        Told::Not { why, captures, .. } if captures > 0 && !terms.discards => {
            return Err(RemovalError::Holds { captures, why });
        }
        Told::Not { why, .. } if !terms.discards => return Err(RemovalError::Untold(why)),
        Told::Not { device, why, captures } => {
            let revoke = format!("lapwing-collector device revoke {device}");
            let untold = format!("the collector was not told ({why}): deny {device} with `{revoke}`");
            [Some(untold), lost(captures)].into_iter().flatten().collect()
        }
    };
    clear(config, lines)
}

/// Delivers what waits, of `held` captures, and says goodbye: for good once nothing waits any more, or where the rest is given
/// up.
async fn tell(config: &Config, terms: Terms, held: u64, clock: Arc<dyn Clock>) -> Result<Told, RemovalError> {
    let identity = Arc::new(IdentityStore::open(&config.state_dir)?);
    let (Some(device), Some(uplink_config)) = (identity.device(), pipeline::uplink_config(config)?) else {
        return Ok(Told::Nobody);
    };
    let diagnostics = Diagnostics::new();
    let spool: Arc<dyn Backlog> = pipeline::open_spool(config, Arc::clone(&clock), &diagnostics)?;
    let opened = waiting(spool.as_ref());
    if opened < held && !terms.discards {
        return Err(RemovalError::Spool(format!("{} of {held} captures were set aside", held - opened)));
    }
    let (goodbye, reason) = watch::channel(wire::GoodbyeReason::Stop);
    let (uplink, shutdown, tasks) = uplink(Arc::clone(&spool), identity, uplink_config, (diagnostics, reason, clock));
    let (state, delivers, heard) = (uplink.state(), uplink.delivers(), uplink.goodbye_heard());
    let stopping = async {
        let is_delivered = tokio::time::timeout(terms.within, delivered(spool.as_ref(), &delivers)).await.is_ok();
        if is_delivered || (terms.discards && *delivers.borrow()) {
            goodbye.send_replace(wire::GoodbyeReason::Removed);
        }
        shutdown.request();
    };
    tokio::join!(uplink.run(), stopping);
    tasks.close();
    tasks.wait().await;
    let captures = waiting(spool.as_ref());
    let is_written = *heard.borrow() && *goodbye.borrow() == wire::GoodbyeReason::Removed;
    if is_written {
        return Ok(Told::Written { device, captures });
    }
    let why = match state.borrow().clone() {
        LinkState::Connecting(Some(why)) | LinkState::Blocked(why) | LinkState::NotEnrolled(why) => why,
        LinkState::Connecting(None) | LinkState::Connected => format!("not within {} s", terms.within.as_secs()),
    };
    Ok(Told::Not { device, why, captures })
}

/// An uplink that delivers and says goodbye, and no more.
fn uplink(
    spool: Arc<dyn Backlog>,
    identity: Arc<IdentityStore>,
    config: UplinkConfig,
    (diagnostics, goodbye, clock): (Diagnostics, watch::Receiver<wire::GoodbyeReason>, Arc<dyn Clock>),
) -> (Uplink, Shutdown, TaskTracker) {
    // What is announced on the way out is not fetched, and of sensors there is nothing to say.
    let (status, artefacts) = (watch::channel(StatusFacts::default()).1, mpsc::channel(1).0);
    let (tasks, shutdown) = (TaskTracker::new(), Shutdown::new());
    let uplink = Uplink::new(UplinkParts {
        spool,
        identity,
        config,
        hardware: HardwareHash::new(platform::hardware_hash()),
        status,
        counters: Counters::new(),
        diagnostics,
        artefacts,
        goodbye,
        clock,
        tasks: tasks.clone(),
        shutdown: shutdown.clone(),
    });
    (uplink, shutdown, tasks)
}

/// Comes back once nothing waits, and the collector knows this PC for the one it is.
async fn delivered(spool: &dyn Backlog, delivers: &watch::Receiver<bool>) {
    while !*delivers.borrow() || waiting(spool) > 0 {
        tokio::time::sleep(LOOK).await;
    }
}

fn lost(captures: u64) -> Option<String> {
    (captures > 0).then(|| format!("{captures} captures that were not delivered are gone"))
}

fn waiting(spool: &dyn Backlog) -> u64 {
    let lanes = spool.lane_states();
    lanes.iter().map(|lane| lane.first.map_or(0, |first| lane.next.number().saturating_sub(first.number()))).sum()
}

fn clear(config: &Config, mut lines: Vec<String>) -> Result<Vec<String>, RemovalError> {
    // First, for by it this computer would join again.
    if let Some(file) = config.token_file.as_deref() {
        durable::remove(file)?;
    }
    let folder = config.state_dir.to_path_buf();
    if !state_folder::remove_all(&folder)? {
        lines.push(format!("`{}` stays: it is a place of its own, or holds other files", folder.display()));
    }
    lines.push("nothing of this computer's state is left: remove the program and its configuration now".to_owned());
    Ok(lines)
}
