//! A CSV file that somebody gives: bounded, checked whole, and every fault told with its line and column.
//!
//! A fault never repeats what a field says: the message may reach a log. No cell may begin as a formula does, so that
//! none comes out of an export as one.

mod decode;
mod table;

use std::fmt;

use csv::StringRecord;

pub(crate) use table::Table;

/// Faults told of one file; more would not be read.
pub const MAX_FAULTS: usize = 50;
/// What a spreadsheet takes for the begin of a formula, with the wide forms of the same signs.
const FORMULA: [char; 8] = ['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];

/// What is wrong with a row, or with the file (line 0 or 1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub struct RowFault {
    /// Line, from 1; 0 for the file.
    pub line: u64,
    /// Column by its name; empty for the row.
    pub column: &'static str,
    /// What is wrong.
    pub problem: String,
}

/// Columns a file has, and how large it may be.
pub(crate) struct Shape {
    /// In the order they are documented in.
    pub(crate) columns: &'static [&'static str],
    /// Those that may not be left out.
    pub(crate) needed: &'static [&'static str],
    pub(crate) max_bytes: usize,
    pub(crate) max_rows: usize,
}

/// What is wrong with a file so far.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<RowFault>);

/// The fields of one row.
pub(crate) struct Cells<'a> {
    line: u64,
    header: &'a Header,
    record: &'a StringRecord,
    faults: &'a mut Faults,
}

/// Which column stands in which place.
struct Header(Vec<&'static str>);

impl fmt::Display for RowFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.column {
            "" => write!(f, "line {}: {}", self.line, self.problem),
            column => write!(f, "line {}, column `{column}`: {}", self.line, self.problem),
        }
    }
}

impl RowFault {
    pub(crate) fn new(line: u64, column: &'static str, problem: impl Into<String>) -> Self {
        Self { line, column, problem: problem.into() }
    }
}

impl Faults {
    /// Whether something is wrong.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How much is.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Notes a fault.
    pub(crate) fn push(&mut self, fault: RowFault) {
        self.0.push(fault);
    }

    /// Notes that something is wrong.
    pub(crate) fn add(&mut self, line: u64, column: &'static str, problem: impl Into<String>) {
        self.0.push(RowFault::new(line, column, problem));
    }

    /// Whether no more are told.
    pub(crate) fn is_full(&self) -> bool {
        self.0.len() >= MAX_FAULTS
    }

    /// `value`, unless something is wrong: then the first faults, in order of their lines.
    pub(crate) fn settle<T>(self, value: T) -> Result<T, Vec<RowFault>> {
        let mut faults = self.0;
        if faults.is_empty() {
            return Ok(value);
        }
        faults.sort();
        faults.truncate(MAX_FAULTS);
        Err(faults)
    }
}

