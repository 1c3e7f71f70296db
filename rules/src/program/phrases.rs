//! Phrases by the fingerprints of their beginnings.
//!
//! Every beginning of every phrase (its first word, its first two, and so on to the whole) is a key; its value says
//! whether a phrase ends there, and whether one goes on. A text is followed from word to word by one look-up each, and
//! most words are gone after one look at a filter that fits the first cache.

use crate::fingerprint::Fingerprint;
use crate::index::{Filter, Index};

/// A phrase goes on after this beginning.
const GOES_ON: u32 = 1 << 31;
/// This beginning is one word.
const ONE_WORD: u32 = 1 << 30;
/// The number of the phrase that ends here, from 1; 0 where none does.
const NUMBER: u32 = ONE_WORD - 1;

/// A set of phrases, numbered from 0.
#[derive(Clone, Debug)]
pub(crate) struct Phrases {
    beginnings: Index,
    values: Vec<u32>,
    first_words: Filter,
    count: usize,
}

/// What is known of a beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Beginning {
    /// The phrase that is whole here.
    pub(crate) phrase: Option<u32>,
    /// Whether a longer phrase begins so.
    pub(crate) goes_on: bool,
}

impl Phrases {
    /// Takes distinct phrases, each of at least one word, and numbers them in their order; `None` when two beginnings
    /// share a fingerprint, a phrase stands twice or is empty, or there are too many.
    pub(crate) fn new<W: AsRef<str>>(phrases: &[Vec<W>]) -> Option<Self> {
        let mut rows: Vec<(u64, u32, &[W])> = Vec::new();
        for (number, phrase) in (1..=NUMBER).zip(phrases) {
            let mut beginning: Option<Fingerprint> = None;
            for (at, word) in (1..).zip(phrase) {
                let word = Fingerprint::of(word.as_ref());
                let reached = beginning.map_or(word, |beginning| beginning.then(word));
                beginning = Some(reached);
                let ends = if at == phrase.len() { number } else { GOES_ON };
                let first = if at == 1 { ONE_WORD } else { 0 };
                rows.push((reached.0, ends | first, phrase.get(..at)?));
            }
        }
        let whole = phrases.iter().all(|phrase| !phrase.is_empty()) && phrases.len() < NUMBER as usize;
        rows.sort_unstable_by_key(|(key, _, _)| *key);
        let (mut keys, mut values): (Vec<u64>, Vec<u32>) = (Vec::new(), Vec::new());
        let mut words: &[W] = &[];
        for (key, value, of) in rows {
            match values.last_mut().filter(|_| keys.last() == Some(&key)) {
                // Two ends are two phrases, other words share a fingerprint.
                Some(merged) if (*merged & NUMBER == 0 || value & NUMBER == 0) && alike(words, of) => *merged |= value,
                Some(_) => return None,
                None => {
                    keys.push(key);
                    values.push(value);
                    words = of;
                }
            }
        }
        if whole { Self::from_parts(keys, values) } else { None }
    }

    /// Takes what [`Phrases::parts`] gave; `None` when it is not that.
    pub(crate) fn from_parts(keys: Vec<u64>, values: Vec<u32>) -> Option<Self> {
        let beginnings = Index::new(keys)?;
        let same = beginnings.keys().len() == values.len();
        let mut numbers: Vec<u32> = values.iter().filter_map(|value| (value & NUMBER).checked_sub(1)).collect();
        numbers.sort_unstable();
        let dense = (0..).zip(&numbers).all(|(wanted, number): (u32, &u32)| wanted == *number);
        let first = |(key, value): (&u64, &u32)| (value & ONE_WORD != 0).then_some(*key);
        let first_words = Filter::new(beginnings.keys().iter().zip(&values).filter_map(first));
        (same && dense).then_some(Self { beginnings, values, first_words, count: numbers.len() })
    }

    /// Fingerprints of all beginnings, ascending, and their values.
    pub(crate) fn parts(&self) -> (&[u64], &[u32]) {
        (self.beginnings.keys(), &self.values)
    }

