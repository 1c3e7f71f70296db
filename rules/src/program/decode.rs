//! Reading a program from the sections of a verified artefact. Signed is not the same as sane: every number that
//! points somewhere is checked.

mod hashed;
mod scores;
mod written_out;

use std::collections::BTreeMap;
use std::time::Duration;

use super::{
    BandWeight, Bands, Case, CaseScope, Contribution, HostPurpose, HostUse, Hosts, MAX_GROUPS, Order, PackFacts,
    PhraseRow, Phrases, Program, Reroute, Role, Rule, RuleFacts, Scopes, Substring, Test,
};
use super::{course, tunes};
use crate::artefact::Verified;
use crate::course::Course;
use crate::cursor::{Cursor, Short};
use crate::host::Reach;
use crate::matcher::MIN_SUBSTRING_BYTES;
use crate::pattern::Pattern;
use crate::{ArtefactError, Band, HostClass, Level, Mark, Scope};

/// Longest cooldown that the compiler lets a rule have.
const MAX_COOLDOWN: Duration = Duration::from_secs(24 * 60 * 60);

/// Reads every section.
pub(crate) fn decode(verified: &Verified) -> Result<Program, ArtefactError> {
    let sections = Sections(verified);
    let packs = sections.list(1, "its packs", pack)?;
    let mut rules = sections.list(2, "its rules", rule)?;
    course::decode(&sections, &mut rules)?;
    tunes::decode(&sections, &mut rules)?;
    let contributions = sections.later(12, "its scores", |cursor| scores::contribution(cursor, rules.len()))?;
    scores::make(&mut rules, &contributions).map_err(|Short| ArtefactError::Damaged { what: "its scores" })?;
    if !rules.is_sorted_by(|left, right| left.facts.id < right.facts.id) {
        return Err(ArtefactError::Damaged { what: "the order of its rules" });
    }
    let (phrases, phrase_texts) = match verified.has_section(31) {
        true => phrases(&sections)?,
        false => written_out::phrases(&sections)?,
    };
    let phrase_rows = sections.list(5, "its phrase rows", |cursor| phrase_row(cursor, phrases.len(), &rules))?;
    let substrings = sections.list(6, "its substrings", |cursor| substring(cursor, &rules))?;
    let hosts = match verified.has_section(34) {
        true => hosts(&sections, rules.len())?,
        false => written_out::hosts(&sections, rules.len())?,
    };
    let cases = sections.list(9, "its cases", |cursor| case(cursor, rules.len()))?;
    let reroutes = sections.later(10, "its reroutes", |cursor| reroute(cursor, phrases.len(), rules.len()))?;
    let band_weights = sections.later(11, "its weights", |cursor| band_weight(cursor, phrases.len(), &rules))?;
    let patterns = sections.later(13, "its patterns", |cursor| pattern(cursor, rules.len()))?;
    let hashed = sections.later(14, "its hashed lists", |cursor| hashed::hashed(cursor, &rules))?;
    let sorted =
        phrase_rows.is_sorted() && phrase_texts.is_sorted() && reroutes.is_sorted() && band_weights.is_sorted();
    if !sorted {
        return Err(ArtefactError::Damaged { what: "the order of its rows" });
    }
    check_illegal(&rules, &contributions)?;
    Ok(Program {
        packs,
        rules,
        phrases,
        phrase_texts,
        phrase_rows,
        substrings,
        hosts,
        cases,
        reroutes,
        band_weights,
        contributions,
        patterns,
        hashed,
    })
}

/// Whoever signed it: rules of illegal categories hold for every band, at their level or above, and report themselves.
fn check_illegal(rules: &[Rule], contributions: &[Contribution]) -> Result<(), ArtefactError> {
    let is_weak = |rule: &Rule| {
        let (facts, least) = (&rule.facts, rule.facts.category.default_level());
        let low = facts.levels.values().chain([&facts.level]).any(|level| *level < least);
        low || rule.bands != Bands::ALL || rule.scopes == Scopes::default() || facts.cooldown > MAX_COOLDOWN
    };
    let is_unreported = |number: u32| {
        let found = contributions.iter().find(|contribution| contribution.rule == number);
        found.is_some_and(|contribution| !contribution.is_reported)
    };
    let mut illegal = (0..).zip(rules).filter(|(_, rule)| rule.facts.category.class().is_illegal());
    match illegal.any(|(number, rule)| is_weak(rule) || is_unreported(number)) {
        true => Err(ArtefactError::Damaged { what: "its illegal rules" }),
        false => Ok(()),
    }
}

