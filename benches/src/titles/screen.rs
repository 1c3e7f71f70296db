//! A virtual screen with a window manager and windows to switch between.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use x11rb::COPY_DEPTH_FROM_PARENT;
use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::{
    AtomEnum, ClientMessageEvent, ConnectionExt as _, CreateWindowAux, EventMask, PropMode, WindowClass,
};
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;

const STAYS: Duration = Duration::from_secs(1);

/// A program that ends with the benchmark.
#[derive(Debug)]
pub(crate) struct Program(Child);

/// The screen.
pub(crate) struct Screen {
    display: String,
    connection: RustConnection,
    root: u32,
    windows: Vec<u32>,
    front: AtomicUsize,
    // Dropped in this order: the manager ends before the screen does.
    _manager: Program,
    _server: Program,
}

impl Program {
    /// Starts it; its standard output is piped.
    pub(crate) fn start(command: &mut Command) -> anyhow::Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        Ok(Self(command.spawn().with_context(|| format!("failed to start {name}"))?))
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Itself, unless it ends within a second, as programs do that cannot work here.
    pub(crate) fn that_stays(mut self) -> anyhow::Result<Self> {
        std::thread::sleep(STAYS);
        match self.0.try_wait()? {
            None => Ok(self),
            Some(status) => anyhow::bail!("it ended: {status}"),
        }
    }

    /// Its lines.
    pub(crate) fn lines(&mut self) -> anyhow::Result<impl Iterator<Item = String> + use<>> {
        let output = self.0.stdout.take().context("its output is taken")?;
        Ok(BufReader::new(output).lines().map_while(Result::ok))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Screen {
    /// Starts a screen with `count` windows, the last of them in front.
    pub(crate) fn start(count: usize) -> anyhow::Result<Self> {
        let mut server = Command::new("Xvfb");
        server.args(["-displayfd", "1", "-screen", "0", "1280x900x24", "-nolisten", "tcp", "-noreset"]);
        let mut server = Program::start(&mut server)?;
        let display = format!(":{}", server.lines()?.next().context("Xvfb named no display")?.trim());
        // openbox claims the screen well before it takes windows, and runs this once it does.
        let mut manager = Command::new("openbox");
        let mut manager = Program::start(manager.args(["--startup", "echo ready"]).env("DISPLAY", &display))?;
        manager.lines()?.find(|line| line == "ready").context("openbox did not get ready")?;
        let (connection, number) = RustConnection::connect(Some(&display))?;
        let root = connection.setup().roots.get(number).context("a screen")?.root;
        let mut screen = Self {
            display,
            connection,
            root,
            windows: Vec::new(),
            front: AtomicUsize::new(0),
            _manager: manager,
            _server: server,
        };
        for _ in 0..count {
            screen.open()?;
        }
        Ok(screen)
    }

    /// What `DISPLAY` is.
    pub(crate) fn display(&self) -> &str {
        &self.display
    }

    /// Titles a window that is not in front, the one `choice` stands for, and answers it.
    pub(crate) fn rename_behind(&self, title: &str, choice: usize) -> anyhow::Result<u32> {
        let others = self.windows.len() - 1;
        let place = (self.front.load(Ordering::Relaxed) + 1 + choice % others) % self.windows.len();
        let window = *self.windows.get(place).context("a window")?;
        self.front.store(place, Ordering::Relaxed);
        self.entitle(window, title)?;
        // Whatever the title takes is over before the switch begins.
        self.connection.sync()?;
        Ok(window)
    }

    /// Asks the manager to bring a window to the front.
    pub(crate) fn activate(&self, window: u32) -> anyhow::Result<()> {
        const PAGER: u32 = 2;
        let message = ClientMessageEvent::new(32, window, self.atom("_NET_ACTIVE_WINDOW")?, [PAGER, 0, 0, 0, 0]);
        let mask = EventMask::SUBSTRUCTURE_REDIRECT | EventMask::SUBSTRUCTURE_NOTIFY;
        self.connection.send_event(false, self.root, mask, message)?;
        Ok(self.connection.flush()?)
    }

    fn open(&mut self) -> anyhow::Result<()> {
        let id = self.connection.generate_id()?;
        let (depth, class) = (COPY_DEPTH_FROM_PARENT, WindowClass::INPUT_OUTPUT);
        self.connection.create_window(depth, id, self.root, 0, 0, 400, 300, 0, class, 0, &CreateWindowAux::new())?;
        self.entitle(id, "opened")?;
        let class = b"exercise\0Exercise\0";
        self.connection.change_property8(PropMode::REPLACE, id, AtomEnum::WM_CLASS, AtomEnum::STRING, class)?;
        self.connection.map_window(id)?;
        self.connection.sync()?;
        self.windows.push(id);
        self.front.store(self.windows.len() - 1, Ordering::Relaxed);
        Ok(())
    }

    fn entitle(&self, window: u32, title: &str) -> anyhow::Result<()> {
        let (name, text) = (self.atom("_NET_WM_NAME")?, self.atom("UTF8_STRING")?);
        self.connection.change_property8(PropMode::REPLACE, window, name, text, title.as_bytes())?;
        Ok(())
    }

    fn atom(&self, name: &str) -> anyhow::Result<u32> {
        Ok(self.connection.intern_atom(false, name.as_bytes())?.reply()?.atom)
    }
}
