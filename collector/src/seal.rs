//! The seal on evidence: one key a subject, kept apart from what it opens.
//!
//! ```text
//! keys folder/school.key   "lapwing-school-key-1 " 64 hexadecimal digits, mode 0600
//!            /keys.db      key id -> nonce (24) | XChaCha20-Poly1305 of the key under the wrapping key
//! database column          nonce (24) | XChaCha20-Poly1305 of the evidence under the subject's key
//! ```
//!
//! The wrapping key and the identity key are HMAC-SHA-256 of fixed labels under the school key. Associated data names
//! school, table, row and key, so that a sealed value moved elsewhere does not open. A key is durable before anything
//! is sealed under it; deleting it is erasing the subject's evidence. Keys are read when needed and never kept, so
//! that a deletion by another process holds at once.

mod key_file;
#[cfg(test)]
mod nowhere;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use lapwing_proto::{DeviceId, SchoolId};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::actor::PersonId;
use crate::ids::KeyId;
use crate::store::StoreError;
use crate::store::keys::KeyFile;

const NONCE_BYTES: usize = 24;
const KEY_BYTES: usize = 32;
const HMAC_BLOCK_BYTES: usize = 64;

/// Seals and opens evidence of one school.
#[derive(Clone)]
pub struct Vault {
    school: SchoolId,
    file: KeyFile,
    wrapping: Zeroizing<[u8; KEY_BYTES]>,
    identity: Zeroizing<[u8; KEY_BYTES]>,
}

/// A key in use; wiped when dropped.
pub struct SubjectKey {
    id: KeyId,
    bytes: Zeroizing<[u8; KEY_BYTES]>,
}

/// Where a sealed value stands; a value copied to another place does not open.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Table.
    pub table: &'static str,
    /// Row id.
    pub row: &'a [u8],
}

/// Who a subject is, before it is made unreadable by [`Vault::identity`].
#[derive(Clone, Copy)]
pub enum Identity<'a> {
    /// A person of the school.
    Person(PersonId),
    /// An account that nobody mapped, in lower case.
    Account(&'a str),
    /// One log-on session of a class log-on.
    Session {
        /// The device it is on.
        device: DeviceId,
        /// The account, in lower case.
        account: &'a str,
        /// The log-on session.
        session: &'a str,
    },
}

