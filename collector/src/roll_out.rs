//! Roll-outs: who is offered a release, and when one is halted. Pure.
//!
//! A release goes to groups, to a share of all devices, or to everybody; its stage only grows. The share is drawn by
//! device and release, so that the same devices are not always first. Whoever is not in the stage is offered the last
//! release that is everybody's. What a device has it keeps: releases only grow there.

use std::collections::BTreeSet;

use lapwing_proto::DeviceId;
use lapwing_rules::Digest;

use crate::store::artefacts::ArtefactKind;

/// Everybody.
pub(crate) const EVERYBODY: u8 = 100;
/// Most groups of a stage.
pub(crate) const MAX_GROUPS: usize = 64;
/// Below so many devices one that is unwell is a reason; above it, one in ten.
const FEW: usize = 10;
/// Fewer devices say nothing of how often a release makes devices capture.
const NOISY: usize = 5;

/// Who is offered a release.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stage {
    /// Of all devices, 0 to 100.
    pub(crate) percent: u8,
    /// Groups that have it whole.
    pub(crate) groups: BTreeSet<String>,
}

/// A release that is rolled out, and the last one that is everybody's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RollOut {
    /// 0: there is none.
    pub(crate) newest: u64,
    /// 0: there is none.
    pub(crate) base: u64,
    pub(crate) stage: Stage,
    /// Nobody else is offered the newest.
    pub(crate) is_halted: bool,
}

/// How one device is, as far as a roll-out asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Patient {
    pub(crate) device: DeviceId,
    pub(crate) group: String,
    /// What it has.
    pub(crate) release: u64,
    /// It refused a release since the roll-out began.
    pub(crate) has_refused: bool,
    /// Something went wrong since it took what it has, or, where that is not the newest, since the roll-out began.
    pub(crate) is_unwell: bool,
    /// It captured something in the same time, daily checks apart.
    pub(crate) captured: bool,
    /// It was heard since the roll-out began.
    pub(crate) is_in_use: bool,
}

/// Why a roll-out is halted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Regression {
    /// Devices refuse the release.
    Refused { devices: usize, of: usize },
    /// Devices that took it are unwell, more often than the others.
    Unwell { devices: usize, of: usize },
    /// Most devices that took it captured something, and far fewer of the others: a rule fires on what everybody does.
    Noisy { devices: usize, of: usize },
}

/// Numbers of a roll-out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Devices that are offered it.
    pub(crate) offered: usize,
    /// Of all, those that have it.
    pub(crate) taken: usize,
    /// Of those, unwell since.
    pub(crate) unwell: usize,
    /// Offered, and refused it.
    pub(crate) refused: usize,
    /// That have another release.
    pub(crate) others: usize,
    /// Of those, unwell since it began.
    pub(crate) others_unwell: usize,
    /// Of those that have it, captured something since.
    pub(crate) captured: usize,
    /// That have another, and were in use since it began.
    pub(crate) others_in_use: usize,
    /// Of those, captured something since it began.
    pub(crate) others_captured: usize,
}

impl Stage {
    /// Everybody.
    pub(crate) fn everybody() -> Self {
        Self { percent: EVERYBODY, groups: BTreeSet::new() }
    }

    /// Whether it is everybody.
    pub(crate) const fn is_everybody(&self) -> bool {
        self.percent >= EVERYBODY
    }

    /// Whether a device of `group` is in it.
    pub(crate) fn includes(&self, kind: ArtefactKind, release: u64, (device, group): (DeviceId, &str)) -> bool {
        self.is_everybody() || self.groups.contains(group) || draw(kind, release, device) < self.percent
    }

    /// This stage and `more`.
    pub(crate) fn grown(&self, more: &Self) -> Self {
        let groups = self.groups.union(&more.groups).cloned().collect();
        Self { percent: self.percent.max(more.percent), groups }
    }
}

impl RollOut {
    /// What a device is offered; 0 for nothing.
    pub(crate) fn for_device(&self, kind: ArtefactKind, device: (DeviceId, &str)) -> u64 {
        let is_offered = !self.is_halted && self.stage.includes(kind, self.newest, device);
        if is_offered { self.newest } else { self.base }
    }

