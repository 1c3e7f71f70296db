//! Windows: not served yet; what needs the system answers with an error.

use std::io;
use std::path::Path;
use std::time::Duration;

use lapwing_proto::BootId;
use tokio::net::windows::named_pipe::NamedPipeServer;

use crate::observation::{FileOwner, SessionFacts};
use crate::platform::Order;

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

/// The account behind a number, named by its number.
pub(crate) fn account(uid: u32) -> FileOwner {
    FileOwner { uid, name: uid.to_string(), groups: Vec::new() }
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

fn unsupported() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "windows is not served yet")
}
