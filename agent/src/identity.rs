//! Who this device is: its key and certificate, whom it trusts, and which copy of the identity it is.
//!
//! Two files in the state folder, each replaced whole and readable by the service alone:
//!
//! ```text
//! identity.json   {"format":1,"device_id","key","certificate","authorities","server_time_us"}; DER in base64
//! incarnation     epoch 16 ‖ incarnation 16
//! ```
//!
//! `identity.json.bad` is one that could not be used; `identity.room` exists for a moment, to see that there is room.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lapwing_proto::{DeviceId, Epoch, Incarnation, failpoint};
use tokio::sync::watch;

use crate::{durable, platform};

mod certificate;
mod file;
mod hardware;

pub use certificate::{CertificateError, DeviceKey, Identity};
pub use hardware::HardwareHash;

const IDENTITY_FILE: &str = "identity.json";
const INCARNATION_FILE: &str = "incarnation";
const ID_BYTES: usize = 16;
/// More than an identity takes.
const ROOM_BYTES: usize = 16 * 1024;

/// The identity in the state folder, shared by all who speak for the device.
#[derive(Debug)]
pub struct IdentityStore {
    folder: PathBuf,
    current: watch::Sender<Option<Arc<Identity>>>,
    /// The disk has not let it be read yet: there may be one.
    unread: AtomicBool,
}

impl IdentityStore {
    /// Opens what `state_dir` holds. An identity that cannot be read is kept as `identity.json.bad`, and the device
    /// has to enrol again.
    ///
    /// # Errors
    ///
    /// When the folder cannot be read.
    pub fn open(state_dir: &Path) -> io::Result<Self> {
        Ok(Self::holding(state_dir, read(state_dir)?))
    }

    /// As [`IdentityStore::open`]; what the disk does not let be read is read by [`IdentityStore::look_again`].
    #[must_use]
    pub fn open_or_wait(state_dir: &Path) -> Self {
        Self::open(state_dir).unwrap_or_else(|error| {
            tracing::error!(path = %state_dir.join(IDENTITY_FILE).display(), error = %error, "the identity cannot be read yet");
            Self { unread: AtomicBool::new(true), ..Self::holding(state_dir, None) }
        })
    }

    /// Reads what could not be read before. To be called before anybody enrols: a second identity would make
    /// the PC one that nobody knows.
    ///
    /// # Errors
    ///
    /// When the disk still refuses.
    pub fn look_again(&self) -> io::Result<()> {
        if self.unread.load(Ordering::SeqCst) {
            let identity = read(&self.folder)?;
            self.unread.store(false, Ordering::SeqCst);
            self.current.send_if_modified(|current| {
                let news = identity.is_some();
                *current = identity;
                news
            });
        }
        Ok(())
    }

    fn holding(state_dir: &Path, identity: Option<Arc<Identity>>) -> Self {
        Self { folder: state_dir.to_owned(), current: watch::Sender::new(identity), unread: AtomicBool::new(false) }
    }

    /// The identity, once the device is enrolled.
    #[must_use]
    pub fn current(&self) -> Option<Arc<Identity>> {
        self.current.borrow().clone()
    }

    /// The device's id, once it is enrolled.
    #[must_use]
    pub fn device(&self) -> Option<DeviceId> {
        self.current.borrow().as_ref().map(|identity| identity.device())
    }

    /// Wakes at enrolment and renewal.
    #[must_use]
    pub fn changed(&self) -> watch::Receiver<Option<Arc<Identity>>> {
        self.current.subscribe()
    }

    /// Makes sure that an identity could be kept now, before anything is spent to get one.
    ///
    /// # Errors
    ///
    /// When it could not.
    pub fn prove_room(&self) -> io::Result<()> {
        platform::create_private_folder(&self.folder)?;
        let (path, mut something) = (self.folder.join("identity.room"), vec![0; ROOM_BYTES]);
        // Nothing a file system could store in less room.
        getrandom::fill(&mut something).map_err(durable::no_randomness)?;
        let kept = durable::replace(&path, &something);
        durable::remove(&path)?;
        kept
    }

    /// Takes an identity into use once it is durable.
    ///
    /// # Errors
    ///
    /// When it cannot be written; the former one stays then.
    pub fn replace(&self, identity: Identity) -> io::Result<()> {
        let bytes = file::write(&identity)?;
        failpoint!("identity.replace", durable::replace(&self.folder.join(IDENTITY_FILE), &bytes)?);
        self.current.send_replace(Some(Arc::new(identity)));
        Ok(())
    }

    /// The incarnation that the last Welcome gave for `epoch`; none where there was no Welcome, or what is kept is none.
    ///
    /// # Errors
    ///
    /// When the disk does not let it be read: whoever showed none then would be taken for a copy.
    pub fn incarnation(&self, epoch: Epoch) -> io::Result<Option<Incarnation>> {
        let bytes = match durable::read_bounded(&self.folder.join(INCARNATION_FILE), 2 * ID_BYTES) {
            Ok(bytes) => bytes,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidData) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let kept = bytes.split_at_checked(ID_BYTES).filter(|(of, _)| *of == epoch.as_bytes());
        Ok(kept.and_then(|(_, incarnation)| Incarnation::try_from(incarnation).ok()))
    }

    /// Keeps the incarnation of a Welcome. Durable when it returns.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn set_incarnation(&self, epoch: Epoch, incarnation: Incarnation) -> io::Result<()> {
        let bytes = [epoch.as_bytes().as_slice(), incarnation.as_bytes().as_slice()].concat();
        failpoint!("identity.incarnation", durable::replace(&self.folder.join(INCARNATION_FILE), &bytes))
    }
}

fn read(state_dir: &Path) -> io::Result<Option<Arc<Identity>>> {
    let path = state_dir.join(IDENTITY_FILE);
    let bytes = match durable::read_bounded(&path, file::MAX_BYTES) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match file::read(&bytes) {
        Ok(identity) => Ok(Some(Arc::new(identity))),
        Err(error) => {
            tracing::error!(path = %path.display(), error = %error, "the identity cannot be read: the device has to enrol again");
            std::fs::rename(&path, state_dir.join("identity.json.bad"))?;
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incarnation_belongs_to_its_epoch() {
        let folder = tempfile::tempdir().unwrap();
        let store = IdentityStore::open(folder.path()).unwrap();
        let (epoch, incarnation) = (Epoch::from_bytes([1; 16]), Incarnation::from_bytes([2; 16]));
        assert_eq!(store.incarnation(epoch).unwrap(), None);
        store.set_incarnation(epoch, incarnation).unwrap();
        let reopened = IdentityStore::open(folder.path()).unwrap();
        assert_eq!(reopened.incarnation(epoch).unwrap(), Some(incarnation));
        assert_eq!(reopened.incarnation(Epoch::from_bytes([3; 16])).unwrap(), None);
        std::fs::remove_file(folder.path().join(INCARNATION_FILE)).unwrap();
        std::fs::create_dir(folder.path().join(INCARNATION_FILE)).unwrap();
        assert!(reopened.incarnation(epoch).is_err(), "what cannot be read is not nothing");
    }

    #[test]
    fn an_identity_that_cannot_be_read_is_kept_aside() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(IDENTITY_FILE), b"{").unwrap();
        let store = IdentityStore::open(folder.path()).unwrap();
        assert!(store.current().is_none());
        assert!(folder.path().join("identity.json.bad").exists());
    }
}
