//! What a rule does in the course of time, for one account and log-on session.
//!
//! One evaluation knows no time: a rule fires or it does not. How often it fired lately is the device's to remember,
//! and these are the terms by which it does.

use std::time::Duration;

use crate::{Date, Level};

/// The terms of one rule beside its cooldown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Course {
    /// How often it has to fire before it is reported.
    pub after: Option<After>,
    /// When it becomes more urgent.
    pub escalation: Option<Escalation>,
    /// Whether anybody is told of it.
    pub reporting: Reporting,
    /// The days on which it applies; without them it always does.
    pub watch: Option<Watch>,
}

/// A challenge or hoax is watched for some days, and then no more: a rule that outlives it names it for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    /// The first day.
    pub from: Date,
    /// The last day.
    pub until: Date,
}

/// What becomes of a rule that fired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reporting {
    /// It is a hit.
    #[default]
    Live,
    /// It is on trial: counted by rule and day, and nobody is told of whom, where or what.
    Shadow,
}

/// The rule is reported from this time on: what fires more seldom is counted alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct After {
    /// The first time that is reported, from 2 to [`After::MAX_TIMES`].
    pub times: u8,
    /// How long a time counts.
    pub within: Duration,
}

/// The rule rises to a level once several of its phrases stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Escalation {
    /// How many different phrases, from 2 to [`Escalation::MAX_SPANS`].
    pub spans: u8,
    /// How long a phrase counts.
    pub within: Duration,
    /// The level it rises to.
    pub level: Level,
}

impl After {
    /// Most times that can be asked for: a device remembers each.
    pub const MAX_TIMES: u8 = 20;
}

impl Escalation {
    /// Most phrases that can be asked for: a device remembers each.
    pub const MAX_SPANS: u8 = 8;
}

impl Watch {
    /// Most days.
    pub const MAX_DAYS: u32 = 28;
    /// The highest level of a rule on watch.
    pub const MAX_LEVEL: Level = Level::Moderate;

    /// Whether it goes on on this day of the school's calendar.
    #[must_use]
    pub fn holds(self, day: Date) -> bool {
        (self.from..=self.until).contains(&day)
    }

    /// Whether it ends after it began, and not too late.
    pub(crate) fn is_sound(self) -> bool {
        self.until.days().checked_sub(self.from.days()).is_some_and(|days| days < Self::MAX_DAYS)
    }
}

impl Course {
    /// Whether the rule applies on this day of the school's calendar; none is a day that nobody knows.
    #[must_use]
    pub fn applies(&self, day: Option<Date>) -> bool {
        self.watch.is_none_or(|watch| day.is_some_and(|day| watch.holds(day)))
    }

    /// Longest time that a device remembers.
    pub const MAX_WITHIN: Duration = Duration::from_secs(24 * 3600);

    /// What people are told of its terms: a word of at most ten letters, and a sentence each.
    pub(crate) fn told(&self) -> Vec<(&'static str, String)> {
        let after = self.after.map(|after| {
            let (times, within) = (after.times, in_words(after.within));
            ("counted", format!("alone until the time that is number {times} within {within}"))
        });
        let escalation = self.escalation.map(|escalation| {
            let Escalation { spans, within, level } = escalation;
            ("escalates", format!("to level {level} with {spans} different phrases within {}", in_words(within)))
        });
        let watch = self.watch.map(|watch| ("watched", format!("from {} until {} alone", watch.from, watch.until)));
        after.into_iter().chain(escalation).chain(watch).collect()
    }
}

/// A length in the largest unit that it is a whole number of.
fn in_words(length: Duration) -> String {
    let seconds = length.as_secs();
    match seconds {
        0 => "0 s".to_owned(),
        _ if seconds.is_multiple_of(3600) => format!("{} h", seconds / 3600),
        _ if seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        _ => format!("{seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_told_in_the_unit_it_was_meant_in() {
        let told = [0, 90, 600, 7200, 3660].map(|seconds| in_words(Duration::from_secs(seconds)));
        assert_eq!(told, ["0 s", "90 s", "10 min", "2 h", "61 min"]);
    }
}
