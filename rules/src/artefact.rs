//! The signed container of rule sets and policies.
//!
//! All numbers are little-endian. The *header* is what is signed; it commits to every section by digest.
//!
//! ```text
//! header      4  magic: "LWRS" rule set, "LWPL" policy, "LWIB" illegal base
//!             2  format, 1
//!             2  lowest engine that reads it
//!             2  highest engine that reads it
//!             2  number of sections n, 1 to 32
//!             8  release, from 1
//!             8  valid from, Unix seconds
//!             8  expires, Unix seconds; 0 never (expiry is reported, it never disarms)
//!          n*48  section table: id (2), encoding (2), reserved 0 (4), stored bytes (4), plain bytes (4),
//!                SHA-256 of the stored bytes (32)
//! signatures  1  number of signatures m, 0 to 8
//!          m*96  public key (32), Ed25519 over "lapwing artefact header, v1\0" and the header (64)
//! body           the sections' stored bytes, in the table's order, without gaps or tail
//! ```
//!
//! A reader checks, in this order: size, magic, format, signatures against its trusted keys, engine range, digests,
//! and only then decodes a section. Encoding 0 is plain; encoding 1 is deflated and then masked with a key stream
//! derived from release and section id. The mask is no secret: it keeps phrases out of `strings`, a disk search and
//! an over-eager virus scanner, and nothing more.

mod header;
mod mask;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};

use crate::cursor::{Cursor, Short};
use crate::rule_set::BASE_SECTION;
use crate::{Digest, Release, RuleId, TrustedKeys};

pub(crate) use header::{Encoding, Section};

/// Largest artefact, in bytes.
pub const MAX_ARTEFACT_BYTES: usize = 32 * 1024 * 1024;
/// The engine of this build: grows when rule sets need something older builds cannot do. It reads what every engine
/// before it read.
pub const ENGINE: u16 = 4;
/// The first engine there was.
const FIRST_ENGINE: u16 = 1;
/// Most signatures an artefact carries.
pub const MAX_SIGNATURES: usize = 8;
/// Signed before the header, so that no signature made for another purpose is ever one of an artefact.
const DOMAIN: &[u8] = b"lapwing artefact header, v1\0";
const SIGNATURE_BYTES: usize = 96;

/// What an artefact holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A compiled rule set.
    RuleSet,
    /// A school's policy.
    Policy,
    /// The illegal base, which stands whole in a rule set.
    Base,
}

impl Kind {
    /// The words an error uses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RuleSet => "rule set",
            Self::Policy => "policy",
            Self::Base => "illegal base",
        }
    }
}

/// When an artefact is meant to be in force, in Unix seconds. A reader reports expiry and goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validity {
    /// From this second.
    pub not_before: u64,
    /// Until this second; `None` without end.
    pub expires: Option<u64>,
}

/// Why an artefact was refused. The caller keeps the last good one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArtefactError {
    /// Larger than [`MAX_ARTEFACT_BYTES`].
    #[error("artefact is larger than {MAX_ARTEFACT_BYTES} bytes")]
    TooLarge,
    /// Another kind of file.
    #[error("not a {} artefact", .expected.as_str())]
    WrongKind {
        /// What was asked for.
        expected: Kind,
    },
    /// A later layout.
    #[error("artefact format {found} is not known to this build")]
    UnknownFormat {
        /// The format number found.
        found: u16,
    },
    /// Fewer trusted keys than needed signed this header.
    #[error("artefact has {found} of the {needed} trusted signatures it needs")]
    Untrusted {
        /// Valid signatures of distinct trusted keys.
        found: usize,
        /// The threshold.
        needed: usize,
    },
    /// Made for other builds.
    #[error("artefact needs engine {lowest} to {highest}, this build is {ENGINE}")]
    EngineRange {
        /// Lowest engine.
        lowest: u16,
        /// Highest engine.
        highest: u16,
    },
    /// Truncated, damaged, or made by something else.
    #[error("artefact is damaged: {what}")]
    Damaged {
        /// The part.
        what: &'static str,
    },
    /// An embedded case gave another verdict than when it was compiled.
    #[error("artefact failed its self-test at rule `{rule}`")]
    SelfTest {
        /// The rule of the case.
        rule: RuleId,
    },
}

impl ArtefactError {
    /// Whether fetching the same artefact again can help.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Damaged { .. } => true,
            Self::TooLarge
            | Self::WrongKind { .. }
            | Self::UnknownFormat { .. }
            | Self::Untrusted { .. }
            | Self::EngineRange { .. }
            | Self::SelfTest { .. } => false,
        }
    }
}

/// An artefact that was built here and awaits signatures, or was read to be given another.
#[derive(Clone, PartialEq, Eq)]
pub struct Artefact {
    header: Vec<u8>,
    signatures: Vec<(VerifyingKey, Signature)>,
    body: Vec<u8>,
}

