//! Reading people.csv. Every fault names line and column, and never a value: the message may reach a log.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use csv::{Reader, ReaderBuilder, StringRecord, Trim};
use lapwing_proto::bounds::MAX_ACCOUNT_BYTES;
use lapwing_rules::Band;

use super::Listed;
use crate::actor::Role;
use crate::subject::{Kind, account_key};

/// Largest file, in bytes.
pub const MAX_FILE_BYTES: usize = 4 * 1024 * 1024;
/// Most rows.
pub const MAX_PEOPLE: usize = 20_000;
/// Faults reported of one file; more would not be read.
const MAX_FAULTS: usize = 50;
const MAX_NAME_BYTES: usize = 128;
const MAX_CLASS_BYTES: usize = 32;
const MAX_MAIL_BYTES: usize = 254;
const MAX_ACCOUNTS: usize = 8;
const COLUMNS: [&str; 6] = ["account", "name", "role", "class", "band", "mail"];

/// What is wrong with a row, or with the file (line 0 or 1).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct RowFault {
    /// Line, from 1; 0 for the file.
    pub line: u64,
    /// Column by its name; empty for the row.
    pub column: &'static str,
    /// What is wrong.
    pub problem: String,
}

impl fmt::Display for RowFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.column {
            "" => write!(f, "line {}: {}", self.line, self.problem),
            column => write!(f, "line {}, column `{column}`: {}", self.line, self.problem),
        }
    }
}

/// Where each column stands.
struct Columns([Option<usize>; 6]);

/// The fields of one row, with what is wrong with them.
struct Row<'a> {
    line: u64,
    columns: &'a Columns,
    record: &'a StringRecord,
    faults: &'a mut Vec<RowFault>,
}

/// Reads the whole file.
///
/// # Errors
///
/// Every fault found, at most 50; then nothing of the file is to be used.
pub fn parse(bytes: &[u8]) -> Result<Vec<Listed>, Vec<RowFault>> {
    let text = decode(bytes).map_err(|fault| vec![fault])?;
    let mut reader = ReaderBuilder::new().flexible(true).trim(Trim::All).from_reader(text.as_bytes());
    let columns = columns(&mut reader).map_err(|fault| vec![fault])?;
    let mut people = Vec::new();
    let mut faults = Vec::new();
    for record in reader.records() {
        match record {
            Ok(record) => read_row(&columns, &record, &mut people, &mut faults),
            Err(error) => faults.push(unreadable(&error)),
        }
        if people.len() > MAX_PEOPLE {
            faults.push(fault(0, "", format!("more than {MAX_PEOPLE} people")));
        }
        if faults.len() >= MAX_FAULTS {
            break;
        }
    }
    find_doubles(&people, &mut faults);
    if people.is_empty() && faults.is_empty() {
        faults.push(fault(1, "", "no people below the header"));
    }
    faults.truncate(MAX_FAULTS);
    faults.sort_by_key(|fault| fault.line);
    if faults.is_empty() { Ok(people) } else { Err(faults) }
}

