//! `[rule.examples]`.

use toml::Spanned;

use super::reader::{Fields, Reader};
use super::{Example, Examples, bands};
use crate::diagnostic::Code;
use crate::hashed::EntryHash;
use crate::program::CaseScope;
use crate::{Scope, Text};

/// Most examples of one kind.
const MAX_EXAMPLES: usize = 256;

/// The examples of a rule; `what` names their table.
pub(super) fn examples(reader: &mut Reader<'_>, fields: &Fields<'_>, what: &'static str) -> Examples {
    let Some(fields) = reader.required_table(fields, "examples", what) else { return Examples::default() };
    reader.known(&fields, &["must_match", "must_not_match", "todo_match"]);
    let mut of = |key| {
        if let Some(value) = fields.get(key) {
            reader.bounded(value, key, MAX_EXAMPLES);
        }
        reader.tables(&fields, key, example)
    };
    Examples { must_match: of("must_match"), must_not_match: of("must_not_match"), todo_match: of("todo_match") }
}

fn example(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Example> {
    reader.known(fields, &["scope", "text", "hash", "bands"]);
    let scope = reader.text(fields, "scope", Text::MAX_BYTES);
    let bands = bands::bands(reader, fields);
    let hash = reader.optional_parsed::<EntryHash>(fields, "hash");
    let text = match (fields.get("text"), fields.get("hash")) {
        (None, Some(hash)) => Some(Spanned::new(hash.span(), String::new())),
        (Some(_), Some(hash)) => {
            let message = "an example has either `text` or `hash`";
            reader.report(Code::MissingKey, hash.span(), message, "one of the two", None);
            None
        }
        (_, None) => reader.required(fields, "text").and_then(|value| reader.string(value)),
    };
    let scope = scope.and_then(|scope| match scope.get_ref().as_str() {
        "url" => Some(CaseScope::Url),
        _ => reader.parsed::<Scope>(scope).map(|scope| CaseScope::Text(scope.into_inner())),
    });
    Some(Example { scope: scope?, text: text?, hash: hash.map(Spanned::into_inner), bands })
}
