//! `[[hashed]]`.

use toml::Spanned;

use super::HashedSource;
use super::reader::{Fields, Reader};
use crate::RuleId;
use crate::diagnostic::Code;
use crate::hashed::{EntryHash, HashKey, HashedKind, HashedList, MAX_HASHES, MAX_LENGTHS, MAX_WORDS};

pub(super) fn hashed(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<HashedSource> {
    reader.known(fields, &["id", "kind", "key", "words", "entries"]);
    let id = reader.text(fields, "id", RuleId::MAX_BYTES);
    let key = reader.required_parsed::<HashKey>(fields, "key");
    let kind = kind(reader, fields);
    let lengths = kind.and_then(|kind| lengths(reader, fields, kind));
    let entries = reader.texts(fields, "entries", MAX_HASHES)?;
    let mut entries: Vec<EntryHash> =
        entries.into_iter().filter_map(|entry| reader.parsed(entry).map(Spanned::into_inner)).collect();
    entries.sort_unstable();
    entries.dedup();
    Some(HashedSource { id: id?, list: HashedList::new(kind?, key?.into_inner(), lengths?, entries)? })
}

fn kind(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<HashedKind> {
    let written = reader.required(fields, "kind").and_then(|value| reader.string(value))?;
    match written.get_ref().as_str() {
        "phrase" => Some(HashedKind::Phrase),
        "url" => Some(HashedKind::Url),
        other => {
            let message = format!("`{other}` is not a kind of hashed list: expected phrase or url");
            reader.report(Code::InvalidValue, written.span(), message, "not allowed here", None);
            None
        }
    }
}

/// How many words the phrases have; addresses have none.
fn lengths(reader: &mut Reader<'_>, fields: &Fields<'_>, kind: HashedKind) -> Option<Vec<u8>> {
    match (kind, fields.get("words")) {
        (HashedKind::Url, None) => Some(Vec::new()),
        (HashedKind::Url, Some(words)) => {
            reader.report(Code::NoEffect, words.span(), "addresses have no words", "take it out", None);
            None
        }
        (HashedKind::Phrase, _) => {
            let written = reader.required(fields, "words")?;
            let entries = reader.bounded(written, "words", MAX_LENGTHS)?;
            let number = |entry| reader.number(entry, "words", 1..=i64::from(MAX_WORDS));
            let mut lengths: Vec<u8> =
                entries.iter().filter_map(number).filter_map(|words| u8::try_from(words.into_inner()).ok()).collect();
            lengths.sort_unstable();
            lengths.dedup();
            Some(lengths).filter(|lengths| !lengths.is_empty())
        }
    }
}
