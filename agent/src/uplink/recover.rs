//! From what went wrong to what is done about it: the one place that decides.

use std::time::Duration;

use lapwing_proto::wire;
use prost::Message;
use tonic::Status;

use super::tls;
use crate::identity::CertificateError;
use crate::spool::SpoolError;

/// How long a blocked device waits before it looks whether somebody helped.
const BLOCKED_RETRY: Duration = Duration::from_mins(15);

/// What stopped a call or a stream.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The collector said no.
    #[error("the collector refused: {} ({detail})", code_name(*code))]
    Refused {
        /// Its code, which may be newer than this build.
        code: i32,
        /// Its words.
        detail: String,
        /// How long it wants to be left alone.
        retry: Duration,
    },
    /// The collector cannot be reached, or the connection broke.
    #[error("the collector cannot be reached: {0}")]
    Unreachable(String),
    /// The collector sent what the contract does not know.
    #[error("the collector broke the contract: {0}")]
    Contract(&'static str),
    /// The collector ended the stream.
    #[error("the collector ended the stream")]
    Ended,
    /// The collector said nothing for too long.
    #[error("the collector did not answer in time")]
    Silent,
    /// The collector asked for a new stream.
    #[error("the collector asked to reconnect")]
    Reconnect(Duration),
    /// The spool failed.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The state folder failed.
    #[error("the state folder cannot be used: {0}")]
    State(#[from] std::io::Error),
    /// The device's own key or certificate failed.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The device is not enrolled.
    #[error("the device is not enrolled")]
    NotEnrolled,
    /// The collector's certificate is not valid by this device's clock, nor by the time it last told.
    #[error("the collector's certificate is not valid by this device's clock: set the clock ({0})")]
    Clock(String),
    /// What answers is of an authority that this device does not know.
    #[error("what answers is not of an authority that this device knows")]
    Stranger,
    /// The collector refuses the device's certificate: it has run out.
    #[error("the device's certificate has run out")]
    Expired,
}

/// What is done about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recovery {
    /// Try again, not before this, and with back-off.
    Retry(Duration),
    /// Trying again is of no use until the identity changes; look again once in a while all the same.
    Blocked(Blocked),
}

/// Why only a new identity, or somebody at the collector, helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blocked {
    /// The collector never gave what this device shows.
    Clone,
    /// Another copy of this identity is at work: this device joins anew.
    Copy,
    /// The certificate has run out: this device joins anew.
    Expired,
    /// What answers is of an authority that this device does not know.
    Stranger,
    /// The collector denies this device.
    Revoked,
    /// The collector does not serve this build.
    Version,
    /// There is no identity yet.
    NotEnrolled,
    /// What was asked for is not there, or no longer.
    Gone,
}

impl Recovery {
    /// The least time before it is tried again. A certificate that is said to have run out is shown again soon, and so is
    /// whoever answers looked at: the collector's clock may be mended, or an interceptor be gone, at any time.
    pub(super) const fn at_least(self) -> Duration {
        match self {
            Self::Retry(at_least) => at_least,
            Self::Blocked(Blocked::Expired | Blocked::Stranger) => Duration::ZERO,
            Self::Blocked(
                Blocked::Clone
                | Blocked::Copy
                | Blocked::Revoked
                | Blocked::Version
                | Blocked::NotEnrolled
                | Blocked::Gone,
            ) => BLOCKED_RETRY,
        }
    }
}

impl Blocked {
    pub(super) const fn in_words(self) -> &'static str {
        match self {
            Self::Clone => {
                "the collector never gave what this device shows: if the collector was restored from a back-up, run \
                 `lapwing-collector restored` there; otherwise remove identity.json and enrol again"
            }
            Self::Copy => "this PC was copied from another one: it becomes a device of its own",
            Self::Expired => "the device's certificate has run out while it was away: it is renewed",
            Self::Stranger => {
                "what answers is of an authority that this device does not know: if the collector's was rolled over and \
                 retired meanwhile, put its new fingerprint into the configuration and a new campaign token into the file \
                 of `[enrol] token_file`"
            }
            Self::Revoked => "the collector denies this device: ask whoever runs the collector",
            Self::Version => "the collector does not serve this version of the agent: update one of them",
            Self::NotEnrolled => "the device is not enrolled",
            Self::Gone => "the collector does not have what it announced",
        }
    }
}

