//! Every way to say no to a device, each with a code of its own.

use std::time::Duration;

use lapwing_proto::bounds::OutOfBounds;
use lapwing_proto::joining::RENEWABLE_DAYS;
use lapwing_proto::{InvalidBytes, Seq, wire};
use prost::Message;
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};

use crate::authority::{AuthorityError, CsrInvalid};
use crate::intake::TakeError;
use crate::store::StoreError;

/// Metadata key that carries the number of the [`wire::ErrorCode`] beside a status.
pub const ERROR_CODE_KEY: &str = "lapwing-error-code";
/// Longest detail, in bytes.
const MAX_DETAIL_BYTES: usize = 256;
const STORE_RETRY: Duration = Duration::from_secs(5);
/// How often a device that waits to be let in asks again.
const WAITS_RETRY: Duration = Duration::from_secs(60);

/// Why a device was refused. The message goes to the device: it names no content and no person.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Bounds or shape.
    #[error("malformed message: {0}")]
    Malformed(String),
    /// No such campaign token.
    #[error("the enrolment token is not known")]
    TokenUnknown,
    /// The campaign is over.
    #[error("the enrolment token has expired")]
    TokenExpired,
    /// The campaign is used up.
    #[error("the enrolment token has no uses left")]
    TokenSpent,
    /// The signing request.
    #[error("{0}")]
    Csr(&'static str),
    /// It shows what this database never gave: the database came back from an older copy.
    #[error("the collector never gave what this device shows: its database may be older")]
    Clone,
    /// Another copy of its identity is at work: it joins anew.
    #[error("another copy of this identity is at work")]
    Copy,
    /// Somebody has to let it in.
    #[error("this device waits to be let in")]
    Waits,
    /// Its certificate ran out too long ago.
    #[error("the certificate ran out more than {RENEWABLE_DAYS} days ago")]
    Expired,
    /// The token is for devices of the school's list.
    #[error("this device is not on the school's list, and the token is for those alone")]
    NotListed,
    /// The token is not for where it comes from.
    #[error("the enrolment token is not for this network")]
    Network,
    /// It does not hold the key it speaks of.
    #[error("the proof of the earlier key does not hold")]
    Proof,
    /// Somebody said no.
    #[error("this device was not let in")]
    Denied,
    /// The device is denied, or was never enrolled here.
    #[error("this device is denied")]
    Revoked,
    /// A sequence is missing.
    #[error("sequence {found} came where {expected} was expected")]
    Hole {
        /// What fits.
        expected: Seq,
        /// What came.
        found: Seq,
    },
    /// Too much at once.
    #[error("too much at once")]
    Busy {
        /// When to come back.
        retry: Duration,
    },
    /// The device speaks another minor version.
    #[error("minor version {minor} is not served")]
    Version {
        /// The device's.
        minor: u32,
    },
    /// No such artefact.
    #[error("no such artefact")]
    NotFound,
    /// The collector cannot read or write its database or keys.
    #[error("the collector cannot store now")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Refused {
    /// The collector stops: what was asked may be asked again.
    pub(super) fn stopping() -> Self {
        TakeError::Stopping.into()
    }

    /// The code on the wire.
    #[must_use]
    pub const fn code(&self) -> wire::ErrorCode {
        match self {
            Self::Malformed(_) => wire::ErrorCode::Malformed,
            Self::TokenUnknown => wire::ErrorCode::TokenUnknown,
            Self::TokenExpired => wire::ErrorCode::TokenExpired,
            Self::TokenSpent => wire::ErrorCode::TokenSpent,
            Self::Csr(_) => wire::ErrorCode::CsrInvalid,
            Self::Clone => wire::ErrorCode::Clone,
            Self::Copy => wire::ErrorCode::Copy,
            Self::Waits => wire::ErrorCode::Waits,
            Self::Expired => wire::ErrorCode::Expired,
            Self::NotListed => wire::ErrorCode::NotListed,
            Self::Network => wire::ErrorCode::Network,
            Self::Proof => wire::ErrorCode::Proof,
            Self::Denied => wire::ErrorCode::Denied,
            Self::Revoked => wire::ErrorCode::Revoked,
            Self::Hole { .. } => wire::ErrorCode::Hole,
            Self::Busy { .. } => wire::ErrorCode::Busy,
            Self::Version { .. } => wire::ErrorCode::Version,
            Self::NotFound => wire::ErrorCode::NotFound,
            Self::Store(_) => wire::ErrorCode::Store,
        }
    }

    const fn grpc(&self) -> Code {
        match self {
            Self::Malformed(_) | Self::Csr(_) => Code::InvalidArgument,
            Self::TokenUnknown | Self::TokenExpired | Self::Expired | Self::Proof => Code::Unauthenticated,
            Self::TokenSpent | Self::Busy { .. } => Code::ResourceExhausted,
            Self::Clone | Self::Copy | Self::Waits | Self::Hole { .. } | Self::Version { .. } => {
                Code::FailedPrecondition
            }
            Self::Revoked | Self::NotListed | Self::Network | Self::Denied => Code::PermissionDenied,
            Self::NotFound => Code::NotFound,
            Self::Store(_) => Code::Unavailable,
        }
    }

    const fn retry(&self) -> Duration {
        match self {
            Self::Busy { retry } => *retry,
            Self::Store(_) => STORE_RETRY,
            Self::Waits => WAITS_RETRY,
            Self::Malformed(_)
            | Self::TokenUnknown
            | Self::TokenExpired
            | Self::TokenSpent
            | Self::Csr(_)
            | Self::Clone
            | Self::Copy
            | Self::Expired
            | Self::NotListed
            | Self::Network
            | Self::Proof
            | Self::Denied
            | Self::Revoked
            | Self::Hole { .. }
            | Self::Version { .. }
            | Self::NotFound => Duration::ZERO,
        }
    }

    /// The message inside a stream.
    #[must_use]
    pub fn to_wire(&self) -> wire::Refusal {
        let mut detail = self.to_string();
        detail.truncate(detail.floor_char_boundary(MAX_DETAIL_BYTES));
        wire::Refusal {
            code: self.code().into(),
            detail,
            retry_delay_ms: u32::try_from(self.retry().as_millis()).unwrap_or(u32::MAX),
        }
    }
}

