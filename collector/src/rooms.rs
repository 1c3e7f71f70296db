//! Which room each device stands in, from a list that a school keeps.
//!
//! ```text
//! host,room
//! pc-12,Room 12
//! library-3,
//! ```
//!
//! Hosts are compared without regard to case; an empty room is none. Checked whole, and applied in one transaction or
//! not at all. A host that no device has is told and holds nothing up: lists name devices that are still to enrol.

use std::collections::{BTreeMap, BTreeSet};

use lapwing_proto::bounds::MAX_NAME_BYTES;

use crate::actor::Actor;
use crate::audit::{self, Act, ActKind};
use crate::people::Mode;
use crate::sheet::{self, Cells, RowFault, Shape};
use crate::store::{Store, StoreError, exemptions, rooms};

/// Largest list, in bytes.
pub const MAX_ROOMS_BYTES: usize = 8 * 1024 * 1024;
const SHAPE: Shape =
    Shape { columns: &["host", "room"], needed: &["host", "room"], max_bytes: MAX_ROOMS_BYTES, max_rows: 100_000 };

/// A host and its room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Line of the file.
    pub line: u64,
    /// Host name in lower case.
    pub host: String,
    /// Room; may be empty.
    pub room: String,
}

/// What a list changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moves {
    /// One line of text a device whose room changes.
    pub lines: Vec<String>,
    /// Devices that stand where the list says.
    pub same: usize,
    /// Lines that name no enrolled device.
    pub unknown: Vec<u64>,
}

/// Reads the whole list.
///
/// # Errors
///
/// Every fault found, at most 50; then nothing of the list is to be used.
pub fn parse(bytes: &[u8]) -> Result<Vec<Placed>, Vec<RowFault>> {
    let (placed, mut faults) = sheet::read(bytes, &SHAPE, read_row)?;
    let mut hosts = BTreeMap::new();
    for one in &placed {
        if let Some(first) = hosts.insert(&one.host, one.line) {
            faults.add(one.line, "host", format!("the host stands in line {first} already"));
        }
    }
    faults.settle(placed)
}

fn read_row(row: &mut Cells<'_>) -> Placed {
    let host = row.text("host", MAX_NAME_BYTES).to_lowercase();
    if host.is_empty() {
        row.fault("host", "it is empty");
    }
    Placed { line: row.line(), host, room: row.text("room", MAX_NAME_BYTES) }
}

/// Puts devices into the rooms of the list, and tells the difference. With [`Mode::DryRun`] nothing is written.
///
/// # Errors
///
/// When the database cannot be written; nothing was then.
pub async fn import(
    store: &Store,
    actor: &Actor,
    now_us: i64,
    placed: &[Placed],
    mode: Mode,
) -> Result<Moves, StoreError> {
    let mut tx = match mode {
        Mode::DryRun => store.view().await?,
        Mode::Apply => store.begin().await?,
    };
    let devices = rooms::by_host(&mut tx, actor.school()).await?;
    let mut moves = Moves::default();
    let mut moved = Vec::new();
    for one in placed {
        let Some(found) = devices.get(&one.host) else {
            moves.unknown.push(one.line);
            continue;
        };
        let (there, elsewhere): (Vec<_>, Vec<_>) = found.iter().partition(|device| device.room == one.room);
        moves.same += there.len();
        let before: BTreeSet<_> = elsewhere.iter().map(|device| device.room.as_str()).collect();
        moves.lines.extend(before.iter().map(|before| format!("~ {}: {before:?} -> {:?}", one.host, one.room)));
        moved.extend(elsewhere.iter().map(|device| (device.device, one.room.as_str())));
    }
    if mode == Mode::DryRun {
        return Ok(moves);
    }
    rooms::set(&mut tx, actor.school(), &moved).await?;
    // What a device was told to leave alone may hold for its old room alone.
    if !moved.is_empty() {
        exemptions::renumber_if_any(&mut tx, actor.school(), now_us).await?;
    }
    let act = Act::new(actor, now_us, ActKind::RoomsImported, "").with("moved", moved.len()).with("same", moves.same);
    audit::append(&mut tx, &act).await?;
    tx.commit().await?;
    Ok(moves)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fixture::{NINE_US, School};
    use crate::store::seeded::add_device;

    async fn imported(school: &School, text: &str, mode: Mode) -> Moves {
        let actor = Actor::Product { school: school.id.clone() };
        import(&school.store, &actor, NINE_US, &parse(text.as_bytes()).unwrap(), mode).await.unwrap()
    }

    #[tokio::test]
    async fn devices_stand_where_the_list_says_and_a_dry_run_moves_none() {
        let school = School::open().await;
        add_device(&school).await;
        let list = "room,host\nLibrary,pc-12\nRoom 9,not-enrolled\n";
        let moves = Moves { lines: vec!["~ pc-12: \"IT room\" -> \"Library\"".to_owned()], same: 0, unknown: vec![3] };
        assert_eq!(imported(&school, list, Mode::DryRun).await, moves);
        assert_eq!(school.texts("SELECT room FROM devices").await, ["IT room"]);
        assert_eq!(imported(&school, list, Mode::Apply).await, moves);
        assert_eq!(school.texts("SELECT room FROM devices").await, ["Library"]);
        let again = imported(&school, list, Mode::Apply).await;
        assert_eq!((again.lines.len(), again.same), (0, 1));
        imported(&school, "host,room\nPC-12,\n", Mode::Apply).await;
        assert_eq!(school.texts("SELECT room FROM devices").await, [""]);
        assert!(school.texts("SELECT act FROM audit_acts").await.iter().all(|act| !act.contains("Library")));
    }

    #[tokio::test]
    async fn a_device_that_moves_hears_anew_what_it_leaves_alone() {
        let school = School::open().await;
        add_device(&school).await;
        let number = || exemptions::number(&school.store, &school.id);
        imported(&school, "host,room\npc-12,Library\n", Mode::Apply).await;
        assert_eq!(number().await.unwrap(), 0, "nothing stands");
        let mut tx = school.store.begin().await.unwrap();
        let request = crate::ids::RequestId::from_bytes([1; 16]);
        exemptions::insert(&mut tx, &school.id, request, &crate::exemption::tests::plan(1), NINE_US).await.unwrap();
        tx.commit().await.unwrap();
        let first = number().await.unwrap();
        imported(&school, "host,room\npc-12,Library\n", Mode::Apply).await;
        assert_eq!(number().await.unwrap(), first, "it stands there already");
        imported(&school, "host,room\npc-12,IT room\n", Mode::Apply).await;
        assert!(number().await.unwrap() > first);
    }

    #[test]
    fn a_bad_list_is_refused_by_line() {
        let text = format!("host,room\na,1\nA,2\n,3\nb,=4\nc,{}\nd\n", "x".repeat(MAX_NAME_BYTES + 1));
        let places: Vec<_> = parse(text.as_bytes()).unwrap_err().iter().map(|one| (one.line, one.column)).collect();
        assert_eq!(places, [(3, "host"), (4, "host"), (5, "room"), (6, "room"), (7, "")]);
    }
}
