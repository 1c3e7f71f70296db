//! The year roll-over: pupils move up a year, and the oldest leave. Once a school year.
//!
//! Bands follow years. Whoever has no year stays as they are: those after 19, and pupils of whom the list says none.
//! Classes, and who teaches them, become what a file of `from,to` says, or empty.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::YearGroup;
use super::plan::left;
use crate::actor::{Actor, PersonId};
use crate::audit::{self, Act, ActKind};
use crate::sheet::{self, Cells, RowFault, Shape};
use crate::store::people::{self, Row, Written};
use crate::store::{Store, StoreError, roll_overs};
use crate::subject::Kind;

/// The first month that counts towards the school year beginning in its September.
const FIRST_MONTH: i8 = 7;
const MAX_CLASS_BYTES: usize = 32;
/// Largest file of classes, in bytes.
pub const MAX_CLASSES_BYTES: usize = 1024 * 1024;
const SHAPE: Shape =
    Shape { columns: &["from", "to"], needed: &["from", "to"], max_bytes: MAX_CLASSES_BYTES, max_rows: 10_000 };

/// A school year, named for the year it begins in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SchoolYear(i16);

/// What classes become.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Classes(BTreeMap<String, String>);

/// What a roll-over does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RolledOver {
    /// Pupils who move up.
    pub moved: usize,
    /// Pupils who leave.
    pub left: usize,
    /// Pupils without a year, who stay as they are.
    pub yearless: usize,
}

/// How a roll-over is meant.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// Into which year.
    pub into: SchoolYear,
    /// The year of the oldest pupils of the school.
    pub last: YearGroup,
    /// What classes become.
    pub classes: &'a Classes,
    /// Whether it is carried out.
    pub mode: super::Mode,
}

/// Why nothing was rolled over.
#[derive(Debug, thiserror::Error)]
pub enum RollOverError {
    /// It was done before.
    #[error("pupils have moved up into the school year {0} already; nothing was changed")]
    Done(SchoolYear),
    /// Somebody else kept changing people.
    #[error("people were changed by another command meanwhile; try again")]
    Overtaken,
    /// The database did not do it.
    #[error("cannot store people")]
    Store(#[from] StoreError),
}

impl SchoolYear {
    /// The year that a roll-over on `date` leads into: from July on the one that begins in September.
    #[must_use]
    pub fn entered_on(date: Date) -> Self {
        Self(if date.month() >= FIRST_MONTH { date.year() } else { date.year() - 1 })
    }

    /// The year it begins in.
    pub(crate) const fn begins(self) -> i16 {
        self.0
    }

    /// The year that begins in `year`.
    pub(crate) const fn beginning(year: i16) -> Self {
        Self(year)
    }
}

impl std::fmt::Display for SchoolYear {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{:02}", self.0, (self.0 + 1).rem_euclid(100))
    }
}

impl Classes {
    /// Reads `from,to`: a class that is left out, or leads to nothing, becomes empty.
    ///
    /// # Errors
    ///
    /// Every fault found, at most 50; then nothing of the file is to be used.
    pub fn parse(bytes: &[u8]) -> Result<Self, Vec<RowFault>> {
        let mut classes = BTreeMap::new();
        let row = |row: &mut Cells<'_>| {
            let (from, to) = (row.text("from", MAX_CLASS_BYTES), row.text("to", MAX_CLASS_BYTES));
            if from.is_empty() {
                row.fault("from", "it is empty");
            }
            if classes.insert(from, to).is_some() {
                row.fault("from", "the class stands in an earlier line already");
            }
        };
        let (_, faults) = sheet::read(bytes, &SHAPE, row)?;
        faults.settle(()).map(|()| Self(classes))
    }

    fn after(&self, class: &str) -> String {
        self.0.get(class).cloned().unwrap_or_default()
    }
}

/// Moves everybody up, once a school year. With [`super::Mode::DryRun`] nothing is written.
///
/// # Errors
///
/// [`RollOverError`]; nothing was written then.
pub async fn roll_over(
    store: &Store,
    actor: &Actor,
    now_us: i64,
    wanted: &Wanted<'_>,
) -> Result<RolledOver, RollOverError> {
    let school = actor.school();
    let known = people::known(store, school).await?;
    let (rows, counts) = rolled(&known.people, wanted, now_us);
    let mut tx = match wanted.mode {
        super::Mode::DryRun => store.view().await?,
        super::Mode::Apply => store.begin().await?,
    };
    if let Some(latest) = roll_overs::latest(&mut tx, school).await?.filter(|latest| *latest >= wanted.into) {
        return Err(RollOverError::Done(latest));
    }
    if people::revision(&mut tx, school).await? != known.revision {
        return Err(RollOverError::Overtaken);
    }
    if wanted.mode == super::Mode::DryRun {
        return Ok(counts);
    }
    let written: Vec<_> = rows
        .iter()
        .map(|(person, after)| Written { person: *person, before: known.people.get(person), after })
        .collect();
    people::put(&mut tx, school, &written).await?;
    roll_overs::insert(&mut tx, school, wanted.into, now_us).await?;
    super::changes::route_again(&mut tx, actor, &written, now_us).await?;
    let act = Act::new(actor, now_us, ActKind::PeopleRolledOver, "")
        .with("into", wanted.into)
        .with("moved", counts.moved)
        .with("left", counts.left);
    audit::append(&mut tx, &act).await?;
    tx.commit().await?;
    Ok(counts)
}

/// Everybody of whom something changes.
fn rolled(known: &BTreeMap<PersonId, Row>, wanted: &Wanted<'_>, now_us: i64) -> (Vec<(PersonId, Row)>, RolledOver) {
    let mut counts = RolledOver::default();
    let mut rows = Vec::new();
    for (person, before) in known.iter().filter(|(_, row)| row.left_us.is_none()) {
        let after = match before.kind {
            Kind::Pupil => moved_up(before, wanted, now_us, &mut counts),
            Kind::Staff | Kind::Guest | Kind::Shared => {
                Row { teaches: taught(before, wanted.classes), ..before.clone() }
            }
        };
        if &after != before {
            rows.push((*person, after));
        }
    }
    (rows, counts)
}

fn moved_up(before: &Row, wanted: &Wanted<'_>, now_us: i64, counts: &mut RolledOver) -> Row {
    let Ok(year) = before.year.parse::<YearGroup>() else {
        counts.yearless += 1;
        return before.clone();
    };
    let Some(next) = year.next(wanted.last) else {
        counts.left += 1;
        return left(before, now_us);
    };
    counts.moved += 1;
    Row {
        year: next.to_string(),
        band: next.band().as_str().to_owned(),
        class: wanted.classes.after(&before.class),
        ..before.clone()
    }
}

fn taught(row: &Row, classes: &Classes) -> std::collections::BTreeSet<String> {
    row.teaches.iter().map(|class| classes.after(class)).filter(|class| !class.is_empty()).collect()
}
