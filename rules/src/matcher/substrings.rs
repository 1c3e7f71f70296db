//! Letters that stand inside words, found by their first four.

use std::collections::BTreeMap;

use crate::program::Substring;

/// Shortest substring, in bytes.
pub(crate) const MIN_BYTES: usize = 4;
/// Bits of the filter, as a power of two: 8 KiB.
const FILTER_BITS: u32 = 16;

/// The first four bytes of substrings, and which begin so. Holds nothing where a rule set has no substrings.
#[derive(Debug, Default)]
pub(super) struct Substrings {
    filter: Vec<u64>,
    by_start: BTreeMap<[u8; MIN_BYTES], Vec<usize>>,
}

impl Substrings {
    /// `None` when one is too short to be found.
    pub(super) fn new(substrings: &[Substring]) -> Option<Self> {
        if substrings.is_empty() {
            return Some(Self::default());
        }
        let mut filter = vec![0_u64; 1 << (FILTER_BITS - 6)];
        let mut by_start: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for (number, substring) in substrings.iter().enumerate() {
            let start = *substring.text.as_bytes().first_chunk::<MIN_BYTES>()?;
            by_start.entry(start).or_default().push(number);
            let (word, bit) = place(start);
            *filter.get_mut(word)? |= bit;
        }
        Some(Self { filter, by_start })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.filter.is_empty()
    }

    /// The numbers of those that stand in `word`.
    pub(super) fn within<'a>(&'a self, word: &'a str, all: &'a [Substring]) -> impl Iterator<Item = usize> + 'a {
        let may_start = |window: &&[u8; MIN_BYTES]| {
            let (at, bit) = place(**window);
            self.filter.get(at).is_some_and(|bits| bits & bit != 0)
        };
        let windows = word.as_bytes().array_windows::<MIN_BYTES>().enumerate();
        let started = windows.filter(move |(_, window)| may_start(window)).filter_map(|(at, window)| {
            let rest = word.as_bytes().get(at..)?;
            Some((rest, self.by_start.get(window)?))
        });
        started.flat_map(move |(rest, numbers)| {
            let stands =
                move |number: &usize| all.get(*number).is_some_and(|all| rest.starts_with(all.text.as_bytes()));
            numbers.iter().copied().filter(stands)
        })
    }
}

fn place(start: [u8; MIN_BYTES]) -> (usize, u64) {
    let spread = u32::from_le_bytes(start).wrapping_mul(0x9e37_79b1) >> (u32::BITS - FILTER_BITS);
    (usize::try_from(spread >> 6).unwrap_or(0), 1 << (spread & 63))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_stands_in_a_word_is_found_and_nothing_else(
            texts in prop::collection::btree_set("[ab]{4,6}", 1..6), word in "[ab]{0,24}",
        ) {
            let all: Vec<Substring> = texts.iter().map(|text| Substring { text: text.clone(), rows: Vec::new() }).collect();
            let substrings = Substrings::new(&all).unwrap();
            let found: BTreeSet<usize> = substrings.within(&word, &all).collect();
            let wanted: BTreeSet<usize> = (0..all.len()).filter(|at| word.contains(&all[*at].text)).collect();
            prop_assert_eq!(found, wanted);
        }
    }

    #[test]
    fn a_substring_too_short_is_refused() {
        assert!(Substrings::new(&[Substring { text: "abc".to_owned(), rows: Vec::new() }]).is_none());
        assert!(Substrings::new(&[]).unwrap().is_empty());
    }
}
