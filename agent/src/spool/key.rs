//! The key that encrypts the spool at rest, and where it comes from.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::{fs, io};

use lapwing_proto::failpoint;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::lock;
use crate::{durable, platform};

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

    /// Reads the key file; `None` where there is none, or it is no key.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn load(path: &Path) -> io::Result<Option<Self>> {
        Ok(match Found::at(path)? {
            Found::Key(key) => Some(key),
            Found::Nothing | Found::NoKey => None,
        })
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

/// Where a spool's key comes from.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// Somebody else keeps it.
    Given(SpoolKey),
    /// A file that the spool keeps: made with the spool, and moved to quarantine with the store it does not open.
    File(PathBuf),
}

impl From<&SpoolKey> for KeySource {
    fn from(key: &SpoolKey) -> Self {
        Self::Given(key.clone())
    }
}

/// What stands where a key is looked for.
pub(super) enum Found {
    Key(SpoolKey),
    Nothing,
    /// Something of another length, or no file.
    NoKey,
}

impl Found {
    fn at(path: &Path) -> io::Result<Self> {
        match fs::metadata(path) {
            Ok(facts) if !facts.is_file() => return Ok(Self::NoKey),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::Nothing),
            Err(error) => return Err(error),
        }
        match durable::read_bounded(path, KEY_BYTES) {
            Ok(mut bytes) => {
                let key = <[u8; KEY_BYTES]>::try_from(bytes.as_slice());
                bytes.zeroize();
                Ok(key.map_or(Self::NoKey, |key| Self::Key(SpoolKey(key))))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::Nothing),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(Self::NoKey),
            Err(error) => Err(error),
        }
    }
}

/// The key of one spool. Read once: what the disk does to the file later is for the next start.
pub(super) struct Keyring {
    source: KeySource,
    held: Mutex<Option<SpoolKey>>,
}

impl Keyring {
    pub(super) const fn new(source: KeySource) -> Self {
        Self { source, held: Mutex::new(None) }
    }

    /// Looks for the key.
    pub(super) fn look(&self) -> io::Result<Found> {
        let path = match &self.source {
            KeySource::Given(key) => return Ok(Found::Key(key.clone())),
            KeySource::File(path) => path,
        };
        let mut held = lock(&self.held);
        if let Some(key) = held.as_ref() {
            return Ok(Found::Key(key.clone()));
        }
        let found = Found::at(path)?;
        if let Found::Key(key) = &found {
            *held = Some(key.clone());
        }
        Ok(found)
    }

    /// The key that is there, else a new one, durable when this returns.
    pub(super) fn look_or_make(&self) -> io::Result<SpoolKey> {
        if let Found::Key(key) = self.look()? {
            return Ok(key);
        }
        let key = match &self.source {
            KeySource::Given(key) => return Ok(key.clone()),
            KeySource::File(path) => SpoolKey::create(path)?,
        };
        *lock(&self.held) = Some(key.clone());
        Ok(key)
    }

    /// Moves the key file, where there is one, to `aside`. One that was moved there before opened what lies beside it,
    /// and the present one never opened anything: then the present one goes.
    pub(super) fn set_aside(&self, aside: &Path) -> io::Result<()> {
        let KeySource::File(path) = &self.source else { return Ok(()) };
        *lock(&self.held) = None;
        let facts = match fs::symlink_metadata(path) {
            Ok(facts) => facts,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        if fs::symlink_metadata(aside).is_ok() {
            return if facts.is_dir() { fs::remove_dir_all(path) } else { durable::remove(path) };
        }
        failpoint!("spool.set_key_aside", fs::rename(path, aside)?);
        [aside, path].into_iter().filter_map(|path| path.parent()).try_for_each(platform::sync_folder)
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
        let [made, read] = [(), ()].map(|()| Keyring::new(KeySource::File(path.clone())).look_or_make().unwrap());
        assert_eq!(made.as_bytes(), read.as_bytes());
    }

    #[test]
    fn what_is_no_file_of_a_keys_length_is_no_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spool.key");
        assert!(matches!(Found::at(&path), Ok(Found::Nothing)));
        for bytes in [0, 31, 33] {
            fs::write(&path, vec![1; bytes]).unwrap();
            assert!(matches!(Found::at(&path), Ok(Found::NoKey)), "{bytes}");
        }
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(matches!(Found::at(&path), Ok(Found::NoKey)));
        assert!(SpoolKey::load(&path).unwrap().is_none());
    }
}
