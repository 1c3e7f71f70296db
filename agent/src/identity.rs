//! Who this device is: its key and certificate, whom it trusts, and which copy of the identity it is.
//!
//! Files in the state folder, each replaced whole and readable by the service alone:
//!
//! ```text
//! identity.json   {"format":1,"device_id","key","certificate","authorities","server_time_us"}; DER in base64
//! incarnation     which copy of it this is: see the module of that name
//! joining.key     PKCS #8: the key that a certificate was asked for and did not come yet
//! ```
//!
//! `identity.json.bad` is one that could not be used; `identity.room` exists for a moment, to see that there is room.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lapwing_proto::{BootId, DeviceId, Epoch, Incarnation, failpoint, wire};
use tokio::sync::watch;
use zeroize::Zeroizing;

use crate::spool::LaneState;
use crate::{durable, platform, state_folder};

mod certificate;
mod file;
mod hardware;
mod incarnation;
mod keys;

pub use certificate::{CertificateError, Identity};
pub use hardware::HardwareHash;
pub use keys::DeviceKey;

use incarnation::{Kept, Start};

const MAX_KEY_BYTES: usize = 4096;
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
            tracing::error!(path = %state_dir.join(state_folder::IDENTITY).display(), error = %error, "the identity cannot be read yet");
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
        let (path, mut something) = (self.folder.join(state_folder::IDENTITY_ROOM), vec![0; ROOM_BYTES]);
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
        failpoint!("identity.replace", durable::replace(&self.folder.join(state_folder::IDENTITY), &bytes)?);
        if let Err(error) = durable::remove(&self.folder.join(state_folder::JOINING)) {
            // What is asked for with it is this device, for as long as it is there.
            tracing::warn!(error = %error, "the key of a certificate that came cannot be removed");
        }
        self.current.send_replace(Some(Arc::new(identity)));
        Ok(())
    }

    /// The key to ask for a certificate with: the one that it was asked for before, where no answer came, else a new one.
    /// Whoever asks again with the same key is known to the collector, and becomes no second device.
    ///
    /// # Errors
    ///
    /// When it cannot be kept.
    pub fn joining_key(&self) -> Result<DeviceKey, JoiningKeyError> {
        let path = self.folder.join(state_folder::JOINING);
        match durable::read_bounded(&path, MAX_KEY_BYTES) {
            Ok(kept) => {
                let in_use = self.current();
                let is_in_use = |key: &DeviceKey| {
                    in_use.as_ref().is_some_and(|held| held.key().public_key_info() == key.public_key_info())
                };
                // What was asked for with one that is in use has come.
                if let Some(key) = DeviceKey::of_kept(Zeroizing::new(kept)).ok().filter(|key| !is_in_use(key)) {
                    return Ok(key);
                }
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidData) => {}
            Err(error) => return Err(error.into()),
        }
        let key = DeviceKey::generate()?;
        failpoint!("identity.joining", durable::replace(&path, key.to_keep())?);
        Ok(key)
    }

    /// The incarnation that the last Welcome gave; none where there was no Welcome, or what is kept is none.
    ///
    /// # Errors
    ///
    /// When the disk does not let it be read: whoever showed none then would be taken for a copy.
    pub fn incarnation(&self) -> io::Result<Option<Incarnation>> {
        Ok(self.kept_incarnation()?.and_then(|kept| kept.incarnation))
    }

    /// Keeps the incarnation of a Welcome. Durable when it returns.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn set_incarnation(&self, epoch: Epoch, incarnation: Incarnation) -> io::Result<()> {
        let starts =
            self.kept_incarnation()?.filter(|kept| kept.epoch == epoch).map_or_else(Vec::new, |kept| kept.starts);
        self.keep_incarnation(&Kept { epoch, incarnation: Some(incarnation), starts })
    }

    /// The collector confirmed the incarnation in this start of the PC: it knows those before it.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn confirm_incarnation(&self, boot: BootId) -> io::Result<()> {
        let Some(mut kept) = self.kept_incarnation()? else { return Ok(()) };
        let known = kept.starts.len();
        kept.starts.retain(|start| start.boot == boot);
        if kept.starts.len() == known { Ok(()) } else { self.keep_incarnation(&kept) }
    }

    /// Takes note of what the spool of `epoch` holds in `lanes`, before this start of the PC adds to it.
    ///
    /// # Errors
    ///
    /// When it cannot be read or written.
    pub fn note_start(&self, epoch: Epoch, boot: BootId, lanes: &[LaneState]) -> io::Result<()> {
        let kept = self.kept_incarnation()?;
        let started = Kept::started(kept.clone(), epoch, Start::of(boot, lanes));
        if kept.as_ref() == Some(&started) { Ok(()) } else { self.keep_incarnation(&started) }
    }

    /// What the spool of `epoch` held at each start since and with the one in which an incarnation was last confirmed.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn starts(&self, epoch: Epoch) -> io::Result<Vec<wire::SpoolStart>> {
        let kept = self.kept_incarnation()?.filter(|kept| kept.epoch == epoch);
        Ok(kept.map_or_else(Vec::new, |kept| kept.starts.into_iter().map(Start::to_wire).collect()))
    }

    fn kept_incarnation(&self) -> io::Result<Option<Kept>> {
        match durable::read_bounded(&self.folder.join(state_folder::INCARNATION), incarnation::MAX_BYTES) {
            Ok(bytes) => Ok(Kept::read(&bytes)),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidData) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn keep_incarnation(&self, kept: &Kept) -> io::Result<()> {
        failpoint!(
            "identity.incarnation",
            durable::replace(&self.folder.join(state_folder::INCARNATION), &kept.to_bytes())
        )
    }
}