fn phrases(sections: &Sections<'_>) -> Result<(Phrases, Vec<(u32, String)>), ArtefactError> {
    let damaged = ArtefactError::Damaged { what: "its phrases" };
    let beginnings = whole(sections.0.section(31)?, u64::from_le_bytes).ok_or_else(|| damaged.clone())?;
    let values = whole(sections.0.section(32)?, u32::from_le_bytes).ok_or_else(|| damaged.clone())?;
    let phrases = Phrases::from_parts(beginnings, values).ok_or(damaged)?;
    let text = |cursor: &mut Cursor<'_>| Ok((index(cursor, phrases.len())?, cursor.text()?.to_owned()));
    let texts = sections.list(33, "its words of exceptions", text)?;
    Ok((phrases, texts))
}

fn hosts(sections: &Sections<'_>, rules: usize) -> Result<Hosts, ArtefactError> {
    let damaged = ArtefactError::Damaged { what: "its hosts" };
    let read = || -> Option<Hosts> {
        let (key, names) = sections.0.section(34).ok()?.split_first_chunk()?;
        let mut cursor = Cursor::new(sections.0.section(35).ok()?);
        let use_of = cursor.list(Cursor::u32).ok()?;
        let uses = cursor.list(|cursor| cursor.list(|cursor| host_use(cursor, rules))).ok()?;
        cursor.end().ok()?;
        Hosts::from_parts(*key, whole(names, u64::from_le_bytes)?, use_of, uses)
    };
    read().ok_or(damaged)
}

/// All of a section as numbers of `N` bytes; `None` when some bytes are left.
fn whole<const N: usize, T>(bytes: &[u8], number: impl Fn([u8; N]) -> T) -> Option<Vec<T>> {
    let (numbers, left) = bytes.as_chunks::<N>();
    left.is_empty().then(|| numbers.iter().map(|bytes| number(*bytes)).collect())
}

pub(super) struct Sections<'a>(&'a Verified);