impl Failure {
    /// What is done about it.
    pub(super) fn recovery(&self) -> Recovery {
        match self {
            Self::Refused { code, retry, .. } => refused(*code, *retry),
            Self::Reconnect(after) => Recovery::Retry(*after),
            Self::NotEnrolled => Recovery::Blocked(Blocked::NotEnrolled),
            Self::Expired => Recovery::Blocked(Blocked::Expired),
            Self::Stranger => Recovery::Blocked(Blocked::Stranger),
            Self::Unreachable(_)
            | Self::Clock(_)
            | Self::Contract(_)
            | Self::Ended
            | Self::Silent
            | Self::Spool(_)
            | Self::State(_)
            | Self::Certificate(_) => Recovery::Retry(Duration::ZERO),
        }
    }

    /// The collector's code, where it refused.
    pub(super) fn code(&self) -> Option<wire::ErrorCode> {
        match self {
            Self::Refused { code, .. } => wire::ErrorCode::try_from(*code).ok(),
            Self::Unreachable(_)
            | Self::Clock(_)
            | Self::Contract(_)
            | Self::Ended
            | Self::Silent
            | Self::Reconnect(_)
            | Self::Spool(_)
            | Self::State(_)
            | Self::Certificate(_)
            | Self::NotEnrolled
            | Self::Stranger
            | Self::Expired => None,
        }
    }
}

impl From<wire::Refusal> for Failure {
    fn from(refusal: wire::Refusal) -> Self {
        Self::Refused {
            code: refusal.code,
            detail: shortened(refusal.detail),
            retry: Duration::from_millis(u64::from(refusal.retry_delay_ms)),
        }
    }
}

impl From<Status> for Failure {
    /// A refusal where the collector put one into the details, else a broken connection.
    fn from(status: Status) -> Self {
        match wire::Refusal::decode(status.details()) {
            Ok(refusal) if refusal.code != 0 => refusal.into(),
            Ok(_) | Err(_) if tls::failure(&status).is_some_and(tls::is_of_a_stranger) => Self::Stranger,
            Ok(_) | Err(_) if tls::failure(&status).is_some_and(tls::is_about_time) => Self::Clock(cause(&status)),
            Ok(_) | Err(_) => Self::Unreachable(shortened(format!("{}: {}", status.code(), cause(&status)))),
        }
    }
}

fn refused(code: i32, retry: Duration) -> Recovery {
    use wire::ErrorCode;
    match ErrorCode::try_from(code) {
        Ok(ErrorCode::Clone) => Recovery::Blocked(Blocked::Clone),
        Ok(ErrorCode::Copy) => Recovery::Blocked(Blocked::Copy),
        Ok(ErrorCode::Revoked) => Recovery::Blocked(Blocked::Revoked),
        Ok(ErrorCode::Version) => Recovery::Blocked(Blocked::Version),
        Ok(ErrorCode::NotFound) => Recovery::Blocked(Blocked::Gone),
        Ok(
            ErrorCode::Unspecified
            | ErrorCode::Malformed
            | ErrorCode::TokenUnknown
            | ErrorCode::TokenExpired
            | ErrorCode::TokenSpent
            | ErrorCode::CsrInvalid
            | ErrorCode::Hole
            | ErrorCode::Busy
            | ErrorCode::Clock
            | ErrorCode::Store
            | ErrorCode::Waits
            | ErrorCode::Expired
            | ErrorCode::NotListed
            | ErrorCode::Network
            | ErrorCode::Proof
            | ErrorCode::Denied,
        )
        | Err(_) => Recovery::Retry(retry),
    }
}

