//! Writing a program as the sections of an artefact.

use super::{CaseScope, Hashed, HostPurpose, Order, Program, Role, Rule, Test};
use super::{course, tunes};
use crate::artefact::{Encoding, Section};
use crate::hashed::HashedKind;
use crate::host::Reach;
use crate::{HostClass, Mark};

/// The sections, in the order of their ids. The same program gives the same bytes.
pub(crate) fn encode(program: &Program) -> Vec<Section> {
    let mut sections = vec![
        masked(
            1,
            list(&program.packs, |out, pack| {
                out.text(&pack.id).number(pack.version).text(&pack.title);
            }),
        ),
        masked(2, list(&program.rules, rule)),
        masked(
            5,
            list(&program.phrase_rows, |out, row| {
                out.number(row.phrase).number(row.rule);
                role(out, row.role);
            }),
        ),
        masked(
            6,
            list(&program.substrings, |out, substring| {
                out.text(&substring.text).count(substring.rows.len());
                for (rule, kind) in &substring.rows {
                    out.number(*rule);
                    role(out, *kind);
                }
            }),
        ),
        masked(
            9,
            list(&program.cases, |out, case| {
                let scope = match case.scope {
                    CaseScope::Text(scope) => scope as usize,
                    CaseScope::Url => usize::from(u8::MAX),
                };
                out.number(case.rule).byte(scope).byte(usize::from(case.fires)).text(&case.text);
            }),
        ),
    ];
    sections.extend(later_sections(program));
    sections.extend(course::encode(&program.rules));
    sections.extend(tunes::encode(&program.rules));
    sections.extend(phrases(program));
    sections.extend(hosts(program));
    sections
}

fn masked(id: u16, plain: Vec<u8>) -> Section {
    Section { id, encoding: Encoding::Masked, plain }
}

/// Fingerprints say nothing to a reader and do not deflate: they stand as they are.
fn plain(id: u16, plain: Vec<u8>) -> Section {
    Section { id, encoding: Encoding::Plain, plain }
}

fn phrases(program: &Program) -> [Section; 3] {
    let (beginnings, values) = program.phrases.parts();
    let (mut keys, mut numbers) = (Record::default(), Record::default());
    keys.fingerprints(beginnings);
    numbers.numbers(values);
    let texts = list(&program.phrase_texts, |out, (phrase, text)| {
        out.number(*phrase).text(text);
    });
    [plain(31, keys.bytes), masked(32, numbers.bytes), masked(33, texts)]
}

fn hosts(program: &Program) -> [Section; 2] {
    let (key, names, use_of, uses) = program.hosts.parts();
    let (mut keys, mut numbers) = (Record::default(), Record::default());
    keys.bytes.extend_from_slice(key);
    keys.fingerprints(names);
    numbers.count(use_of.len()).numbers(use_of).count(uses.len());
    for of in uses {
        numbers.count(of.len());
        for of in of {
            numbers.byte(match of.reach {
                Reach::Subtree => 0,
                Reach::Exact => 1,
            });
            purpose(&mut numbers, of.purpose);
        }
    }
    [plain(34, keys.bytes), masked(35, numbers.bytes)]
}

/// Those that not every rule set has.
fn later_sections(program: &Program) -> impl Iterator<Item = Section> {
    let reroutes = unless_empty(10, &program.reroutes, |out, reroute| {
        out.number(reroute.rule).number(reroute.phrase).number(reroute.target);
    });
    let weights = unless_empty(11, &program.band_weights, |out, row| {
        out.number(row.rule).byte(row.band as usize).number(row.phrase);
        out.byte(usize::from(row.group)).short(row.weight.cast_unsigned());
    });
    let scores = unless_empty(12, &program.contributions, |out, row| {
        out.number(row.rule).number(row.score).byte(usize::from(row.is_reported));
        out.short(row.points.cast_unsigned()).byte(row.of_bands.len());
        for (band, points) in &row.of_bands {
            out.byte(*band as usize).short(points.cast_unsigned());
        }
    });
    let patterns = unless_empty(13, &program.patterns, |out, pattern| {
        out.number(pattern.rule).byte(pattern.literals.len());
        for literal in &pattern.literals {
            out.text(literal);
        }
        out.blob(&pattern.automaton());
    });
    let hashed = unless_empty(14, &program.hashed, hashed);
    [reroutes, weights, scores, patterns, hashed].into_iter().flatten()
}

