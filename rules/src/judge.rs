//! Decides from what was found of a rule whether it fires.

mod near;

use std::collections::BTreeMap;

use crate::matcher::{Find, Source};
use crate::program::{Program, Role, Rule, Test};
use crate::{Band, Excepted, Hit, Span};

/// Most exceptions named in a hit.
const MAX_EXCEPTED: usize = 8;

/// What one text says of a rule.
struct Outcome<'a> {
    finds: Vec<&'a Find>,
    weight: i32,
}

/// The hit of `rule`, if what was found of it in the texts is one. Exceptions consume first.
pub(crate) fn hit(rule: &Rule, band: Band, finds: &[Find], program: &Program) -> Option<Hit> {
    let mut by_text: BTreeMap<usize, Vec<&Find>> = BTreeMap::new();
    for find in finds {
        by_text.entry(find.text).or_default().push(find);
    }
    let (mut spans, mut excepted, mut weight, mut fired) = (Vec::new(), Vec::new(), 0, false);
    for finds in by_text.values() {
        let (exceptions, terms): (Vec<&Find>, Vec<&Find>) = finds.iter().partition(|find| find.role == Role::Exception);
        let covers = |term: &Find| exceptions.iter().any(|exception| exception.covers(term));
        let (consumed, standing): (Vec<&Find>, Vec<&Find>) = terms.into_iter().partition(|term| covers(term));
        let won = exceptions.iter().filter(|exception| consumed.iter().any(|term| exception.covers(term)));
        excepted.extend(won.filter_map(|exception| exception.as_excepted(program)));
        let Some(outcome) = outcome(rule.test, standing) else { continue };
        fired = true;
        weight = weight.max(outcome.weight);
        spans.extend(outcome.finds.iter().filter_map(|find| find.as_span()));
    }
    if !fired {
        return None;
    }
    spans.sort_unstable();
    spans.dedup();
    spans.truncate(Hit::MAX_SPANS);
    excepted.truncate(MAX_EXCEPTED);
    let facts = &rule.facts;
    Some(Hit {
        rule: facts.id.clone(),
        category: facts.category,
        level: facts.level_for(band),
        spans,
        excepted,
        weight,
    })
}

/// Applies a test to what is left in one text.
fn outcome(test: Test, finds: Vec<&Find>) -> Option<Outcome<'_>> {
    let weight = weight(&finds);
    let holds = match test {
        Test::Any { threshold } => !finds.is_empty() && threshold.is_none_or(|threshold| weight >= threshold),
        Test::All { groups } => (0..groups).all(|group| finds.iter().any(|find| find.group() == Some(group))),
        Test::Near { within, order, groups } => {
            let finds = near::together(finds, usize::from(within), order, groups);
            let weight = self::weight(&finds);
            return if finds.is_empty() { None } else { Some(Outcome { finds, weight }) };
        }
        Test::Medium => !finds.is_empty(),
    };
    holds.then_some(Outcome { finds, weight })
}

/// Sum of the weights of distinct phrases.
fn weight(finds: &[&Find]) -> i32 {
    let mut distinct: BTreeMap<Source, i32> = BTreeMap::new();
    for find in finds {
        if let Role::Term { weight, .. } = find.role {
            let entry = distinct.entry(find.source).or_insert(i32::from(weight));
            *entry = (*entry).max(i32::from(weight));
        }
    }
    distinct.values().sum()
}

impl Find {
    fn group(&self) -> Option<u8> {
        match self.role {
            Role::Term { group, .. } => Some(group),
            Role::Exception => None,
        }
    }

    fn covers(&self, other: &Self) -> bool {
        self.first <= other.first && other.next <= self.next
    }

    fn as_span(&self) -> Option<Span> {
        let Role::Term { mark, weight, .. } = self.role else { return None };
        let (text, start, end) = (self.text, self.start, self.end);
        (self.source != Source::Medium).then_some(Span { text, start, end, mark, weight: i32::from(weight) })
    }

    fn as_excepted(&self, program: &Program) -> Option<Excepted> {
        let Source::Phrase(phrase) = self.source else { return None };
        let words = program.phrases.get(usize::try_from(phrase).ok()?)?;
        let words: Vec<&str> = words.iter().filter_map(|word| program.words.get(*word)).collect();
        let (text, start, end) = (self.text, self.start, self.end);
        Some(Excepted { phrase: words.join(" "), text, start, end })
    }
}
