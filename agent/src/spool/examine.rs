//! Looking into a spool without changing it and without showing what its captures say.
//!
//! sled writes to what it opens, so the look is at a copy in a private folder, gone afterwards. The folder's lock is held
//! while copying: a spool in use is refused, and an agent that starts meanwhile waits.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use lapwing_proto::{Epoch, Seq};
use lapwing_rules::Level;
use serde::Serialize;

use super::engine::{Engine, EngineError};
use super::lane::{GapReason, Lane};
use super::ledger;
use super::meta::{self, Meta};
use super::reach;
use super::record::{self, Damaged, Sealer};
use super::{Gap, SpoolKey};
use crate::{durable, platform};

/// Most bytes that are copied: four times what a spool takes.
const MAX_COPY_BYTES: u64 = 512 * 1024 * 1024;
/// Longer than any `reach`.
const MAX_REACH_BYTES: usize = 1024;

/// What is in a spool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Examination {
    /// Format of the store, where it can be told.
    pub format: Option<u8>,
    /// Which spool it is, where it can be told.
    pub epoch: Option<String>,
    /// Whether the records were opened with the key; without it damage to their content is not seen.
    pub opened: bool,
    /// Lanes 1 to 5.
    pub lanes: Vec<LaneFacts>,
    /// Ranges that will never come, of this epoch and of earlier ones.
    pub gaps: Vec<GapFacts>,
    /// What is wrong, a sentence each.
    pub damage: Vec<String>,
    /// Every record, in the order of lanes and sequences. Not part of the summary.
    #[serde(skip)]
    pub records: Vec<Record>,
}

/// A lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LaneFacts {
    /// 1 to 5, the level.
    pub lane: u8,
    /// Records held.
    pub held: u64,
    /// Bytes of the records, keys included.
    pub bytes: u64,
    /// Lowest sequence held.
    pub first: Option<u64>,
    /// The sequence the next capture will get.
    pub next: u64,
}

/// A range that will never come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GapFacts {
    /// 1 to 5.
    pub lane: u8,
    /// First sequence; 0 where only the loss of the lane is known.
    pub from: u64,
    /// Last sequence.
    pub to: u64,
    /// Why.
    pub reason: &'static str,
    /// The spool it belonged to, when not this one.
    pub epoch: Option<String>,
}

/// A record: neither account nor title, URL, name or rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Record {
    /// 1 to 5, the level.
    pub lane: u8,
    /// Its place in the lane.
    pub seq: u64,
    /// Device clock when it was spooled, microseconds of UTC; none where its head is damaged.
    pub spooled_us: Option<i64>,
    /// Bytes it takes, keys included.
    pub bytes: u64,
    /// Whether it can be delivered.
    pub state: RecordState,
}

/// How a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordState {
    /// The key opens it.
    Whole,
    /// There was no key to open it with.
    Unopened,
    /// It cannot be opened, or has no head.
    Damaged,
}

