//! Reading people.csv. Every fault names line and column, and never a value: the message may reach a log.

use std::collections::{BTreeMap, BTreeSet};

use lapwing_proto::bounds::MAX_ACCOUNT_BYTES;
use lapwing_rules::Band;

use super::{Listed, YearGroup};
use crate::actor::Role;
use crate::sheet::{self, Cells, Faults, RowFault, Shape};
use crate::subject::{Kind, account_key};

/// Largest file, in bytes.
pub const MAX_FILE_BYTES: usize = 32 * 1024 * 1024;
/// Most rows.
pub const MAX_PEOPLE: usize = 100_000;
const MAX_NAME_BYTES: usize = 128;
const MAX_CLASS_BYTES: usize = 32;
const MAX_REFERENCE_BYTES: usize = 64;
const MAX_GENDER_BYTES: usize = 32;
const MAX_MAIL_BYTES: usize = 254;
const MAX_ACCOUNTS: usize = 8;
const MAX_TAUGHT: usize = 64;
const SHAPE: Shape = Shape {
    columns: &[
        "account",
        "name",
        "role",
        "class",
        "band",
        "mail",
        "reference",
        "gender",
        "year",
        "vulnerable",
        "teaches",
    ],
    needed: &["account", "name", "role", "class", "band"],
    max_bytes: MAX_FILE_BYTES,
    max_rows: MAX_PEOPLE,
};

/// Reads the whole file.
///
/// # Errors
///
/// Every fault found, at most 50; then nothing of the file is to be used.
pub fn parse(bytes: &[u8]) -> Result<Vec<Listed>, Vec<RowFault>> {
    let (people, mut faults) = sheet::read(bytes, &SHAPE, read_row)?;
    find_doubles(&people, &mut faults);
    faults.settle(people)
}

fn read_row(row: &mut Cells<'_>) -> Listed {
    let (kind, roles) = roles(row);
    let year = year(row, kind);
    let listed = Listed {
        line: row.line(),
        accounts: accounts(row),
        name: row.text("name", MAX_NAME_BYTES),
        kind,
        roles,
        class: row.text("class", MAX_CLASS_BYTES),
        band: band(row, kind, year.flatten()),
        mail: mail(row),
        reference: row.text("reference", MAX_REFERENCE_BYTES),
        gender: row.has("gender").then(|| row.text("gender", MAX_GENDER_BYTES)),
        year,
        vulnerable: vulnerable(row, kind),
        teaches: teaches(row, kind),
    };
    if listed.name.is_empty() {
        row.fault("name", "it is empty");
    }
    if listed.accounts.is_empty() && !has_other_key(&listed) {
        row.fault("account", "it is empty, and no mail address of a member of staff stands in its place");
    }
    listed
}

/// A member of staff without an account may be known by an address, anybody but a log-on by the roster's number.
fn has_other_key(listed: &Listed) -> bool {
    match listed.kind {
        Kind::Staff | Kind::Guest => !listed.mail.is_empty() || !listed.reference.is_empty(),
        Kind::Pupil => !listed.reference.is_empty(),
        Kind::Shared => false,
    }
}

fn accounts(row: &mut Cells<'_>) -> BTreeSet<String> {
    let accounts = row.parts("account", MAX_ACCOUNT_BYTES, MAX_ACCOUNTS);
    accounts.iter().map(|account| account_key(account)).collect()
}

/// One kind at most; roles go with staff alone.
fn roles(row: &mut Cells<'_>) -> (Kind, BTreeSet<Role>) {
    let text = row.get("role").to_lowercase();
    let mut kinds = BTreeSet::new();
    let mut roles = BTreeSet::new();
    for word in text.split(';').map(str::trim).filter(|word| !word.is_empty()) {
        match (word.parse::<Kind>(), word.parse::<Role>()) {
            (Ok(kind), _) => drop(kinds.insert(kind)),
            (_, Ok(role)) => drop(roles.insert(role)),
            (Err(_), Err(_)) => row.fault("role", format!("unknown role: expected some of {}", role_words())),
        }
    }
    let mut kinds = kinds.into_iter();
    let kind = match (kinds.next(), kinds.next()) {
        (Some(kind), None) => kind,
        (None, _) if !roles.is_empty() => Kind::Staff,
        (None, _) => {
            if text.trim().is_empty() {
                row.fault("role", "it is empty");
            }
            Kind::Staff
        }
        (Some(kind), Some(_)) => {
            row.fault("role", "only one of pupil, staff, shared and guest fits a row");
            kind
        }
    };
    if kind != Kind::Staff && !roles.is_empty() {
        row.fault("role", format!("a {} holds no role", kind.as_str()));
    }
    (kind, roles)
}

