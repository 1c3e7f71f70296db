//! Whatever a rule says is needed by one of its examples.
//!
//! An exception, a group, the window and the order of a `near` are needed by an example that must not match, on which
//! the rule fires when that alone is taken away. A scope and a weight are needed by an example whose outcome changes:
//! with the scope left out, with all terms of that weight at the default of 1, or with those that have it in one band
//! at what they have in the others. An exception that fills in lists counts as one. What a rule adds to a score is needed
//! by an example of the score, and a regular expression by one that only it finds.

mod scores;
mod weights;

use std::collections::BTreeSet;
use std::ops::Range;

use super::expand::Draft;
use super::expression::Expression;
use super::trial::{Trial, Trials};
use crate::Scope;
use crate::diagnostic::{Code, Diagnostic};
use crate::matcher::{Find, Source};
use crate::pack::{Exception, Matching};
use crate::program::{Order, Program, Role, Test};

pub(super) use scores::check as of_score;

/// What no example of a rule needs.
pub(super) fn check(trials: &Trials<'_>, loud: &[Trial<'_>], silent: &[Trial<'_>]) -> Vec<Diagnostic> {
    let draft = trials.draft;
    let mut idle = exceptions(draft, trials.program, silent);
    idle.extend(groups(draft, silent));
    idle.extend(window_and_order(draft, silent));
    idle.extend(scopes(draft, loud));
    idle.extend(weights::check(trials));
    idle.extend(expressions(trials, loud));
    idle
}

fn exceptions(draft: &Draft<'_>, program: &Program, silent: &[Trial<'_>]) -> Vec<Diagnostic> {
    let looks_at = |scope| draft.rule.scopes.holds(scope);
    let mut idle = Vec::new();
    for exception in &draft.written.exceptions {
        let (span, needed) = match exception {
            Exception::Phrase { phrase, .. } => {
                let own = own_phrases(draft, program, &phrase.span());
                (phrase.span(), silent.iter().any(|trial| trial.fires_without_phrases(&own)))
            }
            // A title cannot be shown on a host.
            Exception::Host(_) if ![Scope::UrlHost, Scope::UrlPath, Scope::Query].into_iter().any(looks_at) => continue,
            Exception::Host(host) => (host.span(), silent.iter().any(|trial| trial.fires_without_host(host.get_ref()))),
        };
        if !needed {
            let message = format!("rule `{}` needs this exception for none of its examples", draft.rule.facts.id);
            let diagnostic = draft.diagnostic(Code::NotNeeded, span, message, "could be taken out");
            idle.push(diagnostic.help("show in `must_not_match` what it is for, or take it out"));
        }
    }
    idle
}

impl Trial<'_> {
    fn fires_without_phrases(&self, phrases: &BTreeSet<u32>) -> bool {
        self.fires(self.draft.rule.test, |find| match (find.role, find.source) {
            (Role::Exception, Source::Phrase(phrase)) if phrases.contains(&phrase) => None,
            (_, _) => Some(find.clone()),
        })
    }
}

/// The numbers of the phrases that the exception written at `span` brings, and no other exception of the rule.
fn own_phrases(draft: &Draft<'_>, program: &Program, span: &Range<usize>) -> BTreeSet<u32> {
    let exceptions = || draft.phrases.iter().filter(|(_, role)| *role == Role::Exception);
    let others: BTreeSet<&[String]> =
        exceptions().filter(|(phrase, _)| phrase.span != *span).map(|(phrase, _)| phrase.words.as_slice()).collect();
    let own = exceptions().filter(|(phrase, _)| phrase.span == *span && !others.contains(phrase.words.as_slice()));
    own.filter_map(|(phrase, _)| program.phrase_number(&phrase.words)).collect()
}

fn groups(draft: &Draft<'_>, silent: &[Trial<'_>]) -> Vec<Diagnostic> {
    let (Matching::All { groups } | Matching::Near { groups, .. }) = draft.written.matching.get_ref() else {
        return Vec::new();
    };
    let idle = (0..).take(groups.len()).filter(|group| !silent.iter().any(|trial| trial.fires_without_group(*group)));
    let diagnostic = |group: u8| {
        let help = "show in `must_not_match` a text that has the other groups and lacks this one";
        draft.not_needed(&format!("group {}", group + 1), help)
    };
    idle.map(diagnostic).collect()
}

fn window_and_order(draft: &Draft<'_>, silent: &[Trial<'_>]) -> Vec<Diagnostic> {
    let Test::Near { within, order, groups } = draft.rule.test else { return Vec::new() };
    let fires = |test: Test| silent.iter().any(|trial| trial.fires(test, |find| Some(find.clone())));
    let mut idle = Vec::new();
    if !fires(Test::Near { within: u16::MAX, order, groups }) {
        idle.push(
            draft.not_needed("its window", "show in `must_not_match` a text where the groups stand further apart"),
        );
    }
    if order == Order::AsWritten && !fires(Test::Near { within, order: Order::Any, groups }) {
        idle.push(draft.not_needed("its order", "show in `must_not_match` a text where they stand in another order"));
    }
    idle
}

fn expressions(trials: &Trials<'_>, loud: &[Trial<'_>]) -> Vec<Diagnostic> {
    let draft = trials.draft;
    let numbers = trials.program.patterns.iter().enumerate().filter(|(_, pattern)| pattern.rule == trials.number);
    let without = |gone: usize, trial: &Trial<'_>| {
        trial.fires(draft.rule.test, |find| (find.source != Source::Pattern(gone)).then(|| find.clone()))
    };
    let idle = numbers.zip(&draft.expressions).filter(|((gone, _), _)| loud.iter().all(|trial| without(*gone, trial)));
    let diagnostic = |(_, each): (_, &Expression)| {
        let message = format!("rule `{}` needs this expression for none of its examples", draft.rule.facts.id);
        let diagnostic = draft.diagnostic(Code::NotNeeded, each.span.clone(), message, "could be taken out");
        diagnostic.help("show in `must_match` what it finds, or take it out")
    };
    idle.map(diagnostic).collect()
}

fn scopes(draft: &Draft<'_>, loud: &[Trial<'_>]) -> Vec<Diagnostic> {
    let scopes = draft.written.scopes.get_ref();
    // What is found of a hashed list cannot be shown.
    if scopes.len() < 2 || draft.hashed.is_some() || matches!(draft.rule.test, Test::Score { .. }) {
        return Vec::new();
    }
    let needs = |scope: Scope, trial: &Trial<'_>| {
        let is_elsewhere = |find: &Find| trial.texts.get(find.text).is_none_or(|text| text.scope != scope);
        !trial.fires(draft.rule.test, |find| is_elsewhere(find).then(|| find.clone()))
    };
    let idle = scopes.iter().filter(|scope| !loud.iter().any(|trial| needs(**scope, trial)));
    let diagnostic = |scope: &Scope| {
        let message = format!("rule `{}` needs the scope `{scope}` for none of its examples", draft.rule.facts.id);
        let diagnostic = draft.diagnostic(Code::NotNeeded, draft.written.scopes.span(), message, "these scopes");
        diagnostic.help("show in `must_match` what the rule finds there, or take the scope out")
    };
    idle.map(diagnostic).collect()
}

impl Draft<'_> {
    /// A part of the match that no example needs.
    fn not_needed(&self, part: &str, help: &str) -> Diagnostic {
        let message = format!("rule `{}` needs {part} for none of its examples", self.rule.facts.id);
        self.diagnostic(Code::NotNeeded, self.written.matching.span(), message, "this match").help(help)
    }
}
