//! Enrolment: the campaign token and a signing request become an identity.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lapwing_proto::bounds::MAX_MESSAGE_BYTES;
use lapwing_proto::wire::enrol_client::EnrolClient;
use lapwing_proto::{DeviceId, failpoint, wire};
use prost::Message;
use tokio::time::timeout;
use tonic::Status;
use zeroize::Zeroizing;

use super::trusted_time::TrustedTime;
use super::{AGENT_VERSION, UplinkConfig, tls};
use crate::clock::Clock;
use crate::durable;
use crate::identity::{CertificateError, DeviceKey, HardwareHash, Identity, IdentityStore};

const ANSWER_WITHIN: Duration = Duration::from_secs(30);
const MAX_TOKEN_BYTES: usize = 64;
/// A token file may end in blanks and line ends.
const MAX_TOKEN_FILE_BYTES: usize = 256;

/// Why the device did not enrol, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// There is no token to enrol with.
    #[error("no campaign token: set `[enrol] token_file` to a file that holds one")]
    NoToken,
    /// The token file cannot be read.
    #[error("cannot read the campaign token in `{}`: {source}", path.display())]
    TokenFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The token file holds something else.
    #[error("`{}` holds no campaign token: expected the one line that `lapwing-collector token create` prints", path.display())]
    NotAToken {
        /// The file.
        path: PathBuf,
    },
    /// Nothing says which collector is the right one.
    #[error("no fingerprint: set `[collector] ca_fingerprint` to the one that `lapwing-collector ca export` prints")]
    NoFingerprint,
    /// The collector does not answer.
    #[error("the collector at {0} cannot be reached: {1}")]
    Unreachable(String, String),
    /// Somebody else answers, or the collector's authority was replaced.
    #[error("what answers at {0} is not the collector of `[collector] ca_fingerprint`: {1}")]
    WrongCollector(String, String),
    /// The collector's certificate is not valid at the time it is on this device.
    #[error("the collector's certificate is not valid by this device's clock: set the clock ({0})")]
    Clock(String),
    /// The token is of no use.
    #[error("the collector does not know this campaign token: create one with `lapwing-collector token create`")]
    TokenUnknown,
    /// The token is of no use any more.
    #[error("the campaign token has expired: create a new one with `lapwing-collector token create`")]
    TokenExpired,
    /// The token is of no use any more.
    #[error("the campaign token has no uses left: create a new one with `lapwing-collector token create`")]
    TokenSpent,
    /// Too many at once.
    #[error("the collector is busy; the agent tries again")]
    Busy(Duration),
    /// It refused for another reason.
    #[error("the collector refused: {0}")]
    Refused(String),
    /// The key or the certificate issued cannot be used.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
    /// The state folder cannot be read or written.
    #[error("the identity cannot be read or kept: {0}")]
    State(#[from] io::Error),
}

impl EnrolError {
    /// Whether it may go away by itself.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable(..) | Self::Clock(_) | Self::Busy(_) | Self::Refused(_) | Self::State(_) => true,
            Self::NoToken
            | Self::TokenFile { .. }
            | Self::NotAToken { .. }
            | Self::NoFingerprint
            | Self::WrongCollector(..)
            | Self::TokenUnknown
            | Self::TokenExpired
            | Self::TokenSpent
            | Self::Certificate(_)
            | Self::Tls(_) => false,
        }
    }
}

/// Enrols: makes a key, exchanges the campaign token for a certificate, keeps both, and wipes the token.
///
/// # Errors
///
/// [`EnrolError`]; nothing has changed then, except that the collector may have counted a use of the token. Where the
/// identity could not be kept, the collector is not asked at all.
pub async fn enrol(
    config: &UplinkConfig,
    store: &IdentityStore,
    hardware: HardwareHash,
    clock: Arc<dyn Clock>,
) -> Result<DeviceId, EnrolError> {
    let path = config.token_file.as_deref().ok_or(EnrolError::NoToken)?;
    let token = read_token(path)?;
    let fingerprint = config.ca_fingerprint.ok_or(EnrolError::NoFingerprint)?;
    store.prove_room()?;
    let key = DeviceKey::generate()?;
    let request = wire::JoinRequest {
        token: token.as_str().to_owned(),
        csr: key.signing_request()?,
        facts: Some(facts(config, hardware)),
    };
    let time = Arc::new(TrustedTime::new(clock));
    let trust = tls::pinned(fingerprint, &time).map_err(|error| EnrolError::Tls(error.to_string()))?;
    let channel =
        tls::channel(&config.enrol, trust, &tls::over_tcp()).map_err(|error| EnrolError::Tls(error.to_string()))?;
    let mut client = EnrolClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES);
    let answer = match failpoint!("enrol.join", timeout(ANSWER_WITHIN, client.join(request)).await) {
        Ok(Ok(answer)) => answer.into_inner(),
        Ok(Err(status)) => return Err(refused(config, &status)),
        Err(_) => return Err(EnrolError::Unreachable(config.enrol.to_string(), "no answer in time".to_owned())),
    };
    let identity = Identity::new(&key, answer.certificate, answer.authorities, answer.server_time_us)?;
    let device = identity.device();
    store.replace(identity)?;
    if let Err(error) = failpoint!("enrol.wipe", wipe(path)) {
        tracing::error!(error = %error, "the campaign token could not be wiped: remove the token file by hand");
    }
    tracing::info!(device.id = %device, "the device is enrolled");
    Ok(device)
}