fn code_name(code: i32) -> String {
    wire::ErrorCode::try_from(code).map_or_else(|_| format!("code {code}"), |code| code.as_str_name().to_owned())
}

/// The innermost reason: the outer ones say "transport error".
fn cause(status: &Status) -> String {
    let mut text = status.message().to_owned();
    let mut source = std::error::Error::source(status);
    while let Some(error) = source {
        text = error.to_string();
        source = error.source();
    }
    text
}

fn shortened(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(256));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: wire::ErrorCode) -> Recovery {
        Failure::from(wire::Refusal { code: code.into(), detail: String::new(), retry_delay_ms: 7 }).recovery()
    }

    /// What is done about each code. A new code does not compile until it stands here.
    fn wanted(code: wire::ErrorCode) -> Recovery {
        use wire::ErrorCode;
        match code {
            ErrorCode::Clone => Recovery::Blocked(Blocked::Clone),
            ErrorCode::Copy => Recovery::Blocked(Blocked::Copy),
            ErrorCode::Revoked => Recovery::Blocked(Blocked::Revoked),
            ErrorCode::Version => Recovery::Blocked(Blocked::Version),
            ErrorCode::NotFound => Recovery::Blocked(Blocked::Gone),
            ErrorCode::Unspecified
            | ErrorCode::Malformed
            | ErrorCode::TokenUnknown
            | ErrorCode::TokenExpired
            | ErrorCode::TokenSpent
            | ErrorCode::CsrInvalid
            | ErrorCode::Hole
            | ErrorCode::Busy
            | ErrorCode::Clock
            | ErrorCode::Store
            | ErrorCode::Waits
            | ErrorCode::Expired
            | ErrorCode::NotListed
            | ErrorCode::Network
            | ErrorCode::Proof
            | ErrorCode::Denied => Recovery::Retry(Duration::from_millis(7)),
        }
    }

    #[test]
    fn what_may_be_mended_elsewhere_at_any_time_is_tried_again_soon() {
        assert_eq!(Failure::Expired.recovery().at_least(), Duration::ZERO);
        assert_eq!(Failure::Stranger.recovery().at_least(), Duration::ZERO);
        assert_eq!(Failure::NotEnrolled.recovery().at_least(), BLOCKED_RETRY);
        assert_eq!(refused(wire::ErrorCode::Busy).at_least(), Duration::from_millis(7));
    }

    #[test]
    fn every_code_is_tried_again_when_the_collector_says_save_where_that_is_of_no_use() {
        for code in (0..).map_while(|number| wire::ErrorCode::try_from(number).ok()) {
            assert_eq!(refused(code), wanted(code), "{code:?}");
        }
    }

    #[test]
    fn a_code_of_a_newer_collector_is_tried_again() {
        let failure = Failure::from(wire::Refusal { code: 999, detail: String::new(), retry_delay_ms: 0 });
        assert_eq!(failure.recovery(), Recovery::Retry(Duration::ZERO));
        assert_eq!(failure.to_string(), "the collector refused: code 999 ()");
    }

    #[test]
    fn a_refusal_inside_a_status_is_found() {
        let refusal = wire::Refusal { code: wire::ErrorCode::Busy.into(), detail: "later".into(), retry_delay_ms: 5 };
        let status = Status::with_details(tonic::Code::ResourceExhausted, "later", refusal.encode_to_vec().into());
        assert_eq!(Failure::from(status).recovery(), Recovery::Retry(Duration::from_millis(5)));
    }

    #[test]
    fn broken_connections_and_spools_are_tried_again() {
        for failure in [Failure::Ended, Failure::Silent, Failure::Spool(SpoolError::DiskFull)] {
            assert_eq!(failure.recovery(), Recovery::Retry(Duration::ZERO));
        }
        assert_eq!(Failure::from(Status::unavailable("gone")).recovery(), Recovery::Retry(Duration::ZERO));
    }
}
