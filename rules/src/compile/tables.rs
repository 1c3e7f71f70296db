//! Numbers words, phrases, hosts and rules, in an order that depends on nothing but themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::expand::Draft;
use crate::diagnostic::Source;
use crate::hashed::HashedList;
use crate::host::HostPattern;
use crate::pack::{Example, Pack};
use crate::pattern::Pattern;
use crate::program::{
    BandWeight, Case, Contribution, Hashed, HostPurpose, HostUse, Hosts, PackFacts, PhraseRow, Phrases, Program,
    Reroute, Role, Substring,
};
use crate::{Band, HostClass};

/// The program of `drafts`, which are in order of their ids; `None` when it is too large to be numbered.
pub(super) fn program(packs: Vec<PackFacts>, sources: &[(Arc<Source>, Pack)], drafts: &[Draft<'_>]) -> Option<Program> {
    let words: BTreeSet<&Vec<String>> =
        drafts.iter().flat_map(|draft| &draft.phrases).map(|(phrase, _)| &phrase.words).collect();
    let words: Vec<Vec<String>> = words.into_iter().cloned().collect();
    let phrases = Phrases::new(&words)?;
    let terms = terms(&phrases, drafts)?;
    let phrase_rows = phrase_rows(&terms);
    let program = Program {
        packs,
        rules: drafts.iter().map(|draft| draft.rule.clone()).collect(),
        phrases,
        phrase_texts: phrase_texts(&words, &phrase_rows),
        phrase_rows,
        substrings: substrings(drafts),
        hosts: hosts(sources, drafts)?,
        cases: cases(drafts),
        reroutes: Vec::new(),
        band_weights: band_weights(&terms),
        contributions: contributions(drafts),
        patterns: patterns(drafts)?,
        hashed: hashed(sources, drafts),
    };
    let reroutes = reroutes(drafts, &program)?;
    Some(Program { reroutes, ..program })
}

/// What each phrase is to each rule and group, and its weights in the bands that have their own; the first written wins
/// where a phrase stands twice.
type Terms<'a> = BTreeMap<(u32, u32, Option<u8>), (Role, &'a [(Band, i16)])>;

