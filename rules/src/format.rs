//! One way to write a pack, so that a change shows what it changes.
//!
//! Keys of known tables stand in the order of [`order`], unknown ones after them. Inline tables stand on one line, lists on
//! one line or filled up to [`WIDTH`] columns, examples one a line. Plain phrases and hosts are sorted by their folded
//! words; a list, or a phrase that fills in lists, stays where it is, and so does everything that holds a comment. The
//! formatted pack compiles to the same artefact, and formatting it again changes nothing.

mod order;
mod value;

use std::fmt::Write as _;

use toml_edit::{DocumentMut, Item, Key, RawString, Table, TomlError};

use crate::pack::MAX_PACK_BYTES;

/// Longest line, in characters, where the words allow it.
const WIDTH: usize = 120;

/// Why a pack cannot be formatted.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// Larger than the compiler reads.
    #[error("a pack is at most {MAX_PACK_BYTES} bytes")]
    TooLarge,
    /// Not TOML.
    #[error("not TOML: {0}")]
    Syntax(#[from] TomlError),
}

/// A table with its header.
struct Section<'a> {
    table: &'a Table,
    /// Keys of the header, none for the document itself.
    path: Vec<&'a Key>,
    is_array: bool,
    position: isize,
}

/// Writes a pack the one way.
///
/// # Errors
///
/// When it is too large or not TOML. Whether it follows the language is for the compiler to say.
pub fn format_pack(text: &str) -> Result<String, FormatError> {
    if text.len() > MAX_PACK_BYTES {
        return Err(FormatError::TooLarge);
    }
    let document: DocumentMut = text.parse()?;
    let mut sections = Vec::new();
    let root = Section { table: document.as_table(), path: Vec::new(), is_array: false, position: -1 };
    collect(root, &mut sections);
    sections.sort_by_key(|section| section.position);
    order::subtables(&mut sections);
    let mut out = String::new();
    for section in &sections {
        section.write(&mut out);
    }
    let trailing = comments(Some(document.trailing()));
    if !trailing.is_empty() {
        let _ = write!(out, "{}{trailing}", if out.is_empty() { "" } else { "\n" });
    }
    Ok(out)
}

/// The section and every table below it that has a header of its own.
fn collect<'a>(section: Section<'a>, sections: &mut Vec<Section<'a>>) {
    let mut position = section.position;
    let below = |key: &'a Key| section.path.iter().copied().chain([key]).collect::<Vec<_>>();
    let mut nested = Vec::new();
    for (name, item) in section.table {
        let Some(key) = section.table.key(name) else { continue };
        let mut add = |table: &'a Table, is_array| {
            position = table.position().unwrap_or(position);
            nested.push(Section { table, path: below(key), is_array, position });
        };
        match item {
            Item::Table(table) => add(table, false),
            Item::ArrayOfTables(tables) => tables.iter().for_each(|table| add(table, true)),
            Item::None | Item::Value(_) => {}
        }
    }
    if section.is_written() {
        sections.push(section);
    }
    nested.into_iter().for_each(|nested| collect(nested, sections));
}

impl Section<'_> {
    /// Tables that only stand above others, and those written as `a.b = ..`, have no header.
    fn is_written(&self) -> bool {
        !self.table.is_dotted() && (self.is_array || !self.table.is_implicit() || self.has_values_at_the_top())
    }

    fn has_values_at_the_top(&self) -> bool {
        self.path.is_empty() && !self.table.get_values().is_empty()
    }

    fn write(&self, out: &mut String) {
        if !self.path.is_empty() {
            if !out.is_empty() {
                out.push('\n');
            }
            let (open, close) = if self.is_array { ("[[", "]]") } else { ("[", "]") };
            out.push_str(&comments(self.table.decor().prefix()));
            let _ = writeln!(out, "{open}{}{close}{}", dotted(&self.path), beside(self.table.decor().suffix()));
        }
        let mut values = self.table.get_values();
        values.sort_by_key(|(path, _)| order::rank(&self.path, path));
        for (path, value) in values {
            out.push_str(&comments(path.last().and_then(|key| key.leaf_decor().prefix())));
            let _ = write!(out, "{} = ", dotted(&path));
            value::write(out, path.last().map_or("", |key| key.get()), value, 0);
            let _ = writeln!(out, "{}", beside(value.decor().suffix()));
        }
    }
}

fn dotted(path: &[&Key]) -> String {
    path.iter().map(|key| key.display_repr().into_owned()).collect::<Vec<_>>().join(".")
}

