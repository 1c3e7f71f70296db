//! Keys and values of the store: what a record looks like at rest.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use lapwing_proto::{BootId, Epoch, Seq};
use lapwing_rules::Level;
use sled::Batch;

use super::SpoolKey;
use super::engine::{Engine, EngineError};

/// A value of the store holds at most this much of a record. sled writes any leaf of more than 16 KiB to a file of
/// its own that it never syncs; a leaf holds at most 16 entries, 20 while two are joined.
pub(super) const PART_BYTES: usize = 700;

const FORMAT: u8 = 1;
const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;
const HEAD_BYTES: usize = 1 + 8 + 8 + 16;
const KEY_BYTES: usize = 11;

const META: u8 = 0;
const RECORD: u8 = 1;
const NEXT: u8 = 2;
const GAP: u8 = 3;
const EARLIER: u8 = 4;
const CARRIED: u8 = 5;

/// When a record was spooled, by both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) wall_us: i64,
    pub(super) boot_us: u64,
    pub(super) boot_id: BootId,
}

/// A record could not be opened: damaged, or of another key or place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a record cannot be opened")]
pub(super) struct Damaged;

/// Seals and opens the records of one spool.
pub(super) struct Sealer {
    cipher: XChaCha20Poly1305,
    epoch: Epoch,
}

impl Sealer {
    pub(super) fn new(key: &SpoolKey, epoch: Epoch) -> Self {
        Self { cipher: XChaCha20Poly1305::new(Key::from_slice(key.as_bytes())), epoch }
    }

    /// Head, nonce and ciphertext, bound to this epoch, lane and sequence.
    pub(super) fn seal(
        &self,
        level: Level,
        seq: Seq,
        stamp: &Stamp,
        plain: &[u8],
    ) -> Result<Vec<u8>, getrandom::Error> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce)?;
        let mut record = head(stamp);
        let bound = self.bound(level, seq, &record);
        let payload = Payload { msg: plain, aad: &bound };
        // Fails only beyond 256 GiB.
        let sealed = self.cipher.encrypt(XNonce::from_slice(&nonce), payload).unwrap_or_default();
        record.extend_from_slice(&nonce);
        record.extend_from_slice(&sealed);
        Ok(record)
    }

    pub(super) fn open(&self, level: Level, seq: Seq, record: &[u8]) -> Result<Vec<u8>, Damaged> {
        let (head, rest) = record.split_at_checked(HEAD_BYTES).ok_or(Damaged)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_BYTES).ok_or(Damaged)?;
        let bound = self.bound(level, seq, head);
        let payload = Payload { msg: sealed, aad: &bound };
        self.cipher.decrypt(XNonce::from_slice(nonce), payload).map_err(|_| Damaged)
    }

    fn bound(&self, level: Level, seq: Seq, head: &[u8]) -> Vec<u8> {
        let mut bound = self.epoch.as_bytes().to_vec();
        bound.push(level.number());
        bound.extend_from_slice(&seq.number().to_be_bytes());
        bound.extend_from_slice(head);
        bound
    }
}

fn head(stamp: &Stamp) -> Vec<u8> {
    let mut head = vec![FORMAT];
    head.extend_from_slice(&stamp.wall_us.to_be_bytes());
    head.extend_from_slice(&stamp.boot_us.to_be_bytes());
    head.extend_from_slice(stamp.boot_id.as_bytes());
    head
}

/// When a record was spooled. Not authenticated until the record is opened.
pub(super) fn stamp(record: &[u8]) -> Result<Stamp, Damaged> {
    let head = record.get(..HEAD_BYTES).ok_or(Damaged)?;
    if head.first() != Some(&FORMAT) {
        return Err(Damaged);
    }
    let wall_us = head.get(1..9).and_then(|bytes| bytes.try_into().ok()).map(i64::from_be_bytes);
    let boot_us = head.get(9..17).and_then(number);
    let boot_id = head.get(17..).and_then(|bytes| BootId::try_from(bytes).ok());
    match (wall_us, boot_us, boot_id) {
        (Some(wall_us), Some(boot_us), Some(boot_id)) => Ok(Stamp { wall_us, boot_us, boot_id }),
        _ => Err(Damaged),
    }
}

/// What a record of `plain_bytes` takes in the store, keys included.
pub(super) fn stored_bytes(plain_bytes: usize) -> u64 {
    let sealed = HEAD_BYTES + NONCE_BYTES + TAG_BYTES + plain_bytes;
    let total = sealed + sealed.div_ceil(PART_BYTES) * KEY_BYTES;
    u64::try_from(total).unwrap_or(u64::MAX)
}

/// Puts a sealed record into a batch, in parts.
pub(super) fn insert(batch: &mut Batch, level: Level, seq: Seq, record: &[u8]) {
    for (index, part) in record.chunks(PART_BYTES).enumerate() {
        batch.insert(record_key(level, seq, u8::try_from(index).unwrap_or(u8::MAX)), part);
    }
}

