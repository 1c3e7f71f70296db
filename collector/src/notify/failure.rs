//! Why a message did not go out: a code, never another machine's words, for they may repeat an address.

/// A try that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// Such as `smtp_550`, `http_404`, `timeout`.
    pub(super) code: String,
    /// What it means for the next try.
    pub(super) meaning: Meaning,
}

/// What a failed try means for the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// This message was refused: another try may fare no better.
    Refused,
    /// Nothing gets through now: it says nothing about the message.
    NotNow,
}

impl Failure {
    pub(super) fn refused(code: impl Into<String>) -> Self {
        Self { code: code.into(), meaning: Meaning::Refused }
    }

    pub(super) fn not_now(code: impl Into<String>) -> Self {
        Self { code: code.into(), meaning: Meaning::NotNow }
    }

    /// An answer to an HTTP request that is no success.
    pub(super) fn of_status(status: http::StatusCode) -> Self {
        let code = format!("http_{}", status.as_u16());
        let is_for_later = matches!(status.as_u16(), 408 | 425 | 429) || status.is_server_error();
        if is_for_later { Self::not_now(code) } else { Self::refused(code) }
    }
}
