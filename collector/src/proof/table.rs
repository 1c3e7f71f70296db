//! Tables that other systems export as CSV: bounded, decoded, and read by the names of their columns. A fault names line
//! and column, never a value: the message may reach a log.

use csv::{Reader, ReaderBuilder, StringRecord, Trim};

use crate::sheet::RowFault;

/// Faults reported of one file; more would not be read.
pub(crate) const MAX_FAULTS: usize = 50;
/// Columns of the widest export known, doubled.
const MAX_COLUMNS: usize = 128;

/// A table: its header, and rows still to be read.
pub(crate) struct Table<'a> {
    reader: Reader<&'a [u8]>,
    /// In lower case, without space around.
    pub(crate) header: Vec<String>,
}

/// The text of a file.
///
/// # Errors
///
/// When it is larger than `max_bytes`, or not UTF-8.
pub(crate) fn decode(bytes: &[u8], max_bytes: usize) -> Result<&str, RowFault> {
    if bytes.len() > max_bytes {
        return Err(fault(0, "", format!("the file is larger than {max_bytes} bytes")));
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(fault(1, "", "the file is UTF-16: save it as CSV UTF-8"));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
        fault(line, "", "the text is not UTF-8: save the file as CSV UTF-8")
    })
}

impl<'a> Table<'a> {
    /// Reads the header of `text`.
    ///
    /// # Errors
    ///
    /// When it cannot be read, is too wide, or names a column twice.
    pub(crate) fn of(text: &'a str) -> Result<Self, RowFault> {
        let mut reader = ReaderBuilder::new().flexible(true).trim(Trim::All).from_reader(text.as_bytes());
        let header = reader.headers().map_err(|error| unreadable(&error))?;
        if header.len() > MAX_COLUMNS {
            return Err(fault(1, "", format!("more than {MAX_COLUMNS} columns")));
        }
        let header: Vec<String> = header.iter().map(str::to_lowercase).collect();
        let is_twice =
            |(at, name): (usize, &String)| header.iter().take(at).any(|other| other == name && !name.is_empty());
        match header.iter().enumerate().find(|column| is_twice(*column)) {
            Some((at, _)) => Err(fault(1, "", format!("the column in place {} stands twice", at + 1))),
            None => Ok(Self { reader, header }),
        }
    }

    /// Where the first of `names` stands.
    pub(crate) fn place(&self, names: &[&str]) -> Option<usize> {
        names.iter().find_map(|name| self.header.iter().position(|column| column == name))
    }

    /// The rows with their lines; those that are empty are left out.
    pub(crate) fn rows(&mut self) -> impl Iterator<Item = Result<(u64, StringRecord), RowFault>> {
        let width = self.header.len();
        self.reader.records().map(move |record| {
            let record = record.map_err(|error| unreadable(&error))?;
            let line = record.position().map_or(0, csv::Position::line);
            if record.len() != width {
                return Err(fault(line, "", format!("{} fields where the header has {width}", record.len())));
            }
            Ok((line, record))
        })
    }
}

/// A fault of a row, or of the file.
pub(crate) fn fault(line: u64, column: &'static str, problem: impl Into<String>) -> RowFault {
    RowFault { line, column, problem: problem.into() }
}

/// What is wrong with a short text that a page will show; `None` for a sound one.
pub(crate) fn trouble(text: &str, max_bytes: usize) -> Option<String> {
    if text.len() > max_bytes {
        return Some(format!("longer than {max_bytes} bytes"));
    }
    if text.chars().any(char::is_control) {
        return Some("it has a control character".to_owned());
    }
    // What a spreadsheet would run when the list is exported again.
    let is_formula = text.starts_with(['=', '+', '@']);
    is_formula.then(|| "it begins as a formula does".to_owned())
}

fn unreadable(error: &csv::Error) -> RowFault {
    fault(error.position().map_or(1, csv::Position::line), "", "the row cannot be read as CSV")
}
