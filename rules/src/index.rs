//! Sorted keys of 64 bits that are spread evenly, found in about one look.

use std::ops::Range;

/// About how many keys share a bucket.
const KEYS_OF_A_BUCKET: usize = 4;

/// Keys in ascending order and, by their leading bits, where to look: two cache lines a look-up, whatever the number of
/// keys.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    keys: Vec<u64>,
    /// Where the keys of each bucket start; one more entry than buckets.
    starts: Vec<u32>,
    /// By how much a key is shifted to give its bucket.
    shift: u32,
}

impl Index {
    /// Takes keys in ascending order; `None` when they are not so, stand twice, or are too many to be numbered.
    pub(crate) fn new(keys: Vec<u64>) -> Option<Self> {
        let ascending = keys.iter().zip(keys.iter().skip(1)).all(|(left, right)| left < right);
        u32::try_from(keys.len()).ok().filter(|_| ascending)?;
        let bits = (keys.len() / KEYS_OF_A_BUCKET).next_power_of_two().ilog2().max(1);
        let shift = u64::BITS - bits;
        let mut starts = Vec::with_capacity((1 << bits) + 1);
        let mut at = 0;
        for bucket in 0..1_u64 << bits {
            starts.push(at);
            let of_bucket = keys.get(usize::try_from(at).ok()?..).unwrap_or_default();
            let count = of_bucket.iter().take_while(|key| **key >> shift == bucket).count();
            at += u32::try_from(count).ok()?;
        }
        starts.push(at);
        Some(Self { keys, starts, shift })
    }

    /// The place of a key among all.
    #[inline]
    pub(crate) fn place(&self, key: u64) -> Option<usize> {
        let bucket = usize::try_from(key >> self.shift).ok()?;
        let bound = |bucket: usize| usize::try_from(*self.starts.get(bucket)?).ok();
        let range: Range<usize> = bound(bucket)?..bound(bucket + 1)?;
        let start = range.start;
        let keys = self.keys.get(range)?;
        keys.binary_search(&key).ok().map(|within| start + within)
    }

    /// All keys, ascending.
    pub(crate) fn keys(&self) -> &[u64] {
        &self.keys
    }
}

/// Keys of which it can be said quickly that one is not there.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    bits: Vec<u64>,
}

/// Bits for each key: about one key in eight that is not there passes.
const BITS_OF_A_KEY: usize = 8;

impl Filter {
    /// A filter of `keys`.
    pub(crate) fn new(keys: impl Iterator<Item = u64> + Clone) -> Self {
        let words = (keys.clone().count() * BITS_OF_A_KEY).div_ceil(64).next_power_of_two();
        let mut filter = Self { bits: vec![0; words] };
        for key in keys {
            let (word, bit) = filter.place(key);
            if let Some(word) = filter.bits.get_mut(word) {
                *word |= bit;
            }
        }
        filter
    }

    /// Whether `key` may be one of the keys; where not, it is none.
    #[inline]
    pub(crate) fn may_hold(&self, key: u64) -> bool {
        let (word, bit) = self.place(key);
        self.bits.get(word).is_some_and(|word| word & bit != 0)
    }

    #[inline]
    fn place(&self, key: u64) -> (usize, u64) {
        let words = self.bits.len() as u64;
        (usize::try_from((key >> 6) & words.wrapping_sub(1)).unwrap_or(0), 1 << (key & 63))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_key_is_found_at_its_place_and_no_other(
            keys in prop::collection::btree_set(any::<u64>(), 0..200), other in any::<u64>(),
        ) {
            let index = Index::new(keys.iter().copied().collect()).unwrap();
            let filter = Filter::new(keys.iter().copied());
            for (place, key) in keys.iter().enumerate() {
                prop_assert_eq!(index.place(*key), Some(place));
                prop_assert!(filter.may_hold(*key));
            }
            prop_assert_eq!(index.place(other).is_some(), keys.contains(&other));
        }
    }

    #[test]
    fn keys_out_of_order_or_twice_are_refused() {
        assert!(Index::new(vec![2, 1]).is_none() && Index::new(vec![1, 1]).is_none());
        assert_eq!(Index::new(vec![]).unwrap().place(0), None);
        assert_eq!(Index::default().place(0), None);
    }

    #[test]
    fn keys_that_all_begin_alike_are_found_still() {
        let index = Index::new((0..1000).collect()).unwrap();
        assert!((0..1000).all(|key| index.place(key) == usize::try_from(key).ok()));
    }

    #[test]
    fn a_filter_lets_few_others_pass() {
        let spread = |number: u64| number.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23);
        let filter = Filter::new((0..10_000).map(spread));
        let passed = (10_000..110_000).filter(|number| filter.may_hold(spread(*number))).count();
        assert!(passed < 15_000, "{passed}");
    }
}
