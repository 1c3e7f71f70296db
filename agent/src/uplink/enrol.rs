//! Enrolment: the campaign token and a signing request become an identity.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lapwing_proto::bounds::MAX_MESSAGE_BYTES;
use lapwing_proto::wire::enrol_client::EnrolClient;
use lapwing_proto::{DeviceId, failpoint, wire};
use prost::Message;
use rustls::ClientConfig;
use tokio::time::timeout;
use tonic::transport::Channel;
use tonic::{Response, Status};
use zeroize::Zeroizing;

use super::tls::{self, Dial, Expiry};
use super::trusted_time::TrustedTime;
use super::{AGENT_VERSION, UplinkConfig};
use crate::clock::Clock;
use crate::identity::{CertificateError, HardwareHash, Identity, IdentityStore, JoiningKeyError};
use crate::{durable, platform};

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
    /// The token is for elsewhere.
    #[error(
        "the campaign token is not for this network: create one for it with `lapwing-collector token create --network`"
    )]
    Network,
    /// The token is for others.
    #[error(
        "this device is not on the school's list, and the campaign token is for those alone: add its host name and serial number with `lapwing-collector device expect`"
    )]
    NotListed,
    /// Somebody has to let it in.
    #[error("this device waits to be let in: see `lapwing-collector device waiting`, or the page of devices")]
    Waits(Duration),
    /// Somebody said no.
    #[error("this device was turned away: whoever runs the collector said so")]
    Denied,
    /// The device is denied.
    #[error("the collector denies this device: ask whoever runs the collector")]
    Revoked,
    /// Too long ago for the key to do.
    #[error("this device was away for too long: put a new campaign token into the file of `[enrol] token_file`")]
    Expired,
    /// Another PC goes on by this identity.
    #[error("another PC goes on by this identity: this one becomes a device of its own")]
    Copy,
    /// The collector does not know the key.
    #[error(
        "the collector does not know this device's key: put a new campaign token into the file of `[enrol] token_file`"
    )]
    Proof,
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
            Self::Unreachable(..)
            | Self::Clock(_)
            | Self::Waits(_)
            | Self::Busy(_)
            | Self::Refused(_)
            | Self::State(_) => true,
            Self::NoToken
            | Self::TokenFile { .. }
            | Self::NotAToken { .. }
            | Self::NoFingerprint
            | Self::WrongCollector(..)
            | Self::TokenUnknown
            | Self::TokenExpired
            | Self::TokenSpent
            | Self::Network
            | Self::NotListed
            | Self::Denied
            | Self::Revoked
            | Self::Expired
            | Self::Proof
            | Self::Copy
            | Self::Certificate(_)
            | Self::Tls(_) => false,
        }
    }
}

impl EnrolError {
    /// How long to wait before asking again, on top of the caller's own back-off.
    pub(super) const fn asked_to_wait(&self) -> Option<Duration> {
        let (Self::Busy(retry) | Self::Waits(retry)) = self else { return None };
        Some(*retry)
    }
}

impl From<JoiningKeyError> for EnrolError {
    fn from(error: JoiningKeyError) -> Self {
        match error {
            JoiningKeyError::Disk(error) => Self::State(error),
            JoiningKeyError::Key(error) => Self::Certificate(error),
        }
    }
}

/// Enrols: makes a key, exchanges the campaign token for a certificate, keeps both, and wipes the token. `spool` is what
/// was delivered under an earlier identity, where there was one.
///
/// # Errors
///
/// [`EnrolError`]; nothing has changed then, except that the collector may have counted a use of the token: asked again, it
/// answers with the same device. Where the identity could not be kept, the collector is not asked at all.
pub async fn enrol(
    config: &UplinkConfig,
    store: &IdentityStore,
    hardware: HardwareHash,
    spool: Option<wire::SpoolState>,
    clock: Arc<dyn Clock>,
) -> Result<DeviceId, EnrolError> {
    let path = config.token_file.as_deref().ok_or(EnrolError::NoToken)?;
    // Device management may have left it open to everybody at the PC.
    if let Err(error) = platform::close_to_others(path) {
        tracing::warn!(error = %error, "others may read the campaign token: set its permissions to 0600");
    }
    let token = read_token(path)?;
    let fingerprint = config.ca_fingerprint.ok_or(EnrolError::NoFingerprint)?;
    store.prove_room()?;
    let time = Arc::new(TrustedTime::new(clock));
    let trust = tls::pinned(fingerprint, &time).map_err(|error| EnrolError::Tls(error.to_string()))?;
    let asking = Asking::new(config, trust, &tls::over_tcp())?;
    let key = store.joining_key()?;
    let request = wire::JoinRequest {
        token: token.as_str().to_owned(),
        csr: key.signing_request()?,
        facts: Some(facts(config, hardware)),
        proof: None,
        spool,
    };
    let answer = failpoint!("enrol.join", asking.join(request).await)?;
    let identity = Identity::new(key, answer.certificate, answer.authorities, answer.server_time_us)?;
    let device = identity.device();
    store.replace(identity)?;
    if let Err(error) = failpoint!("enrol.wipe", wipe(path)) {
        tracing::error!(error = %error, "the campaign token could not be wiped: remove the token file by hand");
    }
    tracing::info!(device.id = %device, "the device is enrolled");
    Ok(device)
}

