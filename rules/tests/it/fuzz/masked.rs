//! Masked sections, undone and made as a key's owner could.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use lapwing_rules::SigningKey;
use sha2::{Digest as _, Sha256};

use super::container::{self, Stored};

/// The encoding of a section that is deflated and masked.
const MASKED: u16 = 1;
/// Zeros a link of the chain.
const LINK: usize = 1 << 20;

/// An artefact with its sections in clear: bytes in which a changed bit changes a record.
pub(crate) fn undone(bytes: &[u8], key: &SigningKey) -> Option<Vec<u8>> {
    let release = u64::from_le_bytes(bytes.get(12..20)?.try_into().ok()?);
    let plain = |section: Stored| match section.encoding {
        MASKED => Some(clear(section.id, revealed(section.bytes, release, section.id)?)),
        _ => Some(section),
    };
    let sections: Vec<Stored> = container::sections(bytes)?.into_iter().map(plain).collect::<Option<_>>()?;
    container::signed(bytes, &sections, key)
}

/// A section in clear.
pub(crate) fn clear(id: u16, bytes: Vec<u8>) -> Stored {
    let plain_bytes = u32::try_from(bytes.len()).unwrap();
    Stored { id, encoding: 0, bytes, plain_bytes }
}

/// A section of release `release` that inflates to so many MiB of zeros, and says that it becomes `plain_bytes`.
///
/// A mebibyte that follows zeros always deflates alike, so its bytes can be written down again and again.
pub(crate) fn zeros(id: u16, mebibytes: usize, plain_bytes: u32, release: u64) -> Stored {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    let mut ends = [0; 2];
    for end in &mut ends {
        encoder.write_all(&vec![0; LINK]).unwrap();
        encoder.flush().unwrap();
        *end = encoder.get_ref().len();
    }
    let (first, link) = encoder.get_ref()[..ends[1]].split_at(ends[0]);
    let mut bytes = [first, &link.repeat(mebibytes - 1)].concat();
    // The last block: stored, and empty.
    bytes.extend_from_slice(&[1, 0, 0, 0xff, 0xff]);
    mask(&mut bytes, release, id);
    Stored { id, encoding: MASKED, bytes, plain_bytes }
}

/// The plain bytes of a masked section.
pub(crate) fn revealed(mut stored: Vec<u8>, release: u64, section: u16) -> Option<Vec<u8>> {
    mask(&mut stored, release, section);
    let mut plain = Vec::new();
    DeflateDecoder::new(stored.as_slice()).read_to_end(&mut plain).ok()?;
    Some(plain)
}

/// The key stream that anybody can derive; its own inverse.
fn mask(bytes: &mut [u8], release: u64, section: u16) {
    for (counter, block) in (0_u64..).zip(bytes.chunks_mut(32)) {
        let mut hasher = Sha256::new();
        hasher.update(b"lapwing section mask, v1\0");
        hasher.update(release.to_le_bytes());
        hasher.update(section.to_le_bytes());
        hasher.update(counter.to_le_bytes());
        block.iter_mut().zip(hasher.finalize()).for_each(|(byte, key)| *byte ^= key);
    }
}
