//! What becomes of the examples when a rule is changed: every part of it taken away, one at a time, has to make one of
//! them come out otherwise.
//!
//! Groups, windows, orders, exceptions, scopes and weights are asked for by [`needed`]. Here stand the parts that an
//! author may leave unshown while a pack grows: each phrase, the words between the groups of a `near`, the threshold.
//! Everything is asked of the finds of one run, so that no change is compiled.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::expand::Draft;
use super::trial::{Trial, Trials};
use super::{Compiler, needed, sorted, tables};
use crate::RuleId;
use crate::diagnostic::{Code, Diagnostic};
use crate::matcher::{Find, Source};
use crate::pack::Matching;
use crate::program::{Program, Role, Test};

/// What came of the changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mutations {
    /// Rules that were changed.
    pub rules: usize,
    /// Phrases and substrings that were taken out.
    pub phrases: usize,
    /// Changes that no example noticed, by place.
    pub survivors: Vec<Diagnostic>,
}

/// Whether each phrase of a pack, by its place, is missed by a rule that has it; lists serve several rules.
type Missed<'a> = BTreeMap<(&'a str, usize), (bool, Diagnostic)>;

/// Finds of these sources in these groups.
type Brought = BTreeSet<(Source, u8)>;

impl Compiler {
    /// Changes every rule that `is_asked` for, one part at a time, and tells which changes no example notices. `progress`
    /// is told how many rules are done, of how many.
    ///
    /// # Errors
    ///
    /// Every mistake in every pack: examples have to hold before they can be asked.
    pub fn mutate(
        &self,
        is_asked: impl Fn(&RuleId) -> bool,
        mut progress: impl FnMut(usize, usize),
    ) -> Result<Mutations, Vec<Diagnostic>> {
        let mut mistakes = Vec::new();
        let packs = self.read(&mut mistakes);
        let drafts = self.drafts(&packs, &mut mistakes);
        if !mistakes.is_empty() {
            return Err(sorted(mistakes));
        }
        let program = tables::program(super::facts(&packs), &packs, &drafts);
        let program = program.and_then(|program| super::examples::run(program, &drafts, &mut mistakes));
        let rule_set = program.clone().and_then(Program::into_rule_set);
        let (Some(program), Some(rule_set), true) = (program, rule_set, mistakes.is_empty()) else {
            return Err(sorted(mistakes));
        };
        let asked: Vec<(u32, &Draft<'_>)> =
            (0..).zip(&drafts).filter(|(_, draft)| is_asked(&draft.rule.facts.id)).collect();
        let (mut survivors, mut missed) = (Vec::new(), Missed::new());
        for (done, (number, draft)) in asked.iter().enumerate() {
            progress(done, asked.len());
            let trials = Trials { rule_set: &rule_set, program: &program, number: *number, draft };
            let loud = trials.of(&draft.written.examples.must_match);
            let silent = trials.of(&draft.written.examples.must_not_match);
            survivors.extend(needed::check(&trials, &loud, &silent));
            survivors.extend(needed::of_score(&trials, &drafts));
            survivors.extend(no_words_between(draft, &loud));
            survivors.extend(threshold(draft, &silent));
            phrases(draft, &program, &loud, &silent, &mut missed);
        }
        let phrases = missed.len();
        survivors.extend(missed.into_values().filter(|(missed, _)| !missed).map(|(_, diagnostic)| diagnostic));
        Ok(Mutations { rules: asked.len(), phrases, survivors: sorted(survivors) })
    }
}

/// Takes out every phrase and substring of the match, and notes whether an example comes out otherwise.
fn phrases<'a>(
    draft: &'a Draft<'a>,
    program: &Program,
    loud: &[Trial<'_>],
    silent: &[Trial<'_>],
    missed: &mut Missed<'a>,
) {
    for (place, sources) in places(draft, program) {
        let test = draft.rule.test;
        let without = |find: &Find| {
            let goes = group_of(find.role).is_some_and(|group| sources.contains(&(find.source, group)));
            (!goes).then(|| find.clone())
        };
        let noticed = loud.iter().any(|trial| !trial.fires(test, without))
            || silent.iter().any(|trial| trial.fires(test, without));
        let message = "no example needs this phrase";
        let diagnostic = draft.diagnostic(Code::Survives, place.clone(), message, "could be taken out");
        let diagnostic = diagnostic.help("show in `must_match` a text that only this phrase finds, or take it out");
        let known = missed.entry((draft.source.file.as_str(), place.start)).or_insert((false, diagnostic));
        known.0 |= noticed;
    }
}

const fn group_of(role: Role) -> Option<u8> {
    match role {
        Role::Term { group, .. } => Some(group),
        Role::Exception => None,
    }
}

/// What goes with the words written at each place: finds that no other place of the rule brings in the same group.
fn places(draft: &Draft<'_>, program: &Program) -> Vec<(Range<usize>, Brought)> {
    let mut brought: BTreeMap<(Source, u8), BTreeSet<usize>> = BTreeMap::new();
    let mut places: BTreeMap<usize, Range<usize>> = BTreeMap::new();
    let mut bring = |source: Source, role: Role, place: &Range<usize>| {
        let Some(group) = group_of(role) else { return };
        brought.entry((source, group)).or_default().insert(place.start);
        places.insert(place.start, place.clone());
    };
    for (phrase, role) in &draft.phrases {
        if let Some(number) = program.phrase_number(&phrase.words) {
            bring(Source::Phrase(number), *role, &phrase.span);
        }
    }
    if let Matching::Substring { texts, .. } = draft.written.matching.get_ref() {
        for ((substring, role), text) in draft.substrings.iter().zip(texts) {
            if let Some(number) = program.substrings.iter().position(|known| known.text == *substring) {
                bring(Source::Substring(number), *role, &text.span());
            }
        }
    }
    let mut own: BTreeMap<usize, Brought> = BTreeMap::new();
    for (find, by) in brought {
        if let Some(only) = by.first().filter(|_| by.len() == 1) {
            own.entry(*only).or_default().insert(find);
        }
    }
    places.into_iter().map(|(start, place)| (place, own.remove(&start).unwrap_or_default())).collect()
}

/// Groups side by side are enough for every example.
fn no_words_between(draft: &Draft<'_>, loud: &[Trial<'_>]) -> Option<Diagnostic> {
    let Test::Near { within, order, groups } = draft.rule.test else { return None };
    let side_by_side = Test::Near { within: 0, order, groups };
    if within == 0 || loud.iter().any(|trial| !trial.fires(side_by_side, |find| Some(find.clone()))) {
        return None;
    }
    let help = "show in `must_match` a text with words between the groups, or write `within = 0`";
    Some(survives(draft, "a window of more than nothing", help))
}

fn threshold(draft: &Draft<'_>, silent: &[Trial<'_>]) -> Option<Diagnostic> {
    let Test::Any { threshold: Some(_) } = draft.rule.test else { return None };
    if silent.iter().any(|trial| trial.fires(Test::Any { threshold: None }, |find| Some(find.clone()))) {
        return None;
    }
    Some(survives(draft, "its threshold", "show in `must_not_match` a text that has a phrase and stays below it"))
}

fn survives(draft: &Draft<'_>, part: &str, help: &str) -> Diagnostic {
    let message = format!("no example of rule `{}` needs {part}", draft.rule.facts.id);
    draft.diagnostic(Code::Survives, draft.written.matching.span(), message, "this match").help(help)
}
