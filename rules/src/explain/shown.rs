//! Texts of a device on a terminal or in a log.

/// A text as it can be printed inside a line: what would move the cursor, begin a line, turn the direction of writing or
/// not be seen at all is written out, such as `\n`, `\u{1b}` or `\u{202e}`.
///
/// Quotes and backslashes stay as they are: the result is to be read, not to be parsed.
#[must_use]
pub fn shown(text: &str) -> String {
    const KEPT: [char; 3] = ['\\', '"', '\''];
    let mut out = String::with_capacity(text.len());
    for part in text.split_inclusive(KEPT) {
        let plain = part.strip_suffix(KEPT).unwrap_or(part);
        out.extend(plain.escape_debug());
        out.push_str(part.get(plain.len()..).unwrap_or_default());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_turns_or_hides_is_written_out() {
        let told = shown("a\r\nlevel 1\u{1b}[2J\u{9b}1A\u{202e}\u{2066}\u{2028}\u{200b}\u{7f}\t");
        let expected = r"a\r\nlevel 1\u{1b}[2J\u{9b}1A\u{202e}\u{2066}\u{2028}\u{200b}\u{7f}\t";
        assert_eq!(told, expected);
    }

    #[test]
    fn words_quotes_and_accents_stay_as_they_are() {
        for text in [r#"the "owl's" C:\barn"#, "cafe\u{301} на 東京 🦉", ""] {
            assert_eq!(shown(text), text);
        }
    }
}
