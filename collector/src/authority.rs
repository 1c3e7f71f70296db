//! The collector's own certificate authority: made at the first start, asked for every certificate after it, and rolled
//! over to a new key before it ends.
//!
//! While it is rolled over two are trusted. The new one issues; the one before vouches for it (a cross certificate in
//! every server chain), so that a device that was away and knows the one before alone still knows its collector, and is
//! told of the new one when it joins or renews. What devices are told is signed by the one before, which all of them know.

mod kept;
mod private_file;
mod request;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use data_encoding::HEXLOWER;
use lapwing_proto::{DeviceId, ExemptionList, SchoolId};
use rcgen::{
    Certificate, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType, SerialNumber, SigningKey as _,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use crate::clock::Clock;
use kept::Generations;

pub use request::{CsrInvalid, DeviceKey};

const AUTHORITY_LIFE: Duration = days(3650);
/// Life of a device's certificate.
pub const DEVICE_LIFE: Duration = days(30);
/// Life of a server certificate.
pub const SERVER_LIFE: Duration = days(30);
/// Certificates begin this long before they are made, for clocks that run behind.
const BACK_DATED: Duration = days(1);

/// The authority.
pub struct Authority {
    current: Signer,
    /// The one before, until it is retired.
    earlier: Option<Earlier>,
    /// Which files these are.
    generations: Generations,
}

/// One key of the authority.
struct Signer {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    /// When it began. What it issues begins then too: a certificate of a clock that is ahead is valid all the same once the
    /// clock is right, and the collector's own is valid on a device whose clock is behind.
    begins: OffsetDateTime,
    ends_us: i64,
}

/// The authority before this one.
struct Earlier {
    signer: Signer,
    /// The current one's key, vouched for by this one.
    cross: CertificateDer<'static>,
}

/// A certificate with what is recorded of it.
#[derive(Clone, Debug)]
pub struct DeviceCertificate {
    /// The certificate, DER.
    pub der: CertificateDer<'static>,
    /// Its serial number.
    pub serial: [u8; 16],
    /// SHA-256 of the public key's SubjectPublicKeyInfo.
    pub public_key_digest: [u8; 32],
    /// Which key of the authority issued it, from 1.
    pub authority: u32,
    /// When it was made, microseconds of UTC.
    pub issued_us: i64,
    /// When it ends, microseconds of UTC.
    pub not_after_us: i64,
}

/// A server's chain, its own certificate first and the authorities' last, and its key.
pub struct ServerIdentity {
    /// When its certificate ends, microseconds of UTC.
    pub ends_us: i64,
    /// The chain.
    pub chain: Vec<CertificateDer<'static>>,
    /// The private key, never written to disk.
    pub key: PrivateKeyDer<'static>,
}

/// Why the authority cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// A file of the keys folder cannot be read, written or is open to others.
    #[error("cannot use `{}`", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// One of key and certificate stands without the other, or they do not belong together.
    #[error("the authority's key and certificate in `{}` do not belong together", folder.display())]
    Mismatch {
        /// The keys folder.
        folder: PathBuf,
    },
    /// What says which key is in force cannot be read.
    #[error("`{}` says nothing that can be read", path.display())]
    Generations {
        /// The file.
        path: PathBuf,
    },
    /// It is being rolled over already.
    #[error("the authority is being rolled over: end that with `ca retire` first")]
    RollingOver,
    /// There is none before.
    #[error("there is no authority before this one to be retired")]
    NothingToRetire,
    /// A key or certificate cannot be made or read.
    #[error("cannot make or read a certificate")]
    Certificate(#[from] rcgen::Error),
    /// The operating system has no randomness to give.
    #[error("no randomness: {0}")]
    Randomness(getrandom::Error),
}

impl From<getrandom::Error> for AuthorityError {
    fn from(error: getrandom::Error) -> Self {
        Self::Randomness(error)
    }
}

impl Authority {
    /// Opens the authority of `folder`, and makes it where the folder holds none.
    ///
    /// # Errors
    ///
    /// When a file cannot be read or written, is open to others than its owner, or key and certificate do not belong
    /// together: nothing is overwritten.
    pub fn open_or_create(folder: &Path, school: &SchoolId, clock: &dyn Clock) -> Result<Self, AuthorityError> {
        kept::open_or_create(folder, school, clock)
    }

    /// Begins a roll-over: a new key issues from now on, and the present one vouches for it until it is retired. Durable
    /// when it returns; a running collector takes it within a second.
    ///
    /// # Errors
    ///
    /// When one is under way, or a file cannot be written: then nothing has changed.
    pub fn roll_over(folder: &Path, school: &SchoolId, clock: &dyn Clock) -> Result<Self, AuthorityError> {
        kept::roll_over(folder, school, clock)
    }

    /// Ends a roll-over: the authority before is trusted no more.
    ///
    /// # Errors
    ///
    /// When none is under way, or a file cannot be written: then nothing has changed.
    pub fn retire_earlier(folder: &Path, school: &SchoolId, clock: &dyn Clock) -> Result<Self, AuthorityError> {
        kept::retire(folder, school, clock)
    }

    /// Whether its folder says something else by now.
    #[must_use]
    pub fn is_outdated(&self, folder: &Path) -> bool {
        kept::generations(folder).is_ok_and(|now| now != self.generations)
    }

    /// When the roll-over that is under way began, microseconds of UTC.
    #[must_use]
    pub fn rolling_since_us(&self) -> Option<i64> {
        self.earlier.as_ref().and(self.generations.since_us)
    }

    /// Which key it is, from 1.
    #[must_use]
    pub const fn generation(&self) -> u32 {
        self.generations.current
    }

    /// When the current one ends, microseconds of UTC.
    #[must_use]
    pub const fn ends_us(&self) -> i64 {
        self.current.ends_us
    }

    /// The authority's own certificate, DER.
    #[must_use]
    pub const fn certificate(&self) -> &CertificateDer<'static> {
        &self.current.certificate
    }

    /// Every certificate that is trusted, DER: the current one, and the one before.
    #[must_use]
    pub fn trusted(&self) -> Vec<CertificateDer<'static>> {
        let earlier = self.earlier.iter().map(|earlier| &earlier.signer);
        [&self.current].into_iter().chain(earlier).map(|signer| signer.certificate.clone()).collect()
    }

    /// As devices are told whom to trust.
    #[must_use]
    pub fn to_wire(&self) -> Vec<Vec<u8>> {
        self.trusted().iter().map(|certificate| certificate.to_vec()).collect()
    }

    /// What an agent is told to know the collector by: `sha256:` and the digest of the certificate.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.current.certificate)
    }

    /// As [`Authority::fingerprint`], of the one before.
    #[must_use]
    pub fn earlier_fingerprint(&self) -> Option<String> {
        self.earlier.as_ref().map(|earlier| fingerprint(&earlier.signer.certificate))
    }

    /// Issues a client certificate for `key` in the name of `device`. Nothing else of the request enters it.
    ///
    /// # Errors
    ///
    /// When it cannot be signed.
    pub fn issue_device(
        &self,
        device: DeviceId,
        key: &DeviceKey,
        clock: &dyn Clock,
    ) -> Result<DeviceCertificate, AuthorityError> {
        let serial = serial()?;
        let mut params = validity(CertificateParams::default(), clock, DEVICE_LIFE);
        params.not_before = self.current.begins.min(params.not_before);
        params.distinguished_name = named(&device.to_string());
        params.subject_alt_names = vec![SanType::URI(device.to_uri().try_into()?)];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        let not_after_us = micros(params.not_after);
        let der = params.signed_by(key.public_key(), &self.current.issuer)?.der().clone();
        let (public_key_digest, issued_us) = (key.digest(), clock.wall_us());
        Ok(DeviceCertificate { der, serial, public_key_digest, authority: self.generation(), issued_us, not_after_us })
    }

    /// Signs what devices are told not to capture. What is signed begins with words that no certificate begins with.
    ///
    /// # Errors
    ///
    /// When it cannot be signed.
    pub fn sign_exemptions(&self, list: &ExemptionList) -> Result<Vec<u8>, AuthorityError> {
        let known_to_all = self.earlier.as_ref().map_or(&self.current, |earlier| &earlier.signer);
        list.sign(|message| Ok(known_to_all.issuer.key().sign(message)?))
    }

    /// Issues a server certificate with a new key for `host_names`, which are names or addresses.
    ///
    /// # Errors
    ///
    /// When a name is none, or it cannot be signed.
    pub fn issue_server(&self, host_names: &[String], clock: &dyn Clock) -> Result<ServerIdentity, AuthorityError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = validity(CertificateParams::default(), clock, SERVER_LIFE);
        params.not_before = self.current.begins.min(params.not_before);
        params.distinguished_name = named("Lapwing collector");
        params.subject_alt_names = host_names.iter().map(|name| alternative(name)).collect::<Result<_, _>>()?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(SerialNumber::from_slice(&serial()?));
        let certificate: Certificate = params.signed_by(&key, &self.current.issuer)?;
        let cross = self.earlier.iter().map(|earlier| earlier.cross.clone());
        Ok(ServerIdentity {
            ends_us: micros(params.not_after),
            chain: [certificate.der().clone()].into_iter().chain(cross).chain(self.trusted()).collect(),
            key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        })
    }
}

fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    format!("sha256:{}", HEXLOWER.encode(&Sha256::digest(certificate)))
}

const fn days(days: u64) -> Duration {
    Duration::from_secs(days * 24 * 60 * 60)
}

fn named(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

fn alternative(name: &str) -> Result<SanType, rcgen::Error> {
    match name.parse::<IpAddr>() {
        Ok(address) => Ok(SanType::IpAddress(address)),
        Err(_) => Ok(SanType::DnsName(name.try_into()?)),
    }
}

/// A positive serial number of 128 bits, 126 of them random.
fn serial() -> Result<[u8; 16], getrandom::Error> {
    let mut serial = [0; 16];
    getrandom::fill(&mut serial)?;
    if let Some(first) = serial.first_mut() {
        *first = (*first & 0x3f) | 0x40;
    }
    Ok(serial)
}

fn validity(mut params: CertificateParams, clock: &dyn Clock, life: Duration) -> CertificateParams {
    let now = OffsetDateTime::UNIX_EPOCH + time::Duration::microseconds(clock.wall_us());
    params.not_before = now - BACK_DATED;
    params.not_after = now + life;
    params
}

fn micros(at: OffsetDateTime) -> i64 {
    at.unix_timestamp().saturating_mul(1_000_000)
}

#[cfg(test)]
mod tests;
