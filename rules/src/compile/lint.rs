//! What a rule may say and must not.

use std::collections::BTreeMap;

use toml::Spanned;

use super::expand::Draft;
use crate::diagnostic::{Code, Diagnostic};
use crate::pack::{Example, Matching};
use crate::program::{CaseScope, Role, Test};
use crate::{Band, FourC, Level, RuleId, Scope, Text, split_url};

/// Checks every rule.
pub(super) fn check(drafts: &[Draft<'_>], least_examples: usize, diagnostics: &mut Vec<Diagnostic>) {
    for draft in drafts {
        diagnostics.extend(misled(draft, drafts));
        diagnostics.extend(lone_word(draft));
        diagnostics.extend(weakened(draft));
        diagnostics.extend(not_illegal(draft));
        diagnostics.extend(no_reason(draft));
        diagnostics.extend(unreachable(draft));
        diagnostics.extend(two_meanings(draft));
        diagnostics.extend(few_examples(draft, least_examples));
        diagnostics.extend(in_clear(draft));
        diagnostics.extend(draft.written.examples.all().filter_map(|example| unusable(draft, example)));
    }
}

/// A single word is never level 5: level 5 needs intent, first person, or method and plan beside it. What is on a hashed
/// list its supplier answers for.
pub(super) fn lone_word(draft: &Draft<'_>) -> Option<Diagnostic> {
    let facts = &draft.rule.facts;
    let risen = facts.course.escalation.map(|escalation| escalation.level);
    let mut levels = facts.levels.values().copied().chain([facts.level]).chain(risen);
    let critical = levels.any(|level| level == Level::Critical);
    if !critical || draft.rule.test != (Test::Any { threshold: None }) {
        return None;
    }
    let lone = draft.phrases.iter().find(|(phrase, role)| *role != Role::Exception && phrase.words.len() == 1);
    let span = match lone {
        Some((phrase, _)) => phrase.span.clone(),
        None if draft.expressions.iter().any(|each| !each.has_several_words) => draft.written.matching.span(),
        None if !draft.substrings.is_empty() => draft.written.matching.span(),
        None => return None,
    };
    let message = format!("rule `{}` is level 5 on a single word", facts.id);
    let diagnostic = draft.diagnostic(Code::LoneWordCritical, span, message, "one word alone");
    Some(diagnostic.help("ask for intent, first person or method beside it with `near` or `all`, or lower the level"))
}

fn weakened(draft: &Draft<'_>) -> Option<Diagnostic> {
    let facts = &draft.rule.facts;
    if !facts.category.class().is_illegal() {
        return None;
    }
    let least = facts.category.default_level();
    let levels = draft.written.level.iter().chain(draft.written.levels.iter().map(|(_, level)| level));
    let mut low = levels.filter(|level| *level.get_ref() < least);
    if let Some(level) = low.next() {
        let message = format!("`{}` is an illegal category: level {least} is its least", facts.category);
        return Some(draft.diagnostic(Code::IllegalWeakened, level.span(), message, "lower"));
    }
    let bands = draft.written.bands.as_ref()?;
    let message = format!("`{}` is an illegal category: its rules hold for every band", facts.category);
    Some(draft.diagnostic(Code::IllegalWeakened, bands.span(), message, "some bands"))
}

fn not_illegal(draft: &Draft<'_>) -> Option<Diagnostic> {
    let category = &draft.written.category;
    if !draft.is_base || category.get_ref().class().is_illegal() {
        return None;
    }
    let message = format!("`{}` is not an illegal category", category.get_ref());
    let diagnostic = draft.diagnostic(Code::NotIllegal, category.span(), message, "in the illegal base pack");
    Some(diagnostic.help("move the rule to another pack"))
}

fn no_reason(draft: &Draft<'_>) -> Option<Diagnostic> {
    let matching = &draft.written.matching;
    let missing = |shape: &str, help: &str| {
        let message = format!("a `{shape}` match needs a `reason`");
        Some(draft.diagnostic(Code::NoReason, matching.span(), message, "`reason` is missing").help(help))
    };
    if let Matching::Substring { has_reason: false, .. } = matching.get_ref() {
        return missing("substring", "say why whole words will not do: substrings are what finds town names");
    }
    if let Matching::Regex { has_reason: false, .. } = matching.get_ref() {
        return missing("regex", "say why phrases will not do: an expression misses every other spelling");
    }
    None
}

/// A threshold that some band of the rule cannot reach.
pub(super) fn unreachable(draft: &Draft<'_>) -> Option<Diagnostic> {
    let Test::Any { threshold: Some(threshold) } = draft.rule.test else { return None };
    let most = |band: Band| -> i64 {
        let weights = draft.phrases.iter().map(|(phrase, role)| match role {
            Role::Term { weight, .. } => i64::from(phrase.weight_in(band).unwrap_or(*weight)).max(0),
            Role::Exception => 0,
        });
        weights.sum()
    };
    let band = draft.bands().find(|band| most(*band) < i64::from(threshold))?;
    let most = most(band);
    let span = draft.written.matching.span();
    if draft.phrases.iter().all(|(phrase, _)| phrase.weights.is_empty()) {
        let message = format!("all weights together are {most}, the threshold is {threshold}");
        return Some(draft.diagnostic(Code::NoEffect, span, message, "never fires"));
    }
    let message = format!("all weights together are {most} in band {band}, the threshold is {threshold}");
    let diagnostic = draft.diagnostic(Code::NoEffect, span, message, "never fires there");
    Some(diagnostic.help("give the band weights that reach the threshold, or leave it out of `bands`"))
}

/// Which of two weights or marks a phrase has must not depend on the order in which they are written.
fn two_meanings(draft: &Draft<'_>) -> Vec<Diagnostic> {
    let mut meanings = BTreeMap::new();
    let mut found = Vec::new();
    for (phrase, role) in &draft.phrases {
        let Role::Term { group, mark, weight } = role else { continue };
        let meaning = (*mark, *weight, phrase.weights);
        let known = *meanings.entry((phrase.words.as_slice(), *group)).or_insert(meaning);
        if known != meaning {
            let message =
                format!("`{}` stands twice in this match, with another weight or mark", phrase.words.join(" "));
            found.push(draft.diagnostic(Code::TwoMeanings, phrase.span.clone(), message, "the second one"));
        }
    }
    found
}

/// An exception leads to a rule there is, and to help alone: anything else would be a second rule by the back door.
fn misled(draft: &Draft<'_>, drafts: &[Draft<'_>]) -> Vec<Diagnostic> {
    let targets: BTreeMap<usize, &Spanned<RuleId>> =
        draft.reroutes.iter().map(|(_, target)| (target.span().start, *target)).collect();
    let found = |target: &Spanned<RuleId>| {
        let at = drafts.binary_search_by(|other| other.rule.facts.id.cmp(target.get_ref())).ok();
        match at.and_then(|at| drafts.get(at)) {
            None => {
                let message = format!("there is no rule `{}` in these packs", target.get_ref());
                Some(draft.diagnostic(Code::UnknownRule, target.span(), message, "unknown"))
            }
            Some(other) if other.rule.facts.category.branch() != FourC::Support => {
                let message = format!("rule `{}` is not about support", target.get_ref());
                let diagnostic = draft.diagnostic(Code::InvalidValue, target.span(), message, "of another branch");
                Some(diagnostic.help("an exception leads to a rule of a support category, such as `help_seeking`"))
            }
            Some(other)
                if other.written.unreported.is_some() || other.is_score() || other.written.course.may_be_silent() =>
            {
                let message = format!("rule `{}` reports nothing that it is led to", target.get_ref());
                let diagnostic = draft.diagnostic(Code::InvalidValue, target.span(), message, "seen nowhere");
                Some(diagnostic.help(
                    "an exception leads to a rule that is reported every day: no score, not in shadow, not on watch",
                ))
            }
            Some(_) => None,
        }
    };
    targets.into_values().filter_map(found).collect()
}