/// Why there was no look.
#[derive(Debug, thiserror::Error)]
pub enum ExamineError {
    /// The agent runs.
    #[error("the spool `{0}` is in use: stop the agent, or look at a copy of the folder")]
    InUse(PathBuf),
    /// There is nothing to look at.
    #[error("there is no spool in `{0}`")]
    NoSpool(PathBuf),
    /// The folder holds far more than a spool does.
    #[error("`{0}` is over {MAX_COPY_BYTES} bytes: it is no spool")]
    TooLarge(PathBuf),
    /// A file refuses.
    #[error("cannot copy the spool to look at it: {0}")]
    Io(#[from] io::Error),
}

/// Looks at the spool in `folder`. Changes nothing in it; damage is part of the answer.
///
/// # Errors
///
/// When the spool is in use, is not there, or cannot be copied to the folder for temporary files.
pub fn examine(folder: &Path, key: Option<&SpoolKey>) -> Result<Examination, ExamineError> {
    if !folder.join("live").is_dir() {
        return Err(ExamineError::NoSpool(folder.to_owned()));
    }
    let held = hold(folder)?;
    let copy = Copy::of(folder)?;
    drop(held);
    let mut found = Examination::default();
    if let Err(error) = look(&copy.0, key, &mut found) {
        found.damage.push(error.to_string());
    }
    Ok(found)
}

fn hold(folder: &Path) -> Result<Option<File>, ExamineError> {
    match File::open(folder.join("lock")) {
        Ok(file) => {
            file.try_lock_shared().map_err(|_| ExamineError::InUse(folder.to_owned()))?;
            Ok(Some(file))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A private copy of a spool's folder; removed when dropped.
struct Copy(PathBuf);

impl Copy {
    fn of(folder: &Path) -> Result<Self, ExamineError> {
        let name = Epoch::random().map_err(durable::no_randomness)?;
        let copy = Self(std::env::temp_dir().join(format!("lapwing-spool-{name}")));
        platform::create_private_folder(&copy.0)?;
        let mut room = MAX_COPY_BYTES;
        let too_large = || ExamineError::TooLarge(folder.to_owned());
        for file in ["epoch", "reach"].map(|name| (folder.join(name), copy.0.join(name))) {
            if file.0.is_file() {
                room = copy_file(&file.0, &file.1, room)?.ok_or_else(too_large)?;
            }
        }
        copy_folder(&folder.join("live"), &copy.0.join("live"), room)?.ok_or_else(too_large)?;
        Ok(copy)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(path = %self.0.display(), error = %error, "the copy of the spool cannot be removed");
        }
    }
}

/// Copies files and folders below `from`; answers how much room is left, `None` when there was too little.
fn copy_folder(from: &Path, to: &Path, mut room: u64) -> io::Result<Option<u64>> {
    platform::create_private_folder(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, target) = (entry.file_type()?, to.join(entry.file_name()));
        let left = if kind.is_dir() {
            copy_folder(&entry.path(), &target, room)?
        } else if kind.is_file() {
            copy_file(&entry.path(), &target, room)?
        } else {
            Some(room)
        };
        let Some(left) = left else { return Ok(None) };
        room = left;
    }
    Ok(Some(room))
}

fn copy_file(from: &Path, to: &Path, room: u64) -> io::Result<Option<u64>> {
    let Some(left) = room.checked_sub(fs::metadata(from)?.len()) else { return Ok(None) };
    io::copy(&mut File::open(from)?, &mut platform::create_private_file(to)?)?;
    Ok(Some(left))
}

fn look(folder: &Path, key: Option<&SpoolKey>, found: &mut Examination) -> Result<(), EngineError> {
    let engine = Engine::open(&folder.join("live"))?;
    let Some(head) = engine.get(&record::meta_key())? else {
        return Err(EngineError::Unreadable("its head is missing".into()));
    };
    let meta = match Meta::read(&head) {
        Ok(meta) => meta,
        Err(error) => {
            if let meta::BadMeta::Format(format) = error {
                found.format = Some(format);
            }
            return Err(EngineError::Unreadable(error.to_string()));
        }
    };
    found.format = Some(meta::FORMAT);
    found.epoch = Some(meta.epoch.to_string());
    let sealer = key.map(|key| Sealer::new(key, meta.epoch));
    let opens = |sealer: &Sealer| sealer.open(Level::Info, Seq::NONE, &meta.probe).is_ok();
    if sealer.as_ref().is_some_and(|sealer| !opens(sealer)) {
        found.damage.push("it was written under another key".into());
    }
    let sealer = sealer.filter(opens);
    found.opened = sealer.is_some();
    let told = durable::read_bounded(&folder.join("reach"), MAX_REACH_BYTES).unwrap_or_default();
    let reached = reach::parse(&told, meta.epoch).unwrap_or_default();
    for level in Level::ALL {
        found.look_at_lane(&engine, level, sealer.as_ref(), &reached)?;
    }
    found.gaps.extend(ledger::read_earlier(&engine)?.into_iter().map(GapFacts::from));
    Ok(())
}

impl Examination {
    /// Whether nothing is wrong with it.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.damage.is_empty()
    }

    fn look_at_lane(
        &mut self,
        engine: &Engine,
        level: Level,
        sealer: Option<&Sealer>,
        reached: &BTreeMap<Level, Seq>,
    ) -> Result<(), EngineError> {
        let next = engine.get(&record::next_key(level))?.and_then(|value| record::number(&value));
        let mut lane = Lane::new(next.map_or(Seq::new(1), Seq::new));
        lane.gaps = ledger::read_gaps(engine, level)?;
        let before = self.records.len();
        record::visit(engine, level, Seq::NONE, |seq, stored, bytes| {
            self.records.push(Record::new(level, seq, stored, bytes, sealer));
            true
        })?;
        let records = self.records.get(before..).unwrap_or_default();
        let last = records.last().map_or(Seq::NONE, |record| Seq::new(record.seq));
        self.lanes.push(LaneFacts {
            lane: level.number(),
            held: u64::try_from(records.len()).unwrap_or(u64::MAX),
            bytes: records.iter().map(|record| record.bytes).sum(),
            first: records.first().map(|record| record.seq),
            next: lane.next.max(last.next()).number(),
        });
        self.gaps.extend(lane.gaps.iter().map(|(from, (to, reason))| {
            let gap = Gap { lane: level, from: *from, to: *to, reason: *reason, epoch: None };
            GapFacts::from(gap)
        }));
        let damage = damage_of(&lane, records, reached.get(&level).copied());
        self.damage.extend(damage.into_iter().map(|damage| format!("lane {}: {damage}", level.number())));
        Ok(())
    }
}

/// What is wrong with a lane.
fn damage_of(lane: &Lane, records: &[Record], reached: Option<Seq>) -> Vec<String> {
    let mut damage = Vec::new();
    let broken = records.iter().filter(|record| record.state == RecordState::Damaged).count();
    if broken > 0 {
        damage.push(format!("{broken} records are damaged"));
    }
    let ends = records.iter().map(|record| record.seq).chain([lane.next.number()]);
    let mut missing = 0;
    for (record, after) in records.iter().zip(ends.skip(1)) {
        let (from, to) = (Seq::new(record.seq).next(), Seq::new(after.saturating_sub(1)));
        if from <= to {
            missing += lane.uncovered(from, to).iter().map(|(from, to)| to.number() - from.number() + 1).sum::<u64>();
        }
    }
    if missing > 0 {
        damage.push(format!("{missing} records are missing without a gap"));
    }
    let last = records.last().map_or(Seq::NONE, |record| Seq::new(record.seq));
    let end = lane.next.max(last.next());
    if let Some(lost) = reached.and_then(|reached| reached.number().checked_sub(end.number())).filter(|lost| *lost > 0)
    {
        damage.push(format!("its last {lost} records are lost"));
    }
    damage
}

impl Record {
    fn new(level: Level, seq: Seq, stored: &[u8], bytes: u64, sealer: Option<&Sealer>) -> Self {
        let stamp = record::stamp(stored).ok();
        let opened = sealer.map(|sealer| sealer.open(level, seq, stored).map(drop));
        let state = match (stamp, opened) {
            (None, _) | (_, Some(Err(Damaged))) => RecordState::Damaged,
            (Some(_), Some(Ok(()))) => RecordState::Whole,
            (Some(_), None) => RecordState::Unopened,
        };
        Self { lane: level.number(), seq: seq.number(), spooled_us: stamp.map(|stamp| stamp.wall_us), bytes, state }
    }
}

impl From<Gap> for GapFacts {
    fn from(gap: Gap) -> Self {
        let reason: GapReason = gap.reason;
        Self {
            lane: gap.lane.number(),
            from: gap.from.number(),
            to: gap.to.number(),
            reason: reason.as_str(),
            epoch: gap.epoch.map(|epoch| epoch.to_string()),
        }
    }
}
