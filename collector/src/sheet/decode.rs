//! From bytes to text, and whether every quote in it is closed.

use super::RowFault;

/// Where a quote that is never closed stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OpenQuote {
    pub(super) line: u64,
    /// Byte at which its row begins.
    pub(super) row_begins: usize,
}

/// Which line each record begins in: asked from the first to the last.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    line: u64,
}

impl<'a> Lines<'a> {
    pub(super) const fn of(text: &'a str) -> Self {
        Self { bytes: text.as_bytes(), at: 0, line: 1 }
    }

    /// The line of the record that the CSV reader says begins at `byte`: it counts what ends the line before, and empty
    /// lines, as the record's.
    pub(super) fn of_record(&mut self, byte: u64) -> u64 {
        let begins = usize::try_from(byte).unwrap_or(usize::MAX);
        while let Some(byte) = self.bytes.get(self.at) {
            let ends_line = *byte == b'\n' || (*byte == b'\r' && self.bytes.get(self.at + 1) != Some(&b'\n'));
            if self.at >= begins && !matches!(byte, b'\r' | b'\n') {
                break;
            }
            self.line += u64::from(ends_line);
            self.at += 1;
        }
        self.line
    }
}

/// The file as text, without its mark of UTF-8.
pub(super) fn text(bytes: &[u8], max_bytes: usize) -> Result<&str, RowFault> {
    if bytes.len() > max_bytes {
        return Err(RowFault::new(0, "", format!("the file is larger than {max_bytes} bytes")));
    }
    if is_utf_16(bytes) {
        return Err(RowFault::new(1, "", "the file is UTF-16: save it as CSV UTF-8"));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let (before, rest) = bytes.split_at_checked(error.valid_up_to()).unwrap_or((bytes, &[]));
        let line = before.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
        let said = match rest.first() {
            // Bytes that Windows-1252 gives no letter.
            None | Some(0x81 | 0x8d | 0x8f | 0x90 | 0x9d) => "the text is not UTF-8: save the file as CSV UTF-8",
            Some(_) => "the text is not UTF-8 but looks like Windows-1252: save the file as CSV UTF-8",
        };
        RowFault::new(line, "", said)
    })
}

/// By its mark, or by a first letter of two bytes.
fn is_utf_16(bytes: &[u8]) -> bool {
    matches!(bytes, [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, ..] | [_, 0, ..])
}

/// Reads quotes as the CSV reader does: one opens a field at its very beginning, two inside it are one.
pub(super) fn open_quote(text: &str) -> Option<OpenQuote> {
    let (mut line, mut row_begins) = (1, 0);
    let mut open: Option<OpenQuote> = None;
    let mut at_start = true;
    let mut bytes = text.bytes().enumerate().peekable();
    while let Some((at, byte)) = bytes.next() {
        line += u64::from(byte == b'\n');
        match (open, byte) {
            (Some(_), b'"') if bytes.peek().is_some_and(|(_, next)| *next == b'"') => drop(bytes.next()),
            (Some(_), b'"') => open = None,
            (Some(_), _) => {}
            (None, b'"') if at_start => open = Some(OpenQuote { line, row_begins }),
            (None, b'\n' | b'\r') => row_begins = at + 1,
            (None, _) => {}
        }
        at_start = open.is_none() && matches!(byte, b',' | b'\n' | b'\r');
    }
    open
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_that_stays_open_is_told_with_its_row() {
        assert_eq!(open_quote("a,b\n\"x\",\"y\"\"\nz\"\n"), None);
        assert_eq!(open_quote("a,b\nx,5\" disk\n"), None);
        assert_eq!(open_quote("a,b\nx,\"y\nz,w\n"), Some(OpenQuote { line: 2, row_begins: 4 }));
        assert_eq!(open_quote("a\r\n\"x\"\"\r\n"), Some(OpenQuote { line: 2, row_begins: 3 }));
    }
}
