//! Plain texts, byte by byte.
//!
//! A text is plain when it holds letters and digits of ASCII, with marks or without, and something between them that
//! stands for no letter: no letter of another alphabet, no symbol inside or before a word that may be one, no three single letters in a row. What
//! a word of it may say beside itself (`l33t`, `sooo`) is read here too.

use super::character::{self, Alone};
use super::{Folded, Word, reading};
use crate::fingerprint::Fingerprinter;

/// As many single letters in a row may be one word spaced out.
const SPACED: usize = 3;

/// What a byte of ASCII is to a word.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// A letter or digit.
    Word,
    /// `@` and `$`, which may be a letter wherever they touch one.
    Symbol,
    /// `!`, `|` and `+`, which may be one between two.
    Edge,
    Gap,
    /// Vanishes.
    Dropped,
    /// A byte of a character beyond ASCII.
    Beyond,
}

const CLASSES: [Class; 256] = classes();

const fn classes() -> [Class; 256] {
    let mut classes = [Class::Beyond; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        // The array has an entry for each byte.
        #[expect(clippy::indexing_slicing, reason = "checked by the compiler: this runs at compile time alone")]
        {
            classes[byte as usize] = match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => Class::Word,
                b'@' | b'$' => Class::Symbol,
                b'!' | b'|' | b'+' => Class::Edge,
                b'\'' | b'`' => Class::Dropped,
                b'\t' | b'\n' | 0x0b | 0x0c | b'\r' => Class::Gap,
                _ if byte.is_ascii_control() => Class::Dropped,
                _ => Class::Gap,
            };
        }
        byte += 1;
    }
    classes
}

fn class(byte: u8) -> Class {
    CLASSES.get(usize::from(byte)).copied().unwrap_or(Class::Beyond)
}

/// Folds a plain text into `folded`, which is empty. `false` when it is not plain: then what `folded` holds is of no use.
///
/// The buffer begins with the whole text in lower case, so that a word stands in it where it stands in the text.
pub(super) fn fold(text: &str, folded: &mut Folded) -> bool {
    folded.buffer.push_str(text);
    folded.buffer.make_ascii_lowercase();
    folded.words.reserve(text.len() / 6 + 1);
    let mut reader = Reader { text, at: 0, touching: Touching::Nothing, singles: 0 };
    while let Some(byte) = reader.byte() {
        let plain = match class(byte) {
            Class::Word => reader.word(folded),
            Class::Symbol => reader.symbol(),
            Class::Edge => reader.edge(),
            Class::Gap => reader.gap(1),
            Class::Dropped => reader.skip(1),
            Class::Beyond => reader.beyond(folded),
        };
        if !plain {
            return false;
        }
    }
    true
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    touching: Touching,
    /// Words of one letter in a row.
    singles: usize,
}

/// What stands directly before, vanishing characters left out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Touching {
    Nothing,
    Word,
    /// A word and then an edge, which is a letter if another letter follows.
    Edge,
    /// A symbol, which is a letter if a letter follows.
    Symbol,
}

impl Reader<'_> {
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip(&mut self, bytes: usize) -> bool {
        self.at += bytes;
        true
    }

    fn gap(&mut self, bytes: usize) -> bool {
        self.touching = Touching::Nothing;
        self.skip(bytes)
    }

    fn symbol(&mut self) -> bool {
        let plain = matches!(self.touching, Touching::Nothing | Touching::Symbol);
        self.touching = Touching::Symbol;
        plain && self.skip(1)
    }

    fn edge(&mut self) -> bool {
        self.touching = match self.touching {
            Touching::Word | Touching::Edge => Touching::Edge,
            other @ (Touching::Nothing | Touching::Symbol) => other,
        };
        self.skip(1)
    }

    /// A character beyond ASCII: one that vanishes or stands between words, such as a dash, or one that is a letter of
    /// ASCII with a mark.
    fn beyond(&mut self, folded: &mut Folded) -> bool {
        let Some(character) = self.character() else { return false };
        match character::alone(character, |_| {}) {
            Alone::Gap => self.gap(character.len_utf8()),
            Alone::Nothing => self.skip(character.len_utf8()),
            Alone::Letters => self.may_be_word() && self.marked_word(folded),
            Alone::Other => false,
        }
    }

    fn character(&self) -> Option<char> {
        self.text.get(self.at..).and_then(|rest| rest.chars().next())
    }

    /// A letter after a symbol or an edge makes the text no plain one.
    fn may_be_word(&self) -> bool {
        matches!(self.touching, Touching::Nothing | Touching::Word)
    }

    /// A word from here to the first character that is none of it.
    fn word(&mut self, folded: &mut Folded) -> bool {
        if !self.may_be_word() {
            return false;
        }
        let start = self.at;
        let mut letters = Letters::default();
        while letters.take(eight(self.text.as_bytes(), self.at)) == 8 {
            self.at += 8;
        }
        self.at = start + letters.length;
        if self.byte().is_some_and(|byte| matches!(class(byte), Class::Dropped | Class::Beyond)) {
            self.at = start;
            return self.marked_word(folded);
        }
        let word = Word { fingerprint: letters.print.finish(), text: start..self.at, original: start..self.at };
        self.enter(folded, word, letters)
    }

    /// A word with characters that vanish, or letters with marks: it is put together at the end of the buffer.
    #[inline(never)]
    fn marked_word(&mut self, folded: &mut Folded) -> bool {
        let (start, from) = (self.at, folded.buffer.len());
        let (mut end, mut letters) = (start, Letters::default());
        while let Some(character) = self.character() {
            let before = folded.buffer.len();
            let is = character::alone(character, |byte| {
                letters.take_one(byte);
                folded.buffer.push(char::from(byte));
            });
            match is {
                Alone::Letters => end = self.at + character.len_utf8(),
                Alone::Nothing => {}
                Alone::Gap => break,
                Alone::Other if before == folded.buffer.len() && character.is_ascii() => break,
                Alone::Other => return false,
            }
            self.at += character.len_utf8();
        }
        let text = from..folded.buffer.len();
        letters.has_long_run = reading::has_long_run(folded.buffer.get(text.clone()).unwrap_or_default());
        self.enter(folded, Word { fingerprint: letters.print.finish(), text, original: start..end }, letters)
    }

    #[inline]
    fn enter(&mut self, folded: &mut Folded, word: Word, letters: Letters) -> bool {
        folded.words.push(word);
        if letters.may_say_more() {
            say_more(folded);
        }
        self.singles = if letters.length == 1 { self.singles + 1 } else { 0 };
        self.touching = Touching::Word;
        self.singles < SPACED
    }
}

