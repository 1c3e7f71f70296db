//! Exemptions: topics that are not captured for a while, because a class is to look into them.
//!
//! Anybody on the staff asks. The DSL or their deputy approves once a technician has read the risk assessment; where it is
//! for the whole school or longer than a lesson, two approve. Nothing illegal and nothing critical is ever exempted, on a
//! device ([`lapwing_proto::Exemption`]) or here. All of it is pure.

use std::collections::BTreeSet;
use std::time::Duration;

use lapwing_proto::bounds::{MAX_APPROVED_MEDIA, MAX_EXEMPTIONS, MAX_NAME_BYTES, MAX_PLACES};
use lapwing_proto::{ApprovedMedium, Exemption, ExemptionId, ExemptionList, SchoolId};
use lapwing_rules::{Category, Level};
use serde::{Deserialize, Serialize};

use crate::ids::as_text;

/// Longest risk assessment, in bytes.
pub const MAX_RISKS_BYTES: usize = 2000;
/// Most exemptions that are agreed on and not over.
pub(crate) const MAX_STANDING: usize = MAX_EXEMPTIONS;
/// Devices that did not hear the collector for so long exempt nothing more: one that was ended early is soon over
/// everywhere.
const HEARD_WITHIN: Duration = Duration::from_secs(24 * 60 * 60);
const MINUTE_US: i64 = 60_000_000;
const DAY_US: i64 = 24 * 60 * MINUTE_US;
/// Longest of all: four weeks.
pub(crate) const LONGEST_US: i64 = 28 * DAY_US;
/// How long beforehand one may be asked for: a term.
const AHEAD_US: i64 = 120 * DAY_US;
/// Two with less between them are one.
const BREAK_US: i64 = 20 * MINUTE_US;

/// What is asked for, and agreed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Its id.
    #[serde(with = "as_text")]
    pub id: ExemptionId,
    /// What is not captured.
    pub categories: BTreeSet<Category>,
    /// Everybody and everywhere; then no group or room is named.
    pub whole_school: bool,
    /// Classes, and groups of devices.
    pub groups: BTreeSet<String>,
    /// Rooms.
    pub rooms: BTreeSet<String>,
    /// First moment, microseconds of UTC.
    pub from_us: i64,
    /// First moment after it.
    pub until_us: i64,
    /// How long a lesson was when this was asked for.
    pub lesson_minutes: i64,
    /// What may go wrong, and what is done about it. Says nothing of a pupil.
    pub risks: String,
}

/// A plan that was approved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// What was agreed on.
    pub plan: Plan,
    /// When: it does not begin before.
    pub agreed_us: i64,
    /// When somebody ended it early.
    pub ended_us: Option<i64>,
}

/// Why a plan cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanFault {
    /// No topic.
    #[error("an exemption names a topic")]
    NoTopic,
    /// A topic that nobody may exempt.
    #[error("{0} is never exempted")]
    Never(Category),
    /// Nowhere, or too many places, or a name that is none.
    #[error("an exemption is for the whole school, or names 1 to {MAX_PLACES} groups and rooms")]
    Place,
    /// A group or room that no device, and no class, has.
    #[error("no device and no class has that group or room")]
    UnknownPlace,
    /// Ends before it begins, is over, too long, or too far ahead.
    #[error("an exemption ends after it begins and in the future, lasts up to four weeks, and begins within 120 days")]
    Time,
    /// Together with another it is longer than a lesson.
    #[error("together with another exemption it is longer than a lesson: ask for the whole time at once")]
    Adjoins,
    /// No risk assessment, or too much of it.
    #[error("a risk assessment has 1 to {MAX_RISKS_BYTES} bytes")]
    Risks,
    /// Lessons are shorter now.
    #[error("a lesson is shorter than that")]
    Lesson,
    /// Nobody who reads risk assessments.
    #[error("no other technician can sign in to read the risk assessment")]
    NoReader,
    /// As many stand already as devices take.
    #[error("{MAX_STANDING} exemptions stand already: end one first")]
    TooMany,
}

/// Where a capture comes from, and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The device's group; may be empty.
    pub device_group: &'a str,
    /// The device's room; may be empty.
    pub room: &'a str,
    /// The account's class; empty where it has none or it is not known.
    pub class: &'a str,
}

impl Plan {
    /// Whether it takes two approvals: for a whole school, or longer than a lesson.
    #[must_use]
    pub const fn takes_two(&self) -> bool {
        self.whole_school || self.until_us.saturating_sub(self.from_us) > self.lesson_minutes.saturating_mul(MINUTE_US)
    }

    /// Whether it can be, at `now_us`, where a lesson has `lesson_minutes` now and `agreed` were agreed on already: those not
    /// over and those of the last four weeks, which it may adjoin.
    ///
    /// # Errors
    ///
    /// [`PlanFault`], the first found.
    pub fn check(&self, now_us: i64, lesson_minutes: i64, agreed: &[Agreed]) -> Result<(), PlanFault> {
        if self.categories.is_empty() {
            return Err(PlanFault::NoTopic);
        }
        if let Some(never) = self.categories.iter().find(|category| !Exemption::may_hold_for(**category)) {
            return Err(PlanFault::Never(*never));
        }
        self.check_place()?;
        let lasts_us = self.until_us.saturating_sub(self.from_us);
        let is_ahead = self.from_us <= now_us.saturating_add(AHEAD_US);
        if lasts_us <= 0 || lasts_us > LONGEST_US || self.until_us <= now_us || !is_ahead {
            return Err(PlanFault::Time);
        }
        if self.risks.trim().is_empty() || self.risks.len() > MAX_RISKS_BYTES {
            return Err(PlanFault::Risks);
        }
        if self.lesson_minutes > lesson_minutes {
            return Err(PlanFault::Lesson);
        }
        if agreed.iter().filter(|one| one.until_us() > now_us).count() >= MAX_STANDING {
            return Err(PlanFault::TooMany);
        }
        if !self.takes_two() && self.is_too_long_with(agreed) {
            return Err(PlanFault::Adjoins);
        }
        Ok(())
    }

