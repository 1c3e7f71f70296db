//! What a tune changes of a rule.

use std::ops::Range;

use super::Tune;
use crate::compile::expand::{Draft, Phrase, phrase};
use crate::diagnostic::{Code, Diagnostic};
use crate::overlay::Tuned;
use crate::pack::TuneSource;
use crate::program::{Bands, Role, Scopes, Test};
use crate::{Band, RuleFacts, Scope, Watch};

/// What makes no sense for this rule.
pub(super) fn check(tune: &Tune, draft: &Draft<'_>) -> Vec<Diagnostic> {
    let (source, written) = tune;
    let id = &draft.rule.facts.id;
    let none =
        |span: Range<usize>, message: String| Diagnostic::new(Code::NoEffect, source, span, message, "no effect");
    let mut found = Vec::new();
    if changes(written).is_empty() {
        found.push(none(written.span.clone(), format!("this tune changes nothing of rule `{id}`")));
    }
    let nothing_left = (!written.off_scopes.is_empty() && scopes(draft, written) == Scopes::default())
        || (!written.off_bands.is_empty() && bands(draft, written) == Bands::default());
    if nothing_left {
        let message = format!("this leaves rule `{id}` nothing to look at");
        found.push(none(written.span.clone(), message).help("write `off = true` if that is meant"));
    }
    let on_weights = matches!(draft.rule.test, Test::Any { threshold: Some(_) });
    for (text, _) in &written.weights {
        let is_term = |role: &Role| *role != Role::Exception;
        let folded = phrase(source, text, &mut found);
        let is_there =
            |folded: &Phrase| draft.phrases.iter().any(|(known, role)| is_term(role) && known.words == folded.words);
        if folded.is_some_and(|folded| !on_weights || !is_there(&folded)) {
            found.push(none(text.span(), format!("rule `{id}` weighs no phrase `{}`", text.get_ref())));
        }
    }
    for text in &written.except_phrases {
        if phrase(source, text, &mut found).is_some_and(|folded| !could_cover(draft, &folded)) {
            found.push(none(text.span(), format!("this phrase holds nothing that rule `{id}` looks for")));
        }
    }
    found.extend(too_urgent(tune, draft));
    found
}

/// A rule on watch stays below the levels of what is no hoax.
fn too_urgent((source, tune): &Tune, draft: &Draft<'_>) -> Option<Diagnostic> {
    let facts = tuned(&draft.rule.facts, tune);
    let highest = facts.levels.values().copied().chain([facts.level]).max()?;
    let message = format!("rule `{}` is on watch: its highest level is {}", facts.id, Watch::MAX_LEVEL);
    let is_too_high = facts.course.watch.is_some() && highest > Watch::MAX_LEVEL;
    is_too_high.then(|| Diagnostic::new(Code::WatchTooUrgent, source, tune.span.clone(), message, "raised above it"))
}

/// Whether a find of the rule can stand inside this phrase.
fn could_cover(draft: &Draft<'_>, phrase: &Phrase) -> bool {
    let terms = draft.phrases.iter().filter(|(_, role)| *role != Role::Exception);
    let stands = |words: &[String]| phrase.words.windows(words.len()).any(|window| window == words);
    let inside = |text: &String| phrase.words.iter().any(|word| word.contains(text.as_str()));
    terms.map(|(term, _)| &term.words).any(|words| stands(words))
        || draft.substrings.iter().any(|(text, _)| inside(text))
        // What these find is not known before they do.
        || !draft.expressions.is_empty()
        || draft.hashed.is_some()
}

/// The facts of a rule with the levels of a tune: `level` is that of every band which `levels` does not name.
pub(super) fn tuned(facts: &RuleFacts, tune: &TuneSource) -> RuleFacts {
    let mut facts = facts.clone();
    if let Some(level) = &tune.level {
        facts.level = *level.get_ref();
        facts.levels.clear();
    }
    facts.levels.extend(tune.levels.iter().map(|(band, level)| (*band, *level.get_ref())));
    facts
}

