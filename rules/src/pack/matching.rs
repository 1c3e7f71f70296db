//! `[rule.match]`.

use std::ops::RangeInclusive;

use toml::Spanned;

use super::reader::{Fields, Reader, Value};
use super::{Group, HostRef, MAX_ENTRIES, Matching, Term, Words, bands, hosts};
use crate::Mark;
use crate::diagnostic::Code;
use crate::program::MAX_GROUPS;

/// Most words between the groups of a `near`.
const MAX_WITHIN: i64 = 32;
/// Most regular expressions of a rule.
const MAX_EXPRESSIONS: usize = 8;
const MAX_THRESHOLD: i64 = 10_000;
const WEIGHTS: RangeInclusive<i64> = -1000..=1000;
const SHAPES: &[&str] = &["phrase", "any", "all", "near", "substring", "regex", "hashed", "domain", "media"];

pub(super) fn matching(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Matching> {
    let shapes = fields.keys_among(SHAPES);
    let [(shape, _)] = shapes.as_slice() else {
        let span = shapes.get(1).map_or(fields.span.clone(), |(_, span)| span.clone());
        let message = format!("a match has one shape, found {}", shapes.len());
        let help = format!("exactly one of {}", SHAPES.join(", "));
        reader.report(Code::MatchShape, span, message, "not one shape", Some(help));
        return None;
    };
    let beside: &[&str] = match *shape {
        "any" => &["any", "threshold"],
        "substring" => &["substring", "reason"],
        "regex" => &["regex", "reason"],
        _ => SHAPES,
    };
    reader.known(fields, beside);
    let value = fields.get(shape)?;
    match *shape {
        "phrase" => Some(Matching::Any { terms: vec![term(reader, value)?], threshold: None }),
        "any" => any(reader, fields, value),
        "all" => Some(Matching::All { groups: groups(reader, value)? }),
        "near" => near(reader, value),
        "substring" => {
            let texts = reader.bounded(value, "substring", MAX_ENTRIES)?;
            let texts = texts.iter().filter_map(|text| reader.string(text)).collect();
            Some(Matching::Substring { texts, has_reason: has_reason(reader, fields) })
        }
        "regex" => {
            let expressions = reader.bounded(value, "regex", MAX_EXPRESSIONS)?;
            let expressions = expressions.iter().filter_map(|expression| reader.string(expression)).collect();
            Some(Matching::Regex { expressions, has_reason: has_reason(reader, fields) })
        }
        "hashed" => Some(Matching::Hashed { list: reader.string(value)? }),
        "domain" => Some(Matching::Domain { hosts: named_hosts(reader, value)? }),
        _ => media(reader, value),
    }
}

fn has_reason(reader: &mut Reader<'_>, fields: &Fields<'_>) -> bool {
    let reason = fields.get("reason").and_then(|reason| reader.string(reason));
    reason.is_some_and(|reason| !reason.get_ref().trim().is_empty())
}

fn any(reader: &mut Reader<'_>, fields: &Fields<'_>, value: &Value<'_>) -> Option<Matching> {
    let terms = terms(reader, value, "any");
    let threshold = match fields.get("threshold") {
        Some(threshold) => Some(reader.number(threshold, "threshold", 1..=MAX_THRESHOLD)?),
        None => None,
    };
    let threshold = threshold.and_then(|threshold| i32::try_from(threshold.into_inner()).ok());
    Some(Matching::Any { terms: terms?, threshold })
}

fn near(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Matching> {
    let fields = reader.table(value, "`near`")?;
    reader.known(&fields, &["within", "ordered", "groups"]);
    let within = reader.integer(&fields, "within", 0..=MAX_WITHIN, None);
    let ordered = reader.flag(&fields, "ordered");
    let groups = reader.required(&fields, "groups").and_then(|value| groups(reader, value));
    Some(Matching::Near { within: u16::try_from(within?.into_inner()).ok()?, ordered, groups: groups? })
}

fn media(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Matching> {
    if value.get_ref().as_str() == Some("any") {
        return Some(Matching::Medium);
    }
    Some(Matching::Label { terms: terms(reader, value, "media")? })
}

fn groups(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Vec<Group>> {
    let groups = reader.array(value)?;
    if !(2..=MAX_GROUPS).contains(&groups.len()) {
        let message = format!("2 to {MAX_GROUPS} groups are needed, found {}", groups.len());
        let help = "for a single group use `any`".to_owned();
        reader.report(Code::OutOfBounds, value.span(), message, "not so many groups", Some(help));
        return None;
    }
    Some(groups.iter().filter_map(|value| group(reader, value)).collect())
}

fn group(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Group> {
    let Some(any) = value.get_ref().as_table().and_then(|table| table.get("any")) else {
        return Some(Group { terms: vec![term(reader, value)?], mark: None });
    };
    let fields = reader.table(value, "a group")?;
    reader.known(&fields, &["any", "mark"]);
    let mark = mark(reader, &fields);
    Some(Group { terms: terms(reader, any, "any")?, mark })
}

fn terms(reader: &mut Reader<'_>, value: &Value<'_>, key: &str) -> Option<Vec<Term>> {
    let entries = reader.bounded(value, key, MAX_ENTRIES)?;
    Some(entries.iter().filter_map(|entry| term(reader, entry)).collect())
}

fn term(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Term> {
    if value.get_ref().as_table().is_none() {
        return Some(Term { words: Words::Phrase(reader.string(value)?), mark: None, weight: None });
    }
    let fields = reader.table(value, "a term")?;
    reader.known(&fields, &["phrase", "list", "mark", "weight"]);
    let mark = mark(reader, &fields);
    let weight = fields.get("weight").and_then(|value| bands::weight(reader, value, "weight", &WEIGHTS));
    let words = match (fields.get("phrase"), fields.get("list")) {
        (Some(phrase), None) => Words::Phrase(reader.string(phrase)?),
        (None, Some(list)) => Words::List(reader.string(list)?),
        (_, _) => {
            let message = "a term has either `phrase` or `list`";
            reader.report(Code::MissingKey, fields.span.clone(), message, "one of the two", None);
            return None;
        }
    };
    Some(Term { words, mark, weight })
}

fn mark(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Mark> {
    reader.optional_parsed::<Mark>(fields, "mark").map(Spanned::into_inner)
}

fn named_hosts(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Vec<HostRef>> {
    if value.get_ref().as_table().is_some() {
        return Some(vec![host(reader, value)?]);
    }
    let entries = reader.bounded(value, "domain", MAX_ENTRIES)?;
    Some(entries.iter().filter_map(|entry| host(reader, entry)).collect())
}

fn host(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<HostRef> {
    if value.get_ref().as_table().is_none() {
        let host = reader.string(value)?;
        return hosts::pattern(reader, host).map(HostRef::Host);
    }
    let fields = reader.table(value, "a list of hosts")?;
    reader.known(&fields, &["list"]);
    let list = reader.required(&fields, "list")?;
    reader.string(list).map(HostRef::List)
}