fn unless_empty<T>(id: u16, entries: &[T], entry: impl FnMut(&mut Record, &T)) -> Option<Section> {
    let section = || Section { id, encoding: Encoding::Masked, plain: list(entries, entry) };
    (!entries.is_empty()).then(section)
}

fn rule(out: &mut Record, rule: &Rule) {
    let facts = &rule.facts;
    out.text(facts.id.as_str()).text(&facts.title).text(facts.category.id()).byte(facts.level as usize);
    out.byte(facts.levels.len());
    for (band, level) in &facts.levels {
        out.byte(*band as usize).byte(*level as usize);
    }
    out.text(&facts.guidance).number(u32::try_from(facts.cooldown.as_secs()).unwrap_or(u32::MAX));
    out.short(rule.bands.0).byte(usize::from(rule.scopes.0));
    match rule.test {
        Test::Any { threshold } => out.byte(0).number(threshold.map_or(0, i32::cast_unsigned)),
        Test::Score { threshold } => out.byte(0).number(threshold.cast_unsigned()),
        Test::All { groups } => out.byte(1).byte(usize::from(groups)),
        Test::Near { within, order, groups } => {
            out.byte(2).short(within).byte(usize::from(order == Order::AsWritten)).byte(usize::from(groups))
        }
        Test::Medium => out.byte(3),
    };
}

fn hashed(out: &mut Record, row: &Hashed) {
    out.byte(match row.list.kind {
        HashedKind::Phrase => 0,
        HashedKind::Url => 1,
    });
    out.blob(row.list.key.as_bytes()).blob(&row.list.lengths);
    out.blob(row.list.entries().iter().map(|entry| *entry.as_bytes()).collect::<Vec<_>>().as_flattened());
    out.count(row.rules.len()).numbers(&row.rules);
}

fn role(out: &mut Record, role: Role) {
    match role {
        Role::Exception => out.byte(0),
        Role::Term { group, mark, weight } => {
            let mark = match mark {
                Mark::Topic => 0,
                Mark::Intent => 1,
                Mark::Method => 2,
                Mark::Context => 3,
            };
            out.byte(1).byte(usize::from(group)).byte(mark).short(weight.cast_unsigned())
        }
    };
}

fn purpose(out: &mut Record, purpose: HostPurpose) {
    match purpose {
        HostPurpose::Rule(rule) => out.byte(0).number(rule),
        HostPurpose::Exception(rule) => out.byte(1).number(rule),
        HostPurpose::Class(class) => out.byte(2).byte(match class {
            HostClass::Ordinary => 0,
            HostClass::Support => 1,
            HostClass::Confidential => 2,
            HostClass::Protected => 3,
        }),
    };
}

pub(super) fn list<T>(entries: &[T], mut entry: impl FnMut(&mut Record, &T)) -> Vec<u8> {
    let mut out = Record::default();
    out.count(entries.len());
    for each in entries {
        entry(&mut out, each);
    }
    out.bytes
}

/// A record being written. What does not fit its field is cut to the largest value: the compiler's bounds keep all
/// values far below, and a reader runs the examples again.
#[derive(Default)]
pub(super) struct Record {
    bytes: Vec<u8>,
}

impl Record {
    pub(super) fn byte(&mut self, value: usize) -> &mut Self {
        self.bytes.push(u8::try_from(value).unwrap_or(u8::MAX));
        self
    }

    pub(super) fn short(&mut self, value: u16) -> &mut Self {
        self.bytes.extend_from_slice(&value.to_le_bytes());
        self
    }

    pub(super) fn number(&mut self, value: u32) -> &mut Self {
        self.bytes.extend_from_slice(&value.to_le_bytes());
        self
    }

    fn numbers(&mut self, values: &[u32]) -> &mut Self {
        for value in values {
            self.number(*value);
        }
        self
    }

    fn fingerprints(&mut self, values: &[u64]) -> &mut Self {
        self.bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        self
    }

    fn count(&mut self, value: usize) -> &mut Self {
        self.number(u32::try_from(value).unwrap_or(u32::MAX))
    }

    fn blob(&mut self, bytes: &[u8]) -> &mut Self {
        self.count(bytes.len());
        self.bytes.extend_from_slice(bytes);
        self
    }

    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        let kept = text.get(..text.floor_char_boundary(usize::from(u16::MAX))).unwrap_or_default();
        self.short(u16::try_from(kept.len()).unwrap_or(u16::MAX));
        self.bytes.extend_from_slice(kept.as_bytes());
        self
    }
}
