//! What the service manager tells the service, and what it is told.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::process::Command;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;

use crate::platform::Order;

/// By its whole name: the service runs as root.
const SYSTEMCTL: &str = "/usr/bin/systemctl";
/// How long the service manager may take to answer.
const ANSWER: Duration = Duration::from_secs(2);

const UNIT_FOLDERS: [&str; 5] = [
    "/etc/systemd/system.control",
    "/run/systemd/system.control",
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/lib/systemd/system",
];
const UNIT: &str = "lapwing-agent.service";
/// Most files looked at beside a unit.
const MAX_DROPPED_IN: usize = 16;

/// The orders a running service takes: SIGTERM and SIGINT stop it, SIGHUP makes it read its configuration again.
#[derive(Debug)]
pub(crate) struct Orders {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Orders {
    /// Listens from now on.
    ///
    /// # Errors
    ///
    /// When the handlers cannot be installed.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// The next order.
    pub(crate) async fn next(&mut self) -> Order {
        tokio::select! {
            _ = self.terminate.recv() => Order::Stop,
            _ = self.interrupt.recv() => Order::Stop,
            _ = self.hang_up.recv() => Order::Reload,
        }
    }
}

/// What the service manager starts the service by: the unit, where an administrator's comes before the package's, and what
/// is dropped in beside it.
pub(crate) fn service_files() -> Vec<PathBuf> {
    let mut files = UNIT_FOLDERS.map(|folder| Path::new(folder).join(UNIT)).to_vec();
    for folder in UNIT_FOLDERS {
        let entries = std::fs::read_dir(Path::new(folder).join(format!("{UNIT}.d"))).into_iter().flatten();
        let mut dropped_in: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        dropped_in.sort();
        files.extend(dropped_in.into_iter().take(MAX_DROPPED_IN));
    }
    files
}

/// Whether the whole machine goes down, as the service manager says. Waits for a moment.
pub(crate) async fn machine_stops() -> bool {
    says_stopping(Path::new(SYSTEMCTL)).await
}

/// Asks `systemctl`, which speaks to the manager without a bus. One that is not there or does not answer says nothing.
async fn says_stopping(systemctl: &Path) -> bool {
    let mut command = Command::new(systemctl);
    command.arg("is-system-running").stdin(Stdio::null()).stderr(Stdio::null()).env_clear().kill_on_drop(true);
    match timeout(ANSWER, command.output()).await {
        Ok(Ok(said)) => said.stdout.trim_ascii() == b"stopping",
        Ok(Err(_)) | Err(_) => false,
    }
}

/// Tells the service manager that the service works.
pub(crate) fn tell_ready() {
    tell(NotifyState::Ready);
}

/// Tells the service manager that the service is stopping.
pub(crate) fn tell_stopping() {
    tell(NotifyState::Stopping);
}

/// Tells the service manager that the service is alive.
pub(crate) fn tell_alive() {
    tell(NotifyState::Watchdog);
}

/// How often the service manager wants to hear that the service is alive, where it does.
pub(crate) fn alive_within() -> Option<Duration> {
    let mut micros = 0;
    sd_notify::watchdog_enabled(false, &mut micros).then(|| Duration::from_micros(micros))
}

/// Without a service manager there is nobody to tell, which is no error.
fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(false, &[state]) {
        tracing::debug!(error = %error, "the service manager could not be told");
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test]
    async fn a_machine_stops_where_its_service_manager_says_so_and_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("systemctl");
        assert!(!says_stopping(&path).await, "there is none");
        for (says, expected) in [("stopping", true), ("running", false), ("degraded", false), ("", false)] {
            let script = format!("#!/bin/sh\n[ \"$*\" = is-system-running ] && echo {says}\nexit 1\n");
            std::fs::write(&path, script).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            assert_eq!(says_stopping(&path).await, expected, "{says}");
        }
    }
}
