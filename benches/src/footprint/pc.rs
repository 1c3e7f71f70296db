//! A PC of the sample school with all three roles of the agent on it.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use e2e::{School, eventually};
use futures_util::{SinkExt as _, StreamExt as _};
use lapwing_agent::clock::ManualClock;
use lapwing_agent::frame::{Ask, FrameCodec, Message, Received};
use lapwing_agent::identity::HardwareHash;
use lapwing_agent::spool::{KeySource, Spool, SpoolLimits};
use lapwing_rules::Level;
use tokio::net::UnixStream;
use tokio_util::codec::Framed;

use super::process::Process;
use super::stimulus::{Stimulus, native};
use crate::spool::sample;
use crate::titles::Screen;

pub(super) const SERVICE: &str = "service";
const WINDOWS: usize = 6;
/// Appending threads: each commit takes what waited for the one before.
const APPENDERS: usize = 64;
const ANSWER: Duration = Duration::from_secs(5);
/// When captures that are made up were spooled: any time after clocks were set.
const NOW_US: i64 = 1_790_000_000_000_000;

/// The PC.
pub(super) struct Pc {
    // Dropped in this order: the agent ends before its collector, and the folder goes last.
    host: Role,
    session: Role,
    service: Role,
    host_input: File,
    screen: Arc<Screen>,
    school: School,
    folder: PathBuf,
    watched: PathBuf,
    _scratch: tempfile::TempDir,
}

/// One of the agent's processes; killed when dropped.
struct Role(Child);

impl Pc {
    /// Opens a school, enrols the PC, and waits until the service has rules and policy.
    pub(super) async fn open() -> anyhow::Result<Self> {
        let scratch = tempfile::tempdir()?;
        let screen = Arc::new(Screen::start(WINDOWS)?);
        let school = School::open(scratch.path(), &[]).await?;
        let watched = scratch.path().join("Downloads");
        std::fs::create_dir(&watched)?;
        let mut agent = school.start_agent("pc", std::slice::from_ref(&watched))?;
        let folder = scratch.path().join("pc");
        wait_for_rules(&folder).await?;
        // Started again as it is in a school: it has its rules, and logs no more than usual.
        agent.stop().await?;
        let service = Role::service(&folder)?;
        wait_for_rules(&folder).await?;
        let session = Role::start(command(&folder, "session").env("DISPLAY", screen.display()))?;
        let mut host = Role::start(&mut command(&folder, "browser-host"))?;
        let host_input = host.input()?;
        Ok(Self { host, session, service, host_input, screen, school, folder, watched, _scratch: scratch })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn display(&self) -> &str {
        self.screen.display()
    }

    pub(super) fn program(&self) -> PathBuf {
        self.folder.join("lapwing-agent")
    }

    /// Service, session, browser host.
    pub(super) fn processes(&self) -> [Process; 3] {
        let process = |name, role: &Role| Process::new(name, role.0.id());
        [process(SERVICE, &self.service), process("session", &self.session), process("browser-host", &self.host)]
    }

    /// Keeps the browser's host alive as the extension does, for as long as this lives.
    pub(super) fn live(&self) -> anyhow::Result<impl Future<Output = ()> + use<>> {
        Ok(super::stimulus::live(self.host_input.try_clone()?))
    }

    /// Begins to switch windows, write files and open pages.
    pub(super) fn begin_work(&self) -> anyhow::Result<Stimulus> {
        let input = self.host_input.try_clone()?;
        Ok(Stimulus::begin(Arc::clone(&self.screen), self.watched.clone(), input))
    }

    /// Ends the collector: what is spooled stays.
    pub(super) fn lose_collector(&mut self) -> anyhow::Result<()> {
        self.school.kill_collector()
    }

    /// Puts `count` captures into the spool while the service is away, and starts it again.
    pub(super) async fn spool(&mut self, count: usize) -> anyhow::Result<()> {
        self.service.end();
        let state = self.folder.join("state");
        let key = KeySource::File(state.join("spool.key"));
        let clock = Arc::new(ManualClock::at(NOW_US));
        // No firmware is named, so that the spool is not taken for another PC's.
        let limits = SpoolLimits::default();
        let (spool, _) = Spool::open(&state.join("spool"), key, HardwareHash::default(), limits, clock)?;
        fill(&spool, count)?;
        drop(spool);
        self.service = Role::service(&self.folder)?;
        wait_for_rules(&self.folder).await
    }
}

fn fill(spool: &Spool, count: usize) -> anyhow::Result<()> {
    let (begun, capture) = (AtomicUsize::new(0), sample());
    let append = || -> anyhow::Result<()> {
        while begun.fetch_add(1, Ordering::Relaxed) < count {
            spool.append(Level::Moderate, &capture)?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..APPENDERS).map(|_| scope.spawn(append)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| anyhow::anyhow!("an appender panicked"))?)
    })
}

impl Role {
    fn service(folder: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(folder.join("lapwing-agent"));
        Self::start(command.arg("service").arg("--config").arg(folder.join("agent.toml")))
    }

    fn start(command: &mut Command) -> anyhow::Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        command.env_remove("WAYLAND_DISPLAY").env_remove("XDG_SESSION_TYPE");
        Ok(Self(command.spawn().context("failed to start the agent")?))
    }

    fn input(&mut self) -> anyhow::Result<File> {
        let input: ChildStdin = self.0.stdin.take().context("its input is piped")?;
        let mut input = File::from(std::os::fd::OwnedFd::from(input));
        // An extension begins with what is open.
        input.write_all(&native("snapshot", 0))?;
        Ok(input)
    }

    fn end(&mut self) {
        // It may have ended by itself.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        self.end();
    }
}

fn command(folder: &Path, role: &str) -> Command {
    let mut command = Command::new(folder.join("lapwing-agent"));
    command.arg(role).arg("--socket").arg(folder.join("agent.sock"));
    command
}

async fn wait_for_rules(folder: &Path) -> anyhow::Result<()> {
    let socket = folder.join("agent.sock");
    eventually("rules and policy in force", async || {
        let (rules, policy) = tokio::time::timeout(ANSWER, releases(&socket)).await.ok()??;
        (rules > 0 && policy > 0).then_some(())
    })
    .await
}

async fn releases(socket: &Path) -> Option<(u64, u64)> {
    let mut frames = Framed::new(UnixStream::connect(socket).await.ok()?, FrameCodec::default());
    frames.send(&Message::Ask(Ask::Status)).await.ok()?;
    match frames.next().await?.ok()? {
        Received::Message(Message::Report(report)) => Some((report.rule_set_release, report.policy_release)),
        Received::Message(_) | Received::Oversize | Received::Malformed => None,
    }
}
