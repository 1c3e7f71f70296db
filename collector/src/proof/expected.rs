//! The devices that a school expects to hear: the list of its device management, as CSV.
//!
//! ```text
//! hostname,serial,room,group            ours; only `hostname` is needed
//! Device name,Serial number,Category,OS a Microsoft Intune export; its other columns are passed over
//! Computer Name,Serial Number,Room,Department,Operating System   a Jamf Pro export, likewise
//! ```
//!
//! The file is the whole list: what it does not name is expected no more. Devices are found by their name, whatever its
//! case. Rows of systems that no agent exists for are left out and counted.

use std::collections::BTreeMap;

use csv::StringRecord;
use lapwing_proto::SchoolId;
use lapwing_proto::bounds::MAX_NAME_BYTES;

use crate::actor::Actor;
use crate::audit::{self, Act, ActKind};
use crate::people::Mode;
use crate::sheet::{self, Faults, RowFault, Table};
use crate::store::{Store, StoreError, expected as rows};

/// Largest file, in bytes.
pub const MAX_FILE_BYTES: usize = 16 * 1024 * 1024;
/// Most devices.
pub const MAX_DEVICES: usize = 20_000;
/// Words of systems that no agent exists for.
const WITHOUT_AGENT: [&str; 6] = ["ios", "ipados", "android", "chrome", "tvos", "visionos"];

/// A device that is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// As the list writes it.
    pub hostname: String,
    /// Empty where the list names none.
    pub serial: String,
    /// Empty likewise.
    pub room: String,
    /// Empty likewise.
    pub group: String,
}

/// A list that was read whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// Who wrote it: `plain`, `intune` or `jamf`.
    pub source: &'static str,
    /// By name in lower case.
    pub devices: BTreeMap<String, Expected>,
    /// Rows of systems that no agent exists for.
    pub left_out: usize,
}

/// What an import does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// One line a change.
    pub lines: Vec<String>,
    /// New in the list.
    pub added: usize,
    /// With other facts than before.
    pub changed: usize,
    /// As before.
    pub same: usize,
    /// No longer in the list.
    pub removed: usize,
}

/// What a system calls its columns, in lower case; the first that stands in the header counts.
struct Format {
    source: &'static str,
    hostname: &'static [&'static str],
    serial: &'static [&'static str],
    room: &'static [&'static str],
    group: &'static [&'static str],
    system: &'static [&'static str],
    /// Whether a column that is none of these is a fault.
    is_closed: bool,
}

const FORMATS: [Format; 3] = [
    Format {
        source: "plain",
        hostname: &["hostname"],
        serial: &["serial"],
        room: &["room"],
        group: &["group"],
        system: &[],
        is_closed: true,
    },
    Format {
        source: "intune",
        hostname: &["device name"],
        serial: &["serial number"],
        room: &[],
        group: &["device category", "category"],
        system: &["os", "operating system"],
        is_closed: false,
    },
    Format {
        source: "jamf",
        hostname: &["computer name", "display name"],
        serial: &["serial number"],
        room: &["room"],
        group: &["department"],
        system: &["operating system", "os"],
        is_closed: false,
    },
];

/// Where the columns of a format stand.
struct Places {
    hostname: usize,
    serial: Option<usize>,
    room: Option<usize>,
    group: Option<usize>,
    system: Option<usize>,
}

/// What enrolled devices are found by.
#[must_use]
pub fn key(hostname: &str) -> String {
    hostname.to_ascii_lowercase()
}

/// Reads the whole file.
///
/// # Errors
///
/// Every fault found, at most 50; then nothing of the file is to be used.
pub fn parse(bytes: &[u8]) -> Result<List, Vec<RowFault>> {
    let one = |fault| vec![fault];
    let mut table = Table::of(bytes, MAX_FILE_BYTES).map_err(one)?;
    let (format, places) = format(&table).map_err(one)?;
    let mut list = List { source: format.source, devices: BTreeMap::new(), left_out: 0 };
    let (mut lines, mut faults) = (BTreeMap::new(), Faults::default());
    for row in table.rows() {
        match row {
            Ok((line, record)) => read(&places, line, &record, &mut list, &mut lines, &mut faults),
            Err(fault) => faults.push(fault),
        }
        if list.devices.len() > MAX_DEVICES {
            faults.add(0, "", format!("more than {MAX_DEVICES} devices"));
            break;
        }
        if faults.is_full() {
            break;
        }
    }
    if list.devices.is_empty() && faults.is_empty() {
        faults.add(1, "", "no device below the header");
    }
    faults.settle(list)
}