/// The comment lines of what stands before a key or header, with what separates them.
fn comments(before: Option<&RawString>) -> String {
    let before = before.and_then(RawString::as_str).unwrap_or_default().trim();
    let mut lines: Vec<&str> = before.lines().map(str::trim).collect();
    lines.dedup_by(|second, first| second.is_empty() && first.is_empty());
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// The comment on the line of a value or header.
fn beside(after: Option<&RawString>) -> String {
    let after = after.and_then(RawString::as_str).unwrap_or_default().trim();
    if after.is_empty() { String::new() } else { format!(" {after}") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn formatted(text: &str) -> String {
        format_pack(text).unwrap()
    }

    #[test]
    fn keys_stand_in_order_and_comments_beside_their_keys() {
        let written = "# birds\n[[rule]] # one\nguidance='G'   # why\n\n\n# the id\nid = \"t.a\"\nsurprise = 1\n\
            [rule.examples]\nmust_match=[{scope=\"title\",text=\"owl\"}]\n[rule.match]\nphrase = \"owl\"\n\
            [pack]\nversion=1\nid=\"t\"\n# the end\n";
        let expected = "# birds\n[[rule]] # one\n# the id\nid = \"t.a\"\nguidance = 'G' # why\nsurprise = 1\n\n\
            [rule.match]\nphrase = \"owl\"\n\n\
            [rule.examples]\nmust_match = [{ scope = \"title\", text = \"owl\" }]\n\n\
            [pack]\nid = \"t\"\nversion = 1\n\n# the end\n";
        assert_eq!(formatted(written), expected);
    }

    #[test]
    fn plain_phrases_are_sorted_between_those_that_fill_in_lists() {
        let written = "[[rule]]\nmatch.any = [\"tit\", { phrase = \"Barn-Owl\", weight = 2 }, { list = \"birds\" }, \"kite\", \
            \"egret\", \"a {bird}\", \"crow\"]\nmatch.near = { groups = [\"owl\", \"nest\", \"egg\"], within = 2 }\n";
        let expected = "[[rule]]\nmatch.any = [{ phrase = \"Barn-Owl\", weight = 2 }, \"tit\", { list = \"birds\" }, \"egret\", \
            \"kite\", \"a {bird}\", \"crow\"]\nmatch.near = { groups = [\"owl\", \"nest\", \"egg\"], within = 2 }\n";
        assert_eq!(formatted(written), expected);
    }

    #[test]
    fn long_lists_are_filled_and_lists_with_comments_left_as_they_are() {
        let words: Vec<String> = (100..140).map(|n| format!("\"word{n}\"")).collect();
        let text = formatted(&format!("[[list]]\nphrases = [{}]\n", words.join(",")));
        assert!(text.lines().all(|line| line.len() <= WIDTH) && text.lines().count() == 7, "{text}");
        assert!(text.ends_with(" \"word139\",\n]\n"), "{text}");
        let commented = "[[list]]\nphrases = [\n    \"tit\", # small\n  \"owl\" ]\n";
        assert_eq!(formatted(commented), commented);
    }

    #[test]
    fn what_is_no_toml_is_refused() {
        assert!(format_pack("a = ").unwrap_err().to_string().starts_with("not TOML: "));
        assert!(matches!(format_pack(&"#".repeat(MAX_PACK_BYTES + 1)), Err(FormatError::TooLarge)));
    }

    /// Pieces that make a document of many shapes, valid or not.
    fn pieces() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "[[rule]]",
            "[rule.match]",
            "[pack]",
            "[[list]]",
            "[rule.examples]",
            "# note",
            "",
            "  ",
            "id = \"a\"",
            "x.y = 1",
            "any = [\"owl\", \"hen\", {phrase='kite'}]",
            "phrases = [ \"b\",\n\"a\", # c\n ]",
            "near = {within=2,groups=['b','a']}",
            "must_match = [{scope=\"title\",\ntext=\"owl\"}]",
            "text = \"\"\"\none\ntwo\"\"\"",
            "'odd key' = true",
            "z = {} # end",
            "hosts = [\"owls.example\", \"=hens.example\"]",
            "match.near.within = 3",
            "k = [[1, 2], []]",
        ]);
        prop::collection::vec(piece, 0..14).prop_map(|pieces| pieces.join("\n"))
    }

    proptest! {
        #[test]
        fn formatting_twice_changes_nothing(text in pieces()) {
            let Ok(once) = format_pack(&text) else { return Ok(()) };
            prop_assert_eq!(format_pack(&once).unwrap(), once);
        }

        #[test]
        fn formatting_keeps_every_key_value_and_comment(text in pieces()) {
            let Ok(once) = format_pack(&text) else { return Ok(()) };
            let letters = |text: &str| {
                let mut letters: Vec<char> = text.chars().filter(|c| !c.is_whitespace() && *c != ',').collect();
                letters.sort_unstable();
                letters
            };
            prop_assert_eq!(letters(&once), letters(&text));
        }
    }
}
