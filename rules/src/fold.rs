//! Folding: one reading of a text, however it was written, with offsets back to the original.
//!
//! A text becomes *words* (runs of letters and digits) after NFKC compatibility mapping, lower-casing, dropping accents
//! and other combining marks, apostrophes, controls, zero-width and bidirectional characters. Every word keeps the
//! bytes of the original it came from. In scripts that put no space between words (Chinese, Japanese, Thai and others)
//! every letter is a word. Beside the words stand *readings*: what a word, or a run of words, may have been
//! meant to say. A reading covers the words it replaces; the words themselves are always kept, so that `mp3` or
//! `bob@school` still match as they stand.
//!
//! | written | reading |
//! |---|---|
//! | `k1ll`, `a$$`, `t0` | look-alike digits and symbols as letters, in words of at least two letters (one beside a symbol, or before a 0) |
//! | `сut` (Cyrillic `с`) | look-alike letters as Latin, in a mixed word, beside words in Latin letters, or where a text holds look-alikes alone |
//! | `kiiill` | every run of three or more as one letter and as two; `www` stands for itself |
//! | `s e x`, `k.y.s` | three or more single letters with the same gap between them as one word |
//!
//! Time and memory are linear in the text: a word has at most [`MAX_READINGS`] readings, a reading at most
//! [`MAX_WORD_BYTES`].
//!
//! Most texts are plain: letters and digits of ASCII with something between them. Those are read byte by byte
//! ([`plain`]); a text with anything else is taken apart into characters. Both give the same.

mod character;
mod plain;
mod reading;

use std::cell::OnceCell;
use std::ops::Range;

use crate::fingerprint::Fingerprint;
use character::{Kind, Unit};

/// Longest word a phrase can hold, in folded bytes; longer words of a text match nothing.
pub(crate) const MAX_WORD_BYTES: usize = 64;
/// Most readings of one word or run.
const MAX_READINGS: usize = 16;

/// A folded text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Folded {
    buffer: String,
    words: Vec<Word>,
    /// In order of `first`.
    readings: Vec<Reading>,
}

/// A word as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Word {
    fingerprint: Fingerprint,
    text: Range<usize>,
    original: Range<usize>,
}

/// What a run of words may say as one word.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Reading {
    fingerprint: Fingerprint,
    text: Range<usize>,
    original: Range<usize>,
    words: Range<usize>,
}

/// A word or reading that begins at some word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step<'a> {
    /// The folded word.
    pub(crate) word: &'a str,
    /// Its fingerprint.
    pub(crate) fingerprint: Fingerprint,
    /// Index of its first word.
    pub(crate) first: usize,
    /// Index of the word after it.
    pub(crate) next: usize,
    /// First byte of the original.
    pub(crate) start: usize,
    /// One past its last byte.
    pub(crate) end: usize,
}

/// Folds a text.
pub(crate) fn fold(text: &str) -> Folded {
    let mut folded = Folded::default();
    folded.fold(text);
    folded
}

/// The texts of one signal, each folded at most once, however many programs look at it.
#[derive(Debug)]
pub(crate) struct Folds(Vec<OnceCell<Folded>>);

impl Folds {
    /// Of so many texts.
    pub(crate) fn new(texts: usize) -> Self {
        Self((0..texts).map(|_| OnceCell::new()).collect())
    }

    /// The text of this index, folded; whoever asks for it first says how it is read. `None` beyond the texts.
    pub(crate) fn of(&self, index: usize, text: &str) -> Option<&Folded> {
        self.0.get(index).map(|held| held.get_or_init(|| fold(text)))
    }
}

impl Folded {
    /// Folds a text in the place of the one before.
    pub(crate) fn fold(&mut self, text: &str) {
        self.clear();
        if !plain::fold(text, self) {
            self.clear();
            self.fold_characters(text);
        }
    }