fn terms<'a>(phrases: &Phrases, drafts: &'a [Draft<'_>]) -> Option<Terms<'a>> {
    let mut all = Terms::new();
    for (rule, draft) in (0..).zip(drafts) {
        for (phrase, role) in &draft.phrases {
            let group = match role {
                Role::Term { group, .. } => Some(*group),
                Role::Exception => None,
            };
            all.entry((phrases.number(&phrase.words)?, rule, group)).or_insert((*role, phrase.weights));
        }
    }
    Some(all)
}

fn phrase_rows(terms: &Terms<'_>) -> Vec<PhraseRow> {
    let row = |(&(phrase, rule, _), &(role, _)): (&_, &_)| PhraseRow { phrase, rule, role };
    let mut rows: Vec<PhraseRow> = terms.iter().map(row).collect();
    rows.sort();
    rows
}

/// The words of the phrases that stand in exceptions: a verdict names those that won.
fn phrase_texts(words: &[Vec<String>], rows: &[PhraseRow]) -> Vec<(u32, String)> {
    let named: BTreeSet<u32> = rows.iter().filter(|row| row.role == Role::Exception).map(|row| row.phrase).collect();
    (0..)
        .zip(words)
        .filter(|(number, _)| named.contains(number))
        .map(|(number, words)| (number, words.join(" ")))
        .collect()
}

/// Weights that are others than in the bands that have none of their own.
fn band_weights(terms: &Terms<'_>) -> Vec<BandWeight> {
    let mut rows = Vec::new();
    for (&(phrase, rule, group), (role, own)) in terms {
        let (Role::Term { weight: usual, .. }, Some(group)) = (role, group) else { continue };
        let differing = own.iter().filter(|(_, weight)| weight != usual);
        rows.extend(differing.map(|&(band, weight)| BandWeight { rule, band, phrase, group, weight }));
    }
    rows.sort_unstable();
    rows
}

/// What rules add to the score of their category.
fn contributions(drafts: &[Draft<'_>]) -> Vec<Contribution> {
    let row = |(rule, draft): (u32, &Draft<'_>)| {
        let written = draft.written.points.as_ref()?.get_ref();
        Some(Contribution {
            rule,
            score: u32::try_from(drafts.iter().position(|other| draft.adds_to(other))?).ok()?,
            is_reported: draft.written.unreported.is_none(),
            points: written.default,
            of_bands: written.bands.clone(),
        })
    };
    (0..).zip(drafts).filter_map(row).collect()
}

fn patterns(drafts: &[Draft<'_>]) -> Option<Vec<Pattern>> {
    let each = (0..).zip(drafts).flat_map(|(rule, draft)| draft.expressions.iter().map(move |each| (rule, each)));
    each.map(|(rule, each)| Pattern::new(rule, each.literals.clone(), &each.automaton)).collect()
}

/// The lists that rules look at, in the order of packs.
fn hashed(sources: &[(Arc<Source>, Pack)], drafts: &[Draft<'_>]) -> Vec<Hashed> {
    let lists = sources.iter().flat_map(|(_, pack)| &pack.hashed);
    let looking = |list: &HashedList| {
        let looks = |draft: &Draft<'_>| draft.hashed.is_some_and(|looked_at| std::ptr::eq(looked_at, list));
        (0..).zip(drafts).filter(|(_, draft)| looks(draft)).map(|(rule, _)| rule).collect::<Vec<u32>>()
    };
    let rows = lists.map(|source| Hashed { list: source.list.clone(), rules: looking(&source.list) });
    rows.filter(|row| !row.rules.is_empty()).collect()
}

fn substrings(drafts: &[Draft<'_>]) -> Vec<Substring> {
    let mut rows: BTreeMap<&str, BTreeSet<(u32, Role)>> = BTreeMap::new();
    for (rule, draft) in (0..).zip(drafts) {
        for (text, role) in &draft.substrings {
            rows.entry(text).or_default().insert((rule, *role));
        }
    }
    rows.into_iter().map(|(text, rows)| Substring { text: text.to_owned(), rows: rows.into_iter().collect() }).collect()
}

fn hosts(sources: &[(Arc<Source>, Pack)], drafts: &[Draft<'_>]) -> Option<Hosts> {
    let mut named: BTreeMap<&str, BTreeSet<HostUse>> = BTreeMap::new();
    for (_, pack) in sources {
        for list in pack.domains.iter().filter(|list| list.class != HostClass::Ordinary) {
            let hosts = list.hosts.iter().map(|host| (host.get_ref(), HostPurpose::Class(list.class)));
            hosts.for_each(|(host, purpose)| enter(&mut named, host, purpose));
        }
    }
    for (rule, draft) in (0..).zip(drafts) {
        draft.hosts.iter().for_each(|host| enter(&mut named, host, HostPurpose::Rule(rule)));
        draft.silent_hosts.iter().for_each(|host| enter(&mut named, host, HostPurpose::Exception(rule)));
    }
    let named: Vec<(&str, Vec<HostUse>)> =
        named.into_iter().map(|(host, uses)| (host, uses.into_iter().collect())).collect();
    Hosts::new(&named)
}

fn enter<'a>(named: &mut BTreeMap<&'a str, BTreeSet<HostUse>>, host: &'a HostPattern, purpose: HostPurpose) {
    named.entry(&host.host).or_default().insert(HostUse { reach: host.reach, purpose });
}

fn reroutes(drafts: &[Draft<'_>], program: &Program) -> Option<Vec<Reroute>> {
    let mut rows = BTreeSet::new();
    for (rule, draft) in (0..).zip(drafts) {
        for (words, target) in &draft.reroutes {
            let target = drafts.binary_search_by(|other| other.rule.facts.id.cmp(target.get_ref())).ok()?;
            let phrase = program.phrase_number(words)?;
            rows.insert(Reroute { rule, phrase, target: u32::try_from(target).ok()? });
        }
    }
    Some(rows.into_iter().collect())
}

/// The first example of each kind of every rule, of those with a text that speak of the band in which a reader runs them.
fn cases(drafts: &[Draft<'_>]) -> Vec<Case> {
    let case = |rule: u32, example: &Example, fires: bool| Case {
        rule,
        scope: example.scope,
        text: example.text.get_ref().clone(),
        fires,
    };
    let of = |(rule, draft): (u32, &Draft<'_>)| {
        let band = draft.bands().next();
        let runs = |example: &&Example| example.hash.is_none() && band.is_some_and(|band| example.speaks_of(band));
        let fires = draft.written.examples.must_match.iter().find(runs).map(|example| case(rule, example, true));
        let silent = draft.written.examples.must_not_match.iter().find(runs);
        fires.into_iter().chain(silent.map(|example| case(rule, example, false)))
    };
    (0..).zip(drafts).flat_map(of).collect()
}
