//! What may be looked at, decided before anything is matched.
//!
//! Out of hours and off site nothing is, illegal rules included; without a signed policy the caller does not ask. Inside,
//! protected hosts stop every rule; group, category and the staff switch stop all but illegal rules; what the policy finds
//! acceptable is not looked for at levels 1 to 3; mail, health and banking are matched by levels 4 and 5 alone.

use std::net::IpAddr;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use lapwing_rules::{
    Band, Category, Course, Date, Day, Decision, Doer, HostClass, Hours, Level, Policy, Presence, RuleSet, Sites,
    Watched, WeekMinute,
};

use crate::signal::Signal;

/// A policy and the zone its hours are civil time of.
#[derive(Clone, Debug)]
pub struct InForce {
    policy: Policy,
    zone: TimeZone,
}

/// A policy names a zone that nobody knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("policy names the unknown time zone `{0}`")]
pub struct UnknownZone(String);

/// Why a signal is not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unlooked {
    /// The school is closed.
    OutOfHours,
    /// The device is elsewhere.
    OffSite,
    /// The page is protected for everyone.
    Protected,
}

/// Whose signal it is, as far as matching goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// The age band, staff, or a class log-on.
    pub band: Band,
    /// The policy group that the collector names; empty where it names none.
    pub group: String,
}

/// How a signal is looked at.
#[derive(Clone, Debug)]
pub struct Look<'a> {
    policy: &'a Policy,
    /// The day of the school's calendar; none beyond it.
    today: Option<Date>,
    decision: Decision,
    class: HostClass,
    /// The minute of the school's civil week; none beyond the calendar.
    at: Option<WeekMinute>,
    doer: Doer<'a>,
    groups: &'a [String],
    group: &'a str,
}

/// Whether the device has been seen on site since hours began; if so it stays there until they end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Whereabouts {
    /// When it was last known to be on site, in hours; microseconds of UTC.
    known_us: Option<i64>,
}

const MINUTE_US: i64 = 60_000_000;
const DAY_US: i64 = 24 * 60 * MINUTE_US;

impl InForce {
    /// Puts a policy in force.
    ///
    /// # Errors
    ///
    /// When it names a zone that is not in the time-zone database.
    pub fn new(policy: Policy) -> Result<Self, UnknownZone> {
        let zone = TimeZone::get(&policy.zone).map_err(|_| UnknownZone(policy.zone.clone()))?;
        Ok(Self { policy, zone })
    }

    /// The policy.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The school's civil minute at a moment; `None` beyond the calendar.
    fn week_minute(&self, at_us: i64) -> Option<WeekMinute> {
        let civil = self.civil(at_us)?;
        let day = Day::from_monday_offset(usize::try_from(civil.weekday().to_monday_zero_offset()).ok()?)?;
        WeekMinute::new(day, u8::try_from(civil.hour()).ok()?, u8::try_from(civil.minute()).ok()?)
    }

    fn civil(&self, at_us: i64) -> Option<Zoned> {
        Some(Timestamp::from_microsecond(at_us).ok()?.to_zoned(self.zone.clone()))
    }

    fn is_in_hours(&self, at_us: i64) -> bool {
        self.week_minute(at_us).is_some_and(|minute| self.policy.hours.hold(minute))
    }

    /// Whether hours went on without an end from one moment to another; those without a plan end with the day.
    fn hours_went_on(&self, from_us: i64, to_us: i64) -> bool {
        let passed_us = to_us.saturating_sub(from_us);
        let minutes = (1..).map(|minute| from_us.saturating_add(minute * MINUTE_US)).take_while(|at_us| *at_us < to_us);
        let is_same_day =
            || self.civil(from_us).map(|civil| civil.date()) == self.civil(to_us).map(|civil| civil.date());
        passed_us < DAY_US
            && (self.policy.hours != Hours::Always || is_same_day())
            && minutes.chain([to_us]).all(|at_us| self.is_in_hours(at_us))
    }

