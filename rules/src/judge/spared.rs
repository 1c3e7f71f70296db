//! Rules that exceptions alone keep from firing.

use super::{Find, Program, Role, Rule, hit};
use crate::{Band, Excepted};

/// The exceptions that consumed what `rule` would otherwise fire on; `None` when it would not fire either way.
pub(crate) fn spared(rule: &Rule, band: Band, finds: &[Find], program: &Program) -> Option<Vec<Excepted>> {
    let (exceptions, terms): (Vec<Find>, Vec<Find>) =
        finds.iter().cloned().partition(|find| find.role == Role::Exception);
    hit(rule, band, &terms, program)?;
    let covers = |exception: &&Find| terms.iter().any(|term| term.text == exception.text && exception.covers(term));
    Some(exceptions.iter().filter(covers).filter_map(|exception| exception.as_excepted(program)).collect())
}
