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
use crate::uplink::{Backlog, LinkState, Uplink, UplinkParts};
use crate::{doctor, durable, platform};

/// Rule sets and policies that are announced on the way out are not fetched.
const ARTEFACTS: usize = 1;
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
    /// It was written down.
    Written(DeviceId),
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
    let lines = match tell(config, terms.within, clock).await? {
        Told::Nobody if held > 0 && !terms.discards => {
            return Err(RemovalError::Holds { captures: held, why: "this computer is not enrolled".to_owned() });
        }
        Told::Nobody => vec!["this computer was not enrolled: nobody is told".to_owned()],
        Told::Written(device) => vec![format!("the collector knows that {device} is removed, and denies it")],
        Told::Not { why, captures, .. } if captures > 0 && !terms.discards => {
            return Err(RemovalError::Holds { captures, why });
        }
        Told::Not { why, .. } if !terms.discards => return Err(RemovalError::Untold(why)),
        Told::Not { device, why, captures } => vec![
            format!(
                "the collector was not told ({why}): deny {device} with `lapwing-collector device revoke {device}`"
            ),
            format!("{captures} captures that were not delivered are gone"),
        ],
    };
    clear(config, lines)
}

/// Delivers what waits and says goodbye for good.
async fn tell(config: &Config, within: Duration, clock: Arc<dyn Clock>) -> Result<Told, RemovalError> {
    let identity = Arc::new(IdentityStore::open(&config.state_dir)?);
    let (Some(device), Some(uplink_config)) = (identity.device(), pipeline::uplink_config(config)?) else {
        return Ok(Told::Nobody);
    };
    let diagnostics = Diagnostics::new();
    let spool: Arc<dyn Backlog> = pipeline::open_spool(config, Arc::clone(&clock), &diagnostics)?;
    let (_status, status) = watch::channel(StatusFacts::default());
    let (_goodbye, goodbye) = watch::channel(wire::GoodbyeReason::Removed);
    let (artefacts, _unread) = mpsc::channel(ARTEFACTS);
    let (tasks, shutdown) = (TaskTracker::new(), Shutdown::new());
    let uplink = Uplink::new(UplinkParts {
        spool: Arc::clone(&spool),
        identity,
        config: uplink_config,
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
    let (mut state, heard) = (uplink.state(), uplink.goodbye_heard());
    let stopping = async {
        let delivered = tokio::time::timeout(within, delivered(spool.as_ref(), &mut state)).await;
        shutdown.request();
        delivered
    };
    let ((), delivered) = tokio::join!(uplink.run(), stopping);
    tasks.close();
    tasks.wait().await;
    let captures = waiting(spool.as_ref());
    if *heard.borrow() && captures == 0 {
        return Ok(Told::Written(device));
    }
    let why = match (delivered, state.borrow().clone()) {
        (Ok(Err(why)), _) => why,
        (_, LinkState::Connecting(Some(why)) | LinkState::Blocked(why) | LinkState::NotEnrolled(why)) => why,
        (_, LinkState::Connecting(None) | LinkState::Connected) => format!("not within {} s", within.as_secs()),
    };
    Ok(Told::Not { device, why, captures })
}

/// Comes back once nothing waits and the collector answers, or with what keeps it from ever doing so.
async fn delivered(spool: &dyn Backlog, state: &mut watch::Receiver<LinkState>) -> Result<(), String> {
    loop {
        let now = state.borrow_and_update().clone();
        match now {
            LinkState::Connected if waiting(spool) == 0 => return Ok(()),
            LinkState::Blocked(why) => return Err(why),
            LinkState::Connected | LinkState::Connecting(_) | LinkState::NotEnrolled(_) => {}
        }
        // A change of the state, or time for another look: an ended sender cannot be, the uplink runs.
        let _ = tokio::time::timeout(LOOK, state.changed()).await;
    }
}

fn waiting(spool: &dyn Backlog) -> u64 {
    let lanes = spool.lane_states();
    lanes.iter().map(|lane| lane.first.map_or(0, |first| lane.next.number().saturating_sub(first.number()))).sum()
}

fn clear(config: &Config, mut lines: Vec<String>) -> Result<Vec<String>, RemovalError> {
    let folder = config.state_dir.to_path_buf();
    if !state_folder::remove_all(&folder)? {
        lines.push(format!("`{}` holds files that are not the agent's: they stay", folder.display()));
    }
    if let Some(file) = config.token_file.as_deref() {
        durable::remove(file)?;
    }
    lines.push("nothing of this computer's state is left: remove the program and its configuration now".to_owned());
    Ok(lines)
}
