//! Files that only their owner may read, written whole or not at all.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use lapwing_proto::failpoint;

use super::AuthorityError;

const MAX_BYTES: u64 = 64 * 1024;
const OTHERS: u32 = 0o077;

/// Makes `folder` for its owner alone, or sees that it is.
pub(super) fn make_folder(folder: &Path) -> Result<(), AuthorityError> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
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

/// Writes `file`, which must not exist yet: beside its place, synced, renamed into place, folder synced.
pub(super) fn write(file: &Path, content: &[u8]) -> Result<(), AuthorityError> {
    write_new(file, content).map_err(at(file))
}

fn write_new(file: &Path, content: &[u8]) -> io::Result<()> {
    let beside = file.with_extension("new");
    match std::fs::remove_file(&beside) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    failpoint!("authority.write", out.write_all(content)?);
    failpoint!("authority.sync", out.sync_all()?);
    failpoint!("authority.rename", std::fs::rename(&beside, file)?);
    let folder = file.parent().unwrap_or(Path::new("."));
    failpoint!("authority.sync_folder", File::open(folder)?.sync_all())
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> AuthorityError {
    let path = path.to_owned();
    |source| AuthorityError::File { path, source }
}
