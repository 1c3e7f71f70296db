//! What each rule costs a device: its part of the artefact, and how often a title makes the matcher look for it.

use std::collections::{BTreeMap, BTreeSet};

use super::expand::Draft;
use super::{Compiler, facts, sorted, tables};
use crate::diagnostic::Diagnostic;
use crate::fold::fold;
use crate::program::encode;
use crate::{Artefact, Kind, Release, RuleId, Text, Validity};

/// What all rules cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Costs {
    /// Size of the unsigned artefact.
    pub bytes: usize,
    /// Titles that were read.
    pub titles: usize,
    /// Every rule, by id.
    pub rules: Vec<RuleCost>,
}

/// What one rule costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleCost {
    /// The rule.
    pub rule: RuleId,
    /// Its phrases, lists written out, exceptions included.
    pub phrases: usize,
    /// Its hosts, substrings and expressions.
    pub others: usize,
    /// Bytes by which the artefact would be smaller without it: what it shares with other rules costs nothing here.
    pub bytes: usize,
    /// Titles that hold the first word of one of its phrases, so that the matcher goes on to look for the rest.
    pub looked_at: usize,
}

impl Compiler {
    /// What each rule costs, over these titles. `progress` is told how many rules are done, of how many.
    ///
    /// # Errors
    ///
    /// Every mistake in every pack; examples are not run.
    pub fn cost<'t>(
        &self,
        titles: impl IntoIterator<Item = &'t str>,
        mut progress: impl FnMut(usize, usize),
    ) -> Result<Costs, Vec<Diagnostic>> {
        let mut mistakes = Vec::new();
        let packs = self.read(&mut mistakes);
        let mut drafts = self.drafts(&packs, &mut mistakes);
        if !mistakes.is_empty() {
            return Err(sorted(mistakes));
        }
        let size = |drafts: &[Draft<'_>]| {
            let program = tables::program(facts(&packs), &packs, drafts);
            let artefact = |program: &_| {
                Artefact::build(Kind::RuleSet, Release::new(1), Validity::default(), &encode(program)).to_bytes()
            };
            program.as_ref().map_or(0, |program| artefact(program).len())
        };
        let bytes = size(&drafts);
        let (titles, looked_at) = looked_at(&drafts, titles);
        // A rule that others lead to could not be left out while they do.
        drafts.iter_mut().for_each(|draft| draft.reroutes.clear());
        let (whole, count) = (size(&drafts), drafts.len());
        let mut rules = Vec::with_capacity(count);
        for (at, looked_at) in looked_at.into_iter().enumerate() {
            progress(at, count);
            let draft = drafts.remove(at);
            rules.push(RuleCost {
                rule: draft.rule.facts.id.clone(),
                phrases: draft.phrases.len(),
                others: draft.hosts.len() + draft.silent_hosts.len() + draft.substrings.len() + draft.expressions.len(),
                bytes: whole.saturating_sub(size(&drafts)),
                looked_at,
            });
            drafts.insert(at, draft);
        }
        Ok(Costs { bytes, titles, rules })
    }
}

/// How many titles there are, and on how many of them each rule is looked for.
fn looked_at<'t>(drafts: &[Draft<'_>], titles: impl IntoIterator<Item = &'t str>) -> (usize, Vec<usize>) {
    let mut by_first: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
    for (at, draft) in drafts.iter().enumerate() {
        for first in draft.phrases.iter().filter_map(|(phrase, _)| phrase.words.first()) {
            by_first.entry(first).or_default().insert(at);
        }
    }
    let (mut count, mut looked_at) = (0, vec![0; drafts.len()]);
    for title in titles {
        count += 1;
        let folded = fold(title.get(..title.floor_char_boundary(Text::MAX_BYTES)).unwrap_or_default());
        let words = (0..folded.len()).flat_map(|at| folded.steps(at)).map(|step| step.word);
        let rules: BTreeSet<usize> = words.filter_map(|word| by_first.get(word)).flatten().copied().collect();
        for at in rules {
            looked_at.get_mut(at).into_iter().for_each(|count| *count += 1);
        }
    }
    (count, looked_at)
}