/// Why the vault did not do it. Never says what was sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The key file cannot be read or written.
    #[error("cannot use the key file")]
    KeyFile(#[from] StoreError),
    /// The school key cannot be read or written.
    #[error("cannot use school key `{path}`")]
    SchoolKey {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The school key is not one.
    #[error("school key `{path}` is not usable: {reason}")]
    BadSchoolKey {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The key was erased: what it sealed is gone.
    #[error("key {0} was erased")]
    Erased(KeyId),
    /// The sealed value was altered, moved, or made under another key.
    #[error("sealed value of `{0}` does not open")]
    Altered(&'static str),
    /// The operating system has no randomness to give.
    #[error("no randomness for a key or nonce: {0}")]
    Randomness(getrandom::Error),
}

impl From<getrandom::Error> for SealError {
    fn from(error: getrandom::Error) -> Self {
        Self::Randomness(error)
    }
}

impl Vault {
    /// Opens the keys in `folder`, making them when there are none.
    ///
    /// # Errors
    ///
    /// When the folder holds keys without their school key, the school key is readable by others or malformed, or a
    /// file cannot be used.
    pub async fn open(folder: &Path, school: SchoolId) -> Result<Self, SealError> {
        let school_key = key_file::read_or_make(folder)?;
        let file = KeyFile::open(&folder.join(key_file::KEYS)).await?;
        let wrapping = derive(&school_key, b"lapwing wrapping key 1");
        let identity = derive(&school_key, b"lapwing subject identity 1");
        Ok(Self { school, file, wrapping, identity })
    }

    /// Makes a key; durable when it returns.
    ///
    /// # Errors
    ///
    /// When the key file cannot be written.
    pub async fn new_key(&self, now_us: i64) -> Result<SubjectKey, SealError> {
        let made = self.new_keys(1, now_us).await?.into_iter().next();
        made.ok_or(SealError::KeyFile(StoreError::Corrupt { what: "key" }))
    }

    /// Makes keys; all are durable when it returns.
    ///
    /// # Errors
    ///
    /// When the key file cannot be written.
    pub async fn new_keys(&self, count: usize, now_us: i64) -> Result<Vec<SubjectKey>, SealError> {
        let (mut made, mut wrapped) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for _ in 0..count {
            let mut bytes = Zeroizing::new([0; KEY_BYTES]);
            getrandom::fill(bytes.as_mut_slice())?;
            let id = KeyId::random()?;
            wrapped.push((id, encrypt(&self.wrapping, &self.aad("keys", id, id.as_bytes()), bytes.as_slice())?));
            made.push(SubjectKey { id, bytes });
        }
        self.file.insert(&self.school, &wrapped, now_us).await?;
        Ok(made)
    }

    /// Reads a key; `None` when it was erased.
    ///
    /// # Errors
    ///
    /// When the key file cannot be read, or its entry was altered.
    pub async fn key(&self, id: KeyId) -> Result<Option<SubjectKey>, SealError> {
        Ok(self.keys(&[id]).await?.remove(&id))
    }

    /// Reads keys; those that were erased are not among them.
    ///
    /// # Errors
    ///
    /// As [`Vault::key`].
    pub async fn keys(&self, ids: &[KeyId]) -> Result<BTreeMap<KeyId, SubjectKey>, SealError> {
        let mut keys = BTreeMap::new();
        for (id, wrapped) in self.file.wrapped(&self.school, ids).await? {
            let plain = decrypt(&self.wrapping, &self.aad("keys", id, id.as_bytes()), &wrapped, "keys")?;
            let bytes = plain.as_slice().try_into().map_err(|_| SealError::Altered("keys"))?;
            keys.insert(id, SubjectKey { id, bytes: Zeroizing::new(bytes) });
        }
        Ok(keys)
    }

    /// Seals `plain` for one place.
    ///
    /// # Errors
    ///
    /// When there is no randomness for the nonce.
    pub fn seal(&self, key: &SubjectKey, place: Place<'_>, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        encrypt(&key.bytes, &self.aad(place.table, key.id, place.row), plain)
    }

    /// Opens what [`Vault::seal`] made for the same place.
    ///
    /// # Errors
    ///
    /// When it was altered or moved.
    pub fn open_with(
        &self,
        key: &SubjectKey,
        place: Place<'_>,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        decrypt(&key.bytes, &self.aad(place.table, key.id, place.row), sealed, place.table)
    }

    /// Reads the key `id` and opens `sealed` with it.
    ///
    /// # Errors
    ///
    /// [`SealError::Erased`] when the key is gone; otherwise as [`Vault::key`] and [`Vault::open_with`].
    pub async fn unseal(&self, id: KeyId, place: Place<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let key = self.key(id).await?.ok_or(SealError::Erased(id))?;
        self.open_with(&key, place, sealed)
    }

    /// Deletes a key, and with it everything sealed under it. Says whether there was one.
    ///
    /// # Errors
    ///
    /// When the key file cannot be written.
    pub async fn erase(&self, id: KeyId) -> Result<bool, SealError> {
        Ok(self.file.delete(&self.school, id).await?)
    }

    /// The blind identity of a subject: equal for equal subjects, and no name without the school key.
    #[must_use]
    pub fn identity(&self, who: Identity<'_>) -> [u8; 32] {
        let fields: [&[u8]; 4] = match &who {
            Identity::Person(person) => [b"person", person.as_bytes(), b"", b""],
            Identity::Account(account) => [b"account", account.as_bytes(), b"", b""],
            Identity::Session { device, account, session } => {
                [b"session", device.as_bytes(), account.as_bytes(), session.as_bytes()]
            }
        };
        let mut mac = keyed(&self.identity);
        framed(self.school.as_str().as_bytes(), |bytes| Mac::update(&mut mac, bytes));
        for field in fields {
            framed(field, |bytes| Mac::update(&mut mac, bytes));
        }
        mac.finalize().into_bytes().into()
    }

    /// Closes the key file.
    pub async fn close(&self) {
        self.file.close().await;
    }

    fn aad(&self, table: &str, key: KeyId, row: &[u8]) -> Vec<u8> {
        let mut aad = b"lapwing seal 1".to_vec();
        for field in [self.school.as_str().as_bytes(), table.as_bytes(), key.as_bytes(), row] {
            framed(field, |bytes| aad.extend_from_slice(bytes));
        }
        aad
    }
}

impl SubjectKey {
    /// Its id, to be stored beside what it sealed.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vault({}, <redacted>)", self.school)
    }
}

impl fmt::Debug for SubjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SubjectKey({}, <redacted>)", self.id)
    }
}