/// Visits the records of a lane from `from` on, each put together from its parts, with the bytes it takes, until `visit`
/// answers `false`.
pub(super) fn visit(
    engine: &Engine,
    level: Level,
    from: Seq,
    mut visit: impl FnMut(Seq, &[u8], u64) -> bool,
) -> Result<(), EngineError> {
    let keys = record_key(level, from, 0)..=record_key(level, Seq::new(u64::MAX), u8::MAX);
    let mut whole: Option<(Seq, Vec<u8>, u64)> = None;
    let mut go_on = true;
    engine.visit(keys, |key, part| {
        let Some((_, seq, _)) = read_record_key(key) else { return true };
        let size = u64::try_from(key.len() + part.len()).unwrap_or(u64::MAX);
        match &mut whole {
            Some((at, bytes, total)) if *at == seq => {
                bytes.extend_from_slice(part);
                *total += size;
            }
            Some((at, bytes, total)) => {
                go_on = visit(*at, bytes, *total);
                whole = go_on.then(|| (seq, part.to_vec(), size));
            }
            None => whole = Some((seq, part.to_vec(), size)),
        }
        go_on
    })?;
    if let (Some((seq, bytes, total)), true) = (&whole, go_on) {
        visit(*seq, bytes, *total);
    }
    Ok(())
}

/// Key of a part of a record; big-endian, so that key order is delivery order.
pub(super) fn record_key(level: Level, seq: Seq, part: u8) -> Vec<u8> {
    let mut key = vec![RECORD, level.number()];
    key.extend_from_slice(&seq.number().to_be_bytes());
    key.push(part);
    key
}

/// The sequence and part of a record's key.
pub(super) fn read_record_key(key: &[u8]) -> Option<(Level, Seq, u8)> {
    match key {
        [RECORD, level, seq @ .., part] => Some((Level::try_from(*level).ok()?, Seq::new(number(seq)?), *part)),
        _ => None,
    }
}

/// Key of the row that says which spool this is.
pub(super) fn meta_key() -> Vec<u8> {
    vec![META]
}

/// Key of a lane's next sequence.
pub(super) fn next_key(level: Level) -> Vec<u8> {
    vec![NEXT, level.number()]
}

/// Key of a gap, and the prefix of a lane's gaps when `from` is none.
pub(super) fn gap_key(level: Level, from: Option<Seq>) -> Vec<u8> {
    let mut key = vec![GAP, level.number()];
    if let Some(from) = from {
        key.extend_from_slice(&from.number().to_be_bytes());
    }
    key
}

/// Where a gap begins, by its key.
pub(super) fn read_gap_key(key: &[u8]) -> Option<Seq> {
    match key {
        [GAP, _level, from @ ..] => number(from).map(Seq::new),
        _ => None,
    }
}

/// Key of a gap of an earlier epoch.
pub(super) fn earlier_key(index: u8) -> Vec<u8> {
    vec![EARLIER, index]
}

/// Key of the repeats that wait for the next critical capture.
pub(super) fn carried_key() -> Vec<u8> {
    vec![CARRIED]
}

/// A big-endian number of 8 bytes.
pub(super) fn number(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer() -> Sealer {
        Sealer::new(&SpoolKey::from_bytes([1; 32]), Epoch::from_bytes([2; 16]))
    }

    fn stamped() -> Stamp {
        Stamp { wall_us: -5, boot_us: 7, boot_id: BootId::from_bytes([3; 16]) }
    }

    #[test]
    fn a_record_opens_only_in_its_place() {
        let sealed = sealer().seal(Level::High, Seq::new(4), &stamped(), b"plain").unwrap();
        assert_eq!(sealer().open(Level::High, Seq::new(4), &sealed), Ok(b"plain".to_vec()));
        assert_eq!(sealer().open(Level::High, Seq::new(5), &sealed), Err(Damaged));
        assert_eq!(sealer().open(Level::Low, Seq::new(4), &sealed), Err(Damaged));
        assert_eq!(stamp(&sealed), Ok(stamped()));
    }

    #[test]
    fn any_flipped_bit_is_noticed() {
        let sealed = sealer().seal(Level::High, Seq::new(4), &stamped(), b"plain").unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(sealer().open(Level::High, Seq::new(4), &flipped), Err(Damaged), "bit {bit}");
        }
    }

    #[test]
    fn the_size_is_known_before_sealing() {
        for plain in [0, 1, 600, 627, 628, 5_000, 60 * 1024] {
            let sealed = sealer().seal(Level::Low, Seq::new(1), &stamped(), &vec![0; plain]).unwrap();
            let stored: usize = sealed.chunks(PART_BYTES).map(|part| part.len() + KEY_BYTES).sum();
            assert_eq!(u64::try_from(stored).unwrap(), stored_bytes(plain));
        }
    }

    #[test]
    fn key_order_is_delivery_order() {
        assert!(record_key(Level::Low, Seq::new(255), 1) < record_key(Level::Low, Seq::new(256), 0));
        let key = record_key(Level::High, Seq::new(256), 3);
        assert_eq!(read_record_key(&key), Some((Level::High, Seq::new(256), 3)));
    }
}
