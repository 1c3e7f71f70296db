//! Reading what can still be read of a store on a disk with bad sectors.
//!
//! Each time before it is opened the store is read through: sled takes what it cannot read for the end of its log. What
//! the disk goes on to refuse is left out of a copy, with zeroes in its place: to the store that is damage as any other,
//! which becomes gaps. The copy lies on other sectors, so that writing goes on as well.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::platform;

const CHUNK_BYTES: usize = 64 * 1024;
/// What a disk refuses at once.
const SECTOR_BYTES: usize = 4 * 1024;
/// A disk takes seconds for each sector that it cannot read; whoever waits for the spool waits for it.
const MOST_SECTORS: u64 = 64;

/// What came of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rescued {
    /// All but so many sectors.
    AllBut(u64),
    /// So little can be read that the rest is not worth it.
    TooLittle,
}

/// Reads every file of a store once, to find out whether the disk lets it be read.
///
/// # Errors
///
/// When it does not.
pub(super) fn read_through(live: &Path) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK_BYTES];
    for entry in fs::read_dir(live)? {
        let entry = entry?;
        if entry.metadata()?.is_file() {
            let mut file = File::open(entry.path())?;
            while file.read(&mut buffer)? > 0 {}
        }
    }
    Ok(())
}

/// Copies the store in `live` to `fresh`, durably.
///
/// # Errors
///
/// When the copy cannot be written. A store that cannot be read is no error.
pub(super) fn rescue(live: &Path, fresh: &Path) -> io::Result<Rescued> {
    platform::create_private_folder(fresh)?;
    let Ok(entries) = fs::read_dir(live).and_then(Iterator::collect::<io::Result<Vec<_>>>) else {
        return Ok(Rescued::TooLittle);
    };
    let mut bad = 0;
    for entry in entries {
        let Ok(facts) = entry.metadata() else { return Ok(Rescued::TooLittle) };
        if !facts.is_file() {
            // The store keeps nothing in folders: see the size of its parts.
            continue;
        }
        let Ok(mut from) = File::open(entry.path()) else { return Ok(Rescued::TooLittle) };
        let mut to = platform::create_private_file(&fresh.join(entry.file_name()))?;
        copy(&mut from, facts.len(), &mut to, &mut bad)?;
        to.sync_all()?;
        if bad > MOST_SECTORS {
            return Ok(Rescued::TooLittle);
        }
    }
    platform::sync_folder(fresh)?;
    Ok(Rescued::AllBut(bad))
}

/// Copies `length` bytes; sectors that cannot be read become zeroes and are counted into `bad`. Ends early where there
/// are too many.
fn copy(from: &mut (impl Read + Seek), length: u64, to: &mut impl Write, bad: &mut u64) -> io::Result<()> {
    let (mut at, mut buffer) = (0, vec![0; CHUNK_BYTES]);
    while at < length && *bad <= MOST_SECTORS {
        let left = usize::try_from(length - at).unwrap_or(CHUNK_BYTES);
        let Some(chunk) = buffer.get_mut(..left.min(CHUNK_BYTES)) else { break };
        if read(from, at, chunk).is_err() {
            read_by_sector(from, at, chunk, bad);
        }
        to.write_all(chunk)?;
        at += chunk.len() as u64;
    }
    Ok(())
}

fn read_by_sector(from: &mut (impl Read + Seek), mut at: u64, chunk: &mut [u8], bad: &mut u64) {
    for sector in chunk.chunks_mut(SECTOR_BYTES) {
        if *bad > MOST_SECTORS || read(from, at, sector).is_err() {
            sector.fill(0);
            *bad += 1;
        }
        at += sector.len() as u64;
    }
}

fn read(from: &mut (impl Read + Seek), at: u64, into: &mut [u8]) -> io::Result<()> {
    from.seek(SeekFrom::Start(at))?;
    from.read_exact(into)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::ops::Range;

    use super::*;

    /// A file of ones on a disk that refuses some of it.
    struct Bitten {
        file: Cursor<Vec<u8>>,
        refused: Range<u64>,
    }

    impl Read for Bitten {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let at = self.file.position();
            if at < self.refused.end && at + buffer.len() as u64 > self.refused.start {
                return Err(io::Error::other("refused"));
            }
            self.file.read(buffer)
        }
    }

    impl Seek for Bitten {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.file.seek(to)
        }
    }

    fn copied(length: usize, refused: Range<u64>) -> (Vec<u8>, u64) {
        let mut from = Bitten { file: Cursor::new(vec![1; length]), refused };
        let (mut to, mut bad) = (Vec::new(), 0);
        copy(&mut from, length as u64, &mut to, &mut bad).unwrap();
        (to, bad)
    }

    #[test]
    fn a_file_on_a_good_disk_is_copied_as_it_is() {
        for length in [0, 1, SECTOR_BYTES, CHUNK_BYTES, CHUNK_BYTES * 2 + 5] {
            assert_eq!(copied(length, 0..0), (vec![1; length], 0), "{length}");
        }
    }

    #[test]
    fn a_sector_that_cannot_be_read_becomes_zeroes_and_its_neighbours_stay() {
        let at = CHUNK_BYTES + 3 * SECTOR_BYTES;
        let (to, bad) = copied(CHUNK_BYTES * 2 + 5, at as u64..at as u64 + 1);
        assert_eq!(bad, 1);
        let zeroes: Vec<_> = to.iter().enumerate().filter(|(_, byte)| **byte == 0).map(|(at, _)| at).collect();
        assert_eq!(zeroes, (at..at + SECTOR_BYTES).collect::<Vec<_>>());
        assert_eq!(to.len(), CHUNK_BYTES * 2 + 5);
    }

    #[test]
    fn a_file_that_is_refused_altogether_is_given_up_early() {
        let length = 64 * CHUNK_BYTES;
        let (to, bad) = copied(length, 0..length as u64);
        assert!(bad > MOST_SECTORS && to.len() < length / 4, "{bad} of {}", to.len());
    }
}