impl std::fmt::Debug for Artefact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Artefact").field("digest", &self.digest()).field("signatures", &self.signatures.len()).finish()
    }
}

impl Artefact {
    /// Builds an unsigned artefact. The same input gives the same bytes.
    pub(crate) fn build(kind: Kind, release: Release, validity: Validity, sections: &[Section]) -> Self {
        let (header, body) = header::encode(kind, release, validity, sections);
        Self { header, signatures: Vec::new(), body }
    }

    /// Reads an artefact without trusting it, to add a signature or to say who signed it.
    ///
    /// # Errors
    ///
    /// When it is too large, of another kind or format, or truncated.
    pub fn read(bytes: &[u8], kind: Kind) -> Result<Self, ArtefactError> {
        let parts = split(bytes, kind)?;
        let signatures = parts.signatures()?;
        Ok(Self { header: parts.header.to_vec(), signatures, body: parts.body.to_vec() })
    }

    /// The content of a rule set under another release, unsigned: what devices had before, for those that keep what they
    /// took since. With `base`, upon that illegal base instead of its own. Nothing of it is believed; whoever signs it has
    /// verified it.
    ///
    /// # Errors
    ///
    /// When it is no rule set, or is damaged.
    pub fn reissued(bytes: &[u8], base: Option<&[u8]>, release: Release) -> Result<Self, ArtefactError> {
        let parts = split(bytes, Kind::RuleSet)?;
        let header = header::decode(parts.header)?;
        let mut sections = header.to_write(parts.body)?;
        if let Some(base) = base {
            split(base, Kind::Base)?;
            sections.retain(|section| section.id != BASE_SECTION);
            sections.push(Section { id: BASE_SECTION, encoding: Encoding::Plain, plain: base.to_vec() });
        }
        Ok(Self::build(Kind::RuleSet, release, header.validity, &sections))
    }

    /// Whether two rule sets say the same but for their releases and the illegal base they carry.
    ///
    /// # Errors
    ///
    /// When either is no rule set, or is damaged.
    pub fn is_alike(one: &[u8], other: &[u8]) -> Result<bool, ArtefactError> {
        let own = |bytes: &[u8]| -> Result<Vec<(u16, Vec<u8>)>, ArtefactError> {
            let parts = split(bytes, Kind::RuleSet)?;
            let mut sections = header::decode(parts.header)?.sections(parts.body)?;
            sections.retain(|(id, _)| *id != BASE_SECTION);
            Ok(sections)
        };
        Ok(own(one)? == own(other)?)
    }

    /// Adds the signature of `key`, replacing an earlier one of the same key. Beyond [`MAX_SIGNATURES`] the oldest
    /// goes.
    pub fn add_signature(&mut self, key: &SigningKey) {
        let public = key.verifying_key();
        self.signatures.retain(|(signer, _)| *signer != public);
        if self.signatures.len() == MAX_SIGNATURES {
            self.signatures.remove(0);
        }
        self.signatures.push((public, key.sign(&signed_bytes(&self.header))));
    }

    /// Distinct keys whose signature over the header holds, trusted or not.
    #[must_use]
    pub fn signers(&self) -> Vec<VerifyingKey> {
        let message = signed_bytes(&self.header);
        let mut signers: Vec<VerifyingKey> = Vec::new();
        for (key, signature) in &self.signatures {
            if !signers.contains(key) && key.verify_strict(&message, signature).is_ok() {
                signers.push(*key);
            }
        }
        signers
    }

    /// The artefact's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.header.clone();
        bytes.push(u8::try_from(self.signatures.len()).unwrap_or(u8::MAX));
        for (key, signature) in &self.signatures {
            bytes.extend_from_slice(key.as_bytes());
            bytes.extend_from_slice(&signature.to_bytes());
        }
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// SHA-256 of the artefact's bytes, signatures included.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.to_bytes())
    }
}

/// Signs an unsigned artefact and gives its bytes.
#[must_use]
pub fn sign(unsigned: &Artefact, key: &SigningKey) -> Vec<u8> {
    let mut artefact = unsigned.clone();
    artefact.add_signature(key);
    artefact.to_bytes()
}

/// An artefact whose signatures, engine range and digests hold.
pub(crate) struct Verified {
    pub(crate) release: Release,
    pub(crate) validity: Validity,
    sections: Vec<(u16, Vec<u8>)>,
}

impl Verified {
    /// Verifies `bytes` against `keys`, then reads the sections.
    pub(crate) fn open(bytes: &[u8], kind: Kind, keys: &TrustedKeys) -> Result<Self, ArtefactError> {
        let parts = split(bytes, kind)?;
        let found = parts.trusted_signatures(keys)?;
        if found < keys.threshold() {
            return Err(ArtefactError::Untrusted { found, needed: keys.threshold() });
        }
        Self::read(&parts)
    }

