//! Files that are replaced whole: after a power cut the old or the new content is there, never a mixture.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::{fs, io::ErrorKind};

use lapwing_proto::failpoint;

use crate::platform;

/// Replaces `path` by `bytes`, readable by the service alone: written beside it, synced, renamed over it, and the
/// folder synced. Durable when it returns.
///
/// # Errors
///
/// When the folder cannot be written.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let fresh = path.with_file_name(name);
    remove(&fresh)?;
    let mut file = failpoint!("durable.create", platform::create_private_file(&fresh)?);
    failpoint!("durable.write", file.write_all(bytes)?);
    failpoint!("durable.sync", file.sync_all()?);
    drop(file);
    failpoint!("durable.rename", fs::rename(&fresh, path)?);
    failpoint!("durable.sync_folder", platform::sync_folder(&folder_of(path)))
}

/// Reads a file of at most `max` bytes.
///
/// # Errors
///
/// When it cannot be read, or with [`ErrorKind::InvalidData`] when it is longer.
pub fn read_bounded(path: &Path, max: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let bound = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    fs::File::open(path)?.take(bound).read_to_end(&mut bytes)?;
    if bytes.len() > max {
        return Err(io::Error::new(ErrorKind::InvalidData, format!("longer than {max} bytes")));
    }
    Ok(bytes)
}

/// Removes a file that may not be there.
///
/// # Errors
///
/// When it is there and cannot be removed.
pub fn remove(path: &Path) -> io::Result<()> {
    match failpoint!("durable.remove", fs::remove_file(path)) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The operating system had no randomness to give.
pub(crate) fn no_randomness(error: getrandom::Error) -> io::Error {
    io::Error::other(error.to_string())
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        Some(_) | None => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(read_bounded(&path, 3).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_over_its_bound_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        replace(&path, b"four").unwrap();
        assert_eq!(read_bounded(&path, 3).unwrap_err().kind(), ErrorKind::InvalidData);
    }
}
