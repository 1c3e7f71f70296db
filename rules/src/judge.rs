//! Decides from what was found of a rule whether it fires.

mod near;
mod scores;
mod spared;
mod weights;

use std::collections::BTreeMap;

use crate::matcher::{Find, Source};
use crate::program::{Program, Role, Rule, Test};
use crate::{Band, Excepted, Hit, Mark, Span};
pub(crate) use scores::add_scores;
pub(crate) use weights::weigh;

pub(crate) use spared::spared;

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
    keep_telling(&mut spans);
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

/// The hit of another rule, by its number, to which exceptions of `rule` hand what kept it from firing.
///
/// Its spans are the words of those exceptions as its topic, and what else the rule would have fired on as context, so
/// that what was found can be shown and found again.
pub(crate) fn rerouted(
    (number, rule): (u32, &Rule),
    band: Band,
    finds: &[Find],
    program: &Program,
) -> Option<(u32, Hit)> {
    let reroutes = program.reroutes_of(number);
    let target = |find: &Find| match (find.role, find.source) {
        (Role::Exception, Source::Phrase(phrase)) => {
            reroutes.iter().find(|reroute| reroute.phrase == phrase).map(|reroute| reroute.target)
        }
        (_, _) => None,
    };
    let first = finds.iter().filter_map(|find| Some((find.text, find.first, target(find)?))).min()?;
    let (_, _, number) = first;
    let without: Vec<Find> = finds.iter().filter(|find| target(find).is_none()).cloned().collect();
    let spared = hit(rule, band, &without, program)?;
    let other = program.rules.get(usize::try_from(number).ok()?).filter(|other| other.bands.holds(band))?;
    let won: Vec<&Find> = finds.iter().filter(|find| target(find) == Some(number)).collect();
    let topic = |find: &&Find| Span { text: find.text, start: find.start, end: find.end, mark: Mark::Topic, weight: 0 };
    let mut spans: Vec<Span> = won.iter().map(topic).collect();
    let beside = |span: &Span| !won.iter().any(|find| find.holds(span));
    let context = spared.spans.into_iter().filter(|span| beside(span));
    spans.extend(context.map(|span| Span { mark: Mark::Context, weight: 0, ..span }));
    keep_telling(&mut spans);
    let mut excepted: Vec<Excepted> = won.iter().filter_map(|find| find.as_excepted(program)).collect();
    excepted.truncate(MAX_EXCEPTED);
    let facts = &other.facts;
    let (rule, category, level) = (facts.id.clone(), facts.category, facts.level_for(band));
    Some((number, Hit { rule, category, level, spans, excepted, weight: 0 }))
}

/// Leaves as many spans as a hit holds: one of each mark, then what says most, so that no number of repeats pushes the
/// words of an intent out of the verdict.
fn keep_telling(spans: &mut Vec<Span>) {
    spans.sort_unstable();
    spans.dedup();
    if spans.len() <= Hit::MAX_SPANS {
        return;
    }
    let says_most = |mark: Mark| match mark {
        Mark::Intent => 0,
        Mark::Method => 1,
        Mark::Topic => 2,
        Mark::Context => 3,
    };
    let (mut first, mut others): (Vec<Span>, Vec<Span>) = (Vec::new(), Vec::new());
    for span in spans.drain(..) {
        let seen = first.iter().any(|known| known.mark == span.mark);
        if seen { others.push(span) } else { first.push(span) }
    }
    others.sort_by_key(|span| says_most(span.mark));
    spans.extend(first.into_iter().chain(others).take(Hit::MAX_SPANS));
    spans.sort_unstable();
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
        // It looks at rules, not at words.
        Test::Score { .. } => false,
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

    fn holds(&self, span: &Span) -> bool {
        self.text == span.text && self.start <= span.start && span.end <= self.end
    }

    fn as_span(&self) -> Option<Span> {
        let Role::Term { mark, weight, .. } = self.role else { return None };
        let (text, start, end) = (self.text, self.start, self.end);
        (self.source != Source::Medium).then_some(Span { text, start, end, mark, weight: i32::from(weight) })
    }

    fn as_excepted(&self, program: &Program) -> Option<Excepted> {
        let Source::Phrase(phrase) = self.source else { return None };
        let (text, start, end) = (self.text, self.start, self.end);
        Some(Excepted { phrase: program.phrase_words(phrase)?.to_owned(), text, start, end })
    }
}
