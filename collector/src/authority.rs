//! The collector's own certificate authority: made at the first start, asked for every certificate after it.
//!
//! Two files in the keys folder, both readable by their owner alone: `ca.key.pem` (PKCS #8) and `ca.cert.pem`. The key
//! is written first, so that a certificate never stands without its key; each file is written beside its place, synced
//! and renamed, then the folder is synced.

mod private_file;
mod request;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use data_encoding::HEXLOWER;
use lapwing_proto::{DeviceId, ExemptionList, SchoolId};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType, SerialNumber, SigningKey as _,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use crate::clock::Clock;

pub use request::{CsrInvalid, DeviceKey};

const KEY_FILE: &str = "ca.key.pem";
const CERTIFICATE_FILE: &str = "ca.cert.pem";
const AUTHORITY_LIFE: Duration = days(3650);
/// Life of a device's certificate.
pub const DEVICE_LIFE: Duration = days(30);
/// Life of a server certificate.
pub const SERVER_LIFE: Duration = days(30);
/// Certificates begin this long before they are made, for clocks that run behind.
const BACK_DATED: Duration = days(1);

/// The authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    /// When it began. What it issues begins then too: a certificate of a clock that is ahead is valid all the same once the
    /// clock is right, and the collector's own is valid on a device whose clock is behind.
    begins: OffsetDateTime,
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
    /// When it was made, microseconds of UTC.
    pub issued_us: i64,
    /// When it ends, microseconds of UTC.
    pub not_after_us: i64,
}

