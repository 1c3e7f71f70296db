//! The key that encrypts the spool at rest.

use std::io;
use std::path::Path;

use lapwing_proto::failpoint;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::durable;

const KEY_BYTES: usize = 32;

/// Encrypts the spool's records. Its file is readable by the service alone; `Debug` prints nothing of it.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SpoolKey([u8; KEY_BYTES]);

impl SpoolKey {
    /// Wraps 32 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// Reads the key file, or makes one where there is none. A file that is no key is replaced: what it encrypted
    /// was lost with it, and opening the spool reports that.
    ///
    /// # Errors
    ///
    /// When the file can be neither read nor written, or the operating system has no randomness to give.
    pub fn load_or_create(path: &Path) -> io::Result<Self> {
        match Self::load(path)? {
            Some(key) => Ok(key),
            None => Self::create(path),
        }
    }

    /// Reads the key file; `None` where there is none, or it is no key.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn load(path: &Path) -> io::Result<Option<Self>> {
        match durable::read_bounded(path, KEY_BYTES) {
            Ok(mut bytes) => {
                let key = <[u8; KEY_BYTES]>::try_from(bytes.as_slice());
                bytes.zeroize();
                Ok(key.ok().map(Self))
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidData) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) const fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    fn create(path: &Path) -> io::Result<Self> {
        let mut key = [0; KEY_BYTES];
        getrandom::fill(&mut key).map_err(durable::no_randomness)?;
        failpoint!("spool.key", durable::replace(path, &key)?);
        Ok(Self(key))
    }
}

impl std::fmt::Debug for SpoolKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SpoolKey(<redacted>)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_is_made_once_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spool.key");
        let made = SpoolKey::load_or_create(&path).unwrap();
        let read = SpoolKey::load_or_create(&path).unwrap();
        assert_eq!(made.as_bytes(), read.as_bytes());
    }

    #[test]
    fn a_torn_key_file_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spool.key");
        std::fs::write(&path, b"short").unwrap();
        SpoolKey::load_or_create(&path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap().len(), KEY_BYTES);
    }
}
