//! How far rules reach, and whether their words are the same as others'.

use std::collections::BTreeMap;

use super::RuleSet;
use crate::program::{HostPurpose, HostUse, Program, Role, Test};
use crate::{Band, Digest, RuleId, Scope};

/// Whom a rule is for, where it looks, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Bands it is for; none for a rule that is tuned off.
    pub bands: Vec<Band>,
    /// Scopes it looks at; none for a score.
    pub scopes: Vec<Scope>,
    /// Its phrases and substrings, those of exceptions among them.
    pub phrases: usize,
    /// Named hosts that it fires on, or is silent on.
    pub hosts: usize,
    /// Of everything it looks for but the names of hosts: words, their weights and groups, expressions, hashed lists, points.
    pub words: Digest,
}

/// How the part of an exception ends.
pub(super) const EXCEPT: &str = "except";

/// What a digest is made of: texts of a fixed form, by rule, in any order.
type Parts = Vec<Vec<String>>;

impl RuleSet {
    /// The extents of all rules.
    #[must_use]
    pub fn extents(&self) -> BTreeMap<RuleId, Extent> {
        self.layers().flat_map(|layer| extents(layer.program())).collect()
    }

    /// A digest of all named hosts and what each is named for: rules, their exceptions, classes, and how far below it.
    #[must_use]
    pub fn hosts_named(&self) -> Digest {
        let mut told = Vec::new();
        self.layers().for_each(|layer| hosts_named(layer.program(), &mut told));
        Digest::of(told.join("\n").as_bytes())
    }
}

fn extents(program: &Program) -> BTreeMap<RuleId, Extent> {
    let (mut parts, hosts) = (parts(program), hosts(program));
    let rules = program.rules.iter().zip(&mut parts).zip(hosts);
    let extent = |((rule, parts), hosts): ((&crate::program::Rule, &mut Vec<String>), usize)| {
        parts.sort();
        let extent = Extent {
            bands: Band::ALL.into_iter().filter(|band| rule.bands.holds(*band)).collect(),
            scopes: Scope::ALL.into_iter().filter(|scope| rule.scopes.holds(*scope)).collect(),
            phrases: parts.iter().filter(|part| part.starts_with(['p', 's'])).count(),
            hosts,
            words: Digest::of(parts.join("\n").as_bytes()),
        };
        (rule.facts.id.clone(), extent)
    };
    rules.map(extent).collect()
}

fn hosts_named(program: &Program, told: &mut Vec<String>) {
    let (key, ..) = program.hosts.parts();
    told.push(Digest::of(key).to_string());
    let mut named: Vec<String> = uses(program).map(|(host, of)| format!("{host:x} {}", purpose(program, of))).collect();
    named.sort();
    told.append(&mut named);
}

/// Every named host, by its fingerprint, with what it is named for and how far below it.
pub(super) fn uses(program: &Program) -> impl Iterator<Item = (u64, &HostUse)> {
    let (_, names, use_of, uses) = program.hosts.parts();
    names.iter().zip(use_of).flat_map(move |(name, of)| {
        let of = usize::try_from(*of).ok().and_then(|of| uses.get(of));
        of.into_iter().flatten().map(move |of| (*name, of))
    })
}

fn purpose(program: &Program, of: &HostUse) -> String {
    let reach = of.reach;
    match of.purpose {
        HostPurpose::Rule(rule) => format!("{reach:?} {}", name(program, rule)),
        HostPurpose::Exception(rule) => format!("{reach:?} not {}", name(program, rule)),
        HostPurpose::Class(class) => format!("{reach:?} {class}"),
    }
}

pub(super) fn id(program: &Program, rule: u32) -> Option<&RuleId> {
    let rule = usize::try_from(rule).ok().and_then(|rule| program.rules.get(rule));
    rule.map(|rule| &rule.facts.id)
}

fn name(program: &Program, rule: u32) -> &str {
    id(program, rule).map_or("", RuleId::as_str)
}

/// What each rule looks for: its test, then `p` phrases, `s` substrings, others.
pub(super) fn parts(program: &Program) -> Parts {
    let mut parts: Parts = program.rules.iter().map(|rule| vec![test(&rule.test)]).collect();
    let mut add = |rule: u32, part: String| {
        let of = usize::try_from(rule).ok().and_then(|rule| parts.get_mut(rule));
        of.into_iter().for_each(|of| of.push(part.clone()));
    };
    let phrases = program.phrases.fingerprints();
    let phrase = |number: u32| usize::try_from(number).ok().and_then(|at| phrases.get(at)).copied().unwrap_or_default();
    for row in &program.phrase_rows {
        add(row.rule, format!("p {:x} {}", phrase(row.phrase), role(row.role)));
    }
    for substring in &program.substrings {
        substring.rows.iter().for_each(|(rule, of)| add(*rule, format!("s {} {}", substring.text, role(*of))));
    }
    for row in &program.band_weights {
        add(row.rule, format!("w {:x} {} {} {}", phrase(row.phrase), row.band, row.group, row.weight));
    }
    for row in &program.reroutes {
        add(row.rule, format!("r {:x} {}", phrase(row.phrase), name(program, row.target)));
    }
    for row in &program.contributions {
        let of_bands = row.of_bands.iter().map(|(band, points)| format!("{band} {points}"));
        let of_bands = of_bands.collect::<Vec<_>>().join(",");
        add(row.rule, format!("c {} {} {} {of_bands}", name(program, row.score), row.is_reported, row.points));
    }
    for pattern in &program.patterns {
        let literals = Digest::of(pattern.literals.join("\n").as_bytes());
        add(pattern.rule, format!("e {} {literals}", Digest::of(&pattern.automaton())));
    }
    for hashed in &program.hashed {
        let list = hashed.list.digest();
        hashed.rules.iter().for_each(|rule| add(*rule, format!("h {list}")));
    }
    parts
}

pub(super) fn test(test: &Test) -> String {
    format!("t {test:?}")
}

fn role(role: Role) -> String {
    match role {
        Role::Term { group, mark, weight } => format!("{group} {mark:?} {weight}"),
        Role::Exception => EXCEPT.to_owned(),
    }
}

/// Named hosts by rule.
fn hosts(program: &Program) -> Vec<usize> {
    let mut counts = vec![0; program.rules.len()];
    for (_, of) in uses(program) {
        let rule = match of.purpose {
            HostPurpose::Rule(rule) | HostPurpose::Exception(rule) => rule,
            HostPurpose::Class(_) => continue,
        };
        let count = usize::try_from(rule).ok().and_then(|rule| counts.get_mut(rule));
        count.into_iter().for_each(|count| *count += 1);
    }
    counts
}
