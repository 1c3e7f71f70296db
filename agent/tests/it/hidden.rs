//! What other processes can see of the agent's memory, which holds what did not match: nothing.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::unistd::geteuid;

use crate::process::Process;

/// An account that owns nothing.
const SOMEBODY: u32 = 65_534;

/// The agent's program where every account may run it, and a folder for its state.
struct Place {
    folder: tempfile::TempDir,
    /// The account its processes run under: another than root's where that can be had.
    uid: u32,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let program = folder.path().join("lapwing-agent");
        fs::copy(env!("CARGO_BIN_EXE_lapwing-agent"), program).unwrap();
        let uid = if geteuid().is_root() { SOMEBODY } else { geteuid().as_raw() };
        let place = Self { folder, uid };
        let own = place.path("own");
        fs::create_dir(&own).unwrap();
        chown(&own, Some(uid), None).unwrap();
        let text = format!("state_dir = \"{0}/state\"\nsocket = \"{0}/agent.sock\"\n", own.display());
        fs::write(place.path("agent.toml"), text).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts `program` under `uid`, with leave to write a core file into the folder.
    fn start(&self, uid: u32, program: &Path, arguments: &[&str]) -> Process {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "ulimit -c unlimited; exec \"$0\" \"$@\""]).arg(program).args(arguments);
        command.current_dir(self.path("own")).env_clear().env("DISPLAY", ":4095");
        command.stdin(Stdio::piped());
        if geteuid().is_root() {
            command.uid(uid).gid(uid);
        }
        Process::start(command)
    }

    fn agent(&self, uid: u32, arguments: &[&str]) -> Process {
        self.start(uid, &self.path("lapwing-agent"), arguments)
    }

    fn service(&self, uid: u32) -> Process {
        let config = self.path("agent.toml");
        let mut service = self.agent(uid, &["service", "--config", config.to_str().unwrap()]);
        service.says("the service watches");
        service
    }

    fn program_of_a_session(&self, role: &str) -> Process {
        let socket = self.path("own/agent.sock");
        self.agent(self.uid, &[role, "--socket", socket.to_str().unwrap()])
    }

    /// Whether a process of the same account may open what holds another's memory.
    fn lets_look_in(&self, process: &Process, what: &str) -> bool {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &format!("exec 3< /proc/{}/{what}", process.id())]).stderr(Stdio::null());
        if geteuid().is_root() {
            command.uid(self.uid).gid(self.uid);
        }
        command.status().unwrap().success()
    }
}

#[test]
fn no_role_lets_its_own_account_look_in_or_leaves_a_core() {
    let place = Place::new();
    let mut service = place.service(place.uid);
    let session = place.program_of_a_session("session");
    service.says("a program of a session connected");
    let browser_host = place.program_of_a_session("browser-host");
    service.says("a program of a session connected");
    let control = place.start(place.uid, Path::new("/bin/sleep"), &["600"]);
    for what in ["mem", "environ", "maps"] {
        if !place.lets_look_in(&control, what) {
            eprintln!("skipped: here nobody may look into {what}");
            continue;
        }
        for (role, process) in [("service", &service), ("session", &session), ("browser-host", &browser_host)] {
            assert!(!place.lets_look_in(process, what), "{what} of the {role}");
        }
    }
    if !control.aborts().core_dumped() {
        return eprintln!("skipped: no program leaves a core here");
    }
    for (role, process) in [("session", session), ("browser-host", browser_host), ("service", service)] {
        let status = process.aborts();
        assert_eq!(status.signal(), Some(nix::libc::SIGABRT), "{role}");
        assert!(!status.core_dumped(), "{role}");
    }
}

#[test]
fn whose_a_hidden_program_is_the_service_still_knows() {
    if !geteuid().is_root() {
        return eprintln!("skipped: only root has two accounts");
    }
    let place = Place::new();
    let mut service = place.service(0);
    let _session = place.program_of_a_session("session");
    let line = service.says("a program of a session connected");
    assert!(line.contains(&format!("-{SOMEBODY} ")), "{line}");
}
