//! Whether an example needs each weight.

use std::collections::BTreeSet;

use crate::Band;
use crate::compile::trial::{Trial, Trials};
use crate::diagnostic::Diagnostic;
use crate::program::{Role, Test};

/// The weight of a term that has none written, where weights are summed.
const DEFAULT_WEIGHT: i16 = 1;

/// The weights of a rule that decide no example, in whatever band.
pub(super) fn check(trials: &Trials<'_>) -> Vec<Diagnostic> {
    let draft = trials.draft;
    let Test::Any { threshold: Some(_) } = draft.rule.test else { return Vec::new() };
    let loud = trials.in_every_band(&draft.written.examples.must_match);
    let silent = trials.in_every_band(&draft.written.examples.must_not_match);
    let decides =
        |fires: &dyn Fn(&Trial<'_>) -> bool| loud.iter().any(|trial| !fires(trial)) || silent.iter().any(fires);
    let (mut written, mut of_bands) = (BTreeSet::new(), BTreeSet::new());
    for (phrase, role) in &draft.phrases {
        let Role::Term { weight, .. } = role else { continue };
        written.insert(*weight);
        of_bands.extend(phrase.weights.iter().filter(|(_, own)| own != weight).copied());
    }
    written.remove(&DEFAULT_WEIGHT);
    let levelled = |gone: i16| move |weight: i16| if weight == gone { DEFAULT_WEIGHT } else { weight };
    let idle = written.into_iter().filter(|gone| !decides(&|trial| trial.fires_weighed(levelled(*gone), |_, _| true)));
    let idle = idle.map(|weight| format!("the weight {weight}"));
    let others = |gone: (Band, i16)| move |band: Band, weight: i16| (band, weight) != gone;
    let alike =
        of_bands.into_iter().filter(|gone| !decides(&|trial| trial.fires_weighed(|weight| weight, others(*gone))));
    let alike = alike.map(|(band, weight)| format!("the weight {weight} of band {band}"));
    idle.chain(alike).map(|part| draft.not_needed(&part, "show in an example what it decides")).collect()
}