fn few_examples(draft: &Draft<'_>, least: usize) -> Option<Diagnostic> {
    let (matching, silent) = (draft.written.examples.must_match.len(), draft.written.examples.must_not_match.len());
    if matching >= least && silent >= least {
        return None;
    }
    let message = format!(
        "rule `{}` has {matching} `must_match` and {silent} `must_not_match` examples, {least} of each are needed",
        draft.rule.facts.id
    );
    Some(draft.diagnostic(Code::TooFewExamples, draft.written.id.span(), message, "this rule"))
}

/// What is on a hashed list is named by no example, and a hash says something of a hashed list alone.
fn in_clear(draft: &Draft<'_>) -> Vec<Diagnostic> {
    let examples = &draft.written.examples;
    let diagnostic = |example: &Example, message: &str| {
        let diagnostic = draft.diagnostic(Code::HashedExample, example.text.span(), message, "this example");
        diagnostic.help("`lapwing-rules hash` makes an entry of a phrase or URL")
    };
    if !matches!(draft.written.matching.get_ref(), Matching::Hashed { .. }) {
        let hashes = examples.all().filter(|example| example.hash.is_some());
        return hashes.map(|example| diagnostic(example, "a hash is an example of a hashed list alone")).collect();
    }
    let clear = examples.must_match.iter().chain(&examples.todo_match).filter(|example| example.hash.is_none());
    clear.map(|example| diagnostic(example, "what a hashed list finds stands hashed in its examples too")).collect()
}

/// An example that the rule cannot look at proves nothing, unless any medium at all is what it looks for.
fn unusable(draft: &Draft<'_>, example: &Example) -> Option<Diagnostic> {
    let span = example.text.span();
    let text = example.text.get_ref();
    let strange = |band: &&Band| !draft.rule.bands.holds(**band);
    if let Some((bands, band)) = example.bands.as_ref().and_then(|all| Some((all, all.get_ref().iter().find(strange)?)))
    {
        let message = format!("rule `{}` is not for band {band}", draft.rule.facts.id);
        return Some(draft.diagnostic(Code::NoEffect, bands.span(), message, "never looked at"));
    }
    let holds = |scope: Scope| draft.rule.scopes.holds(scope);
    match example.scope {
        CaseScope::Url if example.hash.is_none() && split_url(text).is_err() => {
            Some(draft.diagnostic(Code::InvalidValue, span, "an example of scope `url` is a whole URL", "not a URL"))
        }
        CaseScope::Url if ![Scope::UrlHost, Scope::UrlPath, Scope::Query].into_iter().any(holds) => {
            let message = format!("rule `{}` looks at no part of a URL", draft.rule.facts.id);
            Some(draft.diagnostic(Code::NoEffect, span, message, "never looked at"))
        }
        CaseScope::Text(scope) if !holds(scope) && draft.rule.test != Test::Medium => {
            let message = format!("rule `{}` does not look at the scope `{scope}`", draft.rule.facts.id);
            Some(draft.diagnostic(Code::NoEffect, span, message, "never looked at"))
        }
        CaseScope::Text(_) if text.len() > Text::MAX_BYTES => {
            let message = format!("an example is at most {} bytes", Text::MAX_BYTES);
            Some(draft.diagnostic(Code::OutOfBounds, span, message, "too long"))
        }
        CaseScope::Url | CaseScope::Text(_) => None,
    }
}
