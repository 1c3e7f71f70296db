//! Rows and header of a CSV file, read by the names of its columns, whoever wrote it.

use csv::{Reader, ReaderBuilder, StringRecord, Trim};

use super::RowFault;
use super::decode::{self, Lines};

/// Columns of the widest export known, doubled.
const MAX_COLUMNS: usize = 128;

/// A table: its header, and rows still to be read.
pub(crate) struct Table<'a> {
    reader: Reader<&'a [u8]>,
    lines: Lines<'a>,
    header: StringRecord,
    /// A quote that is never closed: nothing of its row and after it is read.
    open: Option<RowFault>,
}

impl<'a> Table<'a> {
    /// Reads the header of a file of up to `max_bytes`.
    ///
    /// # Errors
    ///
    /// When it is too large, no text, too wide, or its header is in a quote that is never closed.
    pub(crate) fn of(bytes: &'a [u8], max_bytes: usize) -> Result<Self, RowFault> {
        let text = decode::text(bytes, max_bytes)?;
        let open = decode::open_quote(text);
        let whole = open.map_or(text, |open| text.get(..open.row_begins).unwrap_or_default());
        let open = open.map(|open| {
            RowFault::new(open.line, "", "a quote is opened and never closed: nothing after it can be read")
        });
        let mut reader = ReaderBuilder::new().flexible(true).trim(Trim::All).from_reader(whole.as_bytes());
        let header = reader.headers().map_err(|error| unreadable(&error))?.clone();
        if header.is_empty()
            && let Some(open) = open
        {
            return Err(open);
        }
        if header.len() > MAX_COLUMNS {
            return Err(RowFault::new(1, "", format!("more than {MAX_COLUMNS} columns")));
        }
        Ok(Self { reader, lines: Lines::of(whole), header, open })
    }

    /// The names of the columns as they are written, without space around.
    pub(crate) const fn header(&self) -> &StringRecord {
        &self.header
    }

    /// That no column is named twice; for files of other systems, whose columns are not known.
    ///
    /// # Errors
    ///
    /// When one is.
    pub(crate) fn check_names(&self) -> Result<(), RowFault> {
        let is_twice = |at: usize, name: &str| {
            !name.is_empty() && self.header.iter().take(at).any(|other| other.eq_ignore_ascii_case(name))
        };
        match self.header.iter().enumerate().find(|(at, name)| is_twice(*at, name)) {
            Some((at, _)) => Err(RowFault::new(1, "", format!("the column in place {} stands twice", at + 1))),
            None => Ok(()),
        }
    }

    /// Where the first of `names`, in lower case, stands.
    pub(crate) fn place(&self, names: &[&str]) -> Option<usize> {
        names.iter().find_map(|name| self.header.iter().position(|column| column.to_lowercase() == *name))
    }

    /// The rows with their lines; those that are empty are left out. What cannot be read comes last.
    pub(crate) fn rows(&mut self) -> impl Iterator<Item = Result<(u64, StringRecord), RowFault>> {
        let Self { reader, lines, header, open } = self;
        let width = header.len();
        let rows = reader.records().map(move |record| {
            let record = record.map_err(|error| unreadable(&error))?;
            let line = record.position().map_or(0, |position| lines.of_record(position.byte()));
            if record.len() != width {
                return Err(RowFault::new(line, "", format!("{} fields where the header has {width}", record.len())));
            }
            Ok((line, record))
        });
        rows.chain(open.take().map(Err))
    }
}

fn unreadable(error: &csv::Error) -> RowFault {
    RowFault::new(error.position().map_or(1, csv::Position::line), "", "the row cannot be read as CSV")
}
