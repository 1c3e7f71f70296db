//! Counts that give nobody away.
//!
//! A table is a list of counts whose sum the reader may know from elsewhere. Once one count of it is 1 to 4, every
//! count of 0 to 4 reads "fewer than 5". Where the sum then still narrows one of them to fewer than five values, the
//! smallest large enough other count is left out too; where none is, the whole table is.

use std::fmt;

/// Counts below this are not told.
const SMALL: u64 = 5;

/// One count as a page shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// The count.
    Number(u64),
    /// 0 to 4.
    FewerThan5,
    /// Any count; left out so that others cannot be worked out.
    Withheld,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(count) => write!(f, "{count}"),
            Self::FewerThan5 => f.write_str("Fewer than 5"),
            Self::Withheld => f.write_str("Not shown"),
        }
    }
}

/// A lone count, such as a total.
pub(crate) const fn lone(count: u64) -> Shown {
    if is_small(count) { Shown::FewerThan5 } else { Shown::Number(count) }
}

/// A table of counts whose sum may be known.
pub(crate) fn table(counts: &[u64]) -> Vec<Shown> {
    if !counts.iter().any(|count| is_small(*count)) {
        return counts.iter().copied().map(Shown::Number).collect();
    }
    let small: Vec<u64> = counts.iter().copied().filter(|count| *count < SMALL).collect();
    let (sum, cells) = (small.iter().sum::<u64>(), small.len() as u64);
    // A sum of 1 to 4 over the whole table is itself told only as fewer than 5.
    let is_whole_table = small.len() == counts.len();
    if (sum < SMALL && is_whole_table) || is_wide(sum, cells) {
        return hide(counts, None);
    }
    // The left-out count is known to be at least 5, and the small ones must still reach 4 beside it.
    let other = counts.iter().copied().filter(|count| *count >= SMALL && sum + count >= 2 * SMALL - 1).min();
    other.map_or_else(|| vec![Shown::Withheld; counts.len()], |other| hide(counts, Some(other)))
}

/// Whether `cells` counts of 0 to 4 with this sum could each be any of the five.
const fn is_wide(sum: u64, cells: u64) -> bool {
    let most = SMALL - 1;
    sum >= most && sum <= most * (cells - 1)
}

const fn is_small(count: u64) -> bool {
    count > 0 && count < SMALL
}

fn hide(counts: &[u64], mut other: Option<u64>) -> Vec<Shown> {
    let show = |count: &u64| {
        if *count < SMALL {
            return Shown::FewerThan5;
        }
        if other == Some(*count) {
            other = None;
            return Shown::Withheld;
        }
        Shown::Number(*count)
    };
    counts.iter().map(show).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a reader who knows the sum can narrow each hidden count to: (least, most).
    fn bounds(shown: &[Shown], sum: u64) -> Vec<(u64, u64)> {
        let told: u64 = shown.iter().map(|cell| if let Shown::Number(count) = cell { *count } else { 0 }).sum();
        let left = sum - told;
        let withheld = shown.iter().all(|cell| *cell == Shown::Withheld);
        let range = |cell: &Shown| match cell {
            Shown::Number(_) => None,
            Shown::FewerThan5 => Some((0, 4)),
            Shown::Withheld => Some((if withheld { 0 } else { 5 }, u64::MAX)),
        };
        let ranges: Vec<(u64, u64)> = shown.iter().filter_map(range).collect();
        let least: u64 = ranges.iter().map(|range| range.0).sum();
        let most = ranges.iter().fold(0_u64, |sum, range| sum.saturating_add(range.1));
        let narrow = |&(low, high): &(u64, u64)| {
            let others_least = least - low;
            let others_most = if high == u64::MAX {
                ranges.iter().filter(|range| range.1 != u64::MAX).map(|range| range.1).sum()
            } else {
                most.saturating_sub(high)
            };
            (low.max(left.saturating_sub(others_most)), high.min(left.saturating_sub(others_least)))
        };
        ranges.iter().map(narrow).collect()
    }

    proptest! {
        #[test]
        fn no_hidden_count_can_be_narrowed_below_five_values(counts in prop::collection::vec(0_u64..14, 1..8)) {
            let sum: u64 = counts.iter().sum();
            let shown = table(&counts);
            prop_assert_eq!(shown.len(), counts.len());
            for (count, cell) in counts.iter().zip(&shown) {
                prop_assert!(!matches!(cell, Shown::Number(1..=4)));
                if let Shown::Number(number) = cell { prop_assert_eq!(number, count); }
            }
            let withheld = shown.iter().all(|cell| *cell == Shown::Withheld);
            if sum >= SMALL && !withheld {
                for (low, high) in bounds(&shown, sum) {
                    prop_assert!(high - low >= 4, "{:?} of sum {} is narrowed to {} to {}", shown, sum, low, high);
                }
            }
        }
    }

    #[test]
    fn a_table_without_small_counts_is_told_whole() {
        assert_eq!(table(&[0, 5, 12]), [Shown::Number(0), Shown::Number(5), Shown::Number(12)]);
    }

    #[test]
    fn the_only_small_count_takes_another_with_it() {
        assert_eq!(table(&[3, 20, 9]), [Shown::FewerThan5, Shown::Number(20), Shown::Withheld]);
        assert_eq!(table(&[1, 7]), [Shown::Withheld, Shown::Withheld]);
    }

    #[test]
    fn a_few_in_all_are_fewer_than_5_everywhere() {
        assert_eq!(table(&[0, 2, 1]), [Shown::FewerThan5; 3]);
        assert_eq!(lone(3), Shown::FewerThan5);
        assert_eq!(lone(0), Shown::Number(0));
    }
}
