//! How often a rule fired lately for one account, and on which of its phrases. Bounded by the rule's terms.

use std::collections::VecDeque;
use std::time::Duration;

use lapwing_rules::{Course, Level};

/// The times and phrases that count for a rule's terms; empty where it has none.
#[derive(Clone, Debug, Default)]
pub(super) struct Recent {
    /// Oldest first, at most as many as the terms ask for.
    times: VecDeque<u64>,
    /// Keyed hashes of phrases and when each last stood, oldest first; at most as many as the terms ask for.
    phrases: VecDeque<(u64, u64)>,
}

impl Recent {
    /// The rule fired on these phrases.
    pub(super) fn fired(&mut self, course: &Course, phrases: impl IntoIterator<Item = u64>, now_us: u64) {
        if let Some(after) = course.after {
            self.times.push_back(now_us);
            let counts = |time_us: &u64| is_within(*time_us, after.within, now_us);
            while self.times.len() > usize::from(after.times) || self.times.front().is_some_and(|time| !counts(time)) {
                self.times.pop_front();
            }
        }
        let Some(escalation) = course.escalation else { return };
        for phrase in phrases {
            self.phrases.retain(|(known, _)| *known != phrase);
            self.phrases.push_back((phrase, now_us));
        }
        self.phrases.retain(|(_, time_us)| is_within(*time_us, escalation.within, now_us));
        while self.phrases.len() > usize::from(escalation.spans) {
            self.phrases.pop_front();
        }
    }

    /// Whether it fired often enough to be told.
    pub(super) fn is_often_enough(&self, course: &Course) -> bool {
        course.after.is_none_or(|after| self.times.len() >= usize::from(after.times))
    }

    /// The level to which a hit of `level` rises, where it does.
    pub(super) fn risen(&self, course: &Course, level: Level) -> Option<Level> {
        let escalation = course.escalation?;
        let stood = self.phrases.len() >= usize::from(escalation.spans);
        (stood && escalation.level > level).then_some(escalation.level)
    }
}

fn is_within(time_us: u64, length: Duration, now_us: u64) -> bool {
    let passed_us = now_us.saturating_sub(time_us);
    u128::from(passed_us) < length.as_micros()
}
