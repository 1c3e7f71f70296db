//! The identity as it is kept.

use std::io;

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::{CertificateError, DeviceKey, Identity};

/// Longest identity file read.
pub(super) const MAX_BYTES: usize = 256 * 1024;
const FORMAT: u32 = 1;

/// Why an identity file is not used.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    #[error("malformed: {0}")]
    Json(#[from] serde_json::Error),
    #[error("format {0} is not known")]
    Format(u32),
    #[error("`{0}` is not base64")]
    Base64(&'static str),
    #[error("its device id is not that of its certificate")]
    Device,
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

#[derive(Serialize, Deserialize)]
struct Kept {
    format: u32,
    device_id: String,
    key: String,
    certificate: String,
    authorities: Vec<String>,
    server_time_us: i64,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

pub(super) fn read(bytes: &[u8]) -> Result<Identity, FileError> {
    let kept: Kept = serde_json::from_slice(bytes)?;
    if kept.format != FORMAT {
        return Err(FileError::Format(kept.format));
    }
    let key = Zeroizing::new(decode("key", &kept.key)?);
    let certificate = decode("certificate", &kept.certificate)?;
    let authorities: Result<Vec<_>, _> = kept.authorities.iter().map(|der| decode("authorities", der)).collect();
    let identity = Identity::new(DeviceKey::of_kept(key)?, certificate, authorities?, kept.server_time_us)?;
    if identity.device().to_string() != kept.device_id {
        return Err(FileError::Device);
    }
    Ok(identity)
}

pub(super) fn write(identity: &Identity) -> io::Result<Zeroizing<Vec<u8>>> {
    let kept = Kept {
        format: FORMAT,
        device_id: identity.device().to_string(),
        key: BASE64.encode(identity.key().to_keep()),
        certificate: BASE64.encode(identity.certificate()),
        authorities: identity.authorities().iter().map(|der| BASE64.encode(der)).collect(),
        server_time_us: identity.server_time_us(),
    };
    Ok(Zeroizing::new(serde_json::to_vec(&kept)?))
}

fn decode(field: &'static str, text: &str) -> Result<Vec<u8>, FileError> {
    BASE64.decode(text.as_bytes()).map_err(|_| FileError::Base64(field))
}