/// A server's chain, its own certificate first and the authority's last, and its key.
pub struct ServerIdentity {
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
    #[error("`{}` and `{}` in `{}` do not belong together", KEY_FILE, CERTIFICATE_FILE, folder.display())]
    Mismatch {
        /// The keys folder.
        folder: PathBuf,
    },
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
        private_file::make_folder(folder)?;
        let (key_file, certificate_file) = (folder.join(KEY_FILE), folder.join(CERTIFICATE_FILE));
        match (private_file::read(&key_file)?, private_file::read(&certificate_file)?) {
            (Some(key), Some(certificate)) => Self::open(folder, &key, &certificate),
            (Some(key), None) => Self::create(KeyPair::from_pem(&key)?, &certificate_file, school, clock),
            (None, Some(_)) => Err(AuthorityError::Mismatch { folder: folder.to_owned() }),
            (None, None) => {
                let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
                private_file::write(&key_file, key.serialize_pem().as_bytes())?;
                Self::create(key, &certificate_file, school, clock)
            }
        }
    }

    fn create(key: KeyPair, file: &Path, school: &SchoolId, clock: &dyn Clock) -> Result<Self, AuthorityError> {
        let mut params = validity(CertificateParams::default(), clock, AUTHORITY_LIFE);
        params.distinguished_name = named(&format!("Lapwing authority of {school}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.serial_number = Some(SerialNumber::from_slice(&serial()?));
        let certificate = params.self_signed(&key)?;
        private_file::write(file, certificate.pem().as_bytes())?;
        let (certificate, begins) = (certificate.der().clone(), params.not_before);
        Ok(Self { issuer: Issuer::new(params, key), certificate, begins })
    }

    fn open(folder: &Path, key: &str, certificate: &str) -> Result<Self, AuthorityError> {
        let mismatch = || AuthorityError::Mismatch { folder: folder.to_owned() };
        let key = KeyPair::from_pem(key)?;
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).map_err(|_| mismatch())?;
        let (_, parsed) = x509_parser::parse_x509_certificate(&certificate).map_err(|_| mismatch())?;
        if parsed.public_key().raw != key.subject_public_key_info() {
            return Err(mismatch());
        }
        let begins = parsed.validity().not_before.to_datetime();
        Ok(Self { issuer: Issuer::from_ca_cert_der(&certificate, key)?, certificate, begins })
    }

    /// The authority's own certificate, DER.
    #[must_use]
    pub const fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// What an agent is told to know the collector by: `sha256:` and the digest of the certificate.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        format!("sha256:{}", HEXLOWER.encode(&Sha256::digest(&self.certificate)))
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
        params.not_before = self.begins.min(params.not_before);
        params.distinguished_name = named(&device.to_string());
        params.subject_alt_names = vec![SanType::URI(device.to_uri().try_into()?)];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        let not_after_us = micros(params.not_after);
        let der = params.signed_by(key.public_key(), &self.issuer)?.der().clone();
        Ok(DeviceCertificate { der, serial, public_key_digest: key.digest(), issued_us: clock.wall_us(), not_after_us })
    }

    /// Signs what devices are told not to capture. What is signed begins with words that no certificate begins with.
    ///
    /// # Errors
    ///
    /// When it cannot be signed.
    pub fn sign_exemptions(&self, list: &ExemptionList) -> Result<Vec<u8>, AuthorityError> {
        list.sign(|message| Ok(self.issuer.key().sign(message)?))
    }

    /// Issues a server certificate with a new key for `host_names`, which are names or addresses.
    ///
    /// # Errors
    ///
    /// When a name is none, or it cannot be signed.
    pub fn issue_server(&self, host_names: &[String], clock: &dyn Clock) -> Result<ServerIdentity, AuthorityError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = validity(CertificateParams::default(), clock, SERVER_LIFE);
        params.not_before = self.begins.min(params.not_before);
        params.distinguished_name = named("Lapwing collector");
        params.subject_alt_names = host_names.iter().map(|name| alternative(name)).collect::<Result<_, _>>()?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(SerialNumber::from_slice(&serial()?));
        let certificate: Certificate = params.signed_by(&key, &self.issuer)?;
        Ok(ServerIdentity {
            chain: vec![certificate.der().clone(), self.certificate.clone()],
            key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        })
    }
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
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use rcgen::CertificateParams;

    use super::*;
    use crate::clock::ManualClock;
    use crate::tls::device_of;

    const NOW_US: i64 = 1_795_000_000_000_000;
    const DAY_US: i64 = 24 * 3600 * 1_000_000;

    fn school() -> SchoolId {
        "sample-school".parse().unwrap()
    }

    #[test]
    fn a_second_opening_finds_the_same_authority_in_files_of_the_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let keys = folder.path().join("keys");
        let clock = ManualClock::at(NOW_US);

        let first = Authority::open_or_create(&keys, &school(), &clock).unwrap().fingerprint();
        let second = Authority::open_or_create(&keys, &school(), &clock).unwrap().fingerprint();

        assert_eq!(first, second);
        assert_eq!(std::fs::metadata(&keys).unwrap().permissions().mode() & 0o777, 0o700);
        for file in [KEY_FILE, CERTIFICATE_FILE] {
            assert_eq!(std::fs::metadata(keys.join(file)).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::at(NOW_US);
        Authority::open_or_create(folder.path(), &school(), &clock).unwrap();
        let key = folder.path().join(KEY_FILE);
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();

        assert!(matches!(
            Authority::open_or_create(folder.path(), &school(), &clock),
            Err(AuthorityError::File { path, .. }) if path == key
        ));
    }

    #[test]
    fn a_certificate_without_its_key_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::at(NOW_US);
        Authority::open_or_create(folder.path(), &school(), &clock).unwrap();
        std::fs::remove_file(folder.path().join(KEY_FILE)).unwrap();

        let refused = Authority::open_or_create(folder.path(), &school(), &clock);

        assert!(matches!(refused, Err(AuthorityError::Mismatch { .. })));
        assert!(!folder.path().join(KEY_FILE).exists());
    }

    #[test]
    fn a_device_certificate_carries_the_device_alone_whatever_the_request_asks() {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::at(NOW_US);
        let authority = Authority::open_or_create(folder.path(), &school(), &clock).unwrap();
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut asked = CertificateParams::new(vec!["collector.school.example".to_owned()]).unwrap();
        asked.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let csr = asked.serialize_request(&key).unwrap();
        let device = DeviceId::from_bytes([7; 16]);

        let issued = authority.issue_device(device, &DeviceKey::from_request(csr.der()).unwrap(), &clock).unwrap();

        assert_eq!(device_of(&issued.der).unwrap(), device);
        let (_, parsed) = x509_parser::parse_x509_certificate(&issued.der).unwrap();
        let usage = parsed.extended_key_usage().unwrap().unwrap().value;
        assert!(usage.client_auth && !usage.server_auth);
        assert_eq!(parsed.subject_alternative_name().unwrap().unwrap().value.general_names.len(), 1);
        assert_eq!(parsed.public_key().raw, key.subject_public_key_info());
        assert_eq!(issued.not_after_us, NOW_US + 30 * DAY_US);
    }

    #[test]
    fn a_device_certificate_issued_while_the_clock_was_ahead_is_valid_now() {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::at(NOW_US);
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let csr = CertificateParams::default().serialize_request(&key).unwrap();
        Authority::open_or_create(folder.path(), &school(), &clock).unwrap();
        let authority = Authority::open_or_create(folder.path(), &school(), &clock).unwrap();
        clock.advance_us(15 * DAY_US);

        let device = DeviceId::from_bytes([7; 16]);
        let issued = authority.issue_device(device, &DeviceKey::from_request(csr.der()).unwrap(), &clock).unwrap();

        let (_, parsed) = x509_parser::parse_x509_certificate(&issued.der).unwrap();
        assert_eq!(parsed.validity().not_before.timestamp(), (NOW_US - DAY_US) / 1_000_000);
        assert_eq!(issued.not_after_us, NOW_US + 45 * DAY_US);
    }
}
