//! The physical PC.

use lapwing_rules::Digest;

/// Names the physical PC: SHA-256 over firmware serial and UUID, none where those are placeholders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HardwareHash(Option<Digest>);

impl HardwareHash {
    /// Wraps what the platform found.
    #[must_use]
    pub const fn new(digest: Option<Digest>) -> Self {
        Self(digest)
    }

    /// 32 bytes, or none.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], |digest| digest.as_bytes().as_slice())
    }

    /// Reads 32 bytes, or none.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() {
            return Some(Self(None));
        }
        Some(Self(Some(Digest::from_bytes(bytes.try_into().ok()?))))
    }

    /// Whether both are known and name different PCs.
    #[must_use]
    pub fn differs_from(&self, other: &Self) -> bool {
        self.0.is_some() && other.0.is_some() && self.0 != other.0
    }
}
