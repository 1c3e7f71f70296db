//! The school key: one line in a file that only the collector's account can read.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use data_encoding::HEXLOWER;
use zeroize::Zeroizing;

use super::{KEY_BYTES, SealError};
use crate::durable;

/// The database of wrapped keys, beside the school key.
pub(super) const KEYS: &str = "keys.db";
const SCHOOL_KEY: &str = "school.key";
const PREFIX: &str = "lapwing-school-key-1 ";
/// The line and its end.
const MAX_BYTES: u64 = 128;

/// Reads the school key in `folder`, or makes both.
pub(super) fn read_or_make(folder: &Path) -> Result<Zeroizing<[u8; KEY_BYTES]>, SealError> {
    let path = folder.join(SCHOOL_KEY);
    let failed = |source| SealError::SchoolKey { path: path.clone(), source };
    match File::open(&path) {
        Ok(file) => read(&path, file),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
        Err(_) if folder.join(KEYS).exists() => {
            Err(SealError::BadSchoolKey { path, reason: "it is missing, and keys wrapped by it exist" })
        }
        Err(_) => {
            let key = make(folder, &path).map_err(failed)?;
            Ok(key)
        }
    }
}

fn read(path: &Path, file: File) -> Result<Zeroizing<[u8; KEY_BYTES]>, SealError> {
    let failed = |source| SealError::SchoolKey { path: path.to_owned(), source };
    let bad = |reason| SealError::BadSchoolKey { path: path.to_owned(), reason };
    let mode = file.metadata().map_err(failed)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(bad("others can read it; its mode must be 0600"));
    }
    let mut line = Zeroizing::new(String::new());
    file.take(MAX_BYTES).read_to_string(&mut line).map_err(failed)?;
    let digits = line.trim_end().strip_prefix(PREFIX).ok_or_else(|| bad("it does not begin as a school key"))?;
    let bytes = Zeroizing::new(
        HEXLOWER.decode(digits.as_bytes()).map_err(|_| bad("it is not 64 lower-case hexadecimal digits"))?,
    );
    let key = bytes.as_slice().try_into().map_err(|_| bad("it is not 64 lower-case hexadecimal digits"))?;
    Ok(Zeroizing::new(key))
}

fn make(folder: &Path, path: &Path) -> io::Result<Zeroizing<[u8; KEY_BYTES]>> {
    durable::make_folder(folder)?;
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    getrandom::fill(key.as_mut_slice()).map_err(|error| io::Error::other(error.to_string()))?;
    let line = Zeroizing::new(format!("{PREFIX}{}\n", HEXLOWER.encode(key.as_slice())));
    durable::write(path, 0o600, line.as_bytes())?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_only_for_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let made = read_or_make(folder.path()).unwrap();
        assert_eq!(read_or_make(folder.path()).unwrap(), made);
        let mode = fs::metadata(folder.path().join(SCHOOL_KEY)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        read_or_make(folder.path()).unwrap();
        let path = folder.path().join(SCHOOL_KEY);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(read_or_make(folder.path()), Err(SealError::BadSchoolKey { .. })));
    }

    #[test]
    fn a_lost_school_key_is_not_replaced_while_keys_depend_on_it() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(KEYS), b"").unwrap();
        assert!(matches!(read_or_make(folder.path()), Err(SealError::BadSchoolKey { .. })));
        assert!(!folder.path().join(SCHOOL_KEY).exists());
    }

    #[test]
    fn a_malformed_school_key_is_refused_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(SCHOOL_KEY);
        for text in ["", "lapwing-school-key-1 00", "lapwing-school-key-1 zz", "other"] {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            assert!(matches!(read_or_make(folder.path()), Err(SealError::BadSchoolKey { .. })), "{text}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }
}