fn facts(config: &UplinkConfig, hardware: HardwareHash) -> wire::DeviceFacts {
    wire::DeviceFacts {
        hostname: config.host_name.clone(),
        hardware_hash: hardware.as_bytes().to_vec(),
        os: std::env::consts::OS.to_owned(),
        agent_version: AGENT_VERSION.to_owned(),
        room: config.room.clone(),
    }
}

fn read_token(path: &Path) -> Result<Zeroizing<String>, EnrolError> {
    let failed = |source| EnrolError::TokenFile { path: path.to_owned(), source };
    let bytes = match durable::read_bounded(path, MAX_TOKEN_FILE_BYTES) {
        Ok(bytes) => Zeroizing::new(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(EnrolError::NoToken),
        Err(error) => return Err(failed(error)),
    };
    let text = std::str::from_utf8(&bytes).map(str::trim).unwrap_or_default();
    if text.is_empty() || text.len() > MAX_TOKEN_BYTES || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(EnrolError::NotAToken { path: path.to_owned() });
    }
    Ok(Zeroizing::new(text.to_owned()))
}

/// Writes over the token before it is removed. A disk may keep the old blocks all the same: the token's expiry and
/// use count bound what they are worth.
fn wipe(path: &Path) -> io::Result<()> {
    let length = usize::try_from(std::fs::metadata(path)?.len()).unwrap_or(0).min(MAX_TOKEN_FILE_BYTES);
    let mut file = std::fs::File::options().write(true).open(path)?;
    failpoint!("enrol.overwrite", file.write_all(&vec![0; length]).and_then(|()| file.sync_all())?);
    durable::remove(path)
}

fn refused(config: &UplinkConfig, status: &Status) -> EnrolError {
    let refusal = wire::Refusal::decode(status.details()).unwrap_or_default();
    match wire::ErrorCode::try_from(refusal.code) {
        Ok(wire::ErrorCode::TokenUnknown) => EnrolError::TokenUnknown,
        Ok(wire::ErrorCode::TokenExpired) => EnrolError::TokenExpired,
        Ok(wire::ErrorCode::TokenSpent) => EnrolError::TokenSpent,
        Ok(wire::ErrorCode::Busy) => EnrolError::Busy(Duration::from_millis(u64::from(refusal.retry_delay_ms))),
        Ok(wire::ErrorCode::Unspecified) => unreached(config, status),
        Ok(_) | Err(_) => EnrolError::Refused(refusal.detail),
    }
}

/// Nobody answered, or somebody whose certificate does not fit.
fn unreached(config: &UplinkConfig, status: &Status) -> EnrolError {
    let mut cause: &dyn std::error::Error = status;
    loop {
        let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(error) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            if tls::is_about_time(error) {
                return EnrolError::Clock(error.to_string());
            }
            return EnrolError::WrongCollector(config.enrol.to_string(), error.to_string());
        }
        match cause.source() {
            Some(source) => cause = source,
            None => return EnrolError::Unreachable(config.enrol.to_string(), cause.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_file_holds_one_short_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        assert!(matches!(read_token(&path), Err(EnrolError::NoToken)));
        std::fs::write(&path, " lwt-abc\n").unwrap();
        assert_eq!(read_token(&path).unwrap().as_str(), "lwt-abc");
        for wrong in ["", "two words", &"x".repeat(65)] {
            std::fs::write(&path, wrong).unwrap();
            assert!(matches!(read_token(&path), Err(EnrolError::NotAToken { .. })), "{wrong}");
        }
        std::fs::write(&path, vec![b'x'; 10_000]).unwrap();
        assert!(matches!(read_token(&path), Err(EnrolError::TokenFile { .. })));
    }

    #[test]
    fn a_used_token_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "lwt-abc").unwrap();
        wipe(&path).unwrap();
        assert!(!path.exists());
    }
}
