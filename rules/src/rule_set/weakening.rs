//! What a newer rule set takes from the urgent rules of an older one.
//!
//! It errs towards telling: what is only otherwise, and may find as much as before, is told as what may find less. Hosts are
//! known by fingerprints that differ once any name does: then every rule with hosts is told. The illegal base of the older one
//! is left out: what the project signed, the project changes. A set that was made by hand to look like another, and is not
//! found by its own index, passes here: its signers are the measure of that.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{Extent, RuleSet, extent};
use crate::program::{HostKey, HostPurpose, HostUse, Program};
use crate::{Band, HostClass, Level, Reporting, RuleFacts, RuleId, Scope};

/// From this level on a rule is urgent.
const URGENT: Level = Level::High;

/// How an urgent rule finds less than it did, or may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Weakened {
    /// There is no such rule any more.
    Gone,
    /// It is of another category.
    Category,
    /// It is no longer for a band.
    Band(Band),
    /// Its level in a band is lower.
    Level {
        /// The band.
        band: Band,
        /// What it was.
        from: Level,
        /// What it is.
        to: Level,
    },
    /// It no longer looks at a scope.
    Scope(Scope),
    /// Nobody is told of it any more: it is counted, or waits for more, or ends on a day.
    Course,
    /// It is silent for longer once it fired.
    Cooldown,
    /// It lost some of what it looks for, or asks for more.
    Words,
    /// It spares more.
    Exceptions,
    /// It fires on fewer hosts, or is silent on more.
    Hosts,
    /// Without words of intent it is only counted on hosts that offer help, and there are others of those.
    Support,
}

impl fmt::Display for Weakened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => write!(f, "is gone"),
            Self::Category => write!(f, "is of another category"),
            Self::Band(band) => write!(f, "is no longer for band {band}"),
            Self::Level { band, from, to } => write!(f, "is level {to} in band {band}, not {from}"),
            Self::Scope(scope) => write!(f, "no longer looks at {scope}"),
            Self::Course => write!(f, "is reported on other terms"),
            Self::Cooldown => write!(f, "is silent for longer once it fired"),
            Self::Words => write!(f, "looks for less, or asks for more"),
            Self::Exceptions => write!(f, "spares more"),
            Self::Hosts => write!(f, "fires on fewer hosts, or is silent on more"),
            Self::Support => write!(f, "is only counted on other hosts that offer help"),
        }
    }
}

/// What there is to compare of a rule.
struct Side<'a> {
    facts: &'a RuleFacts,
    extent: Extent,
    looked_for: BTreeSet<String>,
    spared: BTreeSet<String>,
    test: String,
    hosts: Hosts,
}

/// Hosts by their fingerprints under `key`.
#[derive(Clone, Default, PartialEq, Eq)]
struct Hosts {
    key: HostKey,
    /// Where it fires, or what is told is counted alone.
    named: BTreeSet<String>,
    /// Where it is silent.
    silent: BTreeSet<String>,
}

impl Hosts {
    /// Whether `self` names all that `older` does and is silent on no more. Of other keys, whether both name nothing.
    fn is_no_less_than(&self, older: &Self) -> bool {
        let nothing = |hosts: &Self| hosts.named.is_empty() && hosts.silent.is_empty();
        match self.key == older.key {
            true => older.named.is_subset(&self.named) && self.silent.is_subset(&older.silent),
            false => nothing(self) && nothing(older),
        }
    }
}

impl RuleSet {
    /// Urgent rules of `older`, level 4 and 5 in any band and those that add to such a score, that find less here or may;
    /// by id, each with all that is less.
    #[must_use]
    pub fn weakened_from(&self, older: &Self) -> BTreeMap<RuleId, Vec<Weakened>> {
        let (old, new) = (older.sides(), self.sides());
        let urgent = older.urgent(&old);
        let has_other_support = !support(older.own.program()).is_no_less_than(&support(self.own.program()));
        let weakened = |id: &RuleId| {
            let (before, now) = (old.get(id)?, new.get(id));
            let mut found = now.map_or_else(|| vec![Weakened::Gone], |now| less(before, now));
            let is_spared = has_other_support && !before.facts.category.class().is_illegal();
            found.extend(is_spared.then_some(Weakened::Support));
            (!found.is_empty()).then(|| (id.clone(), found))
        };
        urgent.iter().filter_map(weakened).collect()
    }