impl From<Refused> for Status {
    /// Code, message, the [`wire::Refusal`] as details, and its code as metadata.
    fn from(refused: Refused) -> Self {
        let refusal = refused.to_wire();
        let details = refusal.encode_to_vec().into();
        let mut status = Self::with_details(refused.grpc(), refusal.detail, details);
        status.metadata_mut().insert(ERROR_CODE_KEY, MetadataValue::from(refusal.code));
        status
    }
}

impl From<OutOfBounds> for Refused {
    fn from(broken: OutOfBounds) -> Self {
        Self::Malformed(broken.to_string())
    }
}

impl From<InvalidBytes> for Refused {
    fn from(invalid: InvalidBytes) -> Self {
        Self::Malformed(invalid.to_string())
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Store(error.into())
    }
}

impl From<AuthorityError> for Refused {
    fn from(error: AuthorityError) -> Self {
        Self::Store(error.into())
    }
}

impl From<getrandom::Error> for Refused {
    fn from(error: getrandom::Error) -> Self {
        StoreError::from(error).into()
    }
}

impl From<CsrInvalid> for Refused {
    fn from(invalid: CsrInvalid) -> Self {
        Self::Csr(invalid.reason())
    }
}

impl From<TakeError> for Refused {
    fn from(error: TakeError) -> Self {
        match error {
            TakeError::Hole { expected, found } => Self::Hole { expected, found },
            TakeError::Malformed(reason) => Self::Malformed(reason.to_owned()),
            error @ (TakeError::Store(_) | TakeError::Seal(_) | TakeError::Stopping) => Self::Store(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_carries_code_details_and_metadata_and_no_cause() {
        let status = Status::from(Refused::Store(Box::new(std::io::Error::other("disk /secret is full"))));

        assert_eq!(status.code(), Code::Unavailable);
        assert_eq!(status.metadata().get(ERROR_CODE_KEY).unwrap(), "13");
        let refusal = wire::Refusal::decode(status.details()).unwrap();
        assert_eq!(refusal.code, i32::from(wire::ErrorCode::Store));
        assert_eq!(refusal.retry_delay_ms, 5000);
        assert!(!format!("{status:?}").contains("secret"));
    }

    /// How the collector sends a code. A new code does not compile until it stands here.
    fn sent(code: wire::ErrorCode) -> Option<Refused> {
        use wire::ErrorCode;
        match code {
            ErrorCode::Malformed => Some(Refused::Malformed(String::new())),
            ErrorCode::TokenUnknown => Some(Refused::TokenUnknown),
            ErrorCode::TokenExpired => Some(Refused::TokenExpired),
            ErrorCode::TokenSpent => Some(Refused::TokenSpent),
            ErrorCode::CsrInvalid => Some(Refused::Csr("")),
            ErrorCode::Clone => Some(Refused::Clone),
            ErrorCode::Copy => Some(Refused::Copy),
            ErrorCode::Waits => Some(Refused::Waits),
            ErrorCode::Expired => Some(Refused::Expired),
            ErrorCode::NotListed => Some(Refused::NotListed),
            ErrorCode::Network => Some(Refused::Network),
            ErrorCode::Proof => Some(Refused::Proof),
            ErrorCode::Denied => Some(Refused::Denied),
            ErrorCode::Revoked => Some(Refused::Revoked),
            ErrorCode::Hole => Some(Refused::Hole { expected: Seq::NONE, found: Seq::NONE }),
            ErrorCode::Busy => Some(Refused::Busy { retry: Duration::from_secs(7) }),
            ErrorCode::Version => Some(Refused::Version { minor: 9 }),
            ErrorCode::NotFound => Some(Refused::NotFound),
            ErrorCode::Store => Some(Refused::Store(Box::new(std::io::Error::other("full")))),
            // Told beside an answer (`control`), never a refusal; and what no one sends.
            ErrorCode::Clock | ErrorCode::Unspecified => None,
        }
    }

    #[test]
    fn every_code_is_sent_as_itself_and_only_what_passes_by_itself_with_a_delay() {
        let codes = (0..).map_while(|number| wire::ErrorCode::try_from(number).ok());
        for (code, refused) in codes.filter_map(|code| Some((code, sent(code)?))) {
            assert_eq!(refused.to_wire().code(), code);
            let delayed = matches!(code, wire::ErrorCode::Busy | wire::ErrorCode::Store | wire::ErrorCode::Waits);
            assert_eq!(refused.to_wire().retry_delay_ms > 0, delayed, "{code:?}");
        }
    }

    #[test]
    fn a_long_detail_is_cut_between_characters() {
        let refusal = Refused::Malformed("ö".repeat(300)).to_wire();

        assert!(refusal.detail.len() <= MAX_DETAIL_BYTES);
    }
}