    fn fold_characters(&mut self, text: &str) {
        let units = character::units(text);
        let words = self.take_words(&units);
        reading::add(self, &units, &words);
    }

    fn clear(&mut self) {
        self.buffer.clear();
        self.words.clear();
        self.readings.clear();
    }

    /// Number of words.
    pub(crate) fn len(&self) -> usize {
        self.words.len()
    }

    /// The words as they stand.
    pub(crate) fn words(&self) -> impl Iterator<Item = &str> {
        self.words.iter().map(|word| self.text(&word.text))
    }

    /// Original bytes from the start of word `first` to the end of the word before `next`.
    pub(crate) fn original(&self, first: usize, next: usize) -> Option<Range<usize>> {
        let start = self.words.get(first)?.original.start;
        let end = self.words.get(next.checked_sub(1)?)?.original.end;
        Some(start..end)
    }

    /// The word at `first` and every reading that begins there.
    pub(crate) fn steps(&self, first: usize) -> impl Iterator<Item = Step<'_>> {
        let from = self.readings.partition_point(|reading| reading.words.start < first);
        let readings = self.readings.iter().skip(from).take_while(move |reading| reading.words.start == first);
        self.word_step(first).into_iter().chain(readings.map(|reading| self.reading_step(reading)))
    }

    /// Every word, then every reading, of those whose fingerprint is `wanted`.
    #[inline]
    pub(crate) fn all_steps(&self, wanted: impl Fn(Fingerprint) -> bool + Copy) -> impl Iterator<Item = Step<'_>> {
        let words = self.words.iter().enumerate().filter(move |(_, word)| wanted(word.fingerprint));
        let readings = self.readings.iter().filter(move |reading| wanted(reading.fingerprint));
        let words = words.filter_map(|(first, _)| self.word_step(first));
        words.chain(readings.map(|reading| self.reading_step(reading)))
    }

    fn word_step(&self, first: usize) -> Option<Step<'_>> {
        let Word { fingerprint, text, original } = self.words.get(first)?;
        let (start, end) = (original.start, original.end);
        Some(Step { word: self.text(text), fingerprint: *fingerprint, first, next: first + 1, start, end })
    }

    fn reading_step(&self, reading: &Reading) -> Step<'_> {
        let Reading { fingerprint, text, original, words } = reading;
        let (start, end, word) = (original.start, original.end, self.text(text));
        Step { word, fingerprint: *fingerprint, first: words.start, next: words.end, start, end }
    }

    fn text(&self, range: &Range<usize>) -> &str {
        self.buffer.get(range.clone()).unwrap_or_default()
    }

    /// Takes the words, and tells which units each is made of.
    fn take_words(&mut self, units: &[Unit]) -> Vec<Range<usize>> {
        let mut of_words = Vec::new();
        let mut index = 0;
        while let Some(unit) = units.get(index) {
            if unit.kind != Kind::Letter {
                index += 1;
                continue;
            }
            let longer = |unit: &&Unit| unit.kind == Kind::Letter && !character::is_word_alone(unit.character);
            let rest = units.iter().skip(index + 1).take_while(longer);
            let rest = rest.take(if character::is_word_alone(unit.character) { 0 } else { usize::MAX });
            let (from, start) = (self.buffer.len(), unit.start);
            let (mut end, mut count) = (unit.end, 0);
            for unit in std::iter::once(unit).chain(rest) {
                self.buffer.push(unit.character);
                (end, count) = (unit.end, count + 1);
            }
            of_words.push(index..index + count);
            let text = from..self.buffer.len();
            self.words.push(Word { fingerprint: Fingerprint::of(self.text(&text)), text, original: start..end });
            index += count;
        }
        of_words
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(text: &str) -> Vec<String> {
        fold(text).words().map(str::to_owned).collect()
    }

    /// All readings that begin at the first word, the word itself left out.
    fn readings(text: &str) -> Vec<String> {
        fold(text).steps(0).skip(1).map(|step| step.word.to_owned()).collect()
    }

    fn reads(text: &str, word: &str) -> bool {
        let folded = fold(text);
        (0..folded.len()).any(|first| folded.steps(first).any(|step| step.word == word))
    }

    /// All that a folded text says.
    fn all(folded: &Folded) -> Vec<Step<'_>> {
        (0..folded.len()).flat_map(|first| folded.steps(first)).collect()
    }

    #[test]
    fn everyday_titles_are_plain() {
        for text in [
            "Year 7 – Don’t forget: 2nd lesson | BBC Bitesize!",
            "www.example.org",
            "Où eſt le café ?",
            "ｆull ﬁne x²",
            "/maths/unit-3_b/page3.html",
            "",
        ] {
            assert!(plain::fold(text, &mut Folded::default()), "{text}");
        }
        for text in ["p@ss", "a.b.c", "кафе", "øl", "a+b", "$$a", "½", "é@"] {
            assert!(!plain::fold(text, &mut Folded::default()), "{text}");
        }
    }

    #[test]
    fn case_width_accents_and_apostrophes_are_folded() {
        assert_eq!(words("Don’t STOP, café ＦＵＬＬ ﬁne"), ["dont", "stop", "cafe", "full", "fine"]);
        assert_eq!(words("self-harm_how.to"), ["self", "harm", "how", "to"]);
        assert_eq!(words("z\u{200b}e\u{202e}r\u{ad}o"), ["zero"]);
        assert_eq!(words("c\u{335}u\u{335}t"), ["cut"]);
        assert_eq!(words("ⓒⓤⓣ 🅒🅤🅣"), ["cut", "cut"]);
    }

    #[test]
    fn offsets_lead_back_to_the_original() {
        let text = "«É\u{200b}t\u{301}é» ok";
        let folded = fold(text);
        let step = folded.steps(0).next().unwrap();
        assert_eq!((step.word, text.get(step.start..step.end).unwrap()), ("ete", "É\u{200b}t\u{301}é"));
        assert_eq!(text.get(folded.original(0, 2).unwrap()).unwrap(), "É\u{200b}t\u{301}é» ok");
    }

    #[test]
    fn blanks_marks_and_invisible_characters_hide_no_word() {
        assert_eq!(words("barn\u{3164}owl\u{ffa0}nest"), ["barn", "owl", "nest"]);
        for mark in ["\u{489}", "\u{20e3}", "\u{20dd}", "\u{fffa}", "\u{1d173}"] {
            assert_eq!(words(&format!("o{mark}w{mark}l{mark}")), ["owl"], "{mark:?}");
        }
        assert_eq!(words("🇴🇼🇱"), ["owl"]);
        assert!(reads("n€st", "nest") && reads("t0 the nest", "to") && !reads("a4 h1", "hi"));
    }

    #[test]
    fn letters_of_scripts_without_spaces_are_words() {
        assert_eq!(words("我看麦鸡 (カモメ)"), ["我", "看", "麦", "鸡", "カ", "モ", "メ"]);
        assert_eq!(words("abc麦鸡def"), ["abc", "麦", "鸡", "def"]);
        assert_eq!(fold("我看麦鸡").readings.len(), 0, "they are not letters spaced out");
        assert_eq!(words("ห่าน"), ["ห", "า", "น"]);
        assert_eq!(words("серая цапля").len(), 2);
        assert_eq!(words("가마우지 둥지").len(), 2);
    }

    #[test]
    fn digits_and_symbols_read_as_letters_inside_words() {
        assert!(reads("p0rn", "porn") && reads("k1ll", "kill") && reads("se1f", "self") && reads("p@ss", "pass"));
        assert!(reads("a$$", "ass") && reads("sh!t", "shit"));
        assert!(readings("3d").is_empty() && readings("2024").is_empty() && readings("kill!").is_empty());
        assert_eq!(words("mp3 p@ss"), ["mp3", "p", "ss"], "the words as they stand are kept");
    }

    #[test]
    fn look_alike_letters_read_as_latin() {
        assert!(reads("сut", "cut"), "a mixed word");
        assert!(reads("ѕех", "sex"), "a text of look-alikes alone");
        for text in ["how to ѕех ж", "how to ѕех 麦", "ѕех æ"] {
            assert!(reads(text, "sex"), "{text}");
        }
        assert!(!reads("рот и нос", "pot"), "a Russian text stays Russian");
        assert!(reads("ΗATE", "hate"));
    }

    #[test]
    fn long_repeats_read_as_one_or_two_letters() {
        for text in ["kill", "kiiill", "kiiiiilllll", "KILLLL"] {
            assert!(reads(text, "kill"), "{text}");
        }
        assert!(!reads("asss", "a") && reads("cooool", "cool"));
        assert!(!reads("good", "god"));
        assert!(readings("www").is_empty() && reads("wwww", "w"));
    }

    #[test]
    fn spaced_out_letters_read_as_one_word() {
        for text in ["s e c r e t", "s.e.c.r.e.t", "s - e - c - r - e - t", "why i s e c r e t", "s_3_c_r_3_t"] {
            assert!(reads(text, "secret"), "{text}");
        }
        assert!(reads("s.e.c r.e.t", "sec"), "another gap ends the word");
        assert!(!reads("a b", "ab"));
        for text in ["leave a n.e.s.t", "be i n-e-s-t"] {
            assert!(reads(text, "nest"), "{text}: a letter before it takes none of its letters");
        }
    }

    #[test]
    fn a_reading_covers_the_words_it_replaces() {
        let text = "be s-e-t now";
        let folded = fold(text);
        let step = folded.steps(1).find(|step| step.word == "set").unwrap();
        assert_eq!((step.next, text.get(step.start..step.end).unwrap()), (4, "s-e-t"));
    }

    #[test]
    fn hostile_texts_have_bounded_readings() {
        for text in
            ["1a".repeat(2000), "a ".repeat(4000), "iii1".repeat(1000), "@a".repeat(2000), "\u{fdfa}".repeat(1000)]
        {
            let folded = fold(&text);
            assert!(folded.readings.len() <= folded.words.len() * MAX_READINGS + MAX_READINGS);
            assert!(folded.readings.iter().all(|reading| reading.text.len() <= MAX_WORD_BYTES));
        }
    }

    proptest! {
        #[test]
        fn offsets_stand_on_character_boundaries(text in "\\PC{0,40}|[a-c1@$! .'\u{200b}с]{0,40}") {
            let folded = fold(&text);
            for first in 0..folded.len() {
                for step in folded.steps(first) {
                    prop_assert!(text.is_char_boundary(step.start) && text.is_char_boundary(step.end));
                    prop_assert!(step.start < step.end && step.next > first && step.next <= folded.len());
                }
            }
        }

        #[test]
        fn a_plain_text_is_folded_as_any_other(text in "[a-cA-C0-5@$!|+ .'`–’éÉﬁＡ²½ßøа\u{301}\\-\u{7}]{0,40}|[ -~]{0,60}|(www|aaa|l33t|x|i|-| ){0,40}") {
            let mut plain = Folded::default();
            if plain::fold(&text, &mut plain) {
                let mut other = Folded::default();
                other.fold_characters(&text);
                prop_assert_eq!(all(&plain), all(&other));
            }
        }

        #[test]
        fn folding_twice_changes_nothing(text in any::<String>()) {
            let once = words(&text);
            prop_assert_eq!(words(&once.join(" ")), once);
        }

        #[test]
        fn compatibility_forms_fold_alike(text in any::<String>()) {
            use unicode_normalization::UnicodeNormalization as _;
            prop_assert_eq!(words(&text.nfkc().collect::<String>()), words(&text.nfkd().collect::<String>()));
        }
    }
}
