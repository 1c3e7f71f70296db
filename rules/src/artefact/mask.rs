//! Deflate and a key stream that anybody can derive.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use sha2::{Digest as _, Sha256};

use crate::Release;

/// Deflates and masks.
pub(super) fn hide(plain: &[u8], release: Release, section: u16) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    let deflated = encoder.write_all(plain).and_then(|()| encoder.finish());
    let mut bytes = deflated.unwrap_or_default();
    mask(&mut bytes, release, section);
    bytes
}

/// Undoes [`hide`]; nothing when the bytes do not inflate to at most `max_bytes`.
pub(super) fn reveal(stored: &[u8], release: Release, section: u16, max_bytes: usize) -> Option<Vec<u8>> {
    let mut bytes = stored.to_vec();
    mask(&mut bytes, release, section);
    let mut plain = Vec::new();
    let bound = u64::try_from(max_bytes).ok()?.checked_add(1)?;
    DeflateDecoder::new(bytes.as_slice()).take(bound).read_to_end(&mut plain).ok()?;
    (plain.len() <= max_bytes).then_some(plain)
}

fn mask(bytes: &mut [u8], release: Release, section: u16) {
    for (counter, block) in (0_u64..).zip(bytes.chunks_mut(32)) {
        let mut hasher = Sha256::new();
        hasher.update(b"lapwing section mask, v1\0");
        hasher.update(release.number().to_le_bytes());
        hasher.update(section.to_le_bytes());
        hasher.update(counter.to_le_bytes());
        for (byte, key) in block.iter_mut().zip(hasher.finalize()) {
            *byte ^= key;
        }
    }
}
