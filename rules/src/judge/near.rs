//! Groups that stand near each other.

use crate::matcher::Find;
use crate::program::{MAX_GROUPS, Order};

/// Finds of a text that take part in a stretch where every group stands once, none over another, with at most `within`
/// words between the end of the first and the start of the last. Empty when there is no such stretch.
///
/// From each find as the first, the finds that begin soon enough are gone through once in order; what is kept is the
/// earliest end for each set of groups met so far. So the time is linear in the finds times `within` times the number
/// of sets, at most 2^[`MAX_GROUPS`].
pub(super) fn together(mut finds: Vec<&Find>, within: usize, order: Order, groups: u8) -> Vec<&Find> {
    finds.sort_unstable();
    let mut taken = vec![false; finds.len()];
    for (at, first) in finds.iter().enumerate() {
        let limit = first.next.saturating_add(within);
        let near = finds.iter().skip(at + 1).take_while(|find| find.first <= limit).count();
        let window = finds.get(at + 1..at + 1 + near).unwrap_or_default();
        if !completes(first, window, order, groups) {
            continue;
        }
        taken.iter_mut().skip(at).take(1).for_each(|taken| *taken = true);
        for (taken, find) in taken.iter_mut().skip(at + 1).zip(window) {
            *taken |= find.first >= first.next;
        }
    }
    finds.into_iter().zip(taken).filter(|(_, taken)| *taken).map(|(find, _)| find).collect()
}

/// Whether `first` and finds of `window` (in order of their first word) make every group.
fn completes(first: &Find, window: &[&Find], order: Order, groups: u8) -> bool {
    let Some(group) = first.group() else { return false };
    if order == Order::AsWritten && group != 0 {
        return false;
    }
    let mut earliest = [usize::MAX; 1 << MAX_GROUPS];
    let every = (1_usize << groups) - 1;
    set(&mut earliest, 1 << group, first.next);
    for find in window {
        let Some(group) = find.group() else { continue };
        let bit = 1_usize << group;
        for met in (0..=every).rev().filter(|met| met & bit == 0) {
            let in_order = order == Order::Any || met == bit - 1;
            let ends = earliest.get(met).copied().unwrap_or(usize::MAX);
            if in_order && ends <= find.first {
                set(&mut earliest, met | bit, find.next);
            }
        }
    }
    earliest.get(every).is_some_and(|end| *end != usize::MAX)
}

fn set(earliest: &mut [usize], groups: usize, end: usize) {
    if let Some(known) = earliest.get_mut(groups) {
        *known = (*known).min(end);
    }
}
