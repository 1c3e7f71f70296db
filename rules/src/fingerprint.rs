//! Sixty-four bits that stand for a word, or for a run of words.
//!
//! A device needs no phrase to find one: it needs to know that the words before it are those of a phrase. So a rule set
//! holds the fingerprints of phrases and not their words, and a text is looked at by the fingerprints of its words.
//!
//! Bytes are taken eight at a time, little-endian, the last filled up with zeros. Each eight are mixed into the state by
//! the high and low half of one product of 64 by 64 bits (the folded multiplication of wyhash, Wang Yi 2019), the length
//! last. Two of a million different words share a fingerprint with a probability of about 3 in 100 million; the compiler
//! refuses a rule set in which two do.

/// A fingerprint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Fingerprint(pub(crate) u64);

const LEFT: u64 = 0x2d35_8dcc_aa6c_78a5;
const RIGHT: u64 = 0x8bb8_4b93_962e_acc9;
const LENGTH: u64 = 0x4b33_a62e_d433_d4a3;

impl Fingerprint {
    /// The fingerprint of a word.
    pub(crate) fn of(word: &str) -> Self {
        let mut fingerprinter = Fingerprinter::default();
        word.bytes().for_each(|byte| fingerprinter.push(byte));
        fingerprinter.finish()
    }

    /// The fingerprint of the words of this one and another word after them.
    pub(crate) fn then(self, word: Self) -> Self {
        Self(mixed(self.0 ^ LEFT, word.0 ^ RIGHT))
    }
}

/// Takes the bytes of a word one by one, as they are read anyway.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fingerprinter {
    state: u64,
    /// Up to seven bytes that wait for an eighth.
    waiting: u64,
    length: u64,
}

impl Fingerprinter {
    #[inline]
    pub(crate) fn push(&mut self, byte: u8) {
        self.waiting |= u64::from(byte) << (8 * (self.length % 8));
        self.length += 1;
        if self.length.is_multiple_of(8) {
            self.state = mixed(self.waiting ^ LEFT, self.state ^ RIGHT);
            self.waiting = 0;
        }
    }

    /// Takes the first `count` of eight bytes, the first lowest and those beyond `count` zero, where a multiple of eight
    /// was taken before.
    #[inline]
    pub(crate) fn push_eight(&mut self, bytes: u64, count: usize) {
        self.length += count as u64;
        match count {
            8 => self.state = mixed(bytes ^ LEFT, self.state ^ RIGHT),
            _ => self.waiting = bytes,
        }
    }

    #[inline]
    pub(crate) fn finish(self) -> Fingerprint {
        let state = match self.length % 8 {
            0 => self.state,
            _ => mixed(self.waiting ^ LEFT, self.state ^ RIGHT),
        };
        Fingerprint(mixed(state ^ LENGTH, self.length ^ LEFT))
    }
}

#[inline]
fn mixed(left: u64, right: u64) -> u64 {
    let product = u128::from(left) * u128::from(right);
    let [low, high] = [product, product >> 64].map(|half| half & u128::from(u64::MAX));
    // Both halves fit: the mask says so to the reader, and the optimiser takes it away.
    u64::try_from(low ^ high).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn fingerprints_stay_what_signed_rule_sets_hold() {
        let of = |words: &[&str]| {
            let mut words = words.iter().map(|word| Fingerprint::of(word));
            let first = words.next().unwrap();
            format!("{:016x}", words.fold(first, Fingerprint::then).0)
        };
        assert_eq!(of(&["lapwing"]), "25178e0f099caade");
        assert_eq!(of(&["northern", "lapwing"]), "4db6bccddabbc4ee");
        assert_eq!(of(&["vanellinae"]), "a46e38949b502944");
        assert_eq!(of(&["kiebitz0"]), "bafef3dccbb28a33");
    }

    #[test]
    fn neither_order_nor_a_cut_between_words_is_lost() {
        let [a, b, ab, ba] = ["ant", "bee", "antbee", "beeant"].map(Fingerprint::of);
        let all = [a, b, ab, ba, a.then(b), b.then(a), a.then(a), Fingerprint::of(""), Fingerprint::of("ant\0")];
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    }

    #[test]
    fn eight_bytes_at_once_are_as_one_by_one() {
        for word in ["", "a", "lapwing", "lapwings", "lapwingss", "sixteen letters!", "seventeen letters"] {
            let mut fingerprinter = Fingerprinter::default();
            for bytes in word.as_bytes().chunks(8) {
                let number = bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
                fingerprinter.push_eight(number, bytes.len());
            }
            assert_eq!(fingerprinter.finish(), Fingerprint::of(word), "{word}");
        }
    }

    #[test]
    fn short_words_and_pairs_of_them_have_fingerprints_of_their_own() {
        let letters = || "abcdefghijklmnopqrstuvwxyz0123456789".chars();
        let words: Vec<Fingerprint> =
            letters().flat_map(|one| letters().map(move |two| Fingerprint::of(&format!("{one}{two}")))).collect();
        let pairs = words.iter().flat_map(|first| words.iter().map(|second| first.then(*second)));
        let distinct: BTreeSet<Fingerprint> = words.iter().copied().chain(pairs).collect();
        assert_eq!(distinct.len(), words.len() * (words.len() + 1));
    }
}
