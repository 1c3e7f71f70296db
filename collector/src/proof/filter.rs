//! What the school's web filter reports, as CSV or by syslog: alerts of devices that have no agent, iPads above all, come
//! into the same list of concerns, marked as coming from the filter.
//!
//! ```text
//! time,account,url,terms,category,address    generic; `time`, `category` and one of `account` and `address` are needed
//! ```
//!
//! Exports of Smoothwall, RM SafetyNet and Sophos are read by the names of their columns as their makers describe them;
//! other columns are passed over. A category that is no concern (news, sport) is left out and counted, and so is what the
//! rule set in force would not have captured where it came from: nothing of a protected host or a helpline, and of mail,
//! health and banking only what is grave. A row that was imported before adds nothing.

mod alert;
mod bring_in;
mod categories;
mod message;
mod syslog;

use csv::StringRecord;
use jiff::tz::TimeZone;

use crate::sheet::{Faults, RowFault, Table};
pub use alert::Alert;
pub(crate) use alert::RULE_PREFIX;
use alert::When;
pub(crate) use bring_in::is_filter;
pub use bring_in::{BringIn, BringInError, BroughtIn};
use message::Message;
pub(crate) use syslog::{Syslog, SyslogParts};

/// Largest file, in bytes.
pub const MAX_FILE_BYTES: usize = 16 * 1024 * 1024;
/// Most alerts of one file.
pub const MAX_ALERTS: usize = 20_000;

/// Whose export it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// Columns as this module names them.
    Generic,
    /// Smoothwall Filter: the web filter log, or the safeguarding report.
    Smoothwall,
    /// RM SafetyNet.
    Rm,
    /// Sophos Firewall.
    Sophos,
}

/// A file that was read whole.
#[derive(Debug)]
pub struct File {
    /// In order of the file.
    pub alerts: Vec<Alert>,
    /// Rows of categories that are no concern.
    pub left_out: usize,
}

/// What a source calls its columns, in lower case; the first that stands in the header counts.
struct Columns {
    date: &'static [&'static str],
    time: &'static [&'static str],
    account: &'static [&'static str],
    address: &'static [&'static str],
    url: &'static [&'static str],
    terms: &'static [&'static str],
    category: &'static [&'static str],
}

/// What one row or message says; empty where it does not.
struct Row<'a> {
    date: &'a str,
    time: &'a str,
    account: &'a str,
    address: &'a str,
    url: &'a str,
    terms: &'a str,
    category: &'a str,
}

/// A column that is not usable, and why.
type Problem = (&'static str, &'static str);

/// Where they stand.
struct Places {
    date: Option<usize>,
    time: usize,
    account: Option<usize>,
    address: Option<usize>,
    url: Option<usize>,
    terms: Option<usize>,
    category: usize,
}

impl Source {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Generic, Self::Smoothwall, Self::Rm, Self::Sophos];

    /// The one text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Generic => "generic",
            Self::Smoothwall => "smoothwall",
            Self::Rm => "rm",
            Self::Sophos => "sophos",
        }
    }

    /// What stands where a concern names its device.
    const fn name(self) -> &'static str {
        match self {
            Self::Generic => "The filter",
            Self::Smoothwall => "The filter (Smoothwall)",
            Self::Rm => "The filter (RM SafetyNet)",
            Self::Sophos => "The filter (Sophos)",
        }
    }

    const fn columns(self) -> Columns {
        match self {
            Self::Generic => Columns {
                date: &[],
                time: &["time"],
                account: &["account"],
                address: &["address"],
                url: &["url", "host"],
                terms: &["terms"],
                category: &["category"],
            },
            Self::Smoothwall => Columns {
                date: &["date"],
                time: &["time", "date / time", "date and time", "timestamp"],
                account: &["username", "user", "user (group)"],
                address: &["source ip", "client ip"],
                url: &["url", "domain / url / search term", "domain"],
                terms: &["search term", "search terms"],
                category: &["matched safeguarding categories", "safeguarding", "categories", "category"],
            },
            Self::Rm => Columns {
                date: &["date"],
                time: &["time", "date & time", "date/time", "timestamp"],
                account: &["user", "username", "user name"],
                address: &["ip address", "source ip", "device"],
                url: &["url", "web address", "domain"],
                terms: &["search term", "search terms"],
                category: &["category", "categories", "filter list"],
            },
            Self::Sophos => Columns {
                date: &["date"],
                time: &["time", "timestamp"],
                account: &["user_name", "user", "username"],
                address: &["src_ip", "source ip"],
                url: &["url", "domain"],
                terms: &["search_keyword", "search term"],
                category: &["category", "web category"],
            },
        }
    }
}

