//! The service's side of the socket: hears the programs of the sessions, and believes the kernel alone about who they
//! are.
//!
//! Everything that is said is hostile. Each account has a few connections and an allowance of messages; what exceeds
//! a bound, comes too fast or cannot be read is dropped and counted, and the connection goes on. One that floods is read no
//! faster than it may speak, and gives its place to a program that comes.

mod allowance;
mod connection;

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::watch;

use crate::canary::Canaries;
use crate::clock::Clock;
use crate::counters::Counters;
use crate::notice::Notice;
use crate::platform::LocalListener;
use crate::sensor::{HealthBoard, Observations};
use crate::shutdown::Shutdown;
use crate::status::StatusFacts;
use allowance::Allowances;

/// Most connections at once: a classroom server's sessions, each with a browser and a titles program.
const MAX_CONNECTIONS: usize = 128;
/// How long to wait when the process has no descriptor left for a further connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// What a connection works with.
#[derive(Clone)]
pub(crate) struct Ears {
    /// Where observations go. A full channel makes the sender wait, and with it the program at the other end.
    pub(crate) out: Observations,
    /// Where the sessions' sensors say how they are.
    pub(crate) health: HealthBoard,
    /// What was dropped.
    pub(crate) counters: Counters,
    /// The notice in force.
    pub(crate) notice: watch::Receiver<Notice>,
    /// How the service is.
    pub(crate) status: watch::Receiver<StatusFacts>,
    /// How far the daily checks came.
    pub(crate) canaries: Canaries,
    /// For allowances.
    pub(crate) clock: Arc<dyn Clock>,
}

/// Hears until `shutdown`.
pub(crate) async fn serve(listener: LocalListener, ears: Ears, shutdown: Shutdown) {
    let allowances = Allowances::new(Arc::clone(&ears.clock));
    let mut connections = FuturesUnordered::new();
    loop {
        tokio::select! {
            () = shutdown.requested() => return,
            Some(()) = connections.next() => {}
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                Ok(stream) => connections.push(connection::hear(stream, ears.clone(), allowances.clone())),
                Err(error) => {
                    tracing::warn!(error = %error, "a connection of a session could not be taken");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
}

#[cfg(test)]
mod tests;