/// Brings the school's list in line with `list`, whole or not at all.
///
/// # Errors
///
/// When the database cannot be used; then nothing changed.
pub async fn import(store: &Store, actor: &Actor, now_us: i64, list: &List, mode: Mode) -> Result<Changes, StoreError> {
    let school: &SchoolId = actor.school();
    let mut tx = store.begin().await?;
    let before = rows::all(&mut tx, school).await?;
    let changes = changes(&before, &list.devices);
    if mode == Mode::DryRun {
        return Ok(changes);
    }
    rows::replace(&mut tx, school, list, now_us).await?;
    let act = Act::new(actor, now_us, ActKind::ExpectedImported, "")
        .with("source", list.source)
        .with("added", changes.added)
        .with("changed", changes.changed)
        .with("removed", changes.removed);
    audit::append(&mut tx, &act).await?;
    tx.commit().await?;
    Ok(changes)
}

fn format(table: &Table<'_>) -> Result<(&'static Format, Places), RowFault> {
    table.check_names()?;
    let found = FORMATS.iter().find_map(|format| Some((format, table.place(format.hostname)?)));
    let Some((format, hostname)) = found else {
        let problem =
            "no column names the device: expected `hostname`, `Device name` (Intune) or `Computer Name` (Jamf)";
        return Err(RowFault::new(1, "", problem));
    };
    let places = Places {
        hostname,
        serial: table.place(format.serial),
        room: table.place(format.room),
        group: table.place(format.group),
        system: table.place(format.system),
    };
    let known = [Some(hostname), places.serial, places.room, places.group, places.system];
    let unknown = (0..table.header().len()).find(|at| format.is_closed && !known.contains(&Some(*at)));
    match unknown {
        Some(at) => Err(RowFault::new(
            1,
            "",
            format!("unknown column in place {}: expected hostname,serial,room,group", at + 1),
        )),
        None => Ok((format, places)),
    }
}

fn read(
    places: &Places,
    line: u64,
    record: &StringRecord,
    list: &mut List,
    lines: &mut BTreeMap<String, u64>,
    faults: &mut Faults,
) {
    let field = |place: Option<usize>| place.and_then(|at| record.get(at)).unwrap_or_default();
    let system = field(places.system).to_lowercase();
    if WITHOUT_AGENT.iter().any(|word| system.starts_with(word)) {
        list.left_out += 1;
        return;
    }
    let before = faults.len();
    let mut text = |column, place, max_bytes| {
        // What some exports write where there is nothing.
        let text = Some(field(place)).filter(|text| *text != "-").unwrap_or_default().to_owned();
        if let Some(problem) = sheet::problem(&text, max_bytes) {
            faults.add(line, column, problem);
        }
        text
    };
    let device = Expected {
        hostname: text("hostname", Some(places.hostname), MAX_NAME_BYTES),
        serial: text("serial", places.serial, MAX_NAME_BYTES),
        room: text("room", places.room, MAX_NAME_BYTES),
        group: text("group", places.group, MAX_NAME_BYTES),
    };
    if device.hostname.is_empty() {
        faults.add(line, "hostname", "it is empty");
    }
    let key = key(&device.hostname);
    if let Some(first) = lines.insert(key.clone(), line) {
        faults.add(line, "hostname", format!("the device stands in line {first} already"));
    }
    if faults.len() == before {
        list.devices.insert(key, device);
    }
}

fn changes(before: &BTreeMap<String, Expected>, after: &BTreeMap<String, Expected>) -> Changes {
    let mut changes = Changes::default();
    for (key, device) in after {
        match before.get(key) {
            None => {
                changes.added += 1;
                changes.lines.push(format!("+ {}", described(device)));
            }
            Some(same) if same == device => changes.same += 1,
            Some(_) => {
                changes.changed += 1;
                changes.lines.push(format!("~ {}", described(device)));
            }
        }
    }
    for (_, device) in before.iter().filter(|(key, _)| !after.contains_key(*key)) {
        changes.removed += 1;
        changes.lines.push(format!("- {}", described(device)));
    }
    changes
}

fn described(device: &Expected) -> String {
    let fields = [&device.hostname, &device.serial, &device.room, &device.group];
    fields.into_iter().filter(|field| !field.is_empty()).map(String::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