/// Adds the readings of the last word.
#[cold]
fn say_more(folded: &mut Folded) {
    let Some(last) = folded.words.len().checked_sub(1) else { return };
    let letters = folded.words.get(last).map(|word| folded.text(&word.text).as_bytes().to_vec());
    reading::add_plain(folded, last, &letters.unwrap_or_default());
}

/// What is known of a word while it is read.
#[derive(Default)]
struct Letters {
    print: Fingerprinter,
    length: usize,
    digits: usize,
    /// Three of a letter in a row.
    has_long_run: bool,
    /// The eight letters before, while a longer word is read.
    before: u64,
}

impl Letters {
    /// Takes the letters and digits that eight bytes begin with, and tells how many.
    #[inline]
    fn take(&mut self, bytes: u64) -> usize {
        let (letters, digits) = (letters_of(bytes), digits_of(bytes));
        let count = ((!(letters | digits) & HIGH_BITS).trailing_zeros() / 8) as usize;
        let kept = if count == 8 { u64::MAX } else { (1 << (8 * count)) - 1 };
        // Digits have the bit that makes letters small.
        let lower = (bytes | SMALL) & kept;
        self.print.push_eight(lower, count);
        self.digits += (digits & kept).count_ones() as usize;
        self.has_long_run |= long_run_in(lower, count);
        if self.length > 0 {
            // The last two of the eight before, and what follows them.
            self.has_long_run |= long_run_in(self.before >> 48 | lower << 16, (count + 2).min(8));
        }
        self.before = lower;
        self.length += count;
        count
    }

    fn take_one(&mut self, byte: u8) {
        self.print.push(byte);
        self.length += 1;
        self.digits += usize::from(byte.is_ascii_digit());
    }

    /// Whether the word may have another reading.
    fn may_say_more(&self) -> bool {
        self.has_long_run || (self.digits > 0 && (self.length >= self.digits + 2 || self.length == 2))
    }
}

/// The highest bit of every byte.
const HIGH_BITS: u64 = every(0x80);
const SMALL: u64 = every(0x20);

const fn every(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// Eight bytes from `at` on, the first lowest; zeros beyond the end.
#[inline]
fn eight(bytes: &[u8], at: usize) -> u64 {
    let rest = bytes.get(at..).unwrap_or_default();
    match rest.first_chunk() {
        Some(eight) => u64::from_le_bytes(*eight),
        None => rest.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)),
    }
}

/// The high bit of every byte that is a letter of ASCII.
#[inline]
fn letters_of(bytes: u64) -> u64 {
    let lower = (bytes & !HIGH_BITS) | SMALL;
    between(lower, b'a', b'z') & !bytes
}

/// The high bit of every byte that is a digit of ASCII.
#[inline]
fn digits_of(bytes: u64) -> u64 {
    between(bytes & !HIGH_BITS, b'0', b'9') & !bytes
}

/// The high bit of every byte of `bytes`, all below 128, that is neither below `low` nor above `high`.
#[inline]
const fn between(bytes: u64, low: u8, high: u8) -> u64 {
    (bytes + every(0x80 - low)) & !(bytes + every(0x7f - high)) & HIGH_BITS
}

/// Whether three bytes in a row are alike among the first `count`, all below 128.
#[inline]
fn long_run_in(bytes: u64, count: usize) -> bool {
    let unlike = bytes ^ (bytes >> 8);
    let alike = !(unlike + every(0x7f)) & HIGH_BITS;
    let pairs = if count < 3 { 0 } else { u64::MAX >> (8 * (9 - count)) };
    let alike = alike & pairs;
    alike & (alike >> 8) != 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn eight_bytes_at_once_are_classed_as_one_by_one(bytes in any::<[u8; 8]>()) {
            let (letters, digits) = (letters_of(u64::from_le_bytes(bytes)), digits_of(u64::from_le_bytes(bytes)));
            for (at, byte) in bytes.into_iter().enumerate() {
                let is = |mask: u64| mask >> (8 * at) & 0xff == 0x80;
                prop_assert_eq!((is(letters), is(digits)), (byte.is_ascii_alphabetic(), byte.is_ascii_digit()));
            }
        }

        #[test]
        fn long_runs_are_seen_wherever_they_stand(word in "[ab]{0,4}[a-z]{0,12}[ab]{0,9}") {
            let expected = word.as_bytes().windows(3).any(|run| run[0] == run[1] && run[1] == run[2]);
            let mut letters = Letters::default();
            while letters.take(eight(word.as_bytes(), letters.length)) == 8 {}
            prop_assert_eq!((letters.length, letters.has_long_run), (word.len(), expected));
        }
    }
}