/// Why there is no key to join with.
#[derive(Debug, thiserror::Error)]
pub enum JoiningKeyError {
    /// The disk.
    #[error(transparent)]
    Disk(#[from] io::Error),
    /// The key.
    #[error(transparent)]
    Key(#[from] CertificateError),
}

fn read(state_dir: &Path) -> io::Result<Option<Arc<Identity>>> {
    let path = state_dir.join(state_folder::IDENTITY);
    let bytes = match durable::read_bounded(&path, file::MAX_BYTES) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match file::read(&bytes) {
        Ok(identity) => Ok(Some(Arc::new(identity))),
        Err(error) => {
            tracing::error!(path = %path.display(), error = %error, "the identity cannot be read: the device has to enrol again");
            std::fs::rename(&path, state_dir.join(state_folder::IDENTITY_BAD))?;
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incarnation_outlives_a_restart_and_one_that_cannot_be_read_is_not_none() {
        let folder = tempfile::tempdir().unwrap();
        let store = IdentityStore::open(folder.path()).unwrap();
        let (epoch, incarnation) = (Epoch::from_bytes([1; 16]), Incarnation::from_bytes([2; 16]));
        assert_eq!(store.incarnation().unwrap(), None);
        store.set_incarnation(epoch, incarnation).unwrap();
        let reopened = IdentityStore::open(folder.path()).unwrap();
        assert_eq!(reopened.incarnation().unwrap(), Some(incarnation));
        std::fs::remove_file(folder.path().join(state_folder::INCARNATION)).unwrap();
        std::fs::create_dir(folder.path().join(state_folder::INCARNATION)).unwrap();
        assert!(reopened.incarnation().is_err(), "what cannot be read is not nothing");
    }

    #[test]
    fn starts_count_until_an_incarnation_is_confirmed_in_a_later_one() {
        let folder = tempfile::tempdir().unwrap();
        let store = IdentityStore::open(folder.path()).unwrap();
        let (epoch, boot) = (Epoch::from_bytes([1; 16]), |number| BootId::from_bytes([number; 16]));
        let boots = || store.starts(epoch).unwrap().into_iter().map(|start| start.boot_id[0]).collect::<Vec<_>>();
        store.note_start(epoch, boot(1), &[]).unwrap();
        assert_eq!(store.incarnation().unwrap(), None);
        store.note_start(epoch, boot(2), &[]).unwrap();
        store.set_incarnation(epoch, Incarnation::from_bytes([3; 16])).unwrap();
        assert_eq!(boots(), [1, 2], "nobody confirmed it yet");
        store.confirm_incarnation(boot(2)).unwrap();
        assert_eq!(boots(), [2]);
        assert_eq!(store.starts(Epoch::from_bytes([9; 16])).unwrap(), []);
    }

    #[test]
    fn a_key_that_was_asked_with_is_asked_with_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = IdentityStore::open(folder.path()).unwrap();
        let asked = store.joining_key().unwrap();
        assert_eq!(store.joining_key().unwrap().public_key_info(), asked.public_key_info());
        std::fs::write(folder.path().join(state_folder::JOINING), b"torn").unwrap();
        assert_ne!(store.joining_key().unwrap().public_key_info(), asked.public_key_info());
    }

    #[test]
    fn an_identity_that_cannot_be_read_is_kept_aside() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(state_folder::IDENTITY), b"{").unwrap();
        let store = IdentityStore::open(folder.path()).unwrap();
        assert!(store.current().is_none());
        assert!(folder.path().join("identity.json.bad").exists());
    }
}
