//! Taking typed values out of a TOML document, with a diagnostic for each that is not as it should be.

use std::fmt::Display;
use std::ops::{Range, RangeInclusive};
use std::str::FromStr;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::diagnostic::{Code, Diagnostic, Source};

/// A value and its place.
pub(super) type Value<'a> = Spanned<DeValue<'a>>;

/// The keys of one table.
pub(super) struct Fields<'a> {
    table: &'a DeTable<'a>,
    pub(super) span: Range<usize>,
    what: &'static str,
}

impl<'a> Fields<'a> {
    pub(super) fn new(table: &'a DeTable<'a>, span: Range<usize>, what: &'static str) -> Self {
        Self { table, span, what }
    }

    pub(super) fn get(&self, key: &str) -> Option<&'a Value<'a>> {
        self.table.get(key)
    }

    /// The first key that is one of `keys`, as written.
    pub(super) fn keys_among(&self, keys: &[&str]) -> Vec<(&'a str, Range<usize>)> {
        let among = self.table.keys().filter(|key| keys.contains(&&**key.get_ref()));
        among.map(|key| (&**key.get_ref(), key.span())).collect()
    }
}

/// Collects diagnostics about one source.
pub(super) struct Reader<'d> {
    source: Arc<Source>,
    diagnostics: &'d mut Vec<Diagnostic>,
}

impl<'d> Reader<'d> {
    pub(super) fn new(source: &Arc<Source>, diagnostics: &'d mut Vec<Diagnostic>) -> Self {
        Self { source: Arc::clone(source), diagnostics }
    }

    /// Reports a mistake.
    pub(super) fn report(
        &mut self,
        code: Code,
        span: Range<usize>,
        message: impl Into<String>,
        label: impl Into<String>,
        help: Option<String>,
    ) {
        let mut diagnostic = Diagnostic::new(code, &self.source, span, message, label);
        if let Some(help) = help {
            diagnostic = diagnostic.help(help);
        }
        self.diagnostics.push(diagnostic);
    }

    /// Reports what the TOML parser found.
    pub(super) fn syntax(&mut self, error: &toml::de::Error) {
        let span = error.span().unwrap_or(0..0);
        self.report(Code::Syntax, span, format!("not TOML: {}", error.message()), "here", None);
    }

    /// Refuses keys that are none of `known`.
    pub(super) fn known(&mut self, fields: &Fields<'_>, known: &[&str]) {
        for key in fields.table.keys().filter(|key| !known.contains(&&**key.get_ref())) {
            let message = format!("`{}` is not a key of {}", key.get_ref(), fields.what);
            let help = format!("known keys: {}", known.join(", "));
            self.report(Code::UnknownKey, key.span(), message, "unknown key", Some(help));
        }
    }

