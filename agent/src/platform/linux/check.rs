//! What the daily check shows on a desktop: a window, and a page in its browser.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::unistd::{Uid, User};
use x11rb::COPY_DEPTH_FROM_PARENT;
use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::{
    AtomEnum, ClientMessageEvent, ConnectionExt as _, CreateWindowAux, EventMask, PropMode, WindowClass,
};
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;

use super::account::own_uid;

/// Longest command line and environment of a process that are read, in bytes.
const MAX_PROCESS_BYTES: u64 = 128 * 1024;
/// What a program on a desktop needs to know of it.
const OF_A_DESKTOP: [&str; 10] = [
    "HOME",
    "PATH",
    "LANG",
    "DISPLAY",
    "XAUTHORITY",
    "WAYLAND_DISPLAY",
    "XDG_SESSION_TYPE",
    "XDG_RUNTIME_DIR",
    "DBUS_SESSION_BUS_ADDRESS",
    "BROWSER",
];
const SIZE: (u16, u16) = (360, 80);

/// The desktop of somebody who is signed in.
#[derive(Debug)]
pub(crate) struct Desktop {
    home: PathBuf,
    /// Whose rights a program there has; none where they are ours.
    account: Option<(u32, u32)>,
    environment: Vec<(OsString, OsString)>,
}

/// A window, until dropped.
pub(crate) struct ShownWindow {
    _connection: RustConnection,
}

impl Desktop {
    /// The home of whoever is signed in.
    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    /// `program`, to be run by them on their desktop.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(self.environment.iter().map(|(name, value)| (name, value))).current_dir("/");
        if let Some((uid, gid)) = self.account {
            command.uid(uid).gid(gid);
        }
        command
    }
}

/// The desktop of the first who is signed in: as root, where `program` runs as their session; otherwise our own.
pub(crate) fn desktop(program: &Path) -> Option<Desktop> {
    if own_uid() != 0 {
        let environment = OF_A_DESKTOP.iter().filter_map(|name| Some((OsString::from(name), std::env::var_os(name)?)));
        let environment: Vec<_> = environment.collect();
        let home = environment.iter().find(|(name, _)| name == "HOME").map(|(_, value)| PathBuf::from(value))?;
        return Some(Desktop { home, account: None, environment });
    }
    let program = fs::canonicalize(program).ok()?;
    let mut numbers: Vec<u32> =
        fs::read_dir("/proc").ok()?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
    numbers.sort_unstable();
    numbers.into_iter().find_map(|number| of_session(&PathBuf::from(format!("/proc/{number}")), &program))
}

/// The desktop that a process belongs to, where it is our program in a session. The account is the kernel's word; the
/// environment is theirs, and used with their rights alone.
fn of_session(process: &Path, program: &Path) -> Option<Desktop> {
    let uid = fs::metadata(process).ok()?.uid();
    let arguments = bounded(&process.join("cmdline"))?;
    let is_session = arguments.split(|byte| *byte == 0).any(|argument| argument == b"session");
    if !is_session || fs::read_link(process.join("exe")).ok()? != program {
        return None;
    }
    // A process that hides its memory belongs to root as far as its files go; its status tells.
    let status = String::from_utf8_lossy(&bounded(&process.join("status"))?).into_owned();
    let uid = effective(&status).unwrap_or(uid);
    let user = User::from_uid(Uid::from_raw(uid)).ok()??;
    let environment = parse(&bounded(&process.join("environ"))?);
    Some(Desktop { home: user.dir, account: Some((uid, user.gid.as_raw())), environment })
}

fn effective(status: &str) -> Option<u32> {
    let numbers = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    numbers.split_ascii_whitespace().nth(1)?.parse().ok()
}

fn parse(environment: &[u8]) -> Vec<(OsString, OsString)> {
    let variables = environment.split(|byte| *byte == 0).filter_map(|variable| {
        let at = variable.iter().position(|byte| *byte == b'=')?;
        let (name, value) = variable.split_at_checked(at)?;
        let name = std::str::from_utf8(name).ok().filter(|name| OF_A_DESKTOP.contains(name))?;
        Some((OsString::from(name), OsString::from_vec(value.get(1..)?.to_owned())))
    });
    variables.collect()
}