    fn decides(&self, at_us: i64, presence: Presence, watched: Watched) -> Decision {
        let minute = self.week_minute(at_us);
        minute.map_or(Decision::OutOfHours, |minute| self.policy.decides(minute, presence, watched))
    }

    /// Whether anything at all is looked at now.
    ///
    /// # Errors
    ///
    /// Says why nothing is.
    pub fn is_open(&self, at_us: i64, presence: Presence) -> Result<(), Unlooked> {
        match self.decides(at_us, presence, Watched::Pupil) {
            Decision::Everything | Decision::IllegalOnly => Ok(()),
            Decision::OutOfHours => Err(Unlooked::OutOfHours),
            Decision::OffSite => Err(Unlooked::OffSite),
        }
    }
}

impl Whereabouts {
    /// Where the device is at `at_us`. Its addresses are asked for only where that is not known yet.
    pub fn at(&mut self, force: &InForce, at_us: i64, addresses: impl FnOnce() -> Vec<IpAddr>) -> Presence {
        if force.policy.sites == Sites::Any {
            return Presence::OnSite;
        }
        let stayed = self.known_us.is_some_and(|known_us| force.hours_went_on(known_us, at_us));
        let is_here = stayed || addresses().into_iter().any(|address| force.policy.sites.hold(address));
        self.known_us = Some(at_us).filter(|_| is_here && force.is_in_hours(at_us));
        if is_here { Presence::OnSite } else { Presence::OffSite }
    }
}

/// Decides how a signal, seen at `at_us` by the best known time, is looked at.
///
/// # Errors
///
/// Says why it is not.
pub fn decide<'a>(
    force: &'a InForce,
    rules: &RuleSet,
    signal: &'a Signal,
    at_us: i64,
    who: &'a Who,
    presence: Presence,
) -> Result<Look<'a>, Unlooked> {
    force.is_open(at_us, presence)?;
    let class = signal.host.as_deref().map(|host| rules.host_class(host)).unwrap_or_default();
    if class == HostClass::Protected {
        return Err(Unlooked::Protected);
    }
    let watched = if who.band == Band::Staff { Watched::Staff } else { Watched::Pupil };
    let decision = force.decides(at_us, presence, watched);
    let today = force.civil(at_us).and_then(|civil| day(&civil));
    let doer = Doer { band: who.band, account: &signal.account.name };
    Ok(Look {
        policy: &force.policy,
        today,
        decision,
        class,
        at: force.week_minute(at_us),
        doer,
        groups: &signal.account.groups,
        group: &who.group,
    })
}

fn day(civil: &Zoned) -> Option<Date> {
    Date::new(civil.year().try_into().ok()?, civil.month().try_into().ok()?, civil.day().try_into().ok()?)
}

impl Look<'_> {
    /// Whether a rule with these terms applies on this day.
    #[must_use]
    pub fn is_day_of(&self, course: &Course) -> bool {
        course.applies(self.today)
    }

    /// Whether a rule of this category and level applies.
    #[must_use]
    pub fn allows(&self, category: Category, level: Level) -> bool {
        let groups = self.groups.iter().map(String::as_str).chain([self.group]);
        let is_off = self.policy.is_off(category, groups);
        let is_private = self.class == HostClass::Confidential && level < Level::High;
        let is_acceptable = self.at.is_some_and(|at| self.policy.silences((category, level), at, self.doer));
        self.decision.allows(category) && !is_off && !is_private && !is_acceptable
    }

    /// Whether nothing but the matched words may be kept.
    #[must_use]
    pub fn keeps_spans_alone(&self) -> bool {
        self.class == HostClass::Confidential
    }

    /// Whether a match without an intent span is an anonymous count only.
    #[must_use]
    pub fn is_support(&self) -> bool {
        self.class == HostClass::Support
    }
}

#[cfg(test)]
mod tests;
