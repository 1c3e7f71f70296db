//! The two programs in a folder of their own, started and ended as a run wants it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::Context as _;
use tempfile::TempDir;

use super::fault::{Outcome, Program};
use super::template::{Template, free_addresses, scratch};
use super::twin::behind_firmware;
use crate::{Console, Running, eventually_within};

const KILLED: i32 = 9;
/// A program that does not end by itself within this hangs.
const STOPS_WITHIN: Duration = Duration::from_secs(20);
/// Debian's libfaketime.
const FAKE_TIME: &str = "faketime/libfaketime.so.1";

/// How a program is started.
#[derive(Clone, Debug, Default)]
pub(super) struct Terms {
    /// Ends at this place of its own code, the Nth time.
    pub(super) place: Option<(String, u32)>,
    /// What becomes of the Nth of these system calls of a thread.
    pub(super) call: Option<(String, Outcome, u32)>,
    /// Records every system call into this file instead.
    pub(super) record: Option<PathBuf>,
}

/// Both programs, their folders and addresses.
#[derive(Debug)]
pub(super) struct Rig {
    pub(super) agent: Option<Process>,
    pub(super) collector: Option<Process>,
    programs: [PathBuf; 2],
    addresses: [SocketAddr; 3],
    /// Programs whose wall clock is turned; the file says how far.
    turned: BTreeSet<Program>,
    /// Seconds that the agent's time since start is ahead: it slept.
    pub(super) slept: u64,
    /// The serial number that the agent's firmware tells, instead of what this machine's does.
    pub(super) firmware: Option<&'static str>,
    /// Bytes of the agent's log from before its last start.
    started_at: usize,
    folder: TempDir,
}

/// A program that runs, by itself or under strace.
#[derive(Debug)]
pub(super) struct Process {
    running: Running,
    is_traced: bool,
}

impl Rig {
    /// Copies the template. Nothing runs yet.
    pub(super) fn copied(template: &Template) -> anyhow::Result<Self> {
        let folder = scratch("lapwing-fault-")?;
        let addresses = free_addresses()?;
        let rig = Self {
            agent: None,
            collector: None,
            programs: [template.programs.agent.clone(), template.programs.collector.clone()],
            addresses,
            turned: BTreeSet::new(),
            slept: 0,
            firmware: None,
            started_at: 0,
            folder,
        };
        std::fs::create_dir_all(rig.logs())?;
        let mut copy = Command::new("cp");
        copy.arg("-a").args(["collector", "collector-keys", "pc"].map(|name| template.folder().join(name)));
        let copied = copy.arg(rig.path()).status().context("failed to run cp")?;
        anyhow::ensure!(copied.success(), "the template cannot be copied");
        rig.move_config(&template.folder().join("collector.toml"), &rig.collector_config(), template)?;
        rig.move_config(&template.pc().join("agent.toml"), &rig.agent_config(), template)?;
        Ok(rig)
    }

    /// Has the PC enrol anew, as if it had never been.
    pub(super) fn forget_enrolment(&self, template: &Template) -> anyhow::Result<()> {
        std::fs::remove_dir_all(self.state())?;
        std::fs::write(self.path().join("pc/token"), &template.token).context("failed to write a token")
    }

    /// Where everything is.
    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Leaves the folder where it is, for somebody to look at.
    pub(super) fn keep(self) -> PathBuf {
        let Self { agent, collector, folder, .. } = self;
        drop((agent, collector));
        folder.keep()
    }

    pub(super) fn logs(&self) -> PathBuf {
        self.path().join("logs")
    }

    pub(super) fn state(&self) -> PathBuf {
        self.path().join("pc/state")
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.path().join("pc/agent.sock")
    }

    pub(super) fn database(&self) -> PathBuf {
        self.path().join("collector/lapwing.db")
    }

    pub(super) fn keys(&self) -> PathBuf {
        self.path().join("collector-keys")
    }

