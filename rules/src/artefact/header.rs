//! The signed header and its section table.

use std::ops::RangeInclusive;

use super::{ArtefactError, ENGINE, FIRST_ENGINE, Kind, Validity, mask};
use crate::cursor::{Cursor, Short};
use crate::{Digest, Release};

const FORMAT: u16 = 1;
/// Bytes before the section table.
const FIXED_BYTES: usize = 36;
const ENTRY_BYTES: usize = 48;
const SECTIONS: RangeInclusive<usize> = 1..=32;
/// Most plain bytes of all sections, so that a small artefact cannot unpack into a large one.
const MAX_PLAIN_BYTES: usize = 64 * 1024 * 1024;

/// How a section is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// As it is.
    Plain,
    /// Deflated, then masked.
    Masked,
}

/// A section to be written.
pub(crate) struct Section {
    pub(crate) id: u16,
    pub(crate) encoding: Encoding,
    pub(crate) plain: Vec<u8>,
}

/// A header whose signature holds.
pub(super) struct Header {
    pub(super) lowest_engine: u16,
    pub(super) highest_engine: u16,
    pub(super) release: Release,
    pub(super) validity: Validity,
    table: Vec<Entry>,
}

struct Entry {
    id: u16,
    encoding: Encoding,
    stored_bytes: usize,
    plain_bytes: usize,
    digest: Digest,
}

const fn magic(kind: Kind) -> &'static [u8; 4] {
    match kind {
        Kind::RuleSet => b"LWRS",
        Kind::Policy => b"LWPL",
        Kind::Base => b"LWIB",
    }
}

/// Length of the header at the start of `bytes`, from the few fields that can be believed before the signature.
pub(super) fn length(bytes: &[u8], kind: Kind) -> Result<usize, ArtefactError> {
    let read = |cursor: &mut Cursor<'_>| -> Result<([u8; 4], u16, u16), Short> {
        let (magic, format) = (cursor.array()?, cursor.u16()?);
        cursor.bytes(4)?;
        Ok((magic, format, cursor.u16()?))
    };
    if !bytes.starts_with(magic(kind)) {
        return Err(ArtefactError::WrongKind { expected: kind });
    }
    let (_, format, sections) =
        read(&mut Cursor::new(bytes)).map_err(|Short| ArtefactError::Damaged { what: "it is truncated" })?;
    if format != FORMAT {
        return Err(ArtefactError::UnknownFormat { found: format });
    }
    let sections = usize::from(sections);
    if !SECTIONS.contains(&sections) {
        return Err(ArtefactError::Damaged { what: "its number of sections" });
    }
    Ok(FIXED_BYTES + sections * ENTRY_BYTES)
}

/// The lowest engine that knows the section of this id; an engine there is none of yet where no build does, so that what
/// a build writes and forgot to enter here is refused by itself.
pub(super) const fn engine_of(section: u16) -> u16 {
    match section {
        ..=9 => FIRST_ENGINE,
        10 => 2,
        11..=14 | 20..=24 | 31..=35 => 3,
        36 => 4,
        _ => ENGINE + 1,
    }
}

/// Header and body of a new artefact.
pub(super) fn encode(kind: Kind, release: Release, validity: Validity, sections: &[Section]) -> (Vec<u8>, Vec<u8>) {
    let mut header = magic(kind).to_vec();
    let lowest = sections.iter().map(|section| engine_of(section.id)).max().unwrap_or(FIRST_ENGINE);
    for number in [FORMAT, lowest, ENGINE, u16::try_from(sections.len()).unwrap_or(u16::MAX)] {
        header.extend_from_slice(&number.to_le_bytes());
    }
    for number in [release.number(), validity.not_before, validity.expires.unwrap_or(0)] {
        header.extend_from_slice(&number.to_le_bytes());
    }
    let mut body = Vec::new();
    for section in sections {
        let stored = match section.encoding {
            Encoding::Plain => section.plain.clone(),
            Encoding::Masked => mask::hide(&section.plain, release, section.id),
        };
        let encoding: u16 = match section.encoding {
            Encoding::Plain => 0,
            Encoding::Masked => 1,
        };
        header.extend_from_slice(&section.id.to_le_bytes());
        header.extend_from_slice(&encoding.to_le_bytes());
        header.extend_from_slice(&[0; 4]);
        for size in [stored.len(), section.plain.len()] {
            header.extend_from_slice(&u32::try_from(size).unwrap_or(u32::MAX).to_le_bytes());
        }
        header.extend_from_slice(Digest::of(&stored).as_bytes());
        body.extend_from_slice(&stored);
    }
    (header, body)
}

