//! Files of the service's own.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Creates `path` for writing, readable and writable by the service's account alone.
///
/// # Errors
///
/// When it exists, or its folder refuses.
pub fn create_private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Closes a file that may have come with loose permissions to everybody but its owner.
///
/// # Errors
///
/// When it is not there, or its permissions cannot be changed.
pub fn close_to_others(path: &Path) -> io::Result<()> {
    let mut permissions = std::fs::metadata(path)?.permissions();
    if permissions.mode() & 0o077 == 0 {
        return Ok(());
    }
    permissions.set_mode(0o600);
    std::fs::set_permissions(path, permissions)
}

/// Creates the folder `path` and those above it, where they are missing; new ones are open to the service's account
/// alone, and survive a power cut.
///
/// # Errors
///
/// When a folder refuses.
pub fn create_private_folder(path: &Path) -> io::Result<()> {
    let missing: Vec<_> = path.ancestors().take_while(|folder| !folder.exists()).collect();
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let above = missing.into_iter().filter_map(Path::parent);
    above.map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder }).try_for_each(sync_folder)
}

/// Makes what was created, renamed and removed in `folder` survive a power cut.
///
/// # Errors
///
/// When the folder cannot be opened, or its device refuses.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn private_files_and_folders_are_closed_to_others() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("a/b");
        create_private_folder(&folder).unwrap();
        create_private_folder(&folder).unwrap();
        create_private_file(&folder.join("key")).unwrap();
        assert_eq!((mode(&folder), mode(&folder.join("key"))), (0o700, 0o600));
        sync_folder(&folder).unwrap();
    }

    #[test]
    fn a_file_that_exists_is_never_reused() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("key");
        create_private_file(&path).unwrap();
        assert_eq!(create_private_file(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }
}
