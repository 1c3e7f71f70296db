//! Files and folders that are there whole after a power cut, or not at all.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use lapwing_proto::failpoint;

/// Makes `folder` and those above it where they are missing, for their owner alone. Durable when it returns.
///
/// # Errors
///
/// When a folder refuses.
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    let missing: Vec<_> = folder.ancestors().take_while(|above| is_named(above) && !above.exists()).collect();
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    missing.into_iter().try_for_each(sync_folder_of)
}

/// Writes `file` with the permissions `mode`: beside its place, synced, renamed into it, and the folder synced. Durable
/// when it returns.
///
/// # Errors
///
/// When the folder refuses.
pub(crate) fn write(file: &Path, mode: u32, content: &[u8]) -> io::Result<()> {
    let beside = file.with_extension("new");
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut out = OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside)?;
    failpoint!("durable.write", out.write_all(content)?);
    failpoint!("durable.sync", out.sync_all()?);
    failpoint!("durable.rename", std::fs::rename(&beside, file)?);
    failpoint!("durable.sync_folder", sync_folder_of(file))
}

/// Makes `file` where it is missing, and closes it to everybody but its owner.
///
/// # Errors
///
/// When the folder refuses, or the file's permissions cannot be changed.
pub(crate) fn own(file: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(file) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        Ok(_) | Err(_) => {}
    }
    let mut permissions = std::fs::metadata(file)?.permissions();
    if permissions.mode() & 0o077 == 0 {
        return Ok(());
    }
    permissions.set_mode(permissions.mode() & 0o700);
    std::fs::set_permissions(file, permissions)
}

/// Has the folder of `path` remember what is in it.
///
/// # Errors
///
/// When the disk refuses.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    File::open(path.parent().filter(|above| is_named(above)).unwrap_or(Path::new(".")))?.sync_all()
}

fn is_named(path: &Path) -> bool {
    !path.as_os_str().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_is_for_its_owner_and_nothing_stays_beside_it() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("a/b");
        make_folder(&folder).unwrap();
        make_folder(&folder).unwrap();
        let file = folder.join("key");
        write(&file, 0o600, b"one").unwrap();
        write(&file, 0o600, b"two").unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&file)), (0o700, 0o600));
        assert_eq!(std::fs::read(&file).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_others_could_read_is_closed_to_them_and_keeps_what_it_holds() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("lapwing.db");
        let mode = || std::fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        own(&file).unwrap();
        assert_eq!(mode(), 0o600);
        std::fs::write(&file, "rows").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o664)).unwrap();
        own(&file).unwrap();
        assert_eq!((mode(), std::fs::read_to_string(&file).unwrap()), (0o600, "rows".to_owned()));
    }
}