    /// How far it is.
    pub(crate) fn progress(&self, kind: ArtefactKind, patients: &[Patient]) -> Progress {
        let mut progress = Progress::default();
        for patient in patients {
            let is_offered = self.stage.includes(kind, self.newest, (patient.device, &patient.group));
            progress.offered += usize::from(is_offered);
            if patient.release == self.newest {
                progress.taken += 1;
                progress.unwell += usize::from(patient.is_unwell);
                progress.captured += usize::from(patient.captured);
            } else {
                progress.others += 1;
                progress.others_unwell += usize::from(patient.is_unwell);
                progress.others_in_use += usize::from(patient.is_in_use);
                progress.others_captured += usize::from(patient.is_in_use && patient.captured);
                progress.refused += usize::from(is_offered && patient.has_refused);
            }
        }
        progress
    }
}

impl Progress {
    /// Why the roll-out should go no further; nothing where it may.
    pub(crate) fn regression(&self) -> Option<Regression> {
        let reached = self.taken + self.refused;
        if is_many(self.refused, reached) {
            return Some(Regression::Refused { devices: self.refused, of: reached });
        }
        // Twice as often as those without it: what befalls everybody is not the release's doing.
        let is_more = self.unwell * self.others.max(1) > 2 * self.others_unwell * self.taken;
        if is_many(self.unwell, self.taken) && is_more {
            return Some(Regression::Unwell { devices: self.unwell, of: self.taken });
        }
        self.is_noisy().then_some(Regression::Noisy { devices: self.captured, of: self.taken })
    }

    /// A busy lesson makes a few devices capture; that half of them do, and three times the share of the others, is the
    /// rules' doing.
    const fn is_noisy(&self) -> bool {
        let is_most = self.captured >= NOISY && self.captured * 2 >= self.taken;
        let are_enough = self.others_in_use >= NOISY;
        are_enough && is_most && self.captured * self.others_in_use > 3 * self.others_captured * self.taken
    }
}

impl Regression {
    /// The one text form.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Refused { .. } => "refused",
            Self::Unwell { .. } => "unwell",
            Self::Noisy { .. } => "noisy",
        }
    }
}

const fn is_many(some: usize, of: usize) -> bool {
    if of < FEW { some > 0 } else { some * FEW >= of }
}