    fn check_place(&self) -> Result<(), PlanFault> {
        let places = self.groups.len() + self.rooms.len();
        let is_name = |name: &String| !name.trim().is_empty() && name.len() <= MAX_NAME_BYTES;
        let named = (1..=MAX_PLACES).contains(&places) && self.groups.iter().chain(&self.rooms).all(is_name);
        if named != self.whole_school && (named || places == 0) { Ok(()) } else { Err(PlanFault::Place) }
    }

    /// Whether this and others for the same people are more than a lesson at a stretch, however many they are.
    fn is_too_long_with(&self, others: &[Agreed]) -> bool {
        let is_for_the_same = |other: &&Agreed| {
            let plan = &other.plan;
            // Who sits in a room may be of any class.
            let may_meet =
                |rooms: &BTreeSet<String>, groups: &BTreeSet<String>| !rooms.is_empty() && !groups.is_empty();
            let shares_place = plan.whole_school
                || !self.groups.is_disjoint(&plan.groups)
                || !self.rooms.is_disjoint(&plan.rooms)
                || may_meet(&self.rooms, &plan.groups)
                || may_meet(&plan.rooms, &self.groups);
            shares_place && !self.categories.is_disjoint(&plan.categories) && other.from_us() < other.until_us()
        };
        let mut apart: Vec<&Agreed> = others.iter().filter(is_for_the_same).collect();
        let (mut from_us, mut until_us) = (self.from_us, self.until_us);
        loop {
            let before = apart.len();
            apart.retain(|other| {
                let gap_us = from_us.saturating_sub(other.until_us()).max(other.from_us().saturating_sub(until_us));
                let joins = gap_us < BREAK_US;
                if joins {
                    from_us = from_us.min(other.from_us());
                    until_us = until_us.max(other.until_us());
                }
                !joins
            });
            if apart.len() == before {
                break;
            }
        }
        until_us.saturating_sub(from_us) > self.lesson_minutes.saturating_mul(MINUTE_US)
    }
}

impl Agreed {
    /// First moment after it.
    #[must_use]
    pub fn until_us(&self) -> i64 {
        self.ended_us.map_or(self.plan.until_us, |ended_us| ended_us.min(self.plan.until_us))
    }

    /// First moment of it.
    #[must_use]
    pub fn from_us(&self) -> i64 {
        self.plan.from_us.max(self.agreed_us)
    }

    /// What a device of this group and room is told of it; `None` where it is not for anybody there.
    fn told_to(&self, device_group: &str, room: &str) -> Option<Exemption> {
        let Plan { id, categories, whole_school, groups, rooms, .. } = &self.plan;
        let is_for_device = *whole_school || groups.contains(device_group) || rooms.contains(room);
        if !is_for_device && groups.is_empty() {
            return None;
        }
        Some(Exemption {
            id: *id,
            from_us: self.from_us(),
            until_us: self.until_us(),
            categories: categories.clone(),
            groups: if is_for_device { BTreeSet::new() } else { groups.clone() },
        })
    }
}

/// The exemption that holds for a hit, without words of an intent or a method, that was seen there at `at_us`.
#[must_use]
pub fn in_force<'a>(
    agreed: impl IntoIterator<Item = &'a Agreed>,
    hit: (Category, Level),
    place: Place<'_>,
    at_us: i64,
) -> Option<ExemptionId> {
    let (category, level) = hit;
    let told = agreed.into_iter().filter_map(|one| one.told_to(place.device_group, place.room));
    let mut holding = told.filter(|told| {
        let is_for = told.groups.is_empty() || told.groups.contains(place.class);
        is_for && told.covers(category, level) && told.is_in_force(at_us, at_us)
    });
    holding.next().map(|told| told.id)
}

/// What a device of this group and room fetches: what is not over at `now_us`, in order of its beginning, and the `media`
/// that the school approved.
pub(crate) fn list_for(
    (agreed, media): (&[Agreed], &[ApprovedMedium]),
    (device_group, room): (&str, &str),
    school: &SchoolId,
    number: u64,
    now_us: i64,
) -> ExemptionList {
    let told = agreed.iter().filter(|one| one.until_us() > now_us);
    let mut exemptions: Vec<Exemption> = told.filter_map(|one| one.told_to(device_group, room)).collect();
    exemptions.sort_by_key(|one| (one.from_us, one.id));
    exemptions.truncate(MAX_EXEMPTIONS);
    let approved_media = media.iter().filter(|one| one.until_us > now_us).take(MAX_APPROVED_MEDIA).copied().collect();
    ExemptionList {
        school: school.clone(),
        number,
        issued_us: now_us,
        heard_within: HEARD_WITHIN,
        exemptions,
        approved_media,
    }
}

#[cfg(test)]
pub(crate) mod tests;
