//! What the terms of a rule may be.

use super::expand::Draft;
use crate::Level;
use crate::course::Escalation;
use crate::diagnostic::{Code, Diagnostic};
use crate::program::Role;

/// Checks the terms of every rule.
pub(super) fn check(drafts: &[Draft<'_>], diagnostics: &mut Vec<Diagnostic>) {
    for draft in drafts {
        diagnostics.extend(delayed(draft));
        diagnostics.extend(idle_escalation(draft));
        diagnostics.extend(illegal_shadow(draft));
        diagnostics.extend(leads_on(draft));
    }
}

/// Waiting for the next time is lowering.
fn delayed(draft: &Draft<'_>) -> Option<Diagnostic> {
    let after = draft.written.course.after.as_ref()?;
    let category = draft.rule.facts.category;
    if !category.class().is_illegal() {
        return None;
    }
    let message = format!("`{category}` is an illegal category: its rules are reported the first time");
    Some(draft.diagnostic(Code::IllegalWeakened, after.span(), message, "later than that"))
}

/// An escalation that cannot come about, or changes nothing when it does.
fn idle_escalation(draft: &Draft<'_>) -> Option<Diagnostic> {
    let written = draft.written.course.escalation.as_ref()?;
    let Escalation { spans, level, .. } = *written.get_ref();
    let facts = &draft.rule.facts;
    let lowest = facts.levels.values().copied().chain([facts.level]).min().unwrap_or(Level::Info);
    let message = if phrases(draft) < usize::from(spans) {
        format!("the match has {} different phrases, the escalation waits for {spans}", phrases(draft))
    } else if level <= lowest {
        format!("rule `{}` is of level {lowest} at its lowest already", facts.id)
    } else {
        return None;
    };
    Some(draft.diagnostic(Code::NoEffect, written.span(), message, "never changes anything"))
}

fn illegal_shadow(draft: &Draft<'_>) -> Option<Diagnostic> {
    let shadow = draft.written.course.shadow.clone()?;
    let category = draft.rule.facts.category;
    let message = format!("`{category}` is an illegal category: its rules are live");
    category.class().is_illegal().then(|| draft.diagnostic(Code::IllegalWeakened, shadow, message, "never reported"))
}

/// A rule of which nobody is told has no say in what another one reports.
fn leads_on(draft: &Draft<'_>) -> Option<Diagnostic> {
    draft.written.course.shadow.as_ref()?;
    let (_, target) = draft.reroutes.first()?;
    let message = format!("rule `{}` is in shadow, and its exception would report another", draft.rule.facts.id);
    let diagnostic = draft.diagnostic(Code::ShadowLeads, target.span(), message, "leads out of the shadow");
    Some(diagnostic.help("leave `reroute` out until the rule is live"))
}

/// Different phrases and substrings that count; hosts and media are none.
fn phrases(draft: &Draft<'_>) -> usize {
    let terms = draft.phrases.iter().filter(|(_, role)| *role != Role::Exception);
    let mut phrases: Vec<&[String]> = terms.map(|(phrase, _)| phrase.words.as_slice()).collect();
    phrases.sort_unstable();
    phrases.dedup();
    let mut substrings: Vec<&str> = draft.substrings.iter().map(|(text, _)| text.as_str()).collect();
    substrings.sort_unstable();
    substrings.dedup();
    phrases.len() + substrings.len()
}
