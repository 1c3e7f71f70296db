//! The certificate the collector issued for the device's key.

use lapwing_proto::DeviceId;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::DeviceKey;

/// Most authorities a device trusts its collector by.
const MAX_AUTHORITIES: usize = 8;
/// Largest certificate taken, in bytes.
const MAX_CERTIFICATE_BYTES: usize = 8 * 1024;

/// Why a key or certificate is not used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The key cannot be made, read or used to sign.
    #[error("the device key cannot be used: {0}")]
    Key(#[from] rcgen::Error),
    /// The collector's answer is not what it should be.
    #[error("the certificate cannot be used: {0}")]
    Certificate(&'static str),
}

/// What makes this device itself. `Debug` prints the device id alone.
pub struct Identity {
    device: DeviceId,
    key: DeviceKey,
    certificate: Vec<u8>,
    authorities: Vec<Vec<u8>>,
    server_time_us: i64,
    not_after_us: i64,
}

impl Identity {
    /// An identity of a new key and what the collector issued for it.
    ///
    /// # Errors
    ///
    /// When the certificate is of another key or names no device, or there is no authority.
    pub fn new(
        key: DeviceKey,
        certificate: Vec<u8>,
        authorities: Vec<Vec<u8>>,
        server_time_us: i64,
    ) -> Result<Self, CertificateError> {
        let fits = |der: &Vec<u8>| der.len() <= MAX_CERTIFICATE_BYTES;
        if !(1..=MAX_AUTHORITIES).contains(&authorities.len()) || !authorities.iter().all(fits) || !fits(&certificate) {
            return Err(CertificateError::Certificate("it or its authorities are out of bounds"));
        }
        let (device, not_after_us) = read(&certificate, key.public_key_info())?;
        Ok(Self { device, key, certificate, authorities, server_time_us, not_after_us })
    }

    /// The device's id, as its certificate says.
    #[must_use]
    pub const fn device(&self) -> DeviceId {
        self.device
    }

    /// The device's certificate, DER.
    #[must_use]
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// Whom the device trusts the collector by, DER.
    #[must_use]
    pub fn authorities(&self) -> &[Vec<u8>] {
        &self.authorities
    }

    /// The collector's clock when this was issued, microseconds of UTC.
    #[must_use]
    pub const fn server_time_us(&self) -> i64 {
        self.server_time_us
    }

    /// When the certificate ends, microseconds of UTC.
    #[must_use]
    pub const fn not_after_us(&self) -> i64 {
        self.not_after_us
    }

    /// The private key.
    pub(crate) const fn key(&self) -> &DeviceKey {
        &self.key
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("device", &self.device).finish_non_exhaustive()
    }
}

fn read(certificate: &[u8], public_key: &[u8]) -> Result<(DeviceId, i64), CertificateError> {
    let malformed = |_| CertificateError::Certificate("it is not X.509");
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(malformed)?;
    if parsed.public_key().raw != public_key {
        return Err(CertificateError::Certificate("it is of another key"));
    }
    let names = parsed.subject_alternative_name().ok().flatten();
    let names = names.map(|names| names.value.general_names.as_slice()).unwrap_or_default();
    let device = names.iter().find_map(|name| {
        let GeneralName::URI(uri) = name else { return None };
        DeviceId::from_uri(uri).ok()
    });
    let device = device.ok_or(CertificateError::Certificate("it names no device"))?;
    Ok((device, parsed.validity().not_after.timestamp().saturating_mul(1_000_000)))
}