/// A connection to the enrol listener.
pub(super) struct Asking<'a> {
    config: &'a UplinkConfig,
    client: EnrolClient<Channel>,
}

impl<'a> Asking<'a> {
    pub(super) fn new(config: &'a UplinkConfig, trust: ClientConfig, dial: &Dial) -> Result<Self, EnrolError> {
        let channel = tls::channel(&config.enrol, trust, dial, &Expiry::default())
            .map_err(|error| EnrolError::Tls(error.to_string()))?;
        Ok(Self { config, client: EnrolClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES) })
    }

    pub(super) async fn challenge(&self) -> Result<wire::ChallengeResponse, EnrolError> {
        let mut client = self.client.clone();
        self.answer(client.challenge(wire::ChallengeRequest {})).await
    }

    pub(super) async fn join(&self, request: wire::JoinRequest) -> Result<wire::JoinResponse, EnrolError> {
        let mut client = self.client.clone();
        self.answer(client.join(request)).await
    }

    async fn answer<T>(&self, call: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, EnrolError> {
        match timeout(ANSWER_WITHIN, call).await {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) => Err(refused(self.config, &status)),
            Err(_) => Err(EnrolError::Unreachable(self.config.enrol.to_string(), "no answer in time".to_owned())),
        }
    }
}

pub(super) fn facts(config: &UplinkConfig, hardware: HardwareHash) -> wire::DeviceFacts {
    wire::DeviceFacts {
        hostname: config.host_name.clone(),
        hardware_hash: hardware.as_bytes().to_vec(),
        os: std::env::consts::OS.to_owned(),
        agent_version: AGENT_VERSION.to_owned(),
        room: config.room.clone(),
        serial_hash: config.serial_hash.map(|hash| hash.as_bytes().to_vec()).unwrap_or_default(),
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

/// Removes a campaign token that nobody needs: whoever has an identity that the collector answers would join by it once it
/// is denied. It may have come again by device management, or been left by a start that was cut short.
pub(super) fn forget_token(config: &UplinkConfig) {
    let Some(path) = config.token_file.as_deref().filter(|path| path.exists()) else { return };
    match wipe(path) {
        Ok(()) => tracing::info!("a campaign token that is not needed was wiped"),
        Err(error) => {
            tracing::warn!(error = %error, "a campaign token that is not needed stays: remove the token file by hand")
        }
    }
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
    use wire::ErrorCode;
    let refusal = wire::Refusal::decode(status.details()).unwrap_or_default();
    let retry = Duration::from_millis(u64::from(refusal.retry_delay_ms));
    match ErrorCode::try_from(refusal.code) {
        Ok(ErrorCode::TokenUnknown) => EnrolError::TokenUnknown,
        Ok(ErrorCode::TokenExpired) => EnrolError::TokenExpired,
        Ok(ErrorCode::TokenSpent) => EnrolError::TokenSpent,
        Ok(ErrorCode::Network) => EnrolError::Network,
        Ok(ErrorCode::NotListed) => EnrolError::NotListed,
        Ok(ErrorCode::Denied) => EnrolError::Denied,
        Ok(ErrorCode::Revoked) => EnrolError::Revoked,
        Ok(ErrorCode::Expired) => EnrolError::Expired,
        Ok(ErrorCode::Proof) => EnrolError::Proof,
        Ok(ErrorCode::Copy) => EnrolError::Copy,
        Ok(ErrorCode::Waits) => EnrolError::Waits(retry),
        Ok(ErrorCode::Busy) => EnrolError::Busy(retry),
        Ok(ErrorCode::Unspecified) => unreached(config, status),
        Ok(_) | Err(_) => EnrolError::Refused(refusal.detail),
    }
}

/// Nobody answered, or somebody whose certificate does not fit.
fn unreached(config: &UplinkConfig, status: &Status) -> EnrolError {
    match tls::failure(status) {
        Some(error) if tls::is_about_time(error) => EnrolError::Clock(error.to_string()),
        Some(error) => EnrolError::WrongCollector(config.enrol.to_string(), error.to_string()),
        None => EnrolError::Unreachable(config.enrol.to_string(), innermost(status)),
    }
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
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
