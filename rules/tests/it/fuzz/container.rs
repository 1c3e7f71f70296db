//! Artefacts put together by hand, after the layout that `artefact.rs` gives: what a key's owner could sign.

use lapwing_rules::{Artefact, Digest, Kind, SigningKey};

const FIXED_BYTES: usize = 36;
const ENTRY_BYTES: usize = 48;
const SECTIONS: std::ops::RangeInclusive<usize> = 1..=32;
const SIGNATURE_BYTES: usize = 96;
/// The encoding of a section that is neither deflated nor masked.
const PLAIN: u16 = 0;

/// The section that holds an artefact of its own.
const BASE: u16 = 36;

/// A section as it is stored, and what its entry says of it.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    /// Its id.
    pub(crate) id: u16,
    /// 0 plain, 1 deflated and masked.
    pub(crate) encoding: u16,
    /// Bytes in the body.
    pub(crate) bytes: Vec<u8>,
    /// How many they are said to become.
    pub(crate) plain_bytes: u32,
}

impl Stored {
    /// With an entry that tells the truth, where the section is in clear.
    fn honest(mut self) -> Self {
        if self.encoding == PLAIN {
            self.plain_bytes = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        }
        self
    }
}

/// A signed artefact of these sections that begins like `bytes`: magic, format, engines, release and validity.
pub(crate) fn signed(bytes: &[u8], sections: &[Stored], key: &SigningKey) -> Option<Vec<u8>> {
    let mut artefact = bytes.get(..FIXED_BYTES)?.to_vec();
    artefact[10..12].copy_from_slice(&u16::try_from(sections.len()).ok()?.to_le_bytes());
    for section in sections {
        artefact.extend_from_slice(&section.id.to_le_bytes());
        artefact.extend_from_slice(&section.encoding.to_le_bytes());
        artefact.extend_from_slice(&[0; 4]);
        artefact.extend_from_slice(&u32::try_from(section.bytes.len()).ok()?.to_le_bytes());
        artefact.extend_from_slice(&section.plain_bytes.to_le_bytes());
        artefact.extend_from_slice(Digest::of(&section.bytes).as_bytes());
    }
    artefact.push(0);
    sections.iter().for_each(|section| artefact.extend_from_slice(&section.bytes));
    let kind = match artefact.get(..4)? {
        b"LWPL" => Kind::Policy,
        b"LWIB" => Kind::Base,
        _ => Kind::RuleSet,
    };
    let mut artefact = Artefact::read(&artefact, kind).ok()?;
    artefact.add_signature(key);
    Some(artefact.to_bytes())
}

fn honest(sections: Vec<Stored>) -> Vec<Stored> {
    sections.into_iter().map(Stored::honest).collect()
}

/// Damaged bytes as an artefact whose digests and signature hold again, those of an artefact inside it too, so that what
/// comes after them is reached.
pub(crate) fn sealed(bytes: &[u8], key: &SigningKey) -> Option<Vec<u8>> {
    let mut sections = sections(bytes)?;
    for base in sections.iter_mut().filter(|section| section.id == BASE) {
        base.bytes = self::sections(&base.bytes)
            .and_then(|inside| signed(&base.bytes, &honest(inside), key))
            .unwrap_or_else(|| base.bytes.clone());
    }
    signed(bytes, &honest(sections), key)
}

/// The sections as the table has them. Lengths that do not fit are cut, and the last takes the rest.
pub(crate) fn sections(bytes: &[u8]) -> Option<Vec<Stored>> {
    let count = usize::from(u16::from_le_bytes(bytes.get(10..12)?.try_into().ok()?));
    let count = count.clamp(*SECTIONS.start(), *SECTIONS.end());
    let (table, rest) = bytes.get(FIXED_BYTES..)?.split_at_checked(count * ENTRY_BYTES)?;
    let (signatures, rest) = rest.split_first()?;
    let mut body = rest.get(usize::from(*signatures) * SIGNATURE_BYTES..).unwrap_or_default();
    let mut sections = Vec::with_capacity(count);
    for (number, entry) in table.chunks_exact(ENTRY_BYTES).enumerate() {
        let short = |at: usize| u16::from_le_bytes([entry[at], entry[at + 1]]);
        let size = |at: usize| u32::from_le_bytes([entry[at], entry[at + 1], entry[at + 2], entry[at + 3]]);
        let stored = usize::try_from(size(8)).ok()?.min(body.len());
        let (stored, rest) = body.split_at(if number + 1 == count { body.len() } else { stored });
        body = rest;
        sections.push(Stored { id: short(0), encoding: short(2), bytes: stored.to_vec(), plain_bytes: size(12) });
    }
    Some(sections)
}
