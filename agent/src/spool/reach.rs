//! How far each lane got, kept beside the store: a store that damage took the end of does not know that it had one.
//!
//! `reach` is `epoch 16 ‖ next sequence 8 of lanes 1 to 5 ‖ SHA-256 of these`, overwritten in place after each commit and
//! never synced. So it never says more than the store held durably, and after a power cut perhaps less, which is
//! harmless: the higher of the two counts. What cannot be read says nothing.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use lapwing_proto::{Epoch, Seq};
use lapwing_rules::{Digest, Level};

use super::record;

const EPOCH_BYTES: usize = 16;
const NEXT_BYTES: usize = 8;
const DIGEST_BYTES: usize = 32;
const BYTES: usize = EPOCH_BYTES + NEXT_BYTES * Level::ALL.len() + DIGEST_BYTES;

/// The file of one spool.
pub(super) struct Reach {
    /// None where it cannot be opened: then it says nothing.
    file: Option<File>,
    epoch: Epoch,
}

impl Reach {
    /// Opens the file in a spool's folder, or makes it.
    pub(super) fn open(folder: &Path, epoch: Epoch) -> Self {
        let file = File::options().create(true).truncate(false).read(true).write(true).open(folder.join("reach"));
        let file = file.inspect_err(|error| tracing::warn!(error = %error, "the spool's reach cannot be opened")).ok();
        Self { file, epoch }
    }

    /// The next sequence of each lane when the store was last committed; none where the file says nothing of it.
    pub(super) fn read(&self) -> BTreeMap<Level, Seq> {
        let mut bytes = Vec::new();
        let Some(mut file) = self.file.as_ref() else { return BTreeMap::new() };
        let read = file.seek(SeekFrom::Start(0)).and_then(|_| file.take(BYTES as u64).read_to_end(&mut bytes));
        read.ok().and_then(|_| parse(&bytes, self.epoch)).unwrap_or_default()
    }

    /// Writes how far the lanes are, after a commit.
    pub(super) fn write(&self, next: impl Fn(Level) -> Seq) {
        let mut bytes = self.epoch.as_bytes().to_vec();
        for level in Level::ALL {
            bytes.extend_from_slice(&next(level).number().to_be_bytes());
        }
        let digest = Digest::of(&bytes);
        bytes.extend_from_slice(digest.as_bytes());
        let Some(mut file) = self.file.as_ref() else { return };
        if let Err(error) = file.seek(SeekFrom::Start(0)).and_then(|_| file.write_all(&bytes)) {
            tracing::debug!(error = %error, "the spool's reach cannot be written");
        }
    }
}

/// The next sequence of each lane of `epoch`, where the bytes are whole and of that epoch.
pub(super) fn parse(bytes: &[u8], epoch: Epoch) -> Option<BTreeMap<Level, Seq>> {
    let (told, digest) = bytes.split_at_checked(BYTES - DIGEST_BYTES)?;
    if Digest::of(told).as_bytes().as_slice() != digest {
        return None;
    }
    let next = told.strip_prefix(epoch.as_bytes().as_slice())?.chunks(NEXT_BYTES);
    Level::ALL.into_iter().zip(next).map(|(level, next)| Some((level, Seq::new(record::number(next)?)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reach_is_read_back_by_its_epoch_and_only_whole() {
        let folder = tempfile::tempdir().unwrap();
        let epoch = Epoch::from_bytes([2; 16]);
        let reach = Reach::open(folder.path(), epoch);
        assert!(reach.read().is_empty());
        reach.write(|level| Seq::new(u64::from(level.number()) * 10));
        assert_eq!(reach.read()[&Level::High], Seq::new(40));
        assert!(Reach::open(folder.path(), Epoch::from_bytes([3; 16])).read().is_empty());
        let mut bytes = std::fs::read(folder.path().join("reach")).unwrap();
        bytes[20] ^= 1;
        assert_eq!(parse(&bytes, epoch), None);
        assert_eq!(parse(&bytes[..30], epoch), None);
    }
}
