//! Phrases that others of the same rule or category make needless.

use std::collections::BTreeMap;

use super::Finding;
use crate::Category;
use crate::compile::expand::{Draft, Phrase};
use crate::diagnostic::{Code, Diagnostic};
use crate::program::{Role, Rule, Test};

/// Every stretch of neighbouring words, the whole phrase included.
pub(super) fn stretches(words: &[String]) -> impl Iterator<Item = &[String]> {
    (1..=words.len()).flat_map(|length| words.windows(length))
}

/// Phrases that hold another phrase of the rule and add nothing to it.
///
/// In a `near` the longer phrase can stand closer to the other groups, and with a threshold both count: there it adds
/// something, and so it does where an exception consumes the shorter one.
pub(super) fn shadowed(draft: &Draft<'_>) -> Vec<Diagnostic> {
    if !matches!(draft.rule.test, Test::Any { threshold: None } | Test::All { .. }) {
        return Vec::new();
    }
    let mut terms: BTreeMap<(Role, &[String]), &Phrase> = BTreeMap::new();
    let mut findings = Vec::new();
    for (phrase, role) in draft.phrases.iter().filter(|(_, role)| *role != Role::Exception) {
        if terms.contains_key(&(*role, phrase.words.as_slice())) {
            findings.push(shadow(draft, phrase, &phrase.words));
        }
        terms.entry((*role, phrase.words.as_slice())).or_insert(phrase);
    }
    let excepted = |words: &[String]| draft.exceptions().any(|other| stretches(&other.words).any(|part| part == words));
    for ((role, words), phrase) in &terms {
        let shorter = stretches(words).filter(|part| part.len() < words.len());
        let mut shorter = shorter.filter(|part| terms.contains_key(&(*role, *part)) && !excepted(part));
        findings.extend(shorter.next().map(|part| shadow(draft, phrase, part)));
    }
    findings
}

fn shadow(draft: &Draft<'_>, phrase: &Phrase, other: &[String]) -> Diagnostic {
    let (whole, other) = (phrase.words.join(" "), other.join(" "));
    let message = format!("`{whole}` adds nothing to `{other}` in rule `{}`", draft.rule.facts.id);
    let diagnostic = draft.diagnostic(Code::Shadowed, phrase.span.clone(), message, "found either way");
    diagnostic.help("take the longer one out, or give it a mark or weight of its own")
}

/// Phrases that fire alone in two rules of one category, told at the later rule.
pub(super) fn said_twice(drafts: &[Draft<'_>]) -> Vec<Finding> {
    let mut first: BTreeMap<(Category, &[String]), Vec<&Draft<'_>>> = BTreeMap::new();
    let mut findings = Vec::new();
    for (at, draft) in drafts.iter().enumerate() {
        for phrase in draft.alone() {
            let others = first.entry((draft.rule.facts.category, phrase.words.as_slice())).or_default();
            let meets =
                |other: &&&Draft<'_>| other.rule.facts.id != draft.rule.facts.id && meet(&other.rule, &draft.rule);
            if let Some(other) = others.iter().find(meets) {
                findings.push((at, twice(draft, phrase, other)));
            }
            others.push(draft);
        }
    }
    findings
}

/// Whether both rules look at some text for some band.
fn meet(left: &Rule, right: &Rule) -> bool {
    left.scopes.0 & right.scopes.0 != 0 && left.bands.0 & right.bands.0 != 0
}

fn twice(draft: &Draft<'_>, phrase: &Phrase, other: &Draft<'_>) -> Diagnostic {
    let (id, earlier) = (&draft.rule.facts.id, &other.rule.facts.id);
    let message = format!("rules `{earlier}` and `{id}` of one category both fire on `{}`", phrase.words.join(" "));
    let diagnostic = draft.diagnostic(Code::SaidTwice, phrase.span.clone(), message, "the second one");
    diagnostic.help("one text then makes two hits of one kind: keep it in one of them")
}