/// Whether the tune lets a rule fire more seldom or lower. `after` are its facts with the tune.
pub(super) fn is_weaker(draft: &Draft<'_>, tune: &TuneSource, after: &RuleFacts) -> bool {
    let less = tune.is_off || !tune.off_scopes.is_empty() || !tune.off_bands.is_empty();
    let excepted = !tune.except_phrases.is_empty() || !tune.except_hosts.is_empty();
    let mut bands = Band::ALL.into_iter().filter(|band| draft.rule.bands.holds(*band));
    let before = &draft.rule.facts;
    // Whether a weight is less than before is not asked: of one that speaks against a rule, more is weaker.
    less || excepted || !tune.weights.is_empty() || bands.any(|band| after.level_for(band) < before.level_for(band))
}

/// Changes the rule of `draft`.
pub(super) fn apply((source, tune): &Tune, draft: &mut Draft<'_>, diagnostics: &mut Vec<Diagnostic>) {
    (draft.rule.scopes, draft.rule.bands) = (scopes(draft, tune), bands(draft, tune));
    draft.rule.facts = tuned(&draft.rule.facts, tune);
    draft.rule.facts.tuned = Some(Tuned {
        requester: tune.requester.get_ref().clone(),
        approvers: tune.approvers.get_ref().clone(),
        reason: tune.reason.clone(),
        expires: *tune.expires.get_ref(),
        changes: changes(tune),
    });
    for text in &tune.except_phrases {
        draft.phrases.extend(phrase(source, text, diagnostics).map(|phrase| (phrase, Role::Exception)));
    }
    draft.silent_hosts.extend(tune.except_hosts.iter().map(|host| host.get_ref().clone()));
    for (text, weight) in &tune.weights {
        let Some(folded) = phrase(source, text, diagnostics) else { continue };
        for (known, role) in draft.phrases.iter_mut().filter(|(known, _)| known.words == folded.words) {
            if let Role::Term { group, mark, .. } = *role {
                *role = Role::Term { group, mark, weight: *weight };
                // The pack's own weights of single bands give way: a tune names one for all.
                known.weights = &[];
            }
        }
    }
    if tune.is_off {
        draft.rule.bands = Bands::default();
        (draft.phrases, draft.substrings, draft.reroutes) = (Vec::new(), Vec::new(), Vec::new());
        (draft.hosts, draft.silent_hosts) = (Vec::new(), Vec::new());
        (draft.expressions, draft.hashed) = (Vec::new(), None);
    }
}

fn scopes(draft: &Draft<'_>, tune: &TuneSource) -> Scopes {
    let is_off = |scope: Scope| tune.off_scopes.iter().any(|off| *off.get_ref() == scope);
    Scope::ALL.into_iter().filter(|scope| draft.rule.scopes.holds(*scope) && !is_off(*scope)).collect()
}

fn bands(draft: &Draft<'_>, tune: &TuneSource) -> Bands {
    let is_off = |band: Band| tune.off_bands.iter().any(|off| *off.get_ref() == band);
    Band::ALL.into_iter().filter(|band| draft.rule.bands.holds(*band) && !is_off(*band)).collect()
}

/// What a tune changes, in words, for whoever reads an explanation; of phrases and hosts their number.
fn changes(tune: &TuneSource) -> Vec<String> {
    let names = |names: Vec<&str>| names.join(", ");
    let mut changes = Vec::new();
    if tune.is_off {
        changes.push("off".to_owned());
    }
    changes.extend(tune.level.as_ref().map(|level| format!("level {}", level.get_ref())));
    changes.extend(tune.levels.iter().map(|(band, level)| format!("level {} for {band}", level.get_ref())));
    if !tune.off_scopes.is_empty() {
        let scopes = tune.off_scopes.iter().map(|scope| scope.get_ref().as_str()).collect();
        changes.push(format!("off in {}", names(scopes)));
    }
    if !tune.off_bands.is_empty() {
        let bands = tune.off_bands.iter().map(|band| band.get_ref().as_str()).collect();
        changes.push(format!("off for {}", names(bands)));
    }
    let counted = [
        (tune.except_phrases.len(), "phrases excepted"),
        (tune.except_hosts.len(), "hosts excepted"),
        (tune.weights.len(), "weights changed"),
    ];
    changes.extend(counted.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")));
    changes
}
