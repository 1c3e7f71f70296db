//! The spool: what matched, kept on the device until the collector has committed it.
//!
//! # On disk
//!
//! ```text
//! FOLDER/lock        held by the process that has the spool open
//! FOLDER/epoch       16 bytes of the store under live, so that its loss can be told, 16 of each lost one of which the
//!                    collector was not told yet, at most 8 in all, and SHA-256 of these
//! FOLDER/reach       how far each lane got, so that the loss of the store's end can be told
//! FOLDER/live/       a sled store (0.34.7; conf, db), one tree
//! FOLDER/fresh/      a copy of it under way; whole once `live` is gone, and then it takes its place
//! FOLDER/quarantine/ the last store that could not be used, if any; spool.key in it where its key was why; copy/ in it:
//!                    what was copied off bad sectors, where that was damaged too
//! FOLDER/ballast     1 MiB, given up when the disk is full: dropping records needs room too
//!
//! key                              value
//! 00                               "LWSP" ‖ format 1 ‖ epoch 16 ‖ n ‖ hardware hash n ‖ probe
//! 01 ‖ lane ‖ seq 8 ‖ part         part of a record, at most 700 bytes
//! 02 ‖ lane                        next sequence 8
//! 03 ‖ lane ‖ from 8               to 8 ‖ reason            a gap of this epoch
//! 04 ‖ index                       lapwing.v1.Gap           a gap of an earlier epoch
//! 05                               count 4                  critical captures that found no room
//!
//! record = format 1 ‖ wall µs 8 ‖ boot µs 8 ‖ boot id 16 ‖ nonce 24 ‖ XChaCha20-Poly1305(lapwing.v1.Capture)
//! ```
//!
//! Numbers are big-endian. A record is bound to epoch, lane, sequence and its head; its tag is its checksum. Records
//! are split because sled moves a leaf of more than 16 KiB to a file that it never syncs.
//!
//! # Durability
//!
//! After opening: fsync of `conf`, `db` and the folders. A commit: one batch a capture, then one `flush` and one
//! `sync_data` of `db` for all of them. Whoever finds no commit under way commits at once; what arrives during a
//! sync waits and shares the next one. An acknowledgement is not synced: lost, it costs a delivery that the collector
//! drops. Neither is `reach`, written after each commit: it may say less than the store holds, never more.
//!
//! What cannot be read goes to quarantine, and the first batch of the new store holds the gaps that tell of it. While
//! the disk refuses altogether the spool waits: each call opens anew.
//!
//! The key lies in a file of its own, outside the folder. A store that its key does not open goes to quarantine with
//! that key, and the new store gets a new one: what is no key says so at once. A disk that refuses to be read says
//! nothing about what it holds, so that it is asked again for a minute before the key counts as lost; even then both
//! are moved, not deleted, and somebody who mends the disk can put them back. A store that cannot be read for a minute
//! is copied to other sectors, with zeroes for those that refuse, and goes on as a damaged one; where too much refuses
//! it goes to quarantine.
//!
//! # Limits
//!
//! Live bytes stay within [`SpoolLimits::live_bytes`], the folder within twice as many: what was quarantined goes first.
//! A capture makes room by dropping the oldest of the lowest lane not above its own, and leaves a [`Gap`]; where there
//! is none to drop, it is itself the gap. Critical captures are never dropped, and lower lanes never take their reserve;
//! when nothing is left to drop, they are counted into the last one that was not yet read for delivery, else into the
//! next one stored. On a full disk the quarantine goes, and where there is none, and nobody else made room, the spool
//! opens anew with half of what it held as its limit, until the disk has room for the ballast again. A record's age is told by the time since the device started; across a restart by the wall clock,
//! once the spool has been open for an hour.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lapwing_proto::{Epoch, Seq, bounds, failpoint, wire};
use lapwing_rules::Level;
use prost::Message;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::identity::HardwareHash;

mod engine;
mod examine;
mod key;
mod lane;
mod ledger;
mod meta;
mod patience;
mod place;
mod reach;
mod record;
mod rescue;
mod summary;
mod terms;
#[cfg(test)]
mod tests;
mod waiting;

pub use examine::{Examination, ExamineError, GapFacts, LaneFacts, Record, RecordState, examine};
pub use key::{KeySource, SpoolKey};
pub use lane::{Gap, GapReason, LaneState};
pub use terms::{Appended, OpenReport, Opened, SpoolError, SpoolLimits};

