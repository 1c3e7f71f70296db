//! What the terms of a rule may be.

use super::expand::Draft;
use crate::course::{Escalation, Watch};
use crate::diagnostic::{Code, Diagnostic};
use crate::program::Role;
use crate::{Date, Level};

/// Checks the terms of every rule.
pub(super) fn check(drafts: &[Draft<'_>], today: Option<Date>, diagnostics: &mut Vec<Diagnostic>) {
    for draft in drafts {
        diagnostics.extend(delayed(draft));
        diagnostics.extend(idle_escalation(draft));
        diagnostics.extend(illegal_shadow(draft));
        diagnostics.extend(leads_on(draft));
        diagnostics.extend(watch(draft, today));
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

/// A rule of which nobody is told, now or once its days are over, has no say in what another one reports.
fn leads_on(draft: &Draft<'_>) -> Option<Diagnostic> {
    let course = &draft.written.course;
    let how = match (&course.shadow, &course.watch) {
        (Some(_), _) => "in shadow",
        (None, Some(_)) => "on watch",
        (None, None) => return None,
    };
    if let Some(points) = &draft.written.points {
        let message = format!("rule `{}` is {how}, and adds to a score that is reported", draft.rule.facts.id);
        let diagnostic = draft.diagnostic(Code::LeadsOn, points.span(), message, "leads to a live score");
        return Some(diagnostic.help("leave `score` out until the rule is live"));
    }
    let (_, target) = draft.reroutes.first()?;
    let message = format!("rule `{}` is {how}, and its exception would report another", draft.rule.facts.id);
    let diagnostic = draft.diagnostic(Code::LeadsOn, target.span(), message, "leads to a live rule");
    Some(diagnostic.help("leave `reroute` out: the exception keeps the rule silent all the same"))
}

fn watch(draft: &Draft<'_>, today: Option<Date>) -> Vec<Diagnostic> {
    let Some(watch) = &draft.written.course.watch else { return Vec::new() };
    let (span, facts) = (watch.span(), &draft.rule.facts);
    let watch = *watch.get_ref();
    let diagnostic = |code, message: String, label| draft.diagnostic(code, span.clone(), message, label);
    let mut found = Vec::new();
    if facts.category.class().is_illegal() {
        let message = format!("`{}` is an illegal category: its rules do not end", facts.category);
        found.push(diagnostic(Code::IllegalWeakened, message, "ends"));
    }
    let risen = facts.course.escalation.map(|escalation| escalation.level);
    let highest = facts.levels.values().copied().chain([facts.level]).chain(risen).max();
    if let Some(level) = highest.filter(|level| *level > Watch::MAX_LEVEL) {
        let message = format!("rule `{}` is of level {level}, on watch the highest is {}", facts.id, Watch::MAX_LEVEL);
        found.push(diagnostic(Code::WatchTooUrgent, message, "too urgent for a hoax"));
    }
    if !watch.is_sound() {
        let message = format!("a watch ends on or after the day it begins, and has at most {} days", Watch::MAX_DAYS);
        found.push(diagnostic(Code::WatchTooLong, message, "other days"));
    }
    match today {
        None => found.push(diagnostic(Code::NoToday, "a watch needs today's date".to_owned(), "may be over")),
        Some(today) if watch.until < today => {
            let message = format!("the watch of rule `{}` was over on {}", facts.id, watch.until);
            found.push(diagnostic(Code::Over, message, "in the past").help("take the rule out of the pack"));
        }
        Some(_) => {}
    }
    found
}

/// Different phrases, substrings and expressions that count; hosts and media are none.
fn phrases(draft: &Draft<'_>) -> usize {
    let terms = draft.phrases.iter().filter(|(_, role)| *role != Role::Exception);
    let mut phrases: Vec<&[String]> = terms.map(|(phrase, _)| phrase.words.as_slice()).collect();
    phrases.sort_unstable();
    phrases.dedup();
    let mut substrings: Vec<&str> = draft.substrings.iter().map(|(text, _)| text.as_str()).collect();
    substrings.sort_unstable();
    substrings.dedup();
    phrases.len() + substrings.len() + draft.expressions.len()
}
