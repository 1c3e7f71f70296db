//! A rule set is on trial when it is new: one under which the service ends again and again is not taken any more.
//!
//! What verifies and passes its own tests may still break what judges by it. That would end the service, which is started
//! again, with the same rule set, for ever. So the first starts with a rule set are counted on disk before it is read; it has
//! passed once the service went on under it for [`PERIOD_US`], or was told to stop.
//!
//! A PC that is switched off is no end of the service by itself: starts of another boot do not count.

use std::path::PathBuf;

use lapwing_proto::BootId;
use lapwing_rules::Digest;
use serde::{Deserialize, Serialize};

use crate::{durable, state_folder};

/// Starts with a new rule set, in one boot, until it is taken no more.
pub(super) const MAX_STARTS: u32 = 3;
/// How long the service goes on under a rule set until that has passed, in microseconds: ten minutes.
pub(super) const PERIOD_US: u64 = 10 * 60 * 1_000_000;
/// Most of the time between two looks that counts, in microseconds: twice what there is between them in a PC that is awake.
const MOST_BETWEEN_US: u64 = 20 * 1_000_000;
/// Rule sets on trial that are remembered: the one in force, the one before it, and some that broke.
const MAX_RECORDS: usize = 6;
/// Largest file of them, in bytes.
const MAX_BYTES: usize = 2_048;

/// The service ended by itself too often under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the agent ended {MAX_STARTS} times by itself under it while it was new: publish a mended one")]
pub(crate) struct Broke;

/// A rule set on trial, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    /// Digest of the artefact, hexadecimal.
    set: String,
    /// The boot in which the starts were.
    boot: String,
    /// The agent that started. What one version breaks by another may not.
    version: String,
    starts: u32,
}

/// The rule set on trial that this run goes on under.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Running {
    set: String,
    /// How long it has, in microseconds.
    for_us: u64,
    /// When that was last looked at, in microseconds since the PC started.
    looked_us: u64,
}

/// Counts the starts with rule sets that have not passed.
pub(super) struct Trial {
    file: PathBuf,
    boot: String,
    version: &'static str,
    /// The oldest first.
    records: Vec<Record>,
    running: Option<Running>,
}

/// What stood before a trial began, to be put back where nothing comes of it.
pub(super) struct Before {
    records: Vec<Record>,
    running: Option<Running>,
}

impl Trial {
    /// As it stands in `state_dir`; what cannot be read is none.
    pub(super) fn open(state_dir: &std::path::Path, boot: BootId, version: &'static str) -> Self {
        let file = state_dir.join(state_folder::TRIAL);
        let kept = durable::read_bounded(&file, MAX_BYTES).ok();
        let records = kept.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        Self { file, boot: boot.to_string(), version, records, running: None }
    }

    /// A rule set that arrived is about to be read, at `now_us` since the PC started.
    pub(super) fn begin(&mut self, set: &Digest, now_us: u64) -> Result<Before, Broke> {
        let set = set.to_string();
        let before = Before { records: self.records.clone(), running: self.running.clone() };
        if self.running.as_ref().is_some_and(|running| running.set == set) {
            return Ok(before);
        }
        let starts = self.starts(&set)? + 1;
        // Where the service ends now, it is not for the one that it goes on under.
        self.take_back();
        self.records.retain(|record| record.set != set);
        let (boot, version) = (self.boot.clone(), self.version.to_owned());
        self.records.push(Record { set: set.clone(), boot, version, starts });
        if self.records.len() > MAX_RECORDS {
            self.records.remove(0);
        }
        self.running = Some(Running { set, for_us: 0, looked_us: now_us });
        self.keep();
        Ok(before)
    }

    /// A rule set that an earlier run kept is about to be read again.
    pub(super) fn resume(&mut self, set: &Digest, now_us: u64) -> Result<Before, Broke> {
        if self.is_of(set) {
            return self.begin(set, now_us);
        }
        Ok(Before { records: self.records.clone(), running: self.running.clone() })
    }

    /// What began was refused, and nothing came of it.
    pub(super) fn withdraw(&mut self, before: Before) {
        self.running = before.running;
        if self.records != before.records {
            self.records = before.records;
            self.keep();
        }
    }

    /// Whether this rule set has not passed yet, or will not.
    pub(super) fn is_of(&self, set: &Digest) -> bool {
        self.of(&set.to_string()).is_some()
    }

    /// Looks whether the rule set in force has passed just now. Sleep does not count.
    pub(super) fn look(&mut self, now_us: u64) -> bool {
        let Some(running) = &mut self.running else { return false };
        running.for_us += now_us.saturating_sub(running.looked_us).min(MOST_BETWEEN_US);
        running.looked_us = now_us;
        let Some(passed) = self.running.take_if(|running| running.for_us >= PERIOD_US) else { return false };
        self.records.retain(|record| record.set != passed.set);
        self.keep();
        true
    }

    /// The service is told to stop: this run is none that ended by itself.
    pub(super) fn stop(&mut self) {
        if self.take_back() {
            self.keep();
        }
    }

    /// The start of this run with the rule set that it goes on under counts no more. Says whether there is one.
    fn take_back(&mut self) -> bool {
        let Some(running) = self.running.take() else { return false };
        for record in self.records.iter_mut().filter(|record| record.set == running.set) {
            record.starts = record.starts.saturating_sub(1);
        }
        true
    }

    fn of(&self, set: &str) -> Option<&Record> {
        self.records.iter().find(|record| record.set == set)
    }