    /// A key that must be there.
    pub(super) fn required<'a>(&mut self, fields: &Fields<'a>, key: &str) -> Option<&'a Value<'a>> {
        let value = fields.get(key);
        if value.is_none() {
            let message = format!("{} needs `{key}`", fields.what);
            self.report(Code::MissingKey, fields.span.clone(), message, format!("`{key}` is missing"), None);
        }
        value
    }

    pub(super) fn required_table<'a>(
        &mut self,
        fields: &Fields<'a>,
        key: &str,
        what: &'static str,
    ) -> Option<Fields<'a>> {
        let value = self.required(fields, key)?;
        self.table(value, what)
    }

    pub(super) fn table<'a>(&mut self, value: &'a Value<'a>, what: &'static str) -> Option<Fields<'a>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.wrong_type(value, "a table");
        }
        table.map(|table| Fields::new(table, value.span(), what))
    }

    /// The tables of an array of tables, each read by `read`. An absent key is an empty array.
    pub(super) fn tables<'a, T>(
        &mut self,
        fields: &Fields<'a>,
        key: &'static str,
        mut read: impl FnMut(&mut Self, &Fields<'a>) -> Option<T>,
    ) -> Vec<T> {
        let Some(value) = fields.get(key) else { return Vec::new() };
        let what = match key {
            "rule" => "`[[rule]]`",
            "score" => "`[[score]]`",
            "list" => "`[[list]]`",
            "hashed" => "`[[hashed]]`",
            "domains" => "`[[domains]]`",
            "except" => "an exception",
            "allow" => "an allowed lint",
            "tune" => "`[[tune]]`",
            _ => "an example",
        };
        let entries = self.array(value).unwrap_or_default();
        entries.iter().filter_map(|entry| self.table(entry, what).and_then(|fields| read(self, &fields))).collect()
    }

    pub(super) fn array<'a>(&mut self, value: &'a Value<'a>) -> Option<&'a [Value<'a>]> {
        let Some(array) = value.get_ref().as_array() else {
            self.wrong_type(value, "an array");
            return None;
        };
        Some(array)
    }

    /// A text that must be there, of 1 to `max_bytes` bytes.
    pub(super) fn text(&mut self, fields: &Fields<'_>, key: &str, max_bytes: usize) -> Option<Spanned<String>> {
        let value = self.required(fields, key)?;
        let text = self.string(value)?;
        if text.get_ref().trim().is_empty() || text.get_ref().len() > max_bytes {
            let message = format!("`{key}` is a text of 1 to {max_bytes} bytes");
            self.report(Code::OutOfBounds, text.span(), message, format!("{} bytes", text.get_ref().len()), None);
            return None;
        }
        Some(text)
    }

    pub(super) fn string(&mut self, value: &Value<'_>) -> Option<Spanned<String>> {
        let Some(text) = value.get_ref().as_str() else {
            self.wrong_type(value, "a text");
            return None;
        };
        Some(Spanned::new(value.span(), text.to_owned()))
    }

    /// An array of texts that must be there, of 1 to `max` entries.
    pub(super) fn texts(&mut self, fields: &Fields<'_>, key: &str, max: usize) -> Option<Vec<Spanned<String>>> {
        let value = self.required(fields, key)?;
        let entries = self.bounded(value, key, max)?;
        Some(entries.iter().filter_map(|entry| self.string(entry)).collect())
    }

    /// An array of 1 to `max` entries.
    pub(super) fn bounded<'a>(&mut self, value: &'a Value<'a>, key: &str, max: usize) -> Option<&'a [Value<'a>]> {
        let entries = self.array(value)?;
        if entries.is_empty() || entries.len() > max {
            let message = format!("`{key}` has 1 to {max} entries");
            self.report(Code::OutOfBounds, value.span(), message, format!("{} entries", entries.len()), None);
            return None;
        }
        Some(entries)
    }

    /// An integer within `range`, or `default` when the key is absent; without a default it must be there.
    pub(super) fn integer(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        range: RangeInclusive<i64>,
        default: Option<i64>,
    ) -> Option<Spanned<i64>> {
        let value = match (fields.get(key), default) {
            (None, Some(default)) => return Some(Spanned::new(fields.span.clone(), default)),
            (_, _) => self.required(fields, key)?,
        };
        self.number(value, key, range)
    }

    pub(super) fn number(&mut self, value: &Value<'_>, key: &str, range: RangeInclusive<i64>) -> Option<Spanned<i64>> {
        let Some(integer) = value.get_ref().as_integer() else {
            self.wrong_type(value, "a whole number");
            return None;
        };
        let number = i64::from_str_radix(integer.as_str(), integer.radix()).ok();
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            let message = format!("`{key}` is a whole number from {} to {}", range.start(), range.end());
            self.report(Code::OutOfBounds, value.span(), message, "out of bounds", None);
        }
        number.map(|number| Spanned::new(value.span(), number))
    }

    /// A boolean, false when the key is absent.
    pub(super) fn flag(&mut self, fields: &Fields<'_>, key: &str) -> bool {
        let Some(value) = fields.get(key) else { return false };
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            self.wrong_type(value, "true or false");
        }
        flag.unwrap_or(false)
    }

    /// A text that must be there, in the form of `T`.
    pub(super) fn required_parsed<T: FromStr<Err: Display>>(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
    ) -> Option<Spanned<T>> {
        let value = self.required(fields, key)?;
        let text = self.string(value)?;
        self.parsed(text)
    }

    /// A text in the form of `T`, if the key is there.
    pub(super) fn optional_parsed<T: FromStr<Err: Display>>(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
    ) -> Option<Spanned<T>> {
        let text = self.string(fields.get(key)?)?;
        self.parsed(text)
    }

    pub(super) fn parsed<T: FromStr<Err: Display>>(&mut self, text: Spanned<String>) -> Option<Spanned<T>> {
        match text.get_ref().parse() {
            Ok(value) => Some(Spanned::new(text.span(), value)),
            Err(error) => {
                self.report(Code::InvalidValue, text.span(), error.to_string(), "not allowed here", None);
                None
            }
        }
    }

    pub(super) fn wrong_type(&mut self, value: &Value<'_>, expected: &str) {
        let found = value.get_ref().type_str();
        let message = format!("expected {expected}, found {found}");
        self.report(Code::WrongType, value.span(), message, format!("this is {found}"), None);
    }
}
