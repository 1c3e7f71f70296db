//! Which shared channel may carry a message about a concern. Pure.
//!
//! A channel is as trustworthy as its least reader: it carries a concern only where every one of them may see it. One
//! that the person concerned reads stays silent, and so it looks the same to them with the concern as without.

use std::collections::BTreeSet;

use crate::actor::PersonId;

/// Whether a channel that `readers` read may carry a concern that `may_see` may see. `None` is a reader whose account
/// nobody knows: who that is cannot be ruled out. A channel without readers carries no concern: nobody said who reads it.
pub(super) fn may_carry(readers: &[Option<PersonId>], may_see: &BTreeSet<PersonId>) -> bool {
    !readers.is_empty() && readers.iter().all(|reader| reader.is_some_and(|person| may_see.contains(&person)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn person(number: u8) -> PersonId {
        PersonId::from_bytes([number; 16])
    }

    #[test]
    fn a_channel_that_nobody_is_said_to_read_carries_nothing() {
        assert!(!may_carry(&[], &BTreeSet::from([person(1)])));
        assert!(!may_carry(&[None, Some(person(1))], &BTreeSet::from([person(1)])));
        assert!(may_carry(&[Some(person(1))], &BTreeSet::from([person(1), person(2)])));
    }

    proptest! {
        /// Recipients are whoever routing named; the subject never sees it.
        #[test]
        fn whoever_reads_a_channel_that_carries_a_concern_may_see_it(
            readers in prop::collection::vec(prop::option::weighted(0.9, 0_u8..6), 0..5),
            recipients in prop::collection::btree_set(0_u8..6, 0..6),
            subject in 0_u8..6,
        ) {
            let may_see: BTreeSet<_> = recipients.iter().filter(|one| **one != subject).map(|one| person(*one)).collect();
            let people: Vec<_> = readers.iter().map(|reader| reader.map(person)).collect();
            let carries = may_carry(&people, &may_see);
            let all_see = readers.iter().all(|one| one.is_some_and(|one| one != subject && recipients.contains(&one)));
            prop_assert_eq!(carries, all_see && !readers.is_empty());
            // With the concern as without it, its subject reads nothing.
            prop_assert!(!(carries && readers.contains(&Some(subject))));
        }
    }
}