    pub(super) fn agent_log(&self) -> String {
        let bytes = std::fs::read(self.logs().join("agent.log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Whether the agent, since it was started last, has rules and a policy to judge by.
    pub(super) fn is_watching(&self) -> bool {
        let log = self.agent_log();
        let since = log.get(self.started_at..).unwrap_or_default();
        since.contains("a rule set is in force") && since.contains("a policy is in force")
    }

    pub(super) fn uplink(&self) -> SocketAddr {
        let [_, uplink, _] = self.addresses;
        uplink
    }

    /// The DSL at this rig's console.
    pub(super) fn dsl(&self, template: &Template) -> Console {
        let [_, _, console] = self.addresses;
        template.dsl.moved_to(console)
    }

    pub(super) fn agent_config(&self) -> PathBuf {
        self.path().join("pc/agent.toml")
    }

    pub(super) fn collector_config(&self) -> PathBuf {
        self.path().join("collector.toml")
    }

    /// Changes the collector's configuration.
    pub(super) fn edit_collector(&self, edit: impl FnOnce(String) -> String) -> anyhow::Result<()> {
        let text = std::fs::read_to_string(self.collector_config())?;
        std::fs::write(self.collector_config(), edit(text)).context("failed to write collector.toml")
    }

    /// Has the agent deliver to another address.
    pub(super) fn deliver_to(&self, address: SocketAddr) -> anyhow::Result<()> {
        let text = std::fs::read_to_string(self.agent_config())?;
        let (here, there) = (format!("localhost:{}", self.uplink().port()), format!("localhost:{}", address.port()));
        std::fs::write(self.agent_config(), text.replace(&here, &there)).context("failed to write agent.toml")
    }

    /// Whether strace had a call fail.
    pub(super) fn was_injected(&self) -> bool {
        let said = std::fs::read(self.injected()).unwrap_or_default();
        String::from_utf8_lossy(&said).contains("(INJECTED)")
    }

    fn injected(&self) -> PathBuf {
        self.path().join("injected")
    }

    /// Whether the collector takes connections.
    pub(super) fn is_open(&self) -> bool {
        let [_, _, console] = self.addresses;
        std::net::TcpStream::connect(console).is_ok()
    }

    pub(super) fn process(&mut self, program: Program) -> &mut Option<Process> {
        match program {
            Program::Agent => &mut self.agent,
            Program::Collector => &mut self.collector,
        }
    }

    /// Turns a program's wall clock by so many seconds. One that runs notices at once if its clock was turned, be it by
    /// 0, before it was started.
    pub(super) fn turn_clock(&mut self, program: Program, seconds: i64) -> anyhow::Result<()> {
        self.turned.insert(program);
        let (clock, beside) = (self.clock(program), self.path().join("clock.new"));
        std::fs::write(&beside, format!("{seconds:+}"))?;
        std::fs::rename(&beside, &clock).context("failed to turn a clock")
    }

    fn clock(&self, program: Program) -> PathBuf {
        self.path().join(format!("{program}.clock"))
    }

    /// Starts a program that does not run.
    pub(super) fn start(&mut self, program: Program, terms: &Terms) -> anyhow::Result<()> {
        let command = self.command(program, terms)?;
        if program == Program::Agent {
            self.started_at = self.agent_log().len();
        }
        let running = Running::start(&program.to_string(), command, &self.logs())?;
        let is_traced = terms.call.is_some() || terms.record.is_some();
        *self.process(program) = Some(Process { running, is_traced });
        Ok(())
    }

    /// Whether a program has ended since it was started; then it counts as not running.
    pub(super) fn ended(&mut self, program: Program) -> Option<ExitStatus> {
        let ended = self.process(program).as_mut()?.running.ended();
        if ended.is_some() {
            *self.process(program) = None;
        }
        ended
    }

    /// Kills a program, where it runs.
    pub(super) async fn kill(&mut self, program: Program) -> anyhow::Result<()> {
        let Some(mut process) = self.process(program).take() else { return Ok(()) };
        process.signal("-KILL");
        process.ends().await.map(drop)
    }

    /// Asks a program to stop, and gives how it ended.
    pub(super) async fn stop(&mut self, program: Program) -> anyhow::Result<Option<ExitStatus>> {
        let Some(mut process) = self.process(program).take() else { return Ok(None) };
        process.signal("-TERM");
        process.ends().await.map(Some)
    }

    /// Sends both a signal, in one call.
    pub(super) fn signal_both(&self, signal: &str) {
        let ids = [&self.agent, &self.collector].into_iter().flatten().filter_map(Process::id);
        send(signal, &ids.collect::<Vec<_>>());
    }

    fn command(&self, program: Program, terms: &Terms) -> anyhow::Result<Command> {
        let mut words: Vec<String> = Vec::new();
        if let Some(serial) = self.firmware.filter(|_| program == Program::Agent) {
            words.extend(behind_firmware(serial));
        }
        if program == Program::Agent && self.slept > 0 {
            let slept = self.slept.to_string();
            words.extend(["unshare", "-T", "--boottime", &slept, "--"].map(str::to_owned));
        }
        if let Some(file) = &terms.record {
            words.extend(["strace", "-f", "--quiet=all", "-o"].map(str::to_owned));
            words.extend([file.display().to_string(), format!("-etrace={}", super::calls::WATCHED.join(","))]);
        }
        if let Some((call, outcome, time)) = &terms.call {
            let what = match outcome {
                Outcome::Kill => "signal=KILL",
                Outcome::Eio => "error=EIO",
                Outcome::Enospc => "error=ENOSPC",
            };
            words.extend(["strace", "-f", "--quiet=all", "-o"].map(str::to_owned));
            words.push(self.injected().display().to_string());
            words.extend([format!("-etrace={call}"), format!("-einject={call}:{what}:when={time}")]);
        }
        let [agent, collector] = &self.programs;
        let (path, role, config) = match program {
            Program::Agent => (agent, "service", self.agent_config()),
            Program::Collector => (collector, "serve", self.collector_config()),
        };
        words.extend([path.display().to_string(), role.to_owned(), "--config".to_owned()]);
        words.push(config.display().to_string());
        if program == Program::Agent {
            words.extend(["--log", "debug"].map(str::to_owned));
        }
        let (first, rest) = words.split_first().context("a command has a program")?;
        let mut command = Command::new(first);
        command.args(rest);
        if let Some((name, time)) = &terms.place {
            command.env("LAPWING_FAILPOINT", format!("{name}:{time}"));
        }
        if self.turned.contains(&program) {
            command.env("LD_PRELOAD", format!("/usr/lib/{}-linux-gnu/{FAKE_TIME}", std::env::consts::ARCH));
            command.env("FAKETIME_TIMESTAMP_FILE", self.clock(program)).env("FAKETIME_NO_CACHE", "1");
            command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
        Ok(command)
    }

    /// Copies a configuration with this rig's folder and addresses in place of the template's.
    fn move_config(&self, from: &Path, to: &Path, template: &Template) -> anyhow::Result<()> {
        let mut text = std::fs::read_to_string(from)?;
        for folder in ["collector", "pc"] {
            let (there, here) = (template.folder().join(folder), self.path().join(folder));
            text = text.replace(&there.display().to_string(), &here.display().to_string());
        }
        for (there, here) in template.school.addresses().iter().zip(&self.addresses) {
            text = text.replace(&there.to_string(), &here.to_string());
            text = text.replace(&format!("localhost:{}", there.port()), &format!("localhost:{}", here.port()));
        }
        std::fs::write(to, text).context("failed to write a configuration")
    }
}

impl Process {
    /// The program's own process id, where it still runs.
    fn id(&self) -> Option<u32> {
        let id = self.running.id();
        if !self.is_traced {
            return Some(id);
        }
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).ok()?;
        children.split_whitespace().next()?.parse().ok()
    }

    fn signal(&self, signal: &str) {
        if let Some(id) = self.id() {
            send(signal, &[id]);
        }
    }

    async fn ends(&mut self) -> anyhow::Result<ExitStatus> {
        eventually_within(STOPS_WITHIN, "a program to end", async || self.running.ended()).await
    }
}

impl Drop for Process {
    /// strace leaves behind what it traces.
    fn drop(&mut self) {
        if self.is_traced {
            self.signal("-KILL");
        }
    }
}

/// Whether a program ended by SIGKILL.
pub(super) fn was_killed(status: ExitStatus) -> bool {
    status.signal() == Some(KILLED)
}

fn send(signal: &str, ids: &[u32]) {
    let ids: Vec<_> = ids.iter().map(u32::to_string).collect();
    if !ids.is_empty() {
        // Whoever has ended meanwhile needs no signal.
        drop(Command::new("kill").arg(signal).args(&ids).stderr(std::process::Stdio::null()).status());
    }
}
