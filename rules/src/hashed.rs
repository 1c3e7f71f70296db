//! Lists of hashed phrases and addresses, as suppliers license them: what is on a list stands in no pack and no rule set.
//!
//! An entry is the first 16 bytes of HMAC-SHA256, under the key of the list, of a normal form:
//!
//! | kind | normal form |
//! |---|---|
//! | phrase | the folded words as they stand, one space between them |
//! | url | host and path as [`split_url`] gives them, without scheme, user, port, query and fragment; the host alone for the root |
//!
//! An address is looked up with its path and by its host alone. A list says of how many words its phrases are, so that
//! a text costs a hash for each of its words and each length, and each hash a binary search.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use data_encoding::HEXLOWER_PERMISSIVE;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::line::Line;
use crate::{Digest, InvalidId, UrlError, split_url};

/// Most entries of one list.
pub(crate) const MAX_HASHES: usize = 1_000_000;
/// Most lengths of phrases that one list names.
pub(crate) const MAX_LENGTHS: usize = 8;
/// Most words of a hashed phrase.
pub(crate) const MAX_WORDS: u8 = 16;
const KEY_BYTES: std::ops::RangeInclusive<usize> = 16..=32;

/// The key under which the entries of a list are hashed. `Debug` prints `<redacted>`.
#[derive(Clone)]
pub struct HashKey {
    bytes: Vec<u8>,
    mac: Hmac<Sha256>,
}

/// An entry of a list: its text form is 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryHash([u8; Self::BYTES]);

/// What the entries of a list are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HashedKind {
    Phrase,
    Url,
}

/// A list of hashes.
#[derive(Clone, Debug)]
pub(crate) struct HashedList {
    pub(crate) kind: HashedKind,
    pub(crate) key: HashKey,
    /// How many words its phrases have.
    pub(crate) lengths: Vec<u8>,
    /// Sorted.
    entries: Vec<EntryHash>,
}

impl HashKey {
    pub(crate) fn new(bytes: &[u8]) -> Option<Self> {
        let mac = Hmac::new_from_slice(bytes).ok().filter(|_| KEY_BYTES.contains(&bytes.len()))?;
        Some(Self { bytes: bytes.to_vec(), mac })
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The entry for a phrase, and of how many words it is; `None` when no letter or digit is left of it.
    #[must_use]
    pub fn phrase(&self, phrase: &str) -> Option<(EntryHash, usize)> {
        let line = Line::new(phrase);
        (line.len() > 0).then(|| (self.hash(&line.text), line.len()))
    }

    /// The entry for an address: for its root, that of all pages of the host.
    ///
    /// # Errors
    ///
    /// As [`split_url`].
    pub fn url(&self, url: &str) -> Result<EntryHash, UrlError> {
        let parts = split_url(url)?;
        Ok(self.hash(&address(&parts.host, &parts.path)))
    }

    fn hash(&self, normal: &str) -> EntryHash {
        let mut mac = self.mac.clone();
        mac.update(normal.as_bytes());
        let digest = mac.finalize().into_bytes();
        EntryHash(std::array::from_fn(|at| digest.get(at).copied().unwrap_or_default()))
    }
}

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey:<redacted>")
    }
}

impl FromStr for HashKey {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok();
        let key = bytes.and_then(|bytes| Self::new(&bytes));
        key.ok_or_else(|| InvalidId::new("key of a list", "..", "32 to 64 hexadecimal digits, two for each byte"))
    }
}

impl EntryHash {
    pub(crate) const BYTES: usize = 16;

    pub(crate) fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

impl fmt::Display for EntryHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for EntryHash {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok();
        let hash = bytes.and_then(|bytes| bytes.try_into().ok()).map(Self);
        hash.ok_or_else(|| InvalidId::new("hash", text, "32 hexadecimal digits"))
    }
}