fn bounded(file: &Path) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = fs::File::open(file).ok()?;
    io::Read::read_to_end(&mut io::Read::take(file, MAX_PROCESS_BYTES), &mut bytes).ok()?;
    Some(bytes)
}

/// Shows a window titled `title` on the desktop that the environment names, and asks for the focus.
///
/// # Errors
///
/// When there is no X11 display.
pub(crate) fn show_window(title: &str) -> io::Result<ShownWindow> {
    let (connection, number) = RustConnection::connect(None).map_err(io::Error::other)?;
    show(&connection, number, title).map_err(io::Error::other)?;
    Ok(ShownWindow { _connection: connection })
}

fn show(
    connection: &RustConnection,
    number: usize,
    title: &str,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let screen = connection.setup().roots.get(number).ok_or("the display has no screen")?;
    let window = connection.generate_id()?;
    let about = CreateWindowAux::new().background_pixel(screen.white_pixel);
    let class = WindowClass::INPUT_OUTPUT;
    connection.create_window(COPY_DEPTH_FROM_PARENT, window, screen.root, 0, 0, SIZE.0, SIZE.1, 0, class, 0, &about)?;
    let atom = |name: &[u8]| -> Result<_, Box<dyn std::error::Error + Send + Sync>> {
        Ok(connection.intern_atom(false, name)?.reply()?.atom)
    };
    let (name, utf8, active) = (atom(b"_NET_WM_NAME")?, atom(b"UTF8_STRING")?, atom(b"_NET_ACTIVE_WINDOW")?);
    connection.change_property8(PropMode::REPLACE, window, name, utf8, title.as_bytes())?;
    connection.change_property8(PropMode::REPLACE, window, AtomEnum::WM_NAME, AtomEnum::STRING, title.as_bytes())?;
    let class = AtomEnum::WM_CLASS;
    connection.change_property8(
        PropMode::REPLACE,
        window,
        class,
        AtomEnum::STRING,
        b"lapwing-check\0lapwing-check\0",
    )?;
    connection.map_window(window)?;
    // As a pager asks, so that a manager that guards the focus gives it.
    let asks = ClientMessageEvent::new(32, window, active, [2, 0, 0, 0, 0]);
    let to = EventMask::SUBSTRUCTURE_REDIRECT | EventMask::SUBSTRUCTURE_NOTIFY;
    connection.send_event(false, screen.root, to, asks)?;
    connection.flush()?;
    Ok(())
}

/// Opens `address` in the browser that the environment names first, else in the desktop's own.
///
/// # Errors
///
/// When nothing opens addresses.
pub(crate) fn open_page(address: &str) -> io::Result<Child> {
    let named = std::env::var("BROWSER").unwrap_or_default();
    let first = named.split(':').next().filter(|program| !program.is_empty() && !program.contains('%'));
    let mut command = Command::new(first.unwrap_or("xdg-open"));
    command.arg(address).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_environment_only_what_names_the_desktop_is_taken() {
        let taken = parse(b"DISPLAY=:7\0LD_PRELOAD=/tmp/x.so\0HOME=/home/kim\0nothing\0XAUTHORITY=\0");
        let taken: Vec<_> =
            taken.iter().map(|(name, value)| (name.to_str().unwrap(), value.to_str().unwrap())).collect();
        assert_eq!(taken, [("DISPLAY", ":7"), ("HOME", "/home/kim"), ("XAUTHORITY", "")]);
    }

    #[test]
    fn a_process_that_is_no_session_of_ours_is_passed_over() {
        let own = std::env::current_exe().unwrap();
        assert!(of_session(Path::new("/proc/self"), &own).is_none());
        assert!(of_session(Path::new("/proc/none"), &own).is_none());
    }
}
