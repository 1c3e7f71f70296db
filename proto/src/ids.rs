//! Identifiers that travel, each with one text form.

use std::fmt;
use std::str::FromStr;

/// Bytes or text that are not the identifier they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {what}: expected {expected}")]
pub struct InvalidBytes {
    what: &'static str,
    expected: &'static str,
}

impl InvalidBytes {
    /// `what` is not `expected`.
    #[must_use]
    pub const fn new(what: &'static str, expected: &'static str) -> Self {
        Self { what, expected }
    }
}

/// What [`random_id!`] stands on.
#[doc(hidden)]
pub mod parts {
    pub use data_encoding::HEXLOWER;
    pub use getrandom::{Error, fill};
}

/// Defines an identifier of 16 random bytes, so that none tells how many came before it: name, words for errors, and
/// the prefix that stands before 32 hexadecimal digits in its text form.
#[macro_export]
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
            pub fn random() -> Result<Self, $crate::parts::Error> {
                let mut bytes = [0; 16];
                $crate::parts::fill(&mut bytes)?;
                Ok(Self(bytes))
            }

            /// The 16 bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = $crate::InvalidBytes;

            fn try_from(bytes: &[u8]) -> Result<Self, $crate::InvalidBytes> {
                bytes.try_into().map(Self).map_err(|_| $crate::InvalidBytes::new($what, "16 bytes"))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}{}", $prefix, $crate::parts::HEXLOWER.encode(&self.0))
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::InvalidBytes;

            fn from_str(text: &str) -> Result<Self, $crate::InvalidBytes> {
                let invalid = $crate::InvalidBytes::new($what, concat!("`", $prefix, "` and 32 hexadecimal digits"));
                let digits = text.strip_prefix($prefix).ok_or(invalid)?;
                let bytes = $crate::parts::HEXLOWER.decode(digits.as_bytes()).map_err(|_| invalid)?;
                Self::try_from(bytes.as_slice()).map_err(|_| invalid)
            }
        }
    };
}

random_id!(
    /// One enrolled identity. Chosen by the collector, carried in the certificate's URI SAN.
    DeviceId, "device id", "dev-"
);
random_id!(
    /// Made with each new spool, never a counter.
    Epoch, "epoch", "ep-"
);
random_id!(
    /// One start of the operating system.
    BootId, "boot id", "boot-"
);
random_id!(
    /// Renewed at each Welcome, to tell copies of one identity apart.
    Incarnation, "incarnation", "inc-"
);

impl DeviceId {
    const URI_PREFIX: &'static str = "lapwing://device/";

    /// The URI that a device certificate carries as its only subject alternative name.
    #[must_use]
    pub fn to_uri(self) -> String {
        format!("{}{self}", Self::URI_PREFIX)
    }

    /// Reads the URI of a device certificate.
    ///
    /// # Errors
    ///
    /// When it is not `lapwing://device/` and a device id.
    pub fn from_uri(uri: &str) -> Result<Self, InvalidBytes> {
        let invalid = InvalidBytes { what: "device URI", expected: "lapwing://device/ and a device id" };
        uri.strip_prefix(Self::URI_PREFIX).and_then(|id| id.parse().ok()).ok_or(invalid)
    }
}

/// A school: 1 to 32 bytes of `a-z 0-9 -`, first in every key of the database.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SchoolId(String);

impl SchoolId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SchoolId {
    type Err = InvalidBytes;

    fn from_str(text: &str) -> Result<Self, InvalidBytes> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if (1..=32).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidBytes { what: "school id", expected: "1 to 32 of a-z 0-9 -" })
        }
    }
}

impl fmt::Display for SchoolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Place of a capture in its lane, dense from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(u64);

impl Seq {
    /// Before the first capture: what a new high-water row holds.
    pub const NONE: Self = Self(0);

    /// Wraps a number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The next place.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