use engine::EngineError;
use ledger::{Ledger, Resumed};
use place::{MadeWay, Place, Trust};
use record::Stamp;
use summary::Summary;
use waiting::{Undecided, Waiting};

/// Live bytes below which dropping records frees nothing on the disk: some segments of the store.
const WORTH_SHRINKING: u64 = 256 * 1024;

/// The spool, shared by those who append and the uplink. Calls block while they reach the disk: make them where
/// blocking is allowed.
pub struct Spool {
    place: Place,
    clock: Arc<dyn Clock>,
    /// `None` after a failure, until the next call opens the store anew.
    ledger: Mutex<Option<Ledger>>,
    /// Captures that wait for the commit under way to end.
    queue: Mutex<Vec<Arc<Waiting>>>,
    /// Captures whose commit failed and that may be appended again.
    undecided: Mutex<Undecided>,
    summary: Mutex<Summary>,
    appended: watch::Sender<u64>,
}

impl Spool {
    /// Opens the spool in `folder`, or makes it. One that cannot be read, has lost its key, or was written on other
    /// hardware, is moved to quarantine, and a new epoch begins. Where the disk refuses, the spool waits for it.
    ///
    /// # Errors
    ///
    /// [`SpoolError::InUse`].
    pub fn open(
        folder: &Path,
        key: impl Into<KeySource>,
        hardware: HardwareHash,
        limits: SpoolLimits,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, OpenReport), SpoolError> {
        let place = Place::new(folder.to_owned(), key.into(), hardware, limits);
        let summary = Summary::unopened(place.last_epoch());
        let spool = Self {
            place,
            clock,
            ledger: Mutex::new(None),
            queue: Mutex::default(),
            undecided: Mutex::default(),
            summary: Mutex::new(summary),
            appended: watch::Sender::new(0),
        };
        let report = match spool.start() {
            Err(SpoolError::DiskFull) => spool.start(),
            outcome => outcome,
        };
        match report {
            Ok(report) => Ok((spool, report)),
            Err(error @ SpoolError::InUse) => Err(error),
            Err(error) => {
                tracing::warn!(error = %error, "the spool cannot be opened yet");
                let report = OpenReport { opened: Opened::Waiting, epoch: spool.epoch(), held: 0, damaged: 0 };
                Ok((spool, report))
            }
        }
    }

    fn start(&self) -> Result<OpenReport, SpoolError> {
        let (ledger, report) = self.reopen()?;
        *lock(&self.ledger) = Some(ledger);
        self.expire()?;
        Ok(report)
    }

    /// Keeps a capture. What is answered is durable when this returns.
    ///
    /// # Errors
    ///
    /// [`SpoolError::TooLarge`] above [`bounds::MAX_CAPTURE_BYTES`]; otherwise when the disk refuses. The capture may have
    /// reached the disk then; appended again it is kept once.
    pub fn append(&self, lane: Level, capture: &wire::Capture) -> Result<Appended, SpoolError> {
        let capture = capture.encode_to_vec();
        if capture.len() > bounds::MAX_CAPTURE_BYTES {
            return Err(SpoolError::TooLarge(capture.len()));
        }
        let tried = lock(&self.undecided).take(lane, &capture);
        let waiting = tried.unwrap_or_else(|| Waiting::new(lane, capture));
        lock(&self.queue).push(Arc::clone(&waiting));
        let mut ledger = lock(&self.ledger);
        if let Some(outcome) = waiting.outcome() {
            return outcome;
        }
        let group = std::mem::take(&mut *lock(&self.queue));
        let mut outcome = self.commit(&mut ledger, &group);
        if outcome == Err(SpoolError::DiskFull) {
            outcome = self.commit(&mut ledger, &group);
        }
        if let Err(error) = outcome {
            for member in &group {
                member.settle(Err(error.clone()));
            }
            lock(&self.undecided).keep(group);
        }
        drop(ledger);
        self.appended.send_modify(|commits| *commits = commits.wrapping_add(1));
        waiting.outcome().unwrap_or_else(|| Err(SpoolError::Store("a group lost a member".into())))
    }