fn decode(bytes: &[u8]) -> Result<&str, RowFault> {
    if bytes.len() > MAX_FILE_BYTES {
        return Err(fault(0, "", format!("the file is larger than {MAX_FILE_BYTES} bytes")));
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

fn columns(reader: &mut Reader<&[u8]>) -> Result<Columns, RowFault> {
    let header = reader.headers().map_err(|error| unreadable(&error))?;
    let mut columns = Columns([None; 6]);
    for (index, name) in header.iter().enumerate() {
        let place = COLUMNS.iter().zip(&mut columns.0).find(|(column, _)| name.eq_ignore_ascii_case(column));
        match place {
            Some((_, place @ None)) => *place = Some(index),
            Some((column, Some(_))) => return Err(fault(1, column, "the column stands twice")),
            None => return Err(fault(1, "", format!("unknown column in place {}: expected {COLUMNS:?}", index + 1))),
        }
    }
    match COLUMNS.iter().zip(&columns.0).find(|(name, place)| place.is_none() && **name != "mail") {
        Some((name, _)) => Err(fault(1, name, "the column is missing")),
        None => Ok(columns),
    }
}

fn read_row(columns: &Columns, record: &StringRecord, people: &mut Vec<Listed>, faults: &mut Vec<RowFault>) {
    let line = record.position().map_or(0, csv::Position::line);
    let before = faults.len();
    let expected = columns.0.iter().flatten().count();
    if record.len() != expected {
        faults.push(fault(line, "", format!("{} fields where the header has {expected}", record.len())));
        return;
    }
    let mut row = Row { line, columns, record, faults };
    let (kind, roles) = row.roles();
    let listed = Listed {
        line,
        accounts: row.accounts(),
        name: row.text("name", MAX_NAME_BYTES),
        kind,
        roles,
        class: row.text("class", MAX_CLASS_BYTES),
        band: row.band(kind),
        mail: row.mail(),
    };
    if listed.name.is_empty() {
        row.fault("name", "it is empty");
    }
    if listed.accounts.is_empty() && (listed.mail.is_empty() || matches!(kind, Kind::Pupil | Kind::Shared)) {
        row.fault("account", "it is empty, and no mail address of a member of staff stands in its place");
    }
    if faults.len() == before {
        people.push(listed);
    }
}

impl Row<'_> {
    fn get(&self, column: &str) -> &str {
        let places = COLUMNS.iter().zip(&self.columns.0);
        let place = places.into_iter().find(|(name, _)| **name == column).and_then(|(_, place)| *place);
        place.and_then(|place| self.record.get(place)).unwrap_or_default()
    }

    fn fault(&mut self, column: &'static str, problem: impl Into<String>) {
        self.faults.push(fault(self.line, column, problem));
    }

    fn text(&mut self, column: &'static str, max_bytes: usize) -> String {
        let text = self.get(column).to_owned();
        if text.len() > max_bytes {
            self.fault(column, format!("longer than {max_bytes} bytes"));
        } else if text.chars().any(char::is_control) {
            self.fault(column, "it has a control character");
        }
        text
    }

    fn accounts(&mut self) -> BTreeSet<String> {
        let text = self.get("account").to_owned();
        let accounts: Vec<_> = text.split(';').map(account_key).filter(|account| !account.is_empty()).collect();
        if accounts.len() > MAX_ACCOUNTS {
            self.fault("account", format!("more than {MAX_ACCOUNTS} accounts"));
        }
        for account in &accounts {
            if account.len() > MAX_ACCOUNT_BYTES || account.chars().any(char::is_control) {
                self.fault("account", format!("an account has 1 to {MAX_ACCOUNT_BYTES} bytes, no control character"));
            }
        }
        accounts.into_iter().collect()
    }

    /// One kind at most; roles go with staff alone.
    fn roles(&mut self) -> (Kind, BTreeSet<Role>) {
        let text = self.get("role").to_lowercase();
        let mut kinds = BTreeSet::new();
        let mut roles = BTreeSet::new();
        for word in text.split(';').map(str::trim).filter(|word| !word.is_empty()) {
            match (word.parse::<Kind>(), word.parse::<Role>()) {
                (Ok(kind), _) => drop(kinds.insert(kind)),
                (_, Ok(role)) => drop(roles.insert(role)),
                (Err(_), Err(_)) => self.fault("role", format!("unknown role: expected some of {}", role_words())),
            }
        }
        let mut kinds = kinds.into_iter();
        let kind = match (kinds.next(), kinds.next()) {
            (Some(kind), None) => kind,
            (None, _) if !roles.is_empty() => Kind::Staff,
            (None, _) => {
                if text.trim().is_empty() {
                    self.fault("role", "it is empty");
                }
                Kind::Staff
            }
            (Some(kind), Some(_)) => {
                self.fault("role", "only one of pupil, staff, shared and guest fits a row");
                kind
            }
        };
        if kind != Kind::Staff && !roles.is_empty() {
            self.fault("role", format!("a {} holds no role", kind.as_str()));
        }
        (kind, roles)
    }

    fn band(&mut self, kind: Kind) -> Band {
        let text = self.get("band").to_lowercase();
        if let Ok(band) = text.parse() {
            return band;
        }
        if !text.is_empty() {
            self.fault("band", "unknown band: expected eyfs, ks1 to ks5, post19, staff, guest or shared");
            return Band::Shared;
        }
        match kind {
            Kind::Pupil => {
                self.fault("band", "it is empty, and a pupil's rules depend on it");
                Band::Shared
            }
            Kind::Staff => Band::Staff,
            Kind::Guest => Band::Guest,
            Kind::Shared => Band::Shared,
        }
    }

    fn mail(&mut self) -> String {
        let mail = self.text("mail", MAX_MAIL_BYTES).to_lowercase();
        let sound = mail.split_once('@').is_some_and(|(local, host)| !local.is_empty() && host.contains('.'));
        if !mail.is_empty() && (!sound || mail.chars().any(char::is_whitespace)) {
            self.fault("mail", "it is no mail address");
        }
        mail
    }
}

fn find_doubles(people: &[Listed], faults: &mut Vec<RowFault>) {
    let mut accounts = BTreeMap::new();
    let mut mails = BTreeMap::new();
    for listed in people {
        for account in &listed.accounts {
            if let Some(first) = accounts.insert(account, listed.line) {
                faults.push(fault(listed.line, "account", format!("an account stands in line {first} already")));
            }
        }
        if !listed.mail.is_empty()
            && let Some(first) = mails.insert(&listed.mail, listed.line)
        {
            faults.push(fault(listed.line, "mail", format!("the address stands in line {first} already")));
        }
    }
}

fn role_words() -> String {
    let kinds = Kind::ALL.iter().map(|kind| kind.as_str());
    kinds.chain(Role::ALL.iter().map(|role| role.as_str())).collect::<Vec<_>>().join(", ")
}

fn unreadable(error: &csv::Error) -> RowFault {
    fault(error.position().map_or(1, csv::Position::line), "", "the row cannot be read as CSV")
}

fn fault(line: u64, column: &'static str, problem: impl Into<String>) -> RowFault {
    RowFault { line, column, problem: problem.into() }
}