    /// The fingerprints of all phrases, by number.
    pub(crate) fn fingerprints(&self) -> Vec<u64> {
        let ends = self.beginnings.keys().iter().zip(&self.values);
        let mut ends: Vec<(u32, u64)> =
            ends.filter_map(|(key, value)| Some(((value & NUMBER).checked_sub(1)?, *key))).collect();
        ends.sort_unstable();
        ends.into_iter().map(|(_, key)| key).collect()
    }

    /// Number of phrases.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Whether a phrase may begin with this word; where not, none does.
    #[inline]
    pub(crate) fn may_begin(&self, word: Fingerprint) -> bool {
        self.first_words.may_hold(word.0)
    }

    /// What is known of a beginning; `None` where no phrase begins so.
    #[inline]
    pub(crate) fn beginning(&self, words: Fingerprint) -> Option<Beginning> {
        let value = *self.values.get(self.beginnings.place(words.0)?)?;
        Some(Beginning { phrase: (value & NUMBER).checked_sub(1), goes_on: value & GOES_ON != 0 })
    }

    /// The number of the phrase of these words.
    pub(crate) fn number<W: AsRef<str>>(&self, words: &[W]) -> Option<u32> {
        let words = words.iter().map(|word| Fingerprint::of(word.as_ref()));
        self.beginning(words.reduce(Fingerprint::then)?)?.phrase
    }
}

impl Default for Phrases {
    fn default() -> Self {
        Self {
            beginnings: Index::default(),
            values: Vec::new(),
            first_words: Filter::new(std::iter::empty()),
            count: 0,
        }
    }
}

fn alike<W: AsRef<str>>(left: &[W], right: &[W]) -> bool {
    left.iter().map(AsRef::as_ref).eq(right.iter().map(AsRef::as_ref))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phrases(written: &[&str]) -> Option<Phrases> {
        Phrases::new(&written.iter().map(|phrase| phrase.split(' ').collect()).collect::<Vec<Vec<&str>>>())
    }

    #[test]
    fn a_phrase_is_followed_from_word_to_word() {
        let phrases = phrases(&["ant", "ant bee", "ant bee cow", "bee"]).unwrap();
        let [ant, bee, cow] = ["ant", "bee", "cow"].map(Fingerprint::of);
        let at = |words: Fingerprint| phrases.beginning(words).map(|found| (found.phrase, found.goes_on));
        assert_eq!(at(ant), Some((Some(0), true)));
        assert_eq!(at(ant.then(bee)), Some((Some(1), true)));
        assert_eq!(at(ant.then(bee).then(cow)), Some((Some(2), false)));
        assert_eq!(at(bee), Some((Some(3), false)));
        assert_eq!((at(cow), at(ant.then(cow))), (None, None));
        assert!(phrases.may_begin(ant) && phrases.may_begin(bee));
        assert_eq!((phrases.len(), phrases.number(&["ant", "bee"])), (4, Some(1)));
        assert_eq!((phrases.number(&["cow"]), phrases.number::<&str>(&[])), (None, None));
    }

    #[test]
    fn parts_come_back_as_they_were() {
        let made = phrases(&["ant", "ant bee", "cow"]).unwrap();
        let (keys, values) = made.parts();
        let read = Phrases::from_parts(keys.to_vec(), values.to_vec()).unwrap();
        assert_eq!((read.len(), read.number(&["ant", "bee"])), (3, Some(1)));
        assert!(read.may_begin(Fingerprint::of("cow")));
    }

    #[test]
    fn what_cannot_be_numbered_is_refused() {
        assert!(phrases(&["ant", "ant"]).is_none());
        assert!(Phrases::new(&[Vec::<&str>::new()]).is_none());
        assert!(Phrases::from_parts(vec![1, 2], vec![1]).is_none(), "a value too few");
        assert!(Phrases::from_parts(vec![1, 2], vec![1, 3]).is_none(), "a number left out");
        assert!(Phrases::from_parts(vec![1, 2], vec![1, 1]).is_none(), "a number twice");
    }
}
