//! Identifiers of the collector: 16 random bytes each, so that none tells how many came before it.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;

/// Bytes or text that are not the identifier they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {what}: expected {expected}")]
pub struct InvalidId {
    pub(crate) what: &'static str,
    pub(crate) expected: &'static str,
}

macro_rules! random_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// Wraps 16 bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// A new one from the operating system's randomness.
            ///
            /// # Errors
            ///
            /// When the operating system has no randomness to give.
            pub fn random() -> Result<Self, getrandom::Error> {
                let mut bytes = [0; 16];
                getrandom::fill(&mut bytes)?;
                Ok(Self(bytes))
            }

            /// The 16 bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = InvalidId;

            fn try_from(bytes: &[u8]) -> Result<Self, InvalidId> {
                bytes.try_into().map(Self).map_err(|_| InvalidId { what: $what, expected: "16 bytes" })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", $prefix, HEXLOWER.encode(&self.0))
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let invalid = InvalidId { what: $what, expected: concat!("`", $prefix, "` and 32 hexadecimal digits") };
                let digits = text.strip_prefix($prefix).ok_or(invalid)?;
                let bytes = HEXLOWER.decode(digits.as_bytes()).map_err(|_| invalid)?;
                Self::try_from(bytes.as_slice()).map_err(|_| invalid)
            }
        }
    };
}

random_id!(
    /// A person of the school.
    PersonId, "person id", "per-"
);
random_id!(
    /// Whoever captures are about: a person, an unmapped account, or one log-on session of a class log-on.
    SubjectId, "subject id", "sub-"
);
random_id!(
    /// A stored capture.
    CaptureId, "capture id", "cap-"
);
random_id!(
    /// A concern.
    ConcernId, "concern id", "con-"
);
random_id!(
    /// One step in a concern's life.
    StepId, "step id", "step-"
);
random_id!(
    /// A row of the outbox.
    MessageId, "message id", "msg-"
);
random_id!(
    /// An evidence key in the vault.
    KeyId, "key id", "key-"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_form_comes_back_as_the_same_id() {
        let id = ConcernId::random().unwrap();
        assert_eq!(id.to_string().parse::<ConcernId>(), Ok(id));
        assert!(id.to_string().parse::<CaptureId>().is_err());
    }
}