impl std::str::FromStr for Source {
    type Err = crate::ids::InvalidId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let expected = "generic, smoothwall, rm or sophos";
        let invalid = crate::ids::InvalidId { what: "format of a filter's export", expected };
        Self::ALL.into_iter().find(|one| one.as_str() == text).ok_or(invalid)
    }
}

/// Reads the whole file. Times without a zone are the school's.
///
/// # Errors
///
/// Every fault found, at most 50; then nothing of the file is to be used.
pub fn parse(bytes: &[u8], source: Source, zone: &TimeZone) -> Result<File, Vec<RowFault>> {
    let one = |fault| vec![fault];
    let mut table = Table::of(bytes, MAX_FILE_BYTES).map_err(one)?;
    let places = places(&table, &source.columns()).map_err(one)?;
    let (mut file, mut faults) = (File { alerts: Vec::new(), left_out: 0 }, Faults::default());
    for row in table.rows() {
        match row.and_then(|(line, record)| read(&places, line, &record, zone)) {
            Ok(Some(alert)) => file.alerts.push(alert),
            Ok(None) => file.left_out += 1,
            Err(fault) => faults.push(fault),
        }
        if file.alerts.len() > MAX_ALERTS {
            faults.add(0, "", format!("more than {MAX_ALERTS} alerts"));
            break;
        }
        if faults.is_full() {
            break;
        }
    }
    faults.settle(file)
}

fn places(table: &Table<'_>, columns: &Columns) -> Result<Places, RowFault> {
    table.check_names()?;
    let needed = |name: &'static str, names: &[&str]| {
        table
            .place(names)
            .ok_or_else(|| RowFault::new(1, name, format!("the column is missing: expected one of {names:?}")))
    };
    let places = Places {
        date: table.place(columns.date),
        time: needed("time", columns.time)?,
        account: table.place(columns.account),
        address: table.place(columns.address),
        url: table.place(columns.url),
        terms: table.place(columns.terms),
        category: needed("category", columns.category)?,
    };
    if places.account.is_none() && places.address.is_none() {
        return Err(RowFault::new(1, "account", "no column says whose request it was"));
    }
    if places.url.is_none() && places.terms.is_none() {
        return Err(RowFault::new(1, "url", "no column says what was asked for"));
    }
    Ok(places)
}

/// The alert of a row; `None` where its category is no concern.
fn read(places: &Places, line: u64, record: &StringRecord, zone: &TimeZone) -> Result<Option<Alert>, RowFault> {
    let field = |place: Option<usize>| place.and_then(|at| record.get(at)).unwrap_or_default();
    let row = Row {
        date: field(places.date),
        time: field(Some(places.time)),
        account: field(places.account),
        address: field(places.address),
        url: field(places.url),
        terms: field(places.terms),
        category: field(Some(places.category)),
    };
    row.alert(zone, None).map_err(|(column, problem)| RowFault::new(line, column, problem))
}

/// The alert that a syslog `message` of `source` is at `now_us`; `None` where its category is no concern. Where it has no
/// time that can be read, that of its header counts, or now, by the second.
///
/// # Errors
///
/// The field that is not usable, and why.
fn heard(source: Source, message: &Message, zone: &TimeZone, now_us: i64) -> Result<Option<Alert>, Problem> {
    let columns = source.columns();
    let field = |names: &[&str]| message.field(names);
    let row = Row {
        date: field(columns.date),
        time: field(columns.time),
        account: field(columns.account),
        address: field(columns.address),
        url: field(columns.url),
        terms: field(columns.terms),
        category: field(columns.category),
    };
    if row.category.is_empty() {
        return Err(("category", "nothing says what it is about"));
    }
    let sent_us = message.sent_us.unwrap_or(now_us);
    row.alert(zone, Some(sent_us.saturating_sub(sent_us.rem_euclid(1_000_000))))
}

impl Row<'_> {
    /// The alert; `None` where its category is no concern. Where the row has no time that can be read, it is
    /// `otherwise_us`: what is grave is not lost for it.
    fn alert(&self, zone: &TimeZone, otherwise_us: Option<i64>) -> Result<Option<Alert>, Problem> {
        let Some(category) = categories::of(self.category) else { return Ok(None) };
        let when = When { date: self.date, time: self.time };
        let at_us = when.us(zone).or(otherwise_us);
        let at_us = at_us.ok_or(("time", "it is no time: expected 2026-11-28T09:41:00Z or alike"))?;
        let who = [self.account, self.address].into_iter().find(|text| !matches!(*text, "" | "-" | "N/A"));
        let who = who.ok_or(("account", "nothing says whose request it was"))?;
        Alert::new(at_us, who, self.url, self.terms, category).map(Some)
    }
}

#[cfg(test)]
mod tests;