/// Reads a header that was found to be signed.
pub(super) fn decode(bytes: &[u8]) -> Result<Header, ArtefactError> {
    let damaged = ArtefactError::Damaged { what: "its header" };
    read(&mut Cursor::new(bytes)).map_err(|Short| damaged.clone()).and_then(|header| {
        let plain: usize = header.table.iter().map(|entry| entry.plain_bytes).sum();
        if plain > MAX_PLAIN_BYTES || header.release.number() == 0 { Err(damaged) } else { Ok(header) }
    })
}

fn read(cursor: &mut Cursor<'_>) -> Result<Header, Short> {
    cursor.bytes(6)?;
    let (lowest_engine, highest_engine, sections) = (cursor.u16()?, cursor.u16()?, cursor.u16()?);
    let release = Release::new(cursor.u64()?);
    let not_before = cursor.u64()?;
    let expires = Some(cursor.u64()?).filter(|expires| *expires != 0);
    let table: Result<Vec<Entry>, Short> = (0..sections).map(|_| entry(cursor)).collect();
    let header =
        Header { lowest_engine, highest_engine, release, validity: Validity { not_before, expires }, table: table? };
    cursor.end()?;
    Ok(header)
}

fn entry(cursor: &mut Cursor<'_>) -> Result<Entry, Short> {
    let id = cursor.u16()?;
    let encoding = match cursor.u16()? {
        0 => Encoding::Plain,
        1 => Encoding::Masked,
        _ => return Err(Short),
    };
    if cursor.u32()? != 0 {
        return Err(Short);
    }
    let (stored_bytes, plain_bytes) = (cursor.size()?, cursor.size()?);
    Ok(Entry { id, encoding, stored_bytes, plain_bytes, digest: Digest::from_bytes(cursor.array()?) })
}

impl Header {
    /// Checks the body against the table and unpacks it.
    pub(super) fn sections(&self, body: &[u8]) -> Result<Vec<(u16, Vec<u8>)>, ArtefactError> {
        let mut cursor = Cursor::new(body);
        let mut sections = Vec::with_capacity(self.table.len());
        for entry in &self.table {
            let stored = cursor
                .bytes(entry.stored_bytes)
                .map_err(|Short| ArtefactError::Damaged { what: "a section is truncated" })?;
            sections.push((entry.id, self.unpack(entry, stored)?));
        }
        cursor.end().map_err(|Short| ArtefactError::Damaged { what: "it has a tail" })?;
        Ok(sections)
    }

    /// The same, as they are written.
    pub(super) fn to_write(&self, body: &[u8]) -> Result<Vec<Section>, ArtefactError> {
        let plain = self.sections(body)?.into_iter().zip(&self.table);
        Ok(plain.map(|((id, plain), entry)| Section { id, encoding: entry.encoding, plain }).collect())
    }

    fn unpack(&self, entry: &Entry, stored: &[u8]) -> Result<Vec<u8>, ArtefactError> {
        if Digest::of(stored) != entry.digest {
            return Err(ArtefactError::Damaged { what: "a section does not have its digest" });
        }
        let plain = match entry.encoding {
            Encoding::Plain => Some(stored.to_vec()),
            Encoding::Masked => mask::reveal(stored, self.release, entry.id, entry.plain_bytes),
        };
        plain
            .filter(|plain| plain.len() == entry.plain_bytes)
            .ok_or(ArtefactError::Damaged { what: "a section does not unpack" })
    }
}