impl<'a> Sections<'a> {
    fn list<T>(
        &self,
        id: u16,
        what: &'static str,
        entry: impl FnMut(&mut Cursor<'a>) -> Result<T, Short>,
    ) -> Result<Vec<T>, ArtefactError> {
        let mut cursor = Cursor::new(self.0.section(id)?);
        let entries = cursor.list(entry).and_then(|entries| cursor.end().map(|()| entries));
        entries.map_err(|Short| ArtefactError::Damaged { what })
    }

    /// A list that not every artefact has.
    pub(super) fn later<T>(
        &self,
        id: u16,
        what: &'static str,
        entry: impl FnMut(&mut Cursor<'a>) -> Result<T, Short>,
    ) -> Result<Vec<T>, ArtefactError> {
        if self.0.has_section(id) { self.list(id, what, entry) } else { Ok(Vec::new()) }
    }
}

fn pack(cursor: &mut Cursor<'_>) -> Result<PackFacts, Short> {
    Ok(PackFacts { id: cursor.text()?.to_owned(), version: cursor.u32()?, title: cursor.text()?.to_owned() })
}

fn rule(cursor: &mut Cursor<'_>) -> Result<Rule, Short> {
    let id = cursor.text()?.parse().map_err(|_| Short)?;
    let title = cursor.text()?.to_owned();
    let category = cursor.text()?.parse().map_err(|_| Short)?;
    let level = level(cursor)?;
    let mut levels = BTreeMap::new();
    for _ in 0..cursor.u8()? {
        levels.insert(band(cursor)?, self::level(cursor)?);
    }
    let guidance = cursor.text()?.to_owned();
    let cooldown = Duration::from_secs(u64::from(cursor.u32()?));
    let facts =
        RuleFacts { id, title, category, level, levels, guidance, cooldown, course: Course::default(), tuned: None };
    let (bands, scopes) = (Bands(cursor.u16()?), Scopes(cursor.u8()?));
    Ok(Rule { facts, bands, scopes, test: test(cursor)? })
}

fn band(cursor: &mut Cursor<'_>) -> Result<Band, Short> {
    Band::ALL.get(usize::from(cursor.u8()?)).copied().ok_or(Short)
}

pub(super) fn level(cursor: &mut Cursor<'_>) -> Result<Level, Short> {
    Level::try_from(cursor.u8()?).map_err(|_| Short)
}

fn test(cursor: &mut Cursor<'_>) -> Result<Test, Short> {
    match cursor.u8()? {
        0 => Ok(Test::Any { threshold: Some(cursor.u32()?.cast_signed()).filter(|threshold| *threshold != 0) }),
        1 => Ok(Test::All { groups: groups(cursor)? }),
        2 => {
            let within = cursor.u16()?;
            let order = if cursor.u8()? == 0 { Order::Any } else { Order::AsWritten };
            Ok(Test::Near { within, order, groups: groups(cursor)? })
        }
        3 => Ok(Test::Medium),
        _ => Err(Short),
    }
}

fn groups(cursor: &mut Cursor<'_>) -> Result<u8, Short> {
    let groups = cursor.u8()?;
    if (1..=MAX_GROUPS).contains(&usize::from(groups)) { Ok(groups) } else { Err(Short) }
}

fn phrase_row(cursor: &mut Cursor<'_>, phrases: usize, rules: &[Rule]) -> Result<PhraseRow, Short> {
    let phrase = index(cursor, phrases)?;
    let rule = index(cursor, rules.len())?;
    Ok(PhraseRow { phrase, rule, role: role(cursor, rules, rule)? })
}

fn substring(cursor: &mut Cursor<'_>, rules: &[Rule]) -> Result<Substring, Short> {
    let text = cursor.text()?.to_owned();
    let rows = cursor.list(|cursor| {
        let rule = index(cursor, rules.len())?;
        Ok((rule, role(cursor, rules, rule)?))
    })?;
    if text.len() < MIN_SUBSTRING_BYTES { Err(Short) } else { Ok(Substring { text, rows }) }
}

fn role(cursor: &mut Cursor<'_>, rules: &[Rule], rule: u32) -> Result<Role, Short> {
    match cursor.u8()? {
        0 => Ok(Role::Exception),
        1 => {
            let group = cursor.u8()?;
            let mark = match cursor.u8()? {
                0 => Mark::Topic,
                1 => Mark::Intent,
                2 => Mark::Method,
                3 => Mark::Context,
                _ => return Err(Short),
            };
            let weight = cursor.u16()?.cast_signed();
            if group < groups_of(rules, rule)? { Ok(Role::Term { group, mark, weight }) } else { Err(Short) }
        }
        _ => Err(Short),
    }
}

/// How many groups the terms of a rule can be of.
fn groups_of(rules: &[Rule], rule: u32) -> Result<u8, Short> {
    let rule = usize::try_from(rule).ok().and_then(|rule| rules.get(rule)).ok_or(Short)?;
    Ok(match rule.test {
        Test::Any { .. } => 1,
        Test::All { groups } | Test::Near { groups, .. } => groups,
        Test::Medium | Test::Score { .. } => 0,
    })
}

fn host_use(cursor: &mut Cursor<'_>, rules: usize) -> Result<HostUse, Short> {
    let reach = if cursor.u8()? == 0 { Reach::Subtree } else { Reach::Exact };
    let purpose = match cursor.u8()? {
        0 => HostPurpose::Rule(index(cursor, rules)?),
        1 => HostPurpose::Exception(index(cursor, rules)?),
        2 => HostPurpose::Class(*HostClass::ALL.get(usize::from(cursor.u8()?)).ok_or(Short)?),
        _ => return Err(Short),
    };
    Ok(HostUse { reach, purpose })
}

fn case(cursor: &mut Cursor<'_>, rules: usize) -> Result<Case, Short> {
    let rule = index(cursor, rules)?;
    let scope = match cursor.u8()? {
        u8::MAX => CaseScope::Url,
        scope => CaseScope::Text(*Scope::ALL.get(usize::from(scope)).ok_or(Short)?),
    };
    let fires = cursor.u8()? != 0;
    Ok(Case { rule, scope, fires, text: cursor.text()?.to_owned() })
}

fn reroute(cursor: &mut Cursor<'_>, phrases: usize, rules: usize) -> Result<Reroute, Short> {
    Ok(Reroute { rule: index(cursor, rules)?, phrase: index(cursor, phrases)?, target: index(cursor, rules)? })
}

fn band_weight(cursor: &mut Cursor<'_>, phrases: usize, rules: &[Rule]) -> Result<BandWeight, Short> {
    let (rule, band) = (index(cursor, rules.len())?, band(cursor)?);
    let (phrase, group, weight) = (index(cursor, phrases)?, cursor.u8()?, cursor.u16()?.cast_signed());
    if group < groups_of(rules, rule)? { Ok(BandWeight { rule, band, phrase, group, weight }) } else { Err(Short) }
}

fn pattern(cursor: &mut Cursor<'_>, rules: usize) -> Result<Pattern, Short> {
    let rule = index(cursor, rules)?;
    let literals = (0..cursor.u8()?).map(|_| cursor.text().map(str::to_owned)).collect::<Result<_, Short>>()?;
    let bytes = cursor.size()?;
    Pattern::new(rule, literals, cursor.bytes(bytes)?).ok_or(Short)
}

pub(super) fn index(cursor: &mut Cursor<'_>, count: usize) -> Result<u32, Short> {
    let index = cursor.u32()?;
    if usize::try_from(index).is_ok_and(|index| index < count) { Ok(index) } else { Err(Short) }
}