/// `None` without the column; `Some(None)` where the field is empty.
fn year(row: &mut Cells<'_>, kind: Kind) -> Option<Option<YearGroup>> {
    if !row.has("year") {
        return None;
    }
    let text = row.get("year").to_owned();
    if text.is_empty() {
        return Some(None);
    }
    if kind != Kind::Pupil {
        row.fault("year", "only a pupil has a year group");
    }
    let year = text.parse().ok();
    if year.is_none() {
        row.fault("year", "unknown year group: expected nursery, reception, or 1 to 13");
    }
    Some(year)
}

fn band(row: &mut Cells<'_>, kind: Kind, year: Option<YearGroup>) -> Band {
    let text = row.get("band").to_lowercase();
    if let Ok(band) = text.parse() {
        return band;
    }
    if !text.is_empty() {
        row.fault("band", "unknown band: expected eyfs, ks1 to ks5, post19, staff, guest or shared");
        return Band::Shared;
    }
    match (kind, year) {
        (Kind::Pupil, Some(year)) => year.band(),
        (Kind::Pupil, None) => {
            row.fault("band", "it is empty, and a pupil's rules depend on it");
            Band::Shared
        }
        (Kind::Staff, _) => Band::Staff,
        (Kind::Guest, _) => Band::Guest,
        (Kind::Shared, _) => Band::Shared,
    }
}

fn mail(row: &mut Cells<'_>) -> String {
    let mail = row.text("mail", MAX_MAIL_BYTES).to_lowercase();
    let sound = mail.split_once('@').is_some_and(|(local, host)| !local.is_empty() && host.contains('.'));
    if !mail.is_empty() && (!sound || mail.chars().any(char::is_whitespace)) {
        row.fault("mail", "it is no mail address");
    }
    mail
}

fn vulnerable(row: &mut Cells<'_>, kind: Kind) -> Option<bool> {
    if !row.has("vulnerable") {
        return None;
    }
    let marked = match row.get("vulnerable").to_lowercase().as_str() {
        "" | "no" | "n" | "0" | "false" => false,
        "yes" | "y" | "1" | "true" => true,
        _ => {
            row.fault("vulnerable", "expected yes, no or nothing");
            false
        }
    };
    if marked && kind != Kind::Pupil {
        row.fault("vulnerable", "only a pupil is marked");
    }
    Some(marked)
}

fn teaches(row: &mut Cells<'_>, kind: Kind) -> Option<BTreeSet<String>> {
    if !row.has("teaches") {
        return None;
    }
    let classes: BTreeSet<_> = row.parts("teaches", MAX_CLASS_BYTES, MAX_TAUGHT).into_iter().collect();
    if kind != Kind::Staff && !classes.is_empty() {
        row.fault("teaches", "only a member of staff teaches a class");
    }
    Some(classes)
}

fn find_doubles(people: &[Listed], faults: &mut Faults) {
    let (mut accounts, mut mails, mut references) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for listed in people {
        for account in &listed.accounts {
            if let Some(first) = accounts.insert(account, listed.line) {
                faults.add(listed.line, "account", format!("an account stands in line {first} already"));
            }
        }
        if !listed.mail.is_empty()
            && let Some(first) = mails.insert(&listed.mail, listed.line)
        {
            faults.add(listed.line, "mail", format!("the address stands in line {first} already"));
        }
        if !listed.reference.is_empty()
            && let Some(first) = references.insert(&listed.reference, listed.line)
        {
            faults.add(listed.line, "reference", format!("the reference stands in line {first} already"));
        }
    }
}

fn role_words() -> String {
    let kinds = Kind::ALL.iter().map(|kind| kind.as_str());
    kinds.chain(Role::ALL.iter().map(|role| role.as_str())).collect::<Vec<_>>().join(", ")
}
