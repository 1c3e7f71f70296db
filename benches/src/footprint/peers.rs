//! Other small programs that watch something, at rest.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

use super::process::Process;
use crate::titles::{POLLER, Program, absent};

pub(super) const CONTROL: &str = "rsyslogd forwarder";
/// Where Debian keeps daemons.
const DAEMONS: &str = "/usr/sbin";

/// A running peer.
pub(super) struct Peer {
    name: &'static str,
    program: Program,
}

impl Peer {
    /// Starts those that are installed; the others are named.
    pub(super) fn start_all(folder: &Path, display: &str) -> Vec<Self> {
        let peers = [
            (CONTROL, syslog(folder)),
            ("prometheus-node-exporter", Ok(exporter())),
            ("usbguard-daemon", usbguard(folder)),
            ("python-xlib, once a second", Ok(poller(display))),
        ];
        let start = |(name, command): (&'static str, anyhow::Result<Command>)| {
            let program = command.and_then(|mut command| Program::start(&mut command));
            absent(name, program.and_then(Program::that_stays)).map(|program| Self { name, program })
        };
        peers.into_iter().filter_map(start).collect()
    }

    pub(super) const fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn process(&self) -> Process {
        Process::new(self.name, self.program.id())
    }
}

/// Takes messages at a socket of its own and passes them on to a port where nobody answers.
fn syslog(folder: &Path) -> anyhow::Result<Command> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let config = folder.join("rsyslog.conf");
    let text = format!(
        "module(load=\"imuxsock\" SysSock.Use=\"off\")\n\
         input(type=\"imuxsock\" Socket=\"{socket}\" CreatePath=\"on\")\n\
         action(type=\"omfwd\" target=\"127.0.0.1\" port=\"{port}\" protocol=\"udp\")\n",
        socket = folder.join("syslog.sock").display(),
    );
    std::fs::write(&config, text).context("failed to write rsyslog.conf")?;
    let mut command = Command::new(Path::new(DAEMONS).join("rsyslogd"));
    command.arg("-n").arg("-f").arg(config).arg("-i").arg(folder.join("rsyslog.pid"));
    Ok(command)
}

fn exporter() -> Command {
    let mut command = Command::new("prometheus-node-exporter");
    command.arg("--web.listen-address=127.0.0.1:0");
    command
}

/// Keeps every device as it is.
fn usbguard(folder: &Path) -> anyhow::Result<Command> {
    let (rules, config) = (folder.join("usbguard.rules"), folder.join("usbguard.conf"));
    std::fs::write(&rules, "allow\n")?;
    let text = format!(
        "RuleFile={rules}\nImplicitPolicyTarget=allow\nPresentDevicePolicy=keep\nPresentControllerPolicy=keep\n\
         InsertedDevicePolicy=apply-policy\nRestoreControllerDeviceState=false\nDeviceManagerBackend=uevent\n\
         IPCAllowedUsers=root\nDeviceRulesWithPort=false\nAuditBackend=FileAudit\nAuditFilePath={audit}\n",
        rules = rules.display(),
        audit = folder.join("usbguard.audit").display(),
    );
    std::fs::write(&config, text)?;
    for file in [&rules, &config] {
        use std::os::unix::fs::PermissionsExt as _;
        // It refuses files that others can read.
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600))?;
    }
    let mut command = Command::new(Path::new(DAEMONS).join("usbguard-daemon"));
    command.arg("-K").arg("-c").arg(config);
    Ok(command)
}

fn poller(display: &str) -> Command {
    let mut command = Command::new("/usr/bin/python3");
    command.args(["-c", POLLER]).env("DISPLAY", display);
    command
}
