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
/// Rule sets on trial that are remembered: the one in force, the one before it, and some that broke.
const MAX_RECORDS: usize = 6;
/// Largest file of them, in bytes.
const MAX_BYTES: usize = 2_048;

/// The service ended by itself too often under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the service ended {MAX_STARTS} times by itself while it was new")]
pub(crate) struct Broke;

/// A rule set on trial, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    /// Digest of the artefact, hexadecimal.
    set: String,
    /// The boot in which the starts were.
    boot: String,
    starts: u32,
}

/// Counts the starts with rule sets that have not passed.
pub(super) struct Trial {
    file: PathBuf,
    boot: String,
    /// The oldest first.
    records: Vec<Record>,
    /// Which rule set of those this run goes on under, and since when, in microseconds since the PC started.
    running: Option<(String, u64)>,
}

/// What stood before a trial began, to be put back where nothing comes of it.
pub(super) struct Before {
    records: Vec<Record>,
    running: Option<(String, u64)>,
}

impl Trial {
    /// As it stands in `state_dir`; what cannot be read is none.
    pub(super) fn open(state_dir: &std::path::Path, boot: BootId) -> Self {
        let file = state_dir.join(state_folder::TRIAL);
        let kept = durable::read_bounded(&file, MAX_BYTES).ok();
        let records = kept.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        Self { file, boot: boot.to_string(), records, running: None }
    }

    /// A rule set that arrived is about to be read, at `now_us` since the PC started.
    pub(super) fn begin(&mut self, set: &Digest, now_us: u64) -> Result<Before, Broke> {
        let (before, set) = (Before { records: self.records.clone(), running: self.running.take() }, set.to_string());
        if before.running.as_ref().is_some_and(|(running, _)| *running == set) {
            self.running.clone_from(&before.running);
            return Ok(before);
        }
        let starts = match self.of(&set) {
            Some(record) if record.starts >= MAX_STARTS => {
                self.running = before.running;
                return Err(Broke);
            }
            Some(record) if record.boot == self.boot => record.starts + 1,
            Some(_) | None => 1,
        };
        self.records.retain(|record| record.set != set);
        self.records.push(Record { set: set.clone(), boot: self.boot.clone(), starts });
        if self.records.len() > MAX_RECORDS {
            self.records.remove(0);
        }
        self.running = Some((set, now_us));
        self.keep();
        Ok(before)
    }

    /// A rule set that an earlier run kept is about to be read again.
    pub(super) fn resume(&mut self, set: &Digest, now_us: u64) -> Result<(), Broke> {
        if self.is_of(set) { self.begin(set, now_us).map(drop) } else { Ok(()) }
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

    /// Looks whether the rule set in force has passed.
    pub(super) fn look(&mut self, now_us: u64) {
        if let Some((set, _)) = self.running.take_if(|(_, since_us)| now_us.saturating_sub(*since_us) >= PERIOD_US) {
            self.records.retain(|record| record.set != set);
            self.keep();
        }
    }

    /// The service is told to stop: this run is none that ended by itself.
    pub(super) fn stop(&mut self) {
        let Some((set, _)) = self.running.take() else { return };
        for record in self.records.iter_mut().filter(|record| record.set == set) {
            record.starts = record.starts.saturating_sub(1);
        }
        self.keep();
    }

    fn of(&self, set: &str) -> Option<&Record> {
        self.records.iter().find(|record| record.set == set)
    }

    /// A disk that takes no record takes no rule set either: the one that it holds has passed.
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
        Trial::open(folder.path(), boot)
    }

    #[test]
    fn a_rule_set_that_ends_the_service_is_taken_three_times() {
        let folder = tempfile::tempdir().unwrap();
        start(&folder, BOOT).begin(&set(1), 5).unwrap();
        for _ in 1..MAX_STARTS {
            assert_eq!(start(&folder, BOOT).resume(&set(1), 5), Ok(()));
        }
        let mut last = start(&folder, BOOT);
        assert_eq!(last.resume(&set(1), 5), Err(Broke));
        assert_eq!(last.begin(&set(1), 5).err(), Some(Broke), "nor where it comes again");
        assert_eq!(start(&folder, BootId::from_bytes([2; 16])).resume(&set(1), 5), Err(Broke), "nor another day");
        assert!(last.begin(&set(2), 5).is_ok(), "another one is taken");
    }

    #[test]
    fn what_went_on_for_ten_minutes_has_passed() {
        let folder = tempfile::tempdir().unwrap();
        let mut trial = start(&folder, BOOT);
        trial.begin(&set(1), 7).unwrap();
        trial.look(PERIOD_US + 6);
        assert!(trial.is_of(&set(1)));
        trial.look(PERIOD_US + 7);
        assert!(!trial.is_of(&set(1)));
        assert!((0..9).all(|_| start(&folder, BOOT).resume(&set(1), 5).is_ok()));
    }

    #[test]
    fn starts_after_an_order_to_stop_or_of_another_boot_do_not_count() {
        let folder = tempfile::tempdir().unwrap();
        start(&folder, BOOT).begin(&set(1), 5).unwrap();
        for number in 2..12 {
            let mut trial = start(&folder, BOOT);
            assert_eq!(trial.resume(&set(1), 5), Ok(()), "told to stop, {number}");
            trial.stop();
        }
        for number in 2..12 {
            assert_eq!(start(&folder, BootId::from_bytes([number; 16])).resume(&set(1), 5), Ok(()), "off, {number}");
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
        trial.look(PERIOD_US + 5);
        assert!(!trial.is_of(&set(1)), "its time goes on");
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