/// Hands on the field's length and the field, so that no two lists of fields run into the same bytes.
fn framed(field: &[u8], mut sink: impl FnMut(&[u8])) {
    sink(&(field.len() as u64).to_be_bytes());
    sink(field);
}

fn derive(school_key: &[u8; KEY_BYTES], label: &[u8]) -> Zeroizing<[u8; KEY_BYTES]> {
    let mut mac = keyed(school_key);
    mac.update(label);
    Zeroizing::new(mac.finalize().into_bytes().into())
}

fn keyed(key: &[u8; KEY_BYTES]) -> Hmac<Sha256> {
    // HMAC pads a short key with zeros to the block of its hash.
    let mut block = Zeroizing::new([0; HMAC_BLOCK_BYTES]);
    for (padded, byte) in block.iter_mut().zip(key) {
        *padded = *byte;
    }
    <Hmac<Sha256> as KeyInit>::new((&*block).into())
}

fn encrypt(key: &[u8; KEY_BYTES], aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError> {
    let mut nonce = [0; NONCE_BYTES];
    getrandom::fill(&mut nonce)?;
    let cipher = XChaCha20Poly1305::new(key.into());
    let text = cipher
        .encrypt(XNonce::from_slice(&nonce), Payload { msg: plain, aad })
        .map_err(|_| SealError::Altered("evidence too long"))?;
    Ok([nonce.as_slice(), &text].concat())
}

fn decrypt(
    key: &[u8; KEY_BYTES],
    aad: &[u8],
    sealed: &[u8],
    what: &'static str,
) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let (nonce, text) = sealed.split_at_checked(NONCE_BYTES).ok_or(SealError::Altered(what))?;
    let cipher = XChaCha20Poly1305::new(key.into());
    let plain =
        cipher.decrypt(XNonce::from_slice(nonce), Payload { msg: text, aad }).map_err(|_| SealError::Altered(what))?;
    Ok(Zeroizing::new(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place<'static> = Place { table: "captures", row: b"row" };

    async fn vault(folder: &Path) -> Vault {
        Vault::open(folder, "hill-school".parse().unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn a_sealed_value_opens_only_in_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let vault = vault(folder.path()).await;
        let key = vault.new_key(1).await.unwrap();
        let sealed = vault.seal(&key, PLACE, b"evidence").unwrap();
        assert_eq!(vault.unseal(key.id(), PLACE, &sealed).await.unwrap().as_slice(), b"evidence");
        for moved in [Place { table: "concern_steps", ..PLACE }, Place { row: b"other", ..PLACE }] {
            assert!(matches!(vault.open_with(&key, moved, &sealed), Err(SealError::Altered(_))));
        }
        let other_key = vault.new_key(1).await.unwrap();
        assert!(vault.open_with(&other_key, PLACE, &sealed).is_err());
        assert!(vault.open_with(&key, PLACE, sealed.get(..10).unwrap()).is_err());
    }

    #[tokio::test]
    async fn keys_survive_a_restart_and_do_not_survive_erasure() {
        let folder = tempfile::tempdir().unwrap();
        let first = vault(folder.path()).await;
        let key = first.new_key(1).await.unwrap();
        let sealed = first.seal(&key, PLACE, b"evidence").unwrap();
        first.close().await;
        let second = vault(folder.path()).await;
        assert!(second.unseal(key.id(), PLACE, &sealed).await.is_ok());
        assert!(second.erase(key.id()).await.unwrap());
        assert!(matches!(second.unseal(key.id(), PLACE, &sealed).await, Err(SealError::Erased(_))));
        assert!(!second.erase(key.id()).await.unwrap());
    }

    #[tokio::test]
    async fn identities_are_stable_and_apart() {
        let folder = tempfile::tempdir().unwrap();
        let vault = vault(folder.path()).await;
        let person = Identity::Person(PersonId::from_bytes([7; 16]));
        assert_eq!(vault.identity(person), vault.identity(person));
        let device = DeviceId::from_bytes([1; 16]);
        let ids = [
            vault.identity(person),
            vault.identity(Identity::Account("ks1")),
            vault.identity(Identity::Session { device, account: "ks1", session: "2" }),
            vault.identity(Identity::Session { device, account: "ks", session: "12" }),
        ];
        assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), ids.len());
    }
}