/// 0 to 99, another for each release.
fn draw(kind: ArtefactKind, release: u64, device: DeviceId) -> u8 {
    let drawn = [kind.as_str().as_bytes(), &release.to_be_bytes(), device.as_bytes()].concat();
    let bytes = Digest::of(&drawn);
    let number = bytes.as_bytes().iter().take(8).fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    u8::try_from(number % 100).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: ArtefactKind = ArtefactKind::RuleSet;

    fn device(number: u16) -> DeviceId {
        let [high, low] = number.to_be_bytes();
        DeviceId::from_bytes([high, low, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3])
    }

    fn stage(percent: u8, groups: &[&str]) -> Stage {
        Stage { percent, groups: groups.iter().map(|group| (*group).to_owned()).collect() }
    }

    fn patients(count: u16, release: u64, unwell: u16, refused: u16) -> Vec<Patient> {
        let one = |number| Patient {
            device: device(number),
            group: "pupils".to_owned(),
            release,
            has_refused: number < refused,
            is_unwell: number < unwell,
            captured: false,
            is_in_use: true,
        };
        (0..count).map(one).collect()
    }

    #[test]
    fn a_share_is_about_its_size_another_for_each_release_and_only_grows() {
        let in_stage = |percent, release| -> BTreeSet<u16> {
            (0..2000).filter(|one| stage(percent, &[]).includes(KIND, release, (device(*one), "pupils"))).collect()
        };
        let tenth = in_stage(10, 7);
        assert!((120..280).contains(&tenth.len()), "{}", tenth.len());
        assert!(tenth.is_subset(&in_stage(50, 7)));
        assert_ne!(tenth, in_stage(10, 8));
        assert_eq!((in_stage(0, 7).len(), in_stage(100, 7).len()), (0, 2000));
    }

    #[test]
    fn who_is_not_in_the_stage_is_offered_what_is_everybodys_and_nobody_more_once_it_is_halted() {
        let out = RollOut { newest: 7, base: 6, stage: stage(0, &["pilot"]), is_halted: false };
        assert_eq!(out.for_device(KIND, (device(1), "pilot")), 7);
        assert_eq!(out.for_device(KIND, (device(1), "pupils")), 6);
        assert_eq!(RollOut { is_halted: true, ..out }.for_device(KIND, (device(1), "pilot")), 6);
        assert_eq!(stage(10, &["pilot"]).grown(&stage(5, &["staff"])), stage(10, &["pilot", "staff"]));
    }

    #[test]
    fn a_few_that_are_unwell_halt_a_pilot_and_one_in_ten_a_school() {
        let out = RollOut { newest: 7, base: 6, stage: stage(50, &[]), is_halted: false };
        let found = |taken: (u16, u16), others: (u16, u16)| {
            let (of_newest, of_base) = (patients(taken.0, 7, taken.1, 0), patients(others.0, 6, others.1, 0));
            out.progress(KIND, &[of_newest, of_base].concat()).regression()
        };
        assert_eq!(found((3, 0), (100, 0)), None);
        assert_eq!(found((3, 1), (100, 0)), Some(Regression::Unwell { devices: 1, of: 3 }));
        assert_eq!(found((100, 9), (100, 0)), None);
        assert_eq!(found((100, 10), (100, 0)), Some(Regression::Unwell { devices: 10, of: 100 }));
        assert_eq!(found((100, 10), (100, 5)), None, "half of it befalls the others too");
        assert_eq!(found((100, 60), (0, 0)), Some(Regression::Unwell { devices: 60, of: 100 }));
    }

    #[test]
    fn a_release_that_makes_most_devices_capture_is_halted() {
        let out = RollOut { newest: 7, base: 6, stage: stage(50, &[]), is_halted: false };
        let found = |taken: (u16, u16), others: (u16, u16)| {
            let capturing = |(count, captured): (u16, u16), release| {
                let all = patients(count, release, 0, 0).into_iter().zip(0..);
                all.map(|(patient, number)| Patient { captured: number < captured, ..patient }).collect::<Vec<_>>()
            };
            out.progress(KIND, &[capturing(taken, 7), capturing(others, 6)].concat()).regression()
        };
        assert_eq!(found((20, 9), (100, 2)), None, "less than half");
        assert_eq!(found((20, 10), (100, 2)), Some(Regression::Noisy { devices: 10, of: 20 }));
        assert_eq!(found((20, 18), (100, 30)), None, "the others capture a lot as well");
        assert_eq!(found((4, 4), (100, 0)), None, "so few say nothing");
        let off = patients(100, 6, 0, 0).into_iter().map(|patient| Patient { is_in_use: false, ..patient });
        let on = patients(10, 7, 0, 0).into_iter().map(|patient| Patient { captured: true, ..patient });
        let progress = out.progress(KIND, &off.chain(on).collect::<Vec<_>>());
        assert_eq!(progress.regression(), None, "who is off captures nothing, whatever the release");
        assert_eq!((found((20, 20), (4, 0)), found((20, 20), (0, 0))), (None, None), "nothing to compare it with");
    }

    #[test]
    fn devices_that_refuse_a_release_halt_it() {
        let out = RollOut { newest: 7, base: 6, stage: Stage::everybody(), is_halted: false };
        let progress = out.progress(KIND, &[patients(2, 7, 0, 0), patients(1, 6, 0, 1)].concat());
        assert_eq!((progress.taken, progress.refused, progress.offered), (2, 1, 3));
        assert_eq!(progress.regression(), Some(Regression::Refused { devices: 1, of: 3 }));
        let not_offered = RollOut { stage: stage(0, &[]), ..out };
        assert_eq!(not_offered.progress(KIND, &patients(1, 6, 0, 1)).regression(), None, "it refused something else");
    }
}
