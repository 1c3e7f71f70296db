//! Rule sets that come while signals are judged.

use std::collections::BTreeSet;
use std::sync::mpsc::sync_channel;

use super::*;

/// Signals between two swaps.
const BETWEEN: usize = 20;

/// A rule set is swapped as signals are judged, from another thread as in the service: each signal meets one or the other.
#[test]
fn no_signal_is_missed_while_rule_sets_are_swapped() {
    let (mut keeper, mut judge, _, _folder) =
        keeper_and_judge_at(true, watch::channel(Effort::full()).1, told_at_noon());
    let swaps: Vec<Vec<u8>> = (2..12).map(artefact).collect();
    let (judged, told) = sync_channel(1);
    let (mut releases, mut missed) = (BTreeSet::new(), 0);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for bytes in &swaps {
                keeper.take_rule_set(bytes);
                told.iter().take(BETWEEN).for_each(drop);
            }
        });
        for number in 0.. {
            let mut signal = title("flimwager", None);
            // Nobody's hit is counted into that of another.
            signal.account.name = format!("kim{number}");
            match judge.judge(signal) {
                Some(capture) => drop(releases.insert(capture.verdict.release.number())),
                None => missed += 1,
            }
            // Nobody listens once the last rule set is in force.
            if judged.send(()).is_err() {
                return;
            }
        }
    });
    assert_eq!(missed, 0, "of signals that match");
    assert!(releases.len() >= 10 && releases.contains(&11), "{releases:?}");
}
