//! Who agreed to a tune, and for how long: requester and approver are two persons, nothing is for ever.

use std::collections::BTreeSet;

use super::Tune;
use super::change::{is_weaker, tuned};
use crate::compile::expand::Draft;
use crate::diagnostic::{Code, Diagnostic};
use crate::{Band, Date, Level};

/// A tune ends within a year, and an ended one is taken out by a person.
pub(super) fn days((source, tune): &Tune, today: Option<Date>) -> Option<Diagnostic> {
    let expires = *tune.expires.get_ref();
    let diagnostic = |code, message: String, label| Diagnostic::new(code, source, tune.expires.span(), message, label);
    let Some(today) = today else {
        return Some(diagnostic(Code::NoToday, "a tune needs today's date".to_owned(), "may be over"));
    };
    if expires < today {
        let message = format!("this tune of rule `{}` was over on {expires}", tune.rule.get_ref());
        return Some(diagnostic(Code::Over, message, "in the past").help("take it out, or have it approved anew"));
    }
    let last = today.a_year_later();
    let message = format!("a tune lasts at most a year, until {last}");
    (expires > last).then(|| diagnostic(Code::TuneTooLong, message, "later than that"))
}

/// Nobody approves what they asked for, and nobody twice.
pub(super) fn persons((source, tune): &Tune) -> Option<Diagnostic> {
    let approvers: Vec<String> = tune.approvers.get_ref().iter().map(|name| person(name)).collect();
    let distinct: BTreeSet<&String> = approvers.iter().collect();
    let message = if distinct.len() < approvers.len() {
        "the same person approves this twice".to_owned()
    } else if distinct.contains(&person(tune.requester.get_ref())) {
        format!("`{}` asks for this and approves it", tune.requester.get_ref())
    } else {
        return None;
    };
    let diagnostic = Diagnostic::new(Code::Unapproved, source, tune.approvers.span(), message, "the same person");
    Some(diagnostic.help("requester and approvers are different people"))
}

/// Weakening what can become a hit of level 4 or 5 takes two who approve: the rule itself, the level it rises to, the
/// score it adds to, and the rules whose exceptions it stands in for.
pub(super) fn second((source, tune): &Tune, draft: &Draft<'_>, drafts: &[Draft<'_>]) -> Option<Diagnostic> {
    let facts = &draft.rule.facts;
    let stands_in = |other: &&Draft<'_>| other.reroutes.iter().any(|(_, target)| *target.get_ref() == facts.id);
    let others = drafts.iter().filter(|other| draft.adds_to(other) || stands_in(other));
    let urgent = others.map(most_urgent).chain([most_urgent(draft)]).max().filter(|level| *level >= Level::High)?;
    if tune.approvers.get_ref().len() >= 2 || !is_weaker(draft, tune, &tuned(facts, tune)) {
        return None;
    }
    let message = format!("rule `{}` can lead to level {urgent}: weakening it takes two approvers", facts.id);
    let diagnostic = Diagnostic::new(Code::Unapproved, source, tune.approvers.span(), message, "one alone");
    Some(diagnostic.help("write `approver = [\"..\", \"..\"]` with two people besides the requester"))
}

/// The highest level a hit of the rule can have.
fn most_urgent(draft: &Draft<'_>) -> Level {
    let facts = &draft.rule.facts;
    let bands = Band::ALL.into_iter().filter(|band| draft.rule.bands.holds(*band)).map(|band| facts.level_for(band));
    let risen = facts.course.escalation.map(|escalation| escalation.level);
    bands.chain(risen).max().unwrap_or(facts.level)
}

/// A name however it is spaced and capitalised.
fn person(name: &str) -> String {
    name.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}
