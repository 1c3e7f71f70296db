//! What may be looked at, decided before anything is matched.
//!
//! Out of hours and off site nothing is, illegal rules included; without a signed policy the caller does not ask. Inside,
//! protected hosts stop every rule; group, category and the staff switch stop all but illegal rules; mail, health and
//! banking are matched by levels 4 and 5 alone.

use std::net::IpAddr;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use lapwing_rules::{
    Band, Category, Day, Decision, HostClass, Level, Policy, Presence, RuleSet, Sites, Watched, WeekMinute,
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
    decision: Decision,
    class: HostClass,
    groups: &'a [String],
    group: &'a str,
}

/// Whether the device has been seen on site since hours began; if so it stays there until they end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Whereabouts {
    seen_on_site: bool,
}

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
    fn week_minute(&self, wall_us: i64) -> Option<WeekMinute> {
        let civil = Timestamp::from_microsecond(wall_us).ok()?.to_zoned(self.zone.clone());
        let day = Day::from_monday_offset(usize::try_from(civil.weekday().to_monday_zero_offset()).ok()?)?;
        WeekMinute::new(day, u8::try_from(civil.hour()).ok()?, u8::try_from(civil.minute()).ok()?)
    }

    fn decides(&self, wall_us: i64, presence: Presence, watched: Watched) -> Decision {
        let minute = self.week_minute(wall_us);
        minute.map_or(Decision::OutOfHours, |minute| self.policy.decides(minute, presence, watched))
    }

    /// Whether anything at all is looked at now.
    ///
    /// # Errors
    ///
    /// Says why nothing is.
    pub fn is_open(&self, wall_us: i64, presence: Presence) -> Result<(), Unlooked> {
        match self.decides(wall_us, presence, Watched::Pupil) {
            Decision::Everything | Decision::IllegalOnly => Ok(()),
            Decision::OutOfHours => Err(Unlooked::OutOfHours),
            Decision::OffSite => Err(Unlooked::OffSite),
        }
    }
}

impl Whereabouts {
    /// Where the device is at `wall_us`. Its addresses are asked for only where that is not known yet.
    pub fn at(&mut self, force: &InForce, wall_us: i64, addresses: impl FnOnce() -> Vec<IpAddr>) -> Presence {
        let minute = force.week_minute(wall_us);
        if !minute.is_some_and(|minute| force.policy.hours.hold(minute)) {
            self.seen_on_site = false;
        }
        if !self.seen_on_site && force.policy.sites != Sites::Any {
            self.seen_on_site = addresses().into_iter().any(|address| force.policy.sites.hold(address));
        }
        let is_here = self.seen_on_site || force.policy.sites == Sites::Any;
        if is_here { Presence::OnSite } else { Presence::OffSite }
    }
}

/// Decides how a signal is looked at.
///
/// # Errors
///
/// Says why it is not.
pub fn decide<'a>(
    force: &'a InForce,
    rules: &RuleSet,
    signal: &'a Signal,
    who: &'a Who,
    presence: Presence,
) -> Result<Look<'a>, Unlooked> {
    force.is_open(signal.seen.wall_us, presence)?;
    let class = signal.host.as_deref().map(|host| rules.host_class(host)).unwrap_or_default();
    if class == HostClass::Protected {
        return Err(Unlooked::Protected);
    }
    let watched = if who.band == Band::Staff { Watched::Staff } else { Watched::Pupil };
    let decision = force.decides(signal.seen.wall_us, presence, watched);
    Ok(Look { policy: &force.policy, decision, class, groups: &signal.account.groups, group: &who.group })
}

impl Look<'_> {
    /// Whether a rule of this category and level applies.
    #[must_use]
    pub fn allows(&self, category: Category, level: Level) -> bool {
        let groups = self.groups.iter().map(String::as_str).chain([self.group]);
        let is_off = self.policy.is_off(category, groups);
        let is_private = self.class == HostClass::Confidential && level < Level::High;
        self.decision.allows(category) && !is_off && !is_private
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
