//! A virtual screen with a window manager, and windows on it.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use x11rb::COPY_DEPTH_FROM_PARENT;
use x11rb::connection::Connection;
use x11rb::protocol::xproto::{AtomEnum, ConnectionExt, CreateWindowAux, PropMode, WindowClass};
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;

/// A program that ends with the test.
pub(crate) struct Program {
    child: Child,
    // Kept open: a program that cannot print may end.
    printed: BufReader<ChildStdout>,
}

impl Program {
    /// Starts it, or says that it is not installed.
    fn start(command: &mut Command) -> Option<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).stdin(Stdio::null()).spawn();
        if child.is_err() {
            eprintln!("skipped: {name} is not installed");
        }
        let mut child = child.ok()?;
        let printed = BufReader::new(child.stdout.take().unwrap());
        Some(Self { child, printed })
    }

    /// The next line it prints.
    fn line(&mut self) -> String {
        let mut line = String::new();
        assert_ne!(self.printed.read_line(&mut line).unwrap(), 0, "it ended");
        line.trim().to_owned()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A virtual screen.
pub(crate) struct Desktop {
    /// What `DISPLAY` would be.
    pub(crate) name: String,
    connection: RustConnection,
    server: Program,
}

impl Desktop {
    /// A screen of its own without a window manager; nothing where Xvfb is not installed.
    pub(crate) fn bare() -> Option<Self> {
        Self::start(&[])
    }

    /// A screen of this name, whose server ended before.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::start(&[name])
    }

    fn start(named: &[&str]) -> Option<Self> {
        let arguments = ["-displayfd", "1", "-screen", "0", "640x480x24", "-nolisten", "tcp"];
        let mut server = Program::start(Command::new("Xvfb").args(named).args(arguments))?;
        let name = format!(":{}", server.line());
        let connection = RustConnection::connect(Some(&name)).unwrap().0;
        Some(Self { name, connection, server })
    }

    /// Starts a window manager and waits until it manages; nothing where openbox is not installed.
    pub(crate) fn manage(&self) -> Option<Program> {
        // It claims the screen well before it takes windows, and runs this once it does.
        let arguments = ["--startup", "echo ready"];
        let mut manager = Program::start(Command::new("openbox").args(arguments).env("DISPLAY", &self.name))?;
        while manager.line() != "ready" {}
        Some(manager)
    }

    /// Plays the window manager itself: nothing comes to the front but by [`Desktop::bring_to_front`].
    pub(crate) fn manage_alone(&self) {
        let check = self.open("manager");
        for window in [check.id, self.root()] {
            self.say(window, "_NET_SUPPORTING_WM_CHECK", check.id);
        }
    }

    /// Says that `window` is in front.
    pub(crate) fn bring_to_front(&self, window: &Window<'_>) {
        self.say(self.root(), "_NET_ACTIVE_WINDOW", window.id);
    }

    /// Closes the window in front and opens one of the same number, as a server does for the next program. Nobody else
    /// gets to look meanwhile.
    pub(crate) fn replace<'a>(&'a self, window: Window<'a>, title: &str) -> Window<'a> {
        self.connection.grab_server().unwrap();
        self.say(self.root(), "_NET_ACTIVE_WINDOW", 0);
        let next = self.replace_unsaid(window, title);
        self.connection.ungrab_server().unwrap();
        self.connection.flush().unwrap();
        next
    }

    /// The same by a manager that goes on naming the window that closed.
    pub(crate) fn replace_unsaid<'a>(&'a self, window: Window<'a>, title: &str) -> Window<'a> {
        let id = window.id;
        window.close();
        let next = self.open_as(id, title);
        self.bring_to_front(&next);
        next
    }

    /// Opens a window; the manager brings it to the front.
    pub(crate) fn open(&self, title: &str) -> Window<'_> {
        self.open_as(self.connection.generate_id().unwrap(), title)
    }

    fn open_as(&self, id: u32, title: &str) -> Window<'_> {
        let (connection, root) = (&self.connection, self.root());
        let (depth, class) = (COPY_DEPTH_FROM_PARENT, WindowClass::INPUT_OUTPUT);
        connection.create_window(depth, id, root, 0, 0, 200, 100, 0, class, 0, &CreateWindowAux::new()).unwrap();
        let window = Window { id, desktop: self };
        window.rename(title);
        window.set(AtomEnum::WM_CLASS.into(), AtomEnum::STRING.into(), b"exercise\0Exercise\0");
        connection.map_window(id).unwrap();
        connection.flush().unwrap();
        window
    }

    /// Ends the server.
    pub(crate) fn end(self) {
        drop(self.server);
    }

    fn root(&self) -> u32 {
        self.connection.setup().roots[0].root
    }

    fn say(&self, window: u32, property: &str, value: u32) {
        let (property, kind) = (self.atom(property), AtomEnum::WINDOW);
        self.connection.change_property32(PropMode::REPLACE, window, property, kind, &[value]).unwrap();
        self.connection.flush().unwrap();
    }

    fn atom(&self, name: &str) -> u32 {
        self.connection.intern_atom(false, name.as_bytes()).unwrap().reply().unwrap().atom
    }
}

/// An open window.
pub(crate) struct Window<'a> {
    id: u32,
    desktop: &'a Desktop,
}

impl Window<'_> {
    /// Gives it another title.
    pub(crate) fn rename(&self, title: &str) {
        let (name, utf8) = (self.desktop.atom("_NET_WM_NAME"), self.desktop.atom("UTF8_STRING"));
        self.set(name, utf8, title.as_bytes());
    }

    /// Gives it a title as programs did before UTF-8, and takes the other away.
    pub(crate) fn rename_as_of_old(&self, title: &[u8]) {
        self.set(AtomEnum::WM_NAME.into(), AtomEnum::STRING.into(), title);
        self.desktop.connection.delete_property(self.id, self.desktop.atom("_NET_WM_NAME")).unwrap();
        self.desktop.connection.flush().unwrap();
    }

    /// Closes it.
    pub(crate) fn close(self) {
        self.desktop.connection.destroy_window(self.id).unwrap();
        self.desktop.connection.flush().unwrap();
    }

    fn set(&self, property: u32, kind: u32, value: &[u8]) {
        self.desktop.connection.change_property8(PropMode::REPLACE, self.id, property, kind, value).unwrap();
        self.desktop.connection.flush().unwrap();
    }
}