    /// Starts with it that count.
    fn starts(&self, set: &str) -> Result<u32, Broke> {
        match self.of(set).filter(|record| record.version == self.version) {
            Some(record) if record.starts >= MAX_STARTS => Err(Broke),
            Some(record) if record.boot == self.boot => Ok(record.starts),
            Some(_) | None => Ok(0),
        }
    }

    /// What the disk does not take counts for this run alone.
    fn keep(&self) {
        let kept = match self.records.as_slice() {
            [] => durable::remove(&self.file),
            records => serde_json::to_vec(records)
                .map_err(std::io::Error::other)
                .and_then(|bytes| durable::replace(&self.file, &bytes)),
        };
        if let Err(error) = kept {
            tracing::warn!(error = %error, "the trial of a rule set cannot be kept");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOT: BootId = BootId::from_bytes([1; 16]);

    fn set(number: u8) -> Digest {
        Digest::of(&[number])
    }

    /// The service starts once more.
    fn start(folder: &tempfile::TempDir, boot: BootId) -> Trial {
        Trial::open(folder.path(), boot, "1.0.0")
    }

    /// Looks as a PC does that is awake. Says whether the rule set passed.
    fn awake(trial: &mut Trial, since_us: u64, for_us: u64) -> bool {
        let mut looks = (0..for_us / MOST_BETWEEN_US).map(|look| (look + 1) * MOST_BETWEEN_US).chain([for_us]);
        looks.any(|at_us| trial.look(since_us + at_us))
    }

    #[test]
    fn a_rule_set_that_ends_the_service_is_taken_three_times() {
        let folder = tempfile::tempdir().unwrap();
        start(&folder, BOOT).begin(&set(1), 5).unwrap();
        for _ in 1..MAX_STARTS {
            assert!(start(&folder, BOOT).resume(&set(1), 5).is_ok());
        }
        let mut last = start(&folder, BOOT);
        assert_eq!(last.resume(&set(1), 5).err(), Some(Broke));
        assert_eq!(last.begin(&set(1), 5).err(), Some(Broke), "nor where it comes again");
        let another_day = start(&folder, BootId::from_bytes([2; 16])).resume(&set(1), 5).err();
        assert_eq!(another_day, Some(Broke), "nor another day");
        let mut upgraded = Trial::open(folder.path(), BOOT, "1.0.1");
        assert!(upgraded.resume(&set(1), 5).is_ok(), "an agent that was mended tries again");
        assert!(last.begin(&set(2), 5).is_ok(), "another one is taken");
    }

    #[test]
    fn what_went_on_for_ten_minutes_has_passed() {
        let folder = tempfile::tempdir().unwrap();
        let mut trial = start(&folder, BOOT);
        trial.begin(&set(1), 7).unwrap();
        assert!(!awake(&mut trial, 7, PERIOD_US - 1));
        assert!(trial.is_of(&set(1)));
        assert!(awake(&mut trial, 7 + PERIOD_US - 1, 1));
        assert!(!trial.is_of(&set(1)));
        assert!((0..9).all(|_| start(&folder, BOOT).resume(&set(1), 5).is_ok()));
    }

    #[test]
    fn a_pc_that_sleeps_proves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut trial = start(&folder, BOOT);
        trial.begin(&set(1), 7).unwrap();
        assert!(!trial.look(1_000 * PERIOD_US));
        assert!(trial.is_of(&set(1)));
    }

    #[test]
    fn an_end_while_the_next_one_is_read_is_not_for_the_one_in_force() {
        let folder = tempfile::tempdir().unwrap();
        start(&folder, BOOT).begin(&set(1), 5).unwrap();
        for _ in 0..MAX_STARTS {
            let mut trial = start(&folder, BOOT);
            trial.resume(&set(1), 5).unwrap();
            trial.begin(&set(2), 6).unwrap();
        }
        let mut last = start(&folder, BOOT);
        assert!(last.resume(&set(1), 5).is_ok());
        assert_eq!(last.begin(&set(2), 6).err(), Some(Broke));
    }

    #[test]
    fn starts_after_an_order_to_stop_or_of_another_boot_do_not_count() {
        let folder = tempfile::tempdir().unwrap();
        start(&folder, BOOT).begin(&set(1), 5).unwrap();
        for number in 2..12 {
            let mut trial = start(&folder, BOOT);
            assert!(trial.resume(&set(1), 5).is_ok(), "told to stop, {number}");
            trial.stop();
        }
        for number in 2..12 {
            assert!(start(&folder, BootId::from_bytes([number; 16])).resume(&set(1), 5).is_ok(), "off, {number}");
        }
    }

    #[test]
    fn one_that_is_refused_leaves_the_trial_of_the_one_in_force() {
        let folder = tempfile::tempdir().unwrap();
        let mut trial = start(&folder, BOOT);
        trial.begin(&set(1), 5).unwrap();
        let before = trial.begin(&set(2), 6).unwrap();
        assert!(trial.is_of(&set(1)) && trial.is_of(&set(2)));
        trial.withdraw(before);
        let kept = start(&folder, BOOT);
        assert!(kept.is_of(&set(1)) && !kept.is_of(&set(2)));
        assert!(awake(&mut trial, 5, PERIOD_US) && !trial.is_of(&set(1)), "its time goes on");
    }

    #[test]
    fn a_few_that_broke_are_remembered() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..9 {
            start(&folder, BOOT).begin(&set(number), 5).unwrap();
        }
        let kept = start(&folder, BOOT);
        assert_eq!((0..9).filter(|number| kept.is_of(&set(*number))).count(), MAX_RECORDS);
        assert!(kept.is_of(&set(8)) && std::fs::metadata(&kept.file).unwrap().len() < MAX_BYTES as u64);
    }
}
