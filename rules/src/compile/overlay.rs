//! A school's changes of rules: who may change what, and what is left of the rule.
//!
//! The examples of a pack are run before its rules are tuned: they show what the pack's author promises, and a school
//! that changes a rule on purpose is not held to them. The cases that travel with the rule set are judged again.

mod agreed;
mod change;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::expand::Draft;
use super::lint;
use crate::diagnostic::{Code, Diagnostic, Source};
use crate::pack::TuneSource;
use crate::{Date, RuleId};

/// A tune and the file it stands in.
pub(super) type Tune = (Arc<Source>, TuneSource);

/// Checks every tune against the rules it changes.
pub(super) fn check(tunes: &[Tune], drafts: &[Draft<'_>], today: Option<Date>, diagnostics: &mut Vec<Diagnostic>) {
    let mut seen: BTreeMap<&RuleId, String> = BTreeMap::new();
    let sheltered = sheltered(drafts);
    for tune in tunes {
        let (source, written) = tune;
        let place = Diagnostic::new(Code::Repeated, source, written.rule.span(), "", "");
        let place = format!("{}:{}", place.file(), place.line());
        if let Some(earlier) = seen.insert(written.rule.get_ref(), place) {
            let message = format!("rule `{}` is tuned here and at {earlier}", written.rule.get_ref());
            diagnostics.push(Diagnostic::new(Code::Repeated, source, written.rule.span(), message, "the second one"));
        }
        diagnostics.extend(agreed::days(tune, today));
        diagnostics.extend(agreed::persons(tune));
        match draft_of(drafts, written) {
            None => diagnostics.push(gone(tune)),
            Some(draft) if sheltered.contains(&draft.rule.facts.id) => diagnostics.push(untouchable(tune, draft)),
            Some(draft) => {
                diagnostics.extend(change::check(tune, draft));
                diagnostics.extend(agreed::second(tune, draft, drafts));
            }
        }
    }
}

/// Changes the rules, and says what that leaves no sense in. The tunes were checked.
pub(super) fn apply(tunes: &[Tune], drafts: &mut [Draft<'_>], diagnostics: &mut Vec<Diagnostic>) {
    for tune in tunes {
        let (source, written) = tune;
        let Ok(at) = drafts.binary_search_by(|draft| draft.rule.facts.id.cmp(written.rule.get_ref())) else { continue };
        let Some(draft) = drafts.get_mut(at) else { continue };
        change::apply(tune, draft, diagnostics);
        for left in lint::lone_word(draft).into_iter().chain(lint::unreachable(draft)) {
            let message = format!("as tuned, {}", left.message());
            diagnostics.push(Diagnostic::new(left.code(), source, written.span.clone(), message, "this tune"));
        }
    }
}

pub(super) fn draft_of<'a, 'b>(drafts: &'a [Draft<'b>], tune: &TuneSource) -> Option<&'a Draft<'b>> {
    let at = drafts.binary_search_by(|draft| draft.rule.facts.id.cmp(tune.rule.get_ref())).ok()?;
    drafts.get(at)
}

/// Rules of illegal categories, and those to which an exception of one hands what it consumes: a school that changed
/// such a rule would silence the illegal one by the back door.
fn sheltered(drafts: &[Draft<'_>]) -> BTreeSet<RuleId> {
    let illegal = drafts.iter().filter(|draft| draft.rule.facts.category.class().is_illegal());
    illegal
        .flat_map(|draft| {
            let targets = draft.reroutes.iter().map(|(_, target)| target.get_ref().clone());
            targets.chain([draft.rule.facts.id.clone()])
        })
        .collect()
}

/// A pack that drops or renames a rule must not keep a school from the rest of its update: it is told, and no error.
fn gone((source, tune): &Tune) -> Diagnostic {
    let message = format!("rule `{}` is in none of the packs: this tune changes nothing", tune.rule.get_ref());
    let diagnostic = Diagnostic::new(Code::TuneOfNothing, source, tune.rule.span(), message, "gone, or renamed");
    diagnostic.help("look where its words went, then tune that rule or take this out")
}

fn untouchable((source, tune): &Tune, draft: &Draft<'_>) -> Diagnostic {
    let facts = &draft.rule.facts;
    let message = if facts.category.class().is_illegal() {
        format!("rule `{}` is of the illegal category `{}`: no school changes it", facts.id, facts.category)
    } else {
        format!("rule `{}` stands for an illegal rule where that one has an exception: no school changes it", facts.id)
    };
    Diagnostic::new(Code::TuneIllegal, source, tune.rule.span(), message, "untouchable")
}
