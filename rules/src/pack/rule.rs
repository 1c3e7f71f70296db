//! `[[rule]]`.

use toml::Spanned;

use super::reader::{Fields, Reader, Value};
use super::{Example, Exception, MAX_TITLE_BYTES, RuleSource};
use super::{course, matching};
use crate::diagnostic::Code;
use crate::program::CaseScope;
use crate::{Band, Level, Scope, Text};

const MAX_GUIDANCE_BYTES: usize = 1024;
const MAX_EXCEPTIONS: usize = 1024;
const MAX_EXAMPLES: usize = 256;
const DEFAULT_COOLDOWN_S: u32 = 600;
const MAX_COOLDOWN_S: u32 = 24 * 3600;
/// The rows that a budget is a number in.
const MAX_BUDGET: i64 = 100_000;
const KEYS: &[&str] = &[
    "id", "title", "category", "level", "levels", "bands", "scopes", "guidance", "cooldown", "after", "escalate",
    "shadow", "watch", "budget", "match", "except", "examples",
];

pub(super) fn rule(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<RuleSource> {
    reader.known(fields, KEYS);
    let id = reader.required_parsed(fields, "id");
    let title = reader.text(fields, "title", MAX_TITLE_BYTES);
    let category = reader.required_parsed(fields, "category");
    let level = fields.get("level").and_then(|value| level(reader, value, "level"));
    let levels = levels(reader, fields);
    let bands = bands(reader, fields);
    let scopes = scopes(reader, fields);
    let guidance = reader.text(fields, "guidance", MAX_GUIDANCE_BYTES);
    let cooldown_s = cooldown(reader, fields);
    let course = course::course(reader, fields);
    let budget = fields.get("budget").and_then(|value| reader.number(value, "budget", 0..=MAX_BUDGET));
    let matching = reader.required_table(fields, "match", "`[rule.match]`");
    let matching = matching.and_then(|fields| {
        let matching = matching::matching(reader, &fields)?;
        Some(Spanned::new(fields.span, matching))
    });
    let exceptions = exceptions(reader, fields);
    let (must_match, must_not_match) = examples(reader, fields);
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
        course,
        budget: budget.and_then(|budget| u64::try_from(budget.into_inner()).ok()),
        matching: matching?,
        exceptions,
        must_match,
        must_not_match,
    })
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
        let band = reader.parsed::<Band>(Spanned::new(key.span(), key.get_ref().to_string()));
        let level = level(reader, value, key.get_ref());
        levels.extend(band.map(Spanned::into_inner).zip(level));
    }
    levels
}

fn bands(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Spanned<Vec<Band>>> {
    let span = fields.get("bands")?.span();
    let texts = reader.texts(fields, "bands", Band::ALL.len())?;
    let bands = texts.into_iter().filter_map(|text| reader.parsed(text)).map(Spanned::into_inner).collect();
    Some(Spanned::new(span, bands))
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
                reader.string(host).and_then(|host| reader.parsed(host)).map(Exception::Host)
            }
            (_, _) => {
                let message = "an exception has either `phrase`, and perhaps `reroute`, or `host`";
                reader.report(Code::MissingKey, fields.span.clone(), message, "one of the two", None);
                None
            }
        }
    })
}

fn examples(reader: &mut Reader<'_>, fields: &Fields<'_>) -> (Vec<Example>, Vec<Example>) {
    let Some(fields) = reader.required_table(fields, "examples", "`[rule.examples]`") else {
        return (Vec::new(), Vec::new());
    };
    reader.known(&fields, &["must_match", "must_not_match"]);
    let mut examples = |key| {
        if let Some(value) = fields.get(key) {
            reader.bounded(value, key, MAX_EXAMPLES);
        }
        reader.tables(&fields, key, example)
    };
    (examples("must_match"), examples("must_not_match"))
}

fn example(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Example> {
    reader.known(fields, &["scope", "text"]);
    let scope = reader.text(fields, "scope", Text::MAX_BYTES);
    let text = fields.get("text").and_then(|value| reader.string(value));
    if fields.get("text").is_none() {
        reader.required(fields, "text");
    }
    let scope = scope.and_then(|scope| match scope.get_ref().as_str() {
        "url" => Some(CaseScope::Url),
        _ => reader.parsed::<Scope>(scope).map(|scope| CaseScope::Text(scope.into_inner())),
    });
    Some(Example { scope: scope?, text: text? })
}