    /// Reads captures for delivery: at most `max` and 1 MiB, each following the other, the first at or above `from`.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub fn read(&self, lane: Level, from: Seq, max: usize) -> Result<Vec<(Seq, wire::Capture)>, SpoolError> {
        self.with(|ledger| ledger.read(lane, from, max))
    }

    /// Forgets the captures and gaps that the collector has committed.
    ///
    /// # Errors
    ///
    /// [`SpoolError::Impossible`] for a sequence that was never made; otherwise when the disk refuses.
    pub fn acknowledge(&self, lane: Level, through: Seq) -> Result<(), SpoolError> {
        let known = self.with(|ledger| {
            let known = through < ledger.lane_next(lane);
            if known {
                ledger.acknowledge(lane, through)?;
            }
            Ok(known)
        })?;
        if known { Ok(()) } else { Err(SpoolError::Impossible { lane, through }) }
    }

    /// Takes up delivery where the collector says its commits end, one mark a lane; a lane without one has none.
    /// Answers the lanes whose captures had to move above a mark, since the store came back from an earlier time.
    ///
    /// # Errors
    ///
    /// [`SpoolError::Impossible`] for a mark that was never reached; otherwise when the disk refuses.
    pub fn resume(&self, marks: &[(Level, Seq)]) -> Result<Vec<Level>, SpoolError> {
        let now = stamp(self.clock.as_ref());
        let mut moved = Vec::new();
        for lane in Level::ALL {
            let through = marks.iter().find(|(of, _)| *of == lane).map_or(Seq::NONE, |(_, mark)| *mark);
            match self.with(|ledger| {
                let resumed = ledger.resume(lane, through, &now)?;
                if resumed == Resumed::Overtaken {
                    ledger.commit()?;
                }
                Ok(resumed)
            })? {
                Resumed::Agreed => {}
                Resumed::Overtaken => moved.push(lane),
                Resumed::Impossible => return Err(SpoolError::Impossible { lane, through }),
            }
        }
        Ok(moved)
    }

    /// The gaps of a lane that end at or above `from`.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub fn gaps(&self, lane: Level, from: Seq) -> Result<Vec<Gap>, SpoolError> {
        self.with(|ledger| Ok(ledger.gaps(lane, from)))
    }

    /// The gaps that earlier epochs left.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub fn earlier_gaps(&self) -> Result<Vec<Gap>, SpoolError> {
        self.with(|ledger| Ok(ledger.earlier_gaps().to_vec()))
    }

    /// Forgets the gaps that earlier epochs left in a lane: the collector has them.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub fn forget_earlier_gaps(&self, lane: Level) -> Result<(), SpoolError> {
        self.with(|ledger| {
            ledger.forget_earlier(lane)?;
            if ledger.earlier_gaps().is_empty() { self.place.forget_lost(self.epoch()) } else { Ok(()) }
        })
    }

    /// Takes out a capture that the collector refused, and leaves a gap.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub fn give_up(&self, lane: Level, seq: Seq) -> Result<(), SpoolError> {
        self.with(|ledger| {
            ledger.give_up(lane, seq, seq, GapReason::Quarantined)?;
            ledger.commit()
        })
    }

    /// Drops what is older than the spool keeps, and gives it its full size again where a full disk has room once more.
    /// To be called once in a while.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub fn expire(&self) -> Result<(), SpoolError> {
        let now = stamp(self.clock.as_ref());
        self.place.keep_within_share();
        self.with(|ledger| {
            if ledger.is_shrunk() && self.place.keep_ballast() {
                ledger.restore(self.place.limits());
            }
            ledger.expire(&now)
        })
    }

    /// What each lane holds, lowest first.
    #[must_use]
    pub fn lane_states(&self) -> Vec<LaneState> {
        lock(&self.summary).lanes.clone()
    }

    /// Live bytes of all lanes, keys included.
    #[must_use]
    pub fn live_bytes(&self) -> u64 {
        lock(&self.summary).live_bytes
    }

    /// Which spool this is. Changes when the store had to be replaced.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        lock(&self.summary).epoch
    }

    /// How the spool came to be open; once one was set aside, how that came, for as long as the process lasts.
    #[must_use]
    pub fn opened(&self) -> Opened {
        lock(&self.summary).opened
    }

    /// Why the last call did not do as it was told; none where it did.
    #[must_use]
    pub fn trouble(&self) -> Option<SpoolError> {
        lock(&self.summary).trouble.clone()
    }

    /// Changes with each commit.
    #[must_use]
    pub fn appended(&self) -> watch::Receiver<u64> {
        self.appended.subscribe()
    }

    fn commit(&self, ledger: &mut Option<Ledger>, group: &[Arc<Waiting>]) -> Result<(), SpoolError> {
        let now = stamp(self.clock.as_ref());
        let outcomes = self.apply(ledger, |ledger| {
            ledger.expire(&now)?;
            let outcomes: Result<Vec<_>, _> = group.iter().map(|member| member.append_to(ledger, &now)).collect();
            failpoint!("spool.append", ledger.commit()?);
            outcomes
        })?;
        for (member, outcome) in group.iter().zip(outcomes) {
            member.settle(Ok(outcome));
        }
        Ok(())
    }

    fn with<T>(&self, call: impl FnOnce(&mut Ledger) -> Result<T, EngineError>) -> Result<T, SpoolError> {
        self.apply(&mut lock(&self.ledger), call)
    }

    /// Runs `call` on the open store, opened anew where the last call failed.
    fn apply<T>(
        &self,
        held: &mut Option<Ledger>,
        call: impl FnOnce(&mut Ledger) -> Result<T, EngineError>,
    ) -> Result<T, SpoolError> {
        let ledger = match held {
            Some(ledger) => ledger,
            None => {
                let ledger = held.insert(self.reopen()?.0);
                lock(&self.undecided).decide(ledger, &lock(&self.queue))?;
                ledger
            }
        };
        let result = call(ledger).map_err(|error| SpoolError::store(&error));
        let mut summary = lock(&self.summary);
        match &result {
            Ok(_) => *summary = Summary::of(ledger, summary.epoch, summary.opened),
            Err(error) => {
                summary.failed = *error != SpoolError::DiskFull;
                summary.trouble = Some(error.clone());
                *held = None;
            }
        }
        result
    }

    fn reopen(&self) -> Result<(Ledger, OpenReport), SpoolError> {
        let (disk_full, failed) = {
            let summary = lock(&self.summary);
            (summary.trouble == Some(SpoolError::DiskFull), summary.failed)
        };
        let way = disk_full.then(|| self.place.make_way());
        let trust = if failed { Trust::Doubted } else { Trust::Sound };
        let opened = self.place.open(&stamp(self.clock.as_ref()), trust).and_then(|(mut ledger, report)| {
            if let Some(way) = way {
                shrink(&mut ledger, way).map_err(|error| SpoolError::store(&error))?;
            }
            Ok((ledger, report))
        });
        let mut summary = lock(&self.summary);
        match &opened {
            Ok((ledger, report)) => {
                let OpenReport { opened, epoch, held, .. } = report;
                tracing::info!(spool.epoch = %epoch, spool.held = held, opened = ?opened, "the spool is open");
                let told = if summary.opened.loss().is_some() { summary.opened } else { *opened };
                *summary = Summary::of(ledger, *epoch, told);
            }
            Err(error) => summary.trouble = Some(error.clone()),
        }
        if !disk_full && opened.is_ok() {
            self.place.keep_ballast();
        }
        opened
    }
}

impl std::fmt::Debug for Spool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spool").field("summary", &*lock(&self.summary)).finish_non_exhaustive()
    }
}

/// Lets go of a quarter of what a spool holds: the disk is full. Where there was no room to give, only as long as that
/// frees whole segments of the store.
fn shrink(ledger: &mut Ledger, way: MadeWay) -> Result<(), EngineError> {
    let live = ledger.live_bytes();
    match way {
        MadeWay::Much => return Ok(()),
        MadeWay::Nothing if live < WORTH_SHRINKING => return ledger.shrink_to(live),
        MadeWay::Enough | MadeWay::Nothing => ledger.shrink_to(live / 2)?,
    }
    ledger.commit()?;
    tracing::warn!(spool.bytes = ledger.live_bytes(), "the disk is full: the spool dropped its lowest lanes");
    Ok(())
}

fn stamp(clock: &dyn Clock) -> Stamp {
    Stamp { wall_us: clock.wall_us(), boot_us: clock.boot_us(), boot_id: clock.boot_id() }
}

/// Locks what stays consistent even where a holder panicked: a ledger that failed is replaced.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