    /// Reads one that stands inside another whose signatures hold: its own say who made it, and are not asked for here.
    pub(crate) fn open_enclosed(bytes: &[u8], kind: Kind) -> Result<Self, ArtefactError> {
        Self::read(&split(bytes, kind)?)
    }

    fn read(parts: &Parts<'_>) -> Result<Self, ArtefactError> {
        let header = header::decode(parts.header)?;
        if header.lowest_engine > ENGINE || header.highest_engine < FIRST_ENGINE {
            let (lowest, highest) = (header.lowest_engine, header.highest_engine);
            return Err(ArtefactError::EngineRange { lowest, highest });
        }
        let sections = header.sections(parts.body)?;
        if sections.iter().any(|(id, _)| header::engine_of(*id) > ENGINE) {
            return Err(ArtefactError::Damaged { what: "a section that this build does not know" });
        }
        Ok(Self { release: header.release, validity: header.validity, sections })
    }

    /// Whether it is made of just these sections.
    pub(crate) fn holds(&self, sections: &[Section]) -> bool {
        let those = sections.iter().map(|section| (section.id, section.plain.as_slice()));
        self.sections.iter().map(|(id, plain)| (*id, plain.as_slice())).eq(those)
    }

    /// Whether it has a section that not every artefact has.
    pub(crate) fn has_section(&self, id: u16) -> bool {
        self.sections.iter().any(|(found, _)| *found == id)
    }

    /// The plain bytes of a section.
    pub(crate) fn section(&self, id: u16) -> Result<&[u8], ArtefactError> {
        let found = self.sections.iter().find(|(found, _)| *found == id);
        found.map(|(_, bytes)| bytes.as_slice()).ok_or(ArtefactError::Damaged { what: "a section is missing" })
    }
}

/// An artefact cut at its seams, nothing inside believed yet.
struct Parts<'a> {
    header: &'a [u8],
    signatures: &'a [u8],
    body: &'a [u8],
}

fn split(bytes: &[u8], kind: Kind) -> Result<Parts<'_>, ArtefactError> {
    if bytes.len() > MAX_ARTEFACT_BYTES {
        return Err(ArtefactError::TooLarge);
    }
    let length = header::length(bytes, kind)?;
    let mut cursor = Cursor::new(bytes);
    let parts = |cursor: &mut Cursor<'_>| -> Result<(usize, usize), Short> {
        cursor.bytes(length)?;
        Ok((usize::from(cursor.u8()?), cursor.left()))
    };
    let truncated = ArtefactError::Damaged { what: "it is truncated" };
    let (count, left) = parts(&mut cursor).map_err(|Short| truncated.clone())?;
    if count > MAX_SIGNATURES {
        return Err(ArtefactError::Damaged { what: "it has too many signatures" });
    }
    let (head, tail) = bytes.split_at_checked(bytes.len() - left).ok_or_else(|| truncated.clone())?;
    let (signatures, body) = tail.split_at_checked(count * SIGNATURE_BYTES).ok_or_else(|| truncated.clone())?;
    let (header, _) = head.split_at_checked(length).ok_or(truncated)?;
    Ok(Parts { header, signatures, body })
}

impl Parts<'_> {
    /// Distinct trusted keys whose signature over the header holds.
    fn trusted_signatures(&self, keys: &TrustedKeys) -> Result<usize, ArtefactError> {
        let message = signed_bytes(self.header);
        let mut trusted: Vec<VerifyingKey> = Vec::new();
        for (key, signature) in self.signatures()? {
            let counts = keys.keys().contains(&key) && !trusted.contains(&key);
            if counts && key.verify_strict(&message, &signature).is_ok() {
                trusted.push(key);
            }
        }
        Ok(trusted.len())
    }

    /// Signatures whose key is a point on the curve; others can be of no trusted key.
    fn signatures(&self) -> Result<Vec<(VerifyingKey, Signature)>, ArtefactError> {
        let mut cursor = Cursor::new(self.signatures);
        let mut signatures = Vec::new();
        while cursor.left() > 0 {
            let pair = |cursor: &mut Cursor<'_>| Ok((cursor.array::<32>()?, cursor.array::<64>()?));
            let (key, signature) =
                pair(&mut cursor).map_err(|Short| ArtefactError::Damaged { what: "it is truncated" })?;
            if let Ok(key) = VerifyingKey::from_bytes(&key) {
                signatures.push((key, Signature::from_bytes(&signature)));
            }
        }
        Ok(signatures)
    }
}

fn signed_bytes(header: &[u8]) -> Vec<u8> {
    [DOMAIN, header].concat()
}

#[cfg(test)]
mod tests;
