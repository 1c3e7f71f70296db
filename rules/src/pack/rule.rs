//! `[[rule]]`.

use std::ops::{Range, RangeInclusive};

use toml::Spanned;

use super::reader::{Fields, Reader, Value};
use super::{Allowed, CourseSource, Exception, MAX_TITLE_BYTES, Matching, RuleSource, Weight};
use super::{bands, course, examples, hosts, matching};
use crate::diagnostic::Code;
use crate::{Band, Level, Scope};

const MAX_GUIDANCE_BYTES: usize = 1024;
const MAX_EXCEPTIONS: usize = 1024;
const MAX_REASON_BYTES: usize = 240;
const DEFAULT_COOLDOWN_S: u32 = 600;
const MAX_COOLDOWN_S: u32 = 24 * 3600;
/// The rows that a budget is a number in.
const MAX_BUDGET: i64 = 100_000;
pub(crate) const KEYS: &[&str] = &[
    "id", "title", "category", "level", "levels", "bands", "scopes", "guidance", "cooldown", "after", "escalate",
    "shadow", "watch", "budget", "match", "except", "score", "report", "allow", "examples",
];
/// What a rule can add to a score.
const POINTS: RangeInclusive<i64> = 0..=1000;

pub(super) fn rule(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<RuleSource> {
    reader.known(fields, KEYS);
    let scopes = scopes(reader, fields);
    let course = course::course(reader, fields);
    let budget = fields.get("budget").and_then(|value| reader.number(value, "budget", 0..=MAX_BUDGET));
    let matching = reader.required_table(fields, "match", "`[rule.match]`");
    let matching = matching.and_then(|fields| {
        let matching = matching::matching(reader, &fields)?;
        Some(Spanned::new(fields.span, matching))
    });
    let exceptions = exceptions(reader, fields);
    let allowed = reader.tables(fields, "allow", allowed);
    let points = points(reader, fields);
    let unreported = unreported(reader, fields);
    let source = source(reader, fields, scopes, matching, "`[rule.examples]`")?;
    let budget = budget.and_then(|budget| u64::try_from(budget.into_inner()).ok());
    Some(RuleSource { allowed, budget, course, exceptions, points, unreported, ..source })
}

/// What a rule and a score have alike, around what they look for; `examples` names the table of examples.
pub(super) fn source(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    scopes: Option<Spanned<Vec<Scope>>>,
    matching: Option<Spanned<Matching>>,
    examples: &'static str,
) -> Option<RuleSource> {
    let id = reader.required_parsed(fields, "id");
    let title = reader.text(fields, "title", MAX_TITLE_BYTES);
    let category = reader.required_parsed(fields, "category");
    let level = fields.get("level").and_then(|value| level(reader, value, "level"));
    let levels = levels(reader, fields);
    let bands = bands::bands(reader, fields);
    let guidance = reader.text(fields, "guidance", MAX_GUIDANCE_BYTES);
    let cooldown_s = cooldown(reader, fields);
    let examples = examples::examples(reader, fields, examples);
    Some(RuleSource {
        id: id?,
        title: title?.into_inner(),
        category: category?,
        level,
        levels,
        bands,
        scopes: scopes?,
        guidance: guidance?.into_inner(),
        cooldown_s,
        course: CourseSource::default(),
        budget: None,
        matching: matching?,
        exceptions: Vec::new(),
        allowed: Vec::new(),
        examples,
        points: None,
        unreported: None,
    })
}

fn points(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Spanned<Weight>> {
    let value = fields.get("score")?;
    let points = bands::weight(reader, value, "score", &POINTS)?;
    Some(Spanned::new(value.span(), points))
}

fn unreported(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Range<usize>> {
    let value = fields.get("report")?;
    let report = value.get_ref().as_bool();
    if report.is_none() {
        reader.wrong_type(value, "true or false");
    }
    (report == Some(false)).then(|| value.span())
}

pub(super) fn level(reader: &mut Reader<'_>, value: &Value<'_>, key: &str) -> Option<Spanned<Level>> {
    let number = reader.number(value, key, 1..=5)?;
    let level = u8::try_from(*number.get_ref()).ok().and_then(|number| Level::try_from(number).ok())?;
    Some(Spanned::new(number.span(), level))
}

pub(super) fn levels(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Vec<(Band, Spanned<Level>)> {
    let Some(value) = fields.get("levels") else { return Vec::new() };
    let Some(table) = value.get_ref().as_table() else {
        reader.wrong_type(value, "a table of levels by band");
        return Vec::new();
    };
    let mut levels = Vec::new();
    for (key, value) in table {
        let band = bands::band(reader, key);
        let level = level(reader, value, key.get_ref());
        levels.extend(band.zip(level));
    }
    levels
}

fn scopes(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Spanned<Vec<Scope>>> {
    let texts = reader.texts(fields, "scopes", Scope::ALL.len())?;
    let scopes = texts.into_iter().filter_map(|text| reader.parsed(text)).map(Spanned::into_inner).collect();
    Some(Spanned::new(fields.get("scopes")?.span(), scopes))
}

/// Seconds of `10m` and the like.
fn cooldown(reader: &mut Reader<'_>, fields: &Fields<'_>) -> u32 {
    let text = fields.get("cooldown").and_then(|value| reader.string(value));
    let Some(text) = text else { return DEFAULT_COOLDOWN_S };
    let seconds = seconds(text.get_ref()).filter(|seconds| *seconds <= MAX_COOLDOWN_S);
    if seconds.is_none() {
        let message = format!("`{}` is not a cooldown", text.get_ref());
        let help = "a whole number with s, m or h, at most 24h, such as `10m`".to_owned();
        reader.report(Code::InvalidValue, text.span(), message, "not a length of time", Some(help));
    }
    seconds.unwrap_or(DEFAULT_COOLDOWN_S)
}

pub(super) fn seconds(text: &str) -> Option<u32> {
    let unit = [("s", 1), ("m", 60), ("h", 3600)];
    let (number, seconds) = unit.iter().find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)))?;
    number.bytes().all(|b| b.is_ascii_digit()).then_some(())?;
    number.parse::<u32>().ok()?.checked_mul(*seconds)
}

fn exceptions(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Vec<Exception> {
    if let Some(value) = fields.get("except") {
        reader.bounded(value, "except", MAX_EXCEPTIONS);
    }
    reader.tables(fields, "except", |reader, fields| {
        reader.known(fields, &["phrase", "host", "reroute"]);
        match (fields.get("phrase"), fields.get("host")) {
            (Some(phrase), None) => {
                let reroute = reader.optional_parsed(fields, "reroute");
                reader.string(phrase).map(|phrase| Exception::Phrase { phrase, reroute })
            }
            (None, Some(host)) if fields.get("reroute").is_none() => {
                reader.string(host).and_then(|host| hosts::pattern(reader, host)).map(Exception::Host)
            }
            (_, _) => {
                let message = "an exception has either `phrase`, and perhaps `reroute`, or `host`";
                reader.report(Code::MissingKey, fields.span.clone(), message, "one of the two", None);
                None
            }
        }
    })
}

/// The reason stands for whoever reads the pack; what it says is theirs to judge.
fn allowed(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Allowed> {
    reader.known(fields, &["lint", "reason"]);
    let lint = reader.text(fields, "lint", MAX_REASON_BYTES);
    reader.text(fields, "reason", MAX_REASON_BYTES);
    let lint = lint?;
    match Code::lint(lint.get_ref()) {
        Ok(code) => Some(Allowed { lint: Spanned::new(lint.span(), code) }),
        Err(error) => {
            reader.report(Code::InvalidValue, lint.span(), error.to_string(), "not allowed here", None);
            None
        }
    }
}
