//! Who watches the windows, and when each told what it saw.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures_util::{SinkExt as _, StreamExt as _};
use lapwing_agent::frame::{FrameCodec, Message, Ready, Received};
use tokio::net::UnixListener;
use tokio_util::codec::Framed;

use super::screen::Program;
use crate::report::now;

/// What was told, and when.
type Told = Vec<(Instant, String)>;

/// How long a watcher may take to tell the first time.
const START: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(10);
/// The Python that Debian's python3-xlib belongs to.
const DEBIAN_PYTHON: &str = "/usr/bin/python3";
/// The title in front, once a second.
pub(crate) const POLLER: &str = "
import time
from Xlib import X, display
d = display.Display()
root = d.screen().root
active, name, utf8 = (d.intern_atom(n) for n in ('_NET_ACTIVE_WINDOW', '_NET_WM_NAME', 'UTF8_STRING'))
while True:
    try:
        window = d.create_resource_object('window', root.get_full_property(active, X.AnyPropertyType).value[0])
        print(window.get_full_property(name, utf8).value.decode(), flush=True)
    except Exception:
        pass
    time.sleep(1)
";

/// The agent's session program, and the socket it tells.
pub(super) struct Session {
    told: Arc<Mutex<Told>>,
    _program: Program,
}

/// `xprop -spy`.
pub(super) struct Spy(Reading);

/// A program that looks once a second.
pub(super) struct Poller(Reading);

/// A program whose lines are kept.
struct Reading {
    told: Arc<Mutex<Told>>,
    _program: Program,
}

/// What there is of a watcher; one that is not there is named.
#[expect(clippy::print_stderr, reason = "who reads the table must know what is not in it")]
pub(crate) fn absent<T>(name: &str, watcher: anyhow::Result<T>) -> Option<T> {
    watcher.inspect_err(|error| eprintln!("left out: {name} ({error:#})")).ok()
}

impl Session {
    /// Starts `agent session` on `display`.
    pub(super) fn start(agent: &Path, display: &str, folder: &Path) -> anyhow::Result<Self> {
        let socket = folder.join("agent.sock");
        let told = Arc::<Mutex<Told>>::default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = runtime.block_on(async { UnixListener::bind(&socket) })?;
        let kept = Arc::clone(&told);
        std::thread::spawn(move || runtime.block_on(listen(listener, &kept)));
        let mut command = Command::new(agent);
        command.arg("session").arg("--socket").arg(&socket).env("DISPLAY", display);
        command.env_remove("WAYLAND_DISPLAY").env_remove("XDG_SESSION_TYPE");
        Ok(Self { told, _program: Program::start(&mut command)? })
    }

    /// Waits until it told something.
    pub(super) fn wait_until_told(&self) -> anyhow::Result<()> {
        let deadline = now() + START;
        while lock(&self.told).is_empty() {
            anyhow::ensure!(now() < deadline, "nothing in {START:?}");
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    /// What it told.
    pub(super) fn stop(self) -> Told {
        std::mem::take(&mut *lock(&self.told))
    }
}

async fn listen(listener: UnixListener, told: &Mutex<Told>) {
    let Ok((stream, _)) = listener.accept().await else { return };
    let mut frames = Framed::new(stream, FrameCodec::default());
    while let Some(Ok(received)) = frames.next().await {
        match received {
            Received::Message(Message::Hello(_)) => {
                if frames.send(&Message::Ready(Ready { notice: 1 })).await.is_err() {
                    return;
                }
            }
            Received::Message(Message::Title(title)) => lock(told).push((now(), title.title)),
            Received::Message(_) | Received::Oversize | Received::Malformed => {}
        }
    }
}

impl Spy {
    pub(super) fn start(display: &str) -> anyhow::Result<Self> {
        let mut command = Command::new("xprop");
        Reading::start(command.args(["-root", "-spy", "_NET_ACTIVE_WINDOW"]).env("DISPLAY", display)).map(Self)
    }

    pub(super) fn stop(self) -> Told {
        self.0.stop()
    }
}

impl Poller {
    pub(super) fn start(display: &str) -> anyhow::Result<Self> {
        let mut command = Command::new(DEBIAN_PYTHON);
        Reading::start(command.args(["-c", POLLER]).env("DISPLAY", display)).map(Self)
    }

    pub(super) fn stop(self) -> Told {
        self.0.stop()
    }
}

impl Reading {
    /// Starts it and waits for its first line: what is not installed prints none.
    fn start(command: &mut Command) -> anyhow::Result<Self> {
        let mut program = Program::start(command)?;
        let mut lines = program.lines()?;
        lines.next().context("it printed nothing")?;
        let told = Arc::<Mutex<Told>>::default();
        let kept = Arc::clone(&told);
        std::thread::spawn(move || lines.for_each(|line| lock(&kept).push((now(), line))));
        Ok(Self { told, _program: program })
    }

    fn stop(self) -> Told {
        std::mem::take(&mut *lock(&self.told))
    }
}

fn lock(told: &Mutex<Told>) -> std::sync::MutexGuard<'_, Told> {
    told.lock().unwrap_or_else(PoisonError::into_inner)
}
