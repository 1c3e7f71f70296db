//! A service whose socket is in the way of itself.

use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::process::Process;

/// A socket that a dead service left behind and that cannot be removed, until this goes.
struct Stuck(PathBuf);

impl Stuck {
    /// Nothing where this user may not mount.
    fn at(path: &Path) -> Option<Self> {
        drop(UnixListener::bind(path).unwrap());
        let mounted = Command::new("mount").arg("--bind").args([path, path]).output();
        if !mounted.is_ok_and(|output| output.status.success()) {
            eprintln!("skipped: only root may mount");
            return None;
        }
        Some(Self(path.to_owned()))
    }
}

impl Drop for Stuck {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

fn agent(words: &[&str], option: &str, path: &Path) -> Command {
    let mut agent = Command::new(env!("CARGO_BIN_EXE_lapwing-agent"));
    agent.args(words).arg(option).arg(path).env("DISPLAY", ":4095").stdin(Stdio::piped());
    agent
}

#[test]
fn a_service_that_cannot_remove_its_old_socket_says_so_and_is_heard_once_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let (socket, config) = (folder.path().join("agent.sock"), folder.path().join("agent.toml"));
    let Some(stuck) = Stuck::at(&socket) else { return };
    let text = format!("state_dir = \"{}/state\"\nsocket = \"{}\"\n", folder.path().display(), socket.display());
    std::fs::write(&config, text).unwrap();
    let mut service = Process::start(agent(&["service"], "--config", &config));
    let told = service.says("LW-SOCKET");
    assert!(told.contains("cannot be removed"), "{told}");
    let doctor = agent(&["doctor"], "--config", &config).output().unwrap();
    let told = String::from_utf8(doctor.stdout).unwrap();
    assert!(told.contains("tells LW-SOCKET to its log") && doctor.status.code() == Some(1), "{told}");
    let mut session = Process::start(agent(&["session"], "--socket", &socket));
    session.says("the service cannot be reached; trying again");

    drop(stuck);

    service.says("a program of a session connected");
}
