//! Windows: not served yet; what needs the system answers with an error.

mod sensors;

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lapwing_proto::{BootId, bounds};
use lapwing_rules::Digest;
use tokio::net::windows::named_pipe::NamedPipeServer;

use crate::observation::{FileOwner, SessionFacts, cut};
use crate::platform::Order;

pub use sensors::{Display, Files, Media, Titles};

/// A connection between the service and a program of a session.
pub(crate) type LocalStream = NamedPipeServer;

/// The service's end of the pipe.
#[derive(Debug)]
pub(crate) struct LocalListener;

impl LocalListener {
    /// Listens at `path`.
    ///
    /// # Errors
    ///
    /// Always: Windows is not served yet.
    pub(crate) fn bind(_path: &Path) -> io::Result<Self> {
        Err(unsupported())
    }

    /// The next connection.
    ///
    /// # Errors
    ///
    /// Always: Windows is not served yet.
    pub(crate) async fn accept(&self) -> io::Result<LocalStream> {
        Err(unsupported())
    }
}

/// Connects to the service at `path`.
///
/// # Errors
///
/// Always: Windows is not served yet.
pub(crate) async fn connect(_path: &Path) -> io::Result<LocalStream> {
    Err(unsupported())
}

/// Who is at the other end of `stream`.
///
/// # Errors
///
/// Always: Windows is not served yet.
pub(crate) fn peer(_stream: &LocalStream) -> io::Result<SessionFacts> {
    Err(unsupported())
}

/// The numbers of account and process at the other end of `stream`.
///
/// # Errors
///
/// Always: Windows is not served yet.
pub(crate) fn peer_ids(_stream: &LocalStream) -> io::Result<(u32, Option<i32>)> {
    Err(unsupported())
}

/// The account behind a number, named by its number.
pub(crate) fn account(uid: u32) -> FileOwner {
    FileOwner { uid, name: uid.to_string(), groups: Vec::new() }
}

/// The account this process runs under: there are no numbers here.
pub(crate) fn own_uid() -> u32 {
    0
}

/// The desktop of somebody who is signed in.
#[derive(Debug)]
pub(crate) struct Desktop;

impl Desktop {
    /// The home of whoever is signed in.
    pub(crate) fn home(&self) -> &Path {
        Path::new("")
    }

    /// `program`, to be run by them on their desktop.
    pub(crate) fn command(&self, program: &Path) -> std::process::Command {
        std::process::Command::new(program)
    }
}

/// None: Windows is not served yet.
pub(crate) fn desktop(_program: &Path) -> Option<Desktop> {
    None
}

/// Shows a window titled `title`.
///
/// # Errors
///
/// Always: Windows is not served yet.
pub(crate) fn show_window(_title: &str) -> io::Result<()> {
    Err(unsupported())
}

/// The removable media that are mounted now.
///
/// # Errors
///
/// Always: Windows is not served yet.
pub(crate) fn media_now() -> io::Result<Vec<lapwing_proto::Media>> {
    Err(unsupported())
}

/// Opens `address` in a browser.
///
/// # Errors
///
/// Always: Windows is not served yet.
pub(crate) fn open_page(_address: &str) -> io::Result<()> {
    Err(unsupported())
}

/// The orders a running service takes: Ctrl-C stops it.
#[derive(Debug)]
pub(crate) struct Orders;

impl Orders {
    /// Listens from now on.
    ///
    /// # Errors
    ///
    /// Never.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self)
    }

    /// The next order.
    pub(crate) async fn next(&mut self) -> Order {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Order::Stop
    }
}

/// None are looked after yet.
pub(crate) fn service_files() -> Vec<PathBuf> {
    Vec::new()
}

/// Not asked yet.
pub(crate) async fn machine_stops() -> bool {
    false
}

/// There is no service manager to tell yet.
pub(crate) fn tell_ready() {}

/// There is no service manager to tell yet.
pub(crate) fn tell_stopping() {}

/// There is no service manager to tell yet.
pub(crate) fn tell_alive() {}

/// No service manager asks.
pub(crate) fn alive_within() -> Option<Duration> {
    None
}

/// Microseconds since the system started, to the second.
pub(crate) fn boot_us() -> u64 {
    sysinfo::System::uptime().saturating_mul(1_000_000)
}

/// Which start of the system this is.
///
/// # Errors
///
/// Always: Windows is not served yet.
pub(crate) fn boot_id() -> io::Result<BootId> {
    Err(unsupported())
}

/// Resident memory in bytes, and the processor's time since the start, of all threads.
///
/// # Errors
///
/// When the system does not tell.
pub(crate) fn own_usage() -> io::Result<(u64, Duration)> {
    let own = sysinfo::get_current_pid().map_err(io::Error::other)?;
    let mut system = sysinfo::System::new();
    let wanted = sysinfo::ProcessRefreshKind::nothing().with_memory().with_cpu();
    system.refresh_processes_specifics(sysinfo::ProcessesToUpdate::Some(&[own]), true, wanted);
    let process = system.process(own).ok_or_else(unsupported)?;
    Ok((process.memory(), Duration::from_millis(process.accumulated_cpu_time())))
}

/// Does nothing: the system's allocator gives memory back by itself.
pub(crate) fn give_back_memory() {}

fn unsupported() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "windows is not served yet")
}

/// Creates `path` for writing, with the access its folder gives.
///
/// # Errors
///
/// When it exists, or its folder refuses.
pub fn create_private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

/// Leaves the permissions of a file to the folder it is in.
///
/// # Errors
///
/// Never.
pub fn close_to_others(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Creates the folder `path` and those above it, where they are missing.
///
/// # Errors
///
/// When a folder refuses.
pub fn create_private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).create(path)
}

/// Does nothing: NTFS journals its folders.
///
/// # Errors
///
/// Never.
pub fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

/// Not read here yet.
#[must_use]
pub fn hardware_hash() -> Option<Digest> {
    None
}

/// Not read here yet.
#[must_use]
pub fn serial_hash() -> Option<Digest> {
    None
}

/// The machine's name on the network; empty where it has none.
#[must_use]
pub fn host_name() -> String {
    cut(sysinfo::System::host_name().unwrap_or_default(), bounds::MAX_NAME_BYTES)
}

/// Does nothing: error reports are off by policy, not by the program.
///
/// # Errors
///
/// Never.
pub fn hide_memory() -> io::Result<()> {
    Ok(())
}

/// Does nothing: the system's allocator has no such settings.
pub fn keep_memory_small() {}