impl HashedList {
    /// Takes sorted, distinct entries and lengths; `None` when they are not so, or out of bounds.
    pub(crate) fn new(kind: HashedKind, key: HashKey, lengths: Vec<u8>, entries: Vec<EntryHash>) -> Option<Self> {
        let counted = match kind {
            HashedKind::Phrase => (1..=MAX_LENGTHS).contains(&lengths.len()),
            HashedKind::Url => lengths.is_empty(),
        };
        let in_bounds = lengths.iter().all(|words| (1..=MAX_WORDS).contains(words));
        let sorted =
            lengths.is_sorted_by(|left, right| left < right) && entries.is_sorted_by(|left, right| left < right);
        let filled = (1..=MAX_HASHES).contains(&entries.len());
        (counted && in_bounds && sorted && filled).then_some(Self { kind, key, lengths, entries })
    }

    /// Of its entries, which depend on its key, and what they are of.
    pub(crate) fn digest(&self) -> Digest {
        let entries = self.entries.iter().flat_map(|entry| entry.as_bytes());
        let of = format!("{:?} {:?} ", self.kind, self.lengths).into_bytes();
        Digest::of(&of.into_iter().chain(entries.copied()).collect::<Vec<_>>())
    }

    pub(crate) fn entries(&self) -> &[EntryHash] {
        &self.entries
    }

    pub(crate) fn holds(&self, hash: EntryHash) -> bool {
        self.entries.binary_search(&hash).is_ok()
    }

    /// The runs of words that are on a list of phrases.
    pub(crate) fn places(&self, line: &Line) -> Vec<Range<usize>> {
        let runs = (0..line.len())
            .flat_map(|first| self.lengths.iter().map(move |words| first..first.saturating_add(usize::from(*words))));
        runs.filter(|words| line.words(words).is_some_and(|text| self.holds(self.key.hash(text)))).collect()
    }

    /// Whether a host, with or without a path, is on a list of addresses.
    pub(crate) fn has_address(&self, host: &str, path: &str) -> bool {
        self.holds(self.key.hash(&address(host, path)))
    }
}

/// The normal form of an address.
fn address(host: &str, path: &str) -> String {
    if path == "/" { host.to_owned() } else { format!("{host}{path}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> HashKey {
        HashKey::new(&[7; 16]).unwrap()
    }

    /// RFC 4231, test case 1, cut to 16 bytes; its key has 20 bytes.
    #[test]
    fn a_hash_is_that_of_the_standard() {
        let key = HashKey::new(&[0x0b; 20]).unwrap();
        assert_eq!(key.hash("Hi There").to_string(), "b0344c61d8db38535ca8afceaf0bf12b");
    }

    #[test]
    fn spellings_that_fold_alike_hash_alike() {
        assert_eq!(key().phrase("Täwny--OWL!"), key().phrase("tawny owl"));
        assert_eq!(key().phrase("tawny owl").map(|(_, words)| words), Some(2));
        assert_ne!(key().phrase("tawnyowl"), key().phrase("tawny owl"));
        assert_eq!(key().phrase("..."), None);
    }

    #[test]
    fn an_address_is_its_host_and_path() {
        let same = ["https://owl.example/a%20b", "http://me:pw@OWL.example:8443/a b?q=1#top"];
        assert_eq!(key().url(same[0]), key().url(same[1]));
        assert_eq!(key().url("https://owl.example"), key().url("http://owl.example./?q=1"));
        assert_ne!(key().url("https://owl.example/a"), key().url("https://owl.example/a/"));
        assert!(key().url("owl.example").is_err());
    }

    #[test]
    fn keys_and_hashes_have_one_length() {
        assert!("00".repeat(15).parse::<HashKey>().is_err() && "00".repeat(33).parse::<HashKey>().is_err());
        assert!("zz".repeat(16).parse::<HashKey>().is_err());
        assert!("0a".repeat(16).parse::<EntryHash>().is_ok() && "0a".repeat(17).parse::<EntryHash>().is_err());
        assert_eq!(format!("{:?}", "0a".repeat(16).parse::<HashKey>().unwrap()), "HashKey:<redacted>");
    }
}
