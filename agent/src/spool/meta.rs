//! The row that says which spool this is, of which format, and whose.

use lapwing_proto::Epoch;

use crate::identity::HardwareHash;

const MAGIC: &[u8] = b"LWSP";
/// The format this program writes, and the only one it reads.
pub(super) const FORMAT: u8 = 1;
const EPOCH_BYTES: usize = 16;

/// `LWSP`, format, epoch, length of the hardware hash and the hash, probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Meta {
    pub(super) epoch: Epoch,
    /// The PC it was made on.
    pub(super) hardware: HardwareHash,
    /// A sealed record that opens under the right key alone.
    pub(super) probe: Vec<u8>,
}

/// Why a head says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadMeta {
    /// It is not a spool's.
    #[error("its head is damaged")]
    Damaged,
    /// A later version wrote it.
    #[error("it has format {0}, and this version reads format {FORMAT}")]
    Format(u8),
}

impl Meta {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let hardware = self.hardware.as_bytes();
        let mut meta = MAGIC.to_vec();
        meta.push(FORMAT);
        meta.extend_from_slice(self.epoch.as_bytes());
        meta.push(u8::try_from(hardware.len()).unwrap_or_default());
        meta.extend_from_slice(hardware);
        meta.extend_from_slice(&self.probe);
        meta
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, BadMeta> {
        let (format, rest) = bytes.strip_prefix(MAGIC).and_then(<[u8]>::split_first).ok_or(BadMeta::Damaged)?;
        if *format != FORMAT {
            return Err(BadMeta::Format(*format));
        }
        Self::read_first(rest).ok_or(BadMeta::Damaged)
    }

    fn read_first(bytes: &[u8]) -> Option<Self> {
        let (epoch, rest) = bytes.split_at_checked(EPOCH_BYTES)?;
        let (length, rest) = rest.split_first()?;
        let (hardware, probe) = rest.split_at_checked(usize::from(*length))?;
        let epoch = Epoch::try_from(epoch).ok()?;
        Some(Self { epoch, hardware: HardwareHash::from_bytes(hardware)?, probe: probe.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_back_and_a_later_format_is_named() {
        let meta =
            Meta { epoch: Epoch::from_bytes([2; 16]), hardware: HardwareHash::default(), probe: b"probe".to_vec() };
        let mut bytes = meta.to_bytes();
        assert_eq!(Meta::read(&bytes), Ok(meta));
        bytes[4] = 2;
        let told = Meta::read(&bytes).unwrap_err();
        assert_eq!(told.to_string(), "it has format 2, and this version reads format 1");
        assert_eq!(Meta::read(b"LWSX"), Err(BadMeta::Damaged));
    }
}
