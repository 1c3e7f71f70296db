//! What words weigh in the band that is judged.

use crate::Band;
use crate::matcher::{Find, Source};
use crate::program::{Program, Role};

/// Gives what was found of `rule` the weights that `band` has of its own, those that `keep` lets through.
pub(crate) fn weigh(program: &Program, rule: u32, band: Band, finds: &mut [Find], keep: impl Fn(i16) -> bool) {
    let own = program.weights_of(rule, band);
    if own.is_empty() {
        return;
    }
    for find in finds {
        let (Role::Term { group, weight, .. }, Source::Phrase(phrase)) = (&mut find.role, find.source) else {
            continue;
        };
        let at = own.binary_search_by_key(&(phrase, *group), |row| (row.phrase, row.group));
        if let Some(row) = at.ok().and_then(|at| own.get(at)).filter(|row| keep(row.weight)) {
            *weight = row.weight;
        }
    }
}