    /// Rules that are urgent and reported, and those that add to an urgent score.
    fn urgent(&self, sides: &BTreeMap<RuleId, Side<'_>>) -> BTreeSet<RuleId> {
        let is_urgent = |side: &Side<'_>| {
            let levels = side.extent.bands.iter().map(|band| side.facts.level_for(*band));
            side.facts.course.reporting == Reporting::Live && levels.max().is_some_and(|level| level >= URGENT)
        };
        let program = self.own.program();
        let own = program.rules.iter().map(|rule| &rule.facts.id);
        let mut urgent: BTreeSet<RuleId> = own.filter(|id| sides.get(*id).is_some_and(is_urgent)).cloned().collect();
        let id = |number: u32| extent::id(program, number);
        let adding = program.contributions.iter().filter(|row| id(row.score).is_some_and(|id| urgent.contains(id)));
        let adding: Vec<RuleId> = adding.filter_map(|row| id(row.rule).cloned()).collect();
        urgent.extend(adding);
        urgent
    }

    fn sides(&self) -> BTreeMap<RuleId, Side<'_>> {
        let mut extents = self.extents();
        let mut sides = BTreeMap::new();
        for program in self.layers().map(super::Layer::program) {
            let rules = program.rules.iter().zip(extent::parts(program)).zip(hosts(program));
            for ((rule, parts), hosts) in rules {
                let Some(extent) = extents.remove(&rule.facts.id) else { continue };
                let (spared, looked_for) = parts.into_iter().skip(1).partition(|part| part.ends_with(extent::EXCEPT));
                let test = extent::test(&rule.test);
                let side = Side { facts: &rule.facts, extent, looked_for, spared, test, hosts };
                sides.insert(rule.facts.id.clone(), side);
            }
        }
        sides
    }
}

/// The hosts of each rule.
fn hosts(program: &Program) -> Vec<Hosts> {
    let (key, ..) = program.hosts.parts();
    let mut all = vec![Hosts { key: *key, ..Hosts::default() }; program.rules.len()];
    for (host, of) in uses(program) {
        let (rule, is_silent) = match of.purpose {
            HostPurpose::Rule(rule) => (rule, false),
            HostPurpose::Exception(rule) => (rule, true),
            HostPurpose::Class(_) => continue,
        };
        let hosts = usize::try_from(rule).ok().and_then(|rule| all.get_mut(rule));
        let add = |hosts: &mut Hosts| if is_silent { &mut hosts.silent } else { &mut hosts.named }.insert(host.clone());
        hosts.map(add);
    }
    all
}

/// Hosts that offer help.
fn support(program: &Program) -> Hosts {
    let (key, ..) = program.hosts.parts();
    let is_support = |of: &HostUse| of.purpose == HostPurpose::Class(HostClass::Support);
    let named = uses(program).filter(|(_, of)| is_support(of)).map(|(host, _)| host).collect();
    Hosts { key: *key, named, ..Hosts::default() }
}

/// Every named host and how far below it, with what it is named for.
fn uses(program: &Program) -> impl Iterator<Item = (String, &HostUse)> {
    extent::uses(program).map(|(host, of)| (format!("{host:x} {:?}", of.reach), of))
}

/// Whether a part that is new takes nothing from what there was: something more to look for, that weighs nothing against it.
fn is_harmless(part: &str) -> bool {
    let last = part.rsplit(' ').next().unwrap_or_default();
    match part.chars().next() {
        Some('p' | 's') => last.parse::<i32>().is_ok_and(|weight| weight >= 0),
        // What a score counts alone is reported by itself no more.
        Some('c') => part.split(' ').nth(2) == Some("true"),
        Some('e' | 'h' | 'r') => true,
        // Weights of single bands among them.
        Some(_) | None => false,
    }
}

fn less(old: &Side<'_>, new: &Side<'_>) -> Vec<Weakened> {
    let mut found = Vec::new();
    let mut add = |is_less: bool, weakened: Weakened| found.extend(is_less.then_some(weakened));
    add(old.facts.category != new.facts.category, Weakened::Category);
    for band in &old.extent.bands {
        let (from, to) = (old.facts.level_for(*band), new.facts.level_for(*band));
        match new.extent.bands.contains(band) {
            false => add(true, Weakened::Band(*band)),
            true => add(to < from, Weakened::Level { band: *band, from, to }),
        }
    }
    for scope in &old.extent.scopes {
        add(!new.extent.scopes.contains(scope), Weakened::Scope(*scope));
    }
    add(old.facts.course != new.facts.course, Weakened::Course);
    add(new.facts.cooldown > old.facts.cooldown, Weakened::Cooldown);
    let more = new.looked_for.difference(&old.looked_for);
    let is_less = !old.looked_for.is_subset(&new.looked_for) || !more.map(String::as_str).all(is_harmless);
    add(old.test != new.test || is_less, Weakened::Words);
    add(!new.spared.is_subset(&old.spared), Weakened::Exceptions);
    add(!new.hosts.is_no_less_than(&old.hosts), Weakened::Hosts);
    found
}
