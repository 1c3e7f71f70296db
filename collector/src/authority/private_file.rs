//! Files that only their owner may read, written whole or not at all.

use std::fs::{File, Permissions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::AuthorityError;
use crate::durable;

const MAX_BYTES: u64 = 64 * 1024;
const OTHERS: u32 = 0o077;

/// Makes `folder` for its owner alone, or sees that it is.
pub(super) fn make_folder(folder: &Path) -> Result<(), AuthorityError> {
    let made = durable::make_folder(folder);
    made.and_then(|()| std::fs::set_permissions(folder, Permissions::from_mode(0o700))).map_err(at(folder))
}

/// Content of `file`; none where there is no such file.
pub(super) fn read(file: &Path) -> Result<Option<String>, AuthorityError> {
    let opened = match File::open(file) {
        Ok(opened) => opened,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(at(file)(error)),
    };
    read_private(opened).map(Some).map_err(at(file))
}

fn read_private(opened: File) -> io::Result<String> {
    if opened.metadata()?.permissions().mode() & OTHERS != 0 {
        return Err(io::Error::new(ErrorKind::PermissionDenied, "others than its owner may read it: chmod 600 it"));
    }
    let mut text = String::new();
    opened.take(MAX_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

/// Removes `file`, which may not be there.
pub(super) fn remove(file: &Path) -> Result<(), AuthorityError> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(at(file)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Writes `file` in place of what is there.
pub(super) fn write(file: &Path, content: &[u8]) -> Result<(), AuthorityError> {
    durable::write(file, 0o600, content).map_err(at(file))
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> AuthorityError {
    let path = path.to_owned();
    |source| AuthorityError::File { path, source }
}
