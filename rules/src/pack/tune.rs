//! A school's overlay: `[[tune]]`, what it changes of a rule, for how long, why, and who agreed to it.

use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

use toml::Spanned;

use super::course::date;
use super::reader::{Fields, Reader};
use super::rule::{level, levels};
use super::{MAX_PACK_BYTES, RuleId};
use crate::diagnostic::{Code, Diagnostic, Source};
use crate::host::HostPattern;
use crate::{Band, Date, Level, Scope};

/// Longest name of a person, in bytes.
const MAX_NAME_BYTES: usize = 120;
const MAX_REASON_BYTES: usize = 500;
/// Most people who approve one change.
const MAX_APPROVERS: usize = 4;
/// Most exceptions or weights of one tune.
const MAX_ENTRIES: usize = 256;
const MAX_WEIGHT: i64 = 1000;
const KEYS: &[&str] = &[
    "rule",
    "requester",
    "approver",
    "reason",
    "expires",
    "off",
    "level",
    "levels",
    "off_scopes",
    "off_bands",
    "except_phrases",
    "except_hosts",
    "weights",
];

/// A change of one rule.
#[derive(Debug)]
pub(crate) struct TuneSource {
    pub(crate) span: Range<usize>,
    pub(crate) rule: Spanned<RuleId>,
    pub(crate) requester: Spanned<String>,
    pub(crate) approvers: Spanned<Vec<String>>,
    pub(crate) reason: String,
    /// The last day on which it is compiled in.
    pub(crate) expires: Spanned<Date>,
    pub(crate) is_off: bool,
    pub(crate) level: Option<Spanned<Level>>,
    pub(crate) levels: Vec<(Band, Spanned<Level>)>,
    pub(crate) off_scopes: Vec<Spanned<Scope>>,
    pub(crate) off_bands: Vec<Spanned<Band>>,
    pub(crate) except_phrases: Vec<Spanned<String>>,
    pub(crate) except_hosts: Vec<Spanned<HostPattern>>,
    pub(crate) weights: Vec<(Spanned<String>, i16)>,
}

/// Reads an overlay as far as it goes; every mistake is added to `diagnostics`.
pub(crate) fn read_overlay(source: &Arc<Source>, diagnostics: &mut Vec<Diagnostic>) -> Vec<TuneSource> {
    if source.text.len() > MAX_PACK_BYTES {
        let message = format!("an overlay is at most {MAX_PACK_BYTES} bytes");
        diagnostics.push(Diagnostic::new(Code::OutOfBounds, source, 0..0, message, "this file is larger"));
        return Vec::new();
    }
    let (document, errors) = toml::de::DeTable::parse_recoverable(&source.text);
    let mut reader = Reader::new(source, diagnostics);
    errors.iter().for_each(|error| reader.syntax(error));
    if !errors.is_empty() {
        return Vec::new();
    }
    let root = Fields::new(document.get_ref(), 0..0, "an overlay");
    reader.known(&root, &["tune"]);
    reader.tables(&root, "tune", tune)
}

fn tune(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<TuneSource> {
    reader.known(fields, KEYS);
    let rule = reader.required_parsed(fields, "rule");
    let requester = reader.text(fields, "requester", MAX_NAME_BYTES);
    let approvers = approvers(reader, fields);
    let reason = reader.text(fields, "reason", MAX_REASON_BYTES);
    let expires = date(reader, fields, "expires");
    let level = fields.get("level").and_then(|value| level(reader, value, "level"));
    let levels = levels(reader, fields);
    let off_scopes = parsed_texts(reader, fields, "off_scopes", Scope::ALL.len());
    let off_bands = parsed_texts(reader, fields, "off_bands", Band::ALL.len());
    let except_phrases = texts(reader, fields, "except_phrases", MAX_ENTRIES);
    let except_hosts = parsed_texts(reader, fields, "except_hosts", MAX_ENTRIES);
    let (is_off, weights) = (reader.flag(fields, "off"), weights(reader, fields));
    Some(TuneSource {
        span: fields.span.clone(),
        rule: rule?,
        requester: requester?,
        approvers: approvers?,
        reason: reason?.into_inner(),
        expires: expires?,
        is_off,
        level,
        levels,
        off_scopes,
        off_bands,
        except_phrases,
        except_hosts,
        weights,
    })
}

/// One name, or an array of them.
fn approvers(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Spanned<Vec<String>>> {
    let value = reader.required(fields, "approver")?;
    if value.get_ref().as_array().is_none() {
        let name = reader.text(fields, "approver", MAX_NAME_BYTES)?;
        return Some(Spanned::new(name.span(), vec![name.into_inner()]));
    }
    let names = reader.texts(fields, "approver", MAX_APPROVERS)?;
    let is_name = |name: &Spanned<String>| !name.get_ref().trim().is_empty() && name.get_ref().len() <= MAX_NAME_BYTES;
    if let Some(other) = names.iter().find(|name| !is_name(name)) {
        let message = format!("a name is a text of 1 to {MAX_NAME_BYTES} bytes");
        reader.report(Code::OutOfBounds, other.span(), message, "not a name", None);
        return None;
    }
    Some(Spanned::new(value.span(), names.into_iter().map(Spanned::into_inner).collect()))
}

/// The texts of an array; none where the key is absent.
fn texts(reader: &mut Reader<'_>, fields: &Fields<'_>, key: &str, max: usize) -> Vec<Spanned<String>> {
    if fields.get(key).is_none() {
        return Vec::new();
    }
    reader.texts(fields, key, max).unwrap_or_default()
}

fn parsed_texts<T: FromStr<Err: std::fmt::Display>>(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    key: &str,
    max: usize,
) -> Vec<Spanned<T>> {
    texts(reader, fields, key, max).into_iter().filter_map(|text| reader.parsed(text)).collect()
}

/// A table of weights by phrase.
fn weights(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Vec<(Spanned<String>, i16)> {
    let Some(value) = fields.get("weights") else { return Vec::new() };
    let Some(table) = value.get_ref().as_table() else {
        reader.wrong_type(value, "a table of weights by phrase");
        return Vec::new();
    };
    if table.is_empty() || table.len() > MAX_ENTRIES {
        let message = format!("`weights` has 1 to {MAX_ENTRIES} entries");
        reader.report(Code::OutOfBounds, value.span(), message, format!("{} entries", table.len()), None);
        return Vec::new();
    }
    let mut weights = Vec::new();
    for (phrase, value) in table {
        let weight = reader.number(value, "weight", -MAX_WEIGHT..=MAX_WEIGHT);
        let weight = weight.and_then(|weight| i16::try_from(weight.into_inner()).ok());
        weights.extend(weight.map(|weight| (Spanned::new(phrase.span(), phrase.get_ref().to_string()), weight)));
    }
    weights
}