/// Reads every row by `row`. What it answers of a row with a fault is dropped.
///
/// # Errors
///
/// What is wrong with the file as a whole; faults of rows come beside what was read, for more to be added.
pub(crate) fn read<T>(
    bytes: &[u8],
    shape: &Shape,
    mut row: impl FnMut(&mut Cells<'_>) -> T,
) -> Result<(Vec<T>, Faults), Vec<RowFault>> {
    let mut table = Table::of(bytes, shape.max_bytes).map_err(|fault| vec![fault])?;
    let mut faults = Faults::default();
    let header = match header(table.header(), shape) {
        Ok(header) => header,
        Err(fault) => return Err(vec![fault]),
    };
    let mut rows = Vec::new();
    for record in table.rows() {
        match record {
            Ok((line, record)) => rows.extend(read_row(&header, line, &record, &mut faults, &mut row)),
            Err(fault) => faults.0.push(fault),
        }
        if rows.len() > shape.max_rows {
            faults.add(0, "", format!("more than {} rows", shape.max_rows));
            break;
        }
        if faults.is_full() {
            break;
        }
    }
    if rows.is_empty() && faults.0.is_empty() {
        faults.add(1, "", "nothing stands below the header");
    }
    Ok((rows, faults))
}

fn read_row<T>(
    header: &Header,
    line: u64,
    record: &StringRecord,
    faults: &mut Faults,
    row: &mut impl FnMut(&mut Cells<'_>) -> T,
) -> Option<T> {
    let before = faults.0.len();
    let read = row(&mut Cells { line, header, record, faults });
    (faults.0.len() == before).then_some(read)
}

fn header(written: &StringRecord, shape: &Shape) -> Result<Header, RowFault> {
    let mut header = Header(Vec::new());
    for (index, name) in written.iter().enumerate() {
        let Some(column) = shape.columns.iter().find(|column| name.eq_ignore_ascii_case(column)) else {
            return Err(RowFault::new(1, "", unknown(index, written, shape)));
        };
        if header.0.contains(column) {
            return Err(RowFault::new(1, column, "the column stands twice"));
        }
        header.0.push(column);
    }
    match shape.needed.iter().find(|column| !header.0.contains(column)) {
        Some(column) => Err(RowFault::new(1, column, "the column is missing")),
        None => Ok(header),
    }
}

fn unknown(index: usize, written: &StringRecord, shape: &Shape) -> String {
    let alone = written.len() == 1;
    let split = |sign: char| alone && written.iter().any(|name| name.contains(sign));
    if split(';') || split('\t') {
        return "fields are separated by commas, not by semicolons or tabs: save the file as CSV UTF-8".to_owned();
    }
    format!("unknown column in place {}: expected {}", index + 1, shape.columns.join(", "))
}

impl Cells<'_> {
    /// The row's line.
    pub(crate) const fn line(&self) -> u64 {
        self.line
    }

    /// Whether the file has the column.
    pub(crate) fn has(&self, column: &str) -> bool {
        self.header.0.contains(&column)
    }

    /// The field as it stands; empty where the file has no such column.
    pub(crate) fn get(&self, column: &str) -> &str {
        let place = self.header.0.iter().position(|name| *name == column);
        place.and_then(|place| self.record.get(place)).unwrap_or_default()
    }

    /// Notes that something is wrong with the row.
    pub(crate) fn fault(&mut self, column: &'static str, problem: impl Into<String>) {
        self.faults.add(self.line, column, problem);
    }

    /// The field, checked as text that a person reads.
    pub(crate) fn text(&mut self, column: &'static str, max_bytes: usize) -> String {
        let text = self.get(column).to_owned();
        self.check(column, &text, max_bytes);
        text
    }

    /// The parts of the field between `;`, each checked as text, without empty ones.
    pub(crate) fn parts(&mut self, column: &'static str, max_bytes: usize, max_parts: usize) -> Vec<String> {
        let text = self.get(column).to_owned();
        let parts: Vec<_> = text.split(';').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect();
        if parts.len() > max_parts {
            self.fault(column, format!("more than {max_parts} of them"));
        }
        // One fault a field: more of them would say the same.
        let bad = parts.iter().find_map(|part| problem(part, max_bytes));
        if let Some(problem) = bad {
            self.fault(column, problem);
        }
        parts
    }

    fn check(&mut self, column: &'static str, text: &str, max_bytes: usize) {
        if let Some(problem) = problem(text, max_bytes) {
            self.fault(column, problem);
        }
    }
}

/// What is wrong with a short text that a page will show; `None` for a sound one.
pub(crate) fn problem(text: &str, max_bytes: usize) -> Option<String> {
    if text.len() > max_bytes {
        return Some(format!("longer than {max_bytes} bytes"));
    }
    if text.contains(is_unseen) {
        return Some("it has a control character".to_owned());
    }
    text.starts_with(FORMULA).then(|| "it begins as a formula does (= + - @)".to_owned())
}

/// Control characters, and those that turn the direction of writing round or show nothing. The joiners that some
/// scripts need are none.
pub(crate) fn is_unseen(c: char) -> bool {
    let shows_nothing = matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}');
    c.is_control() || shows_nothing || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests;
