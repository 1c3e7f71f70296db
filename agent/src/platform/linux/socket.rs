//! The Unix socket between the service and the programs of a session.

use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use lapwing_proto::failpoint;
use tokio::net::{UnixListener, UnixStream};

/// A connection between the service and a program of a session.
pub(crate) type LocalStream = UnixStream;

/// The service's end. Every account may connect: who connects is told by the kernel. The socket file goes with it.
#[derive(Debug)]
pub(crate) struct LocalListener {
    listener: UnixListener,
    path: PathBuf,
}

impl LocalListener {
    /// Listens at `path`; takes the place of a socket that nobody listens at any more.
    ///
    /// # Errors
    ///
    /// When another service listens there, something else than a socket stands there, or the folder refuses.
    pub(crate) fn bind(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
            std::fs::create_dir_all(folder)?;
            // Whatever the umask is, every account may look into it, and no other account may replace the socket.
            std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))?;
        }
        remove_stale(path)?;
        let listener = failpoint!("socket.bind", UnixListener::bind(path)?);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
        Ok(Self { listener, path: path.to_owned() })
    }

    /// The next connection.
    ///
    /// # Errors
    ///
    /// When the process has no descriptor left, or the peer left at once.
    pub(crate) async fn accept(&self) -> io::Result<LocalStream> {
        Ok(self.listener.accept().await?.0)
    }
}

impl Drop for LocalListener {
    fn drop(&mut self) {
        // Nothing is lost when it stays: the next start takes its place.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Connects to the service at `path`.
///
/// # Errors
///
/// When nobody listens there.
pub(crate) async fn connect(path: &Path) -> io::Result<LocalStream> {
    UnixStream::connect(path).await
}

fn remove_stale(path: &Path) -> io::Result<()> {
    let Ok(found) = std::fs::symlink_metadata(path) else { return Ok(()) };
    if !found.file_type().is_socket() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "something else than a socket stands there"));
    }
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(io::Error::new(io::ErrorKind::AddrInUse, "another service listens there"));
    }
    let removed = failpoint!("socket.remove", std::fs::remove_file(path));
    let because =
        |error: &io::Error| format!("the socket left behind at `{}` cannot be removed: {error}", path.display());
    removed.map_err(|error| io::Error::new(error.kind(), because(&error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_left_behind_is_replaced_and_a_live_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/agent.sock");
        let first = LocalListener::bind(&path).unwrap();
        assert_eq!(LocalListener::bind(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(first);
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        LocalListener::bind(&path).unwrap();
    }

    #[tokio::test]
    async fn every_account_reaches_the_socket_whatever_the_umask_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/agent.sock");
        let before = nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
        let bound = LocalListener::bind(&path);
        nix::sys::stat::umask(before);
        bound.unwrap();
        let mode = std::fs::metadata(folder.path().join("run")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755);
    }

    #[tokio::test]
    async fn a_file_in_its_place_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.sock");
        std::fs::write(&path, "kept").unwrap();
        assert!(LocalListener::bind(&path).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "kept");
    }
}
