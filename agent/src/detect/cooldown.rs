//! The same rule on the same account, again: what is told, what is counted, and what becomes more urgent.
//!
//! All of it is forgotten with the process, and knows no clock but the time since the device started. Of the phrases
//! that matched, a hash is kept under a key of this run.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use lapwing_proto::Account;
use lapwing_rules::{Course, Level, RuleId};

use super::recent::Recent;

/// Most phrases that are told of one urgent rule before it cools down: more say nothing more.
const MAX_TOLD: usize = 32;
/// Most pairs of account and rule that are remembered; the one that cooled down first makes room.
const MAX_PAIRS: usize = 4_096;

/// Which rules fired lately, for whom.
#[derive(Debug, Default)]
pub struct Cooldowns {
    pairs: BTreeMap<(Who, RuleId), Cooling>,
    key: RandomState,
}

/// Account and log-on session. A class log-on is many people in many sessions.
type Who = (String, String);

/// A rule that fired, and the terms by which it is told.
#[derive(Clone, Copy)]
pub struct Fired<'a> {
    /// The rule.
    pub rule: &'a RuleId,
    /// The level it gives the account's band.
    pub level: Level,
    /// How long it is counted once it was told.
    pub cooldown: Duration,
    /// By how much that is longer for what is not critical.
    pub stretch: u32,
    /// Its other terms.
    pub course: Course,
    /// Numbers of the phrases it fired on; asked for only where the terms count them.
    pub phrases: &'a dyn Fn() -> Vec<u64>,
    /// The least level that the agent does enough to tell.
    pub least: Level,
}

/// A hit that is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// How often the rule fired untold before.
    pub repeats: u32,
    /// The level it rose to, above its own.
    pub risen: Option<Level>,
}

#[derive(Clone, Debug)]
struct Cooling {
    until_us: u64,
    /// The level it was told at: what is more urgent is told at once.
    told: Level,
    repeats: u32,
    recent: Recent,
    /// Keyed hashes of the phrases that were told since the rule last cooled down, where it is urgent.
    told_phrases: BTreeSet<u64>,
}

impl Cooldowns {
    /// Nothing fired yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A rule fired. `None` when this time is counted alone: it travels with the next that is told.
    ///
    /// A hit that rose waits neither for further times nor for the end of a cooldown in which a lower level was told. Nor
    /// does a hit of a rule of level 4 or 5 on a phrase that was not told yet: a harmless text must not take the place of
    /// another.
    pub fn enter(&mut self, account: &Account, fired: Fired<'_>, now_us: u64) -> Option<Due> {
        let counts_phrases = fired.course.escalation.is_some() || fired.level >= Level::High;
        let phrases = if counts_phrases { (fired.phrases)() } else { Vec::new() };
        let phrases: Vec<u64> = phrases.iter().map(|phrase| self.key.hash_one(phrase)).collect();
        let cooling = self.cooling(account, fired.rule, now_us);
        cooling.recent.fired(&fired.course, phrases.iter().copied(), now_us);
        let risen = cooling.recent.risen(&fired.course, fired.level);
        let level = risen.unwrap_or(fired.level);
        let is_ripe = risen.is_some() || cooling.recent.is_often_enough(&fired.course);
        let is_over = now_us >= cooling.until_us;
        let is_new = fired.level >= Level::High && cooling.has_untold(&phrases);
        let is_cool = is_over || level > cooling.told || is_new;
        if level < fired.least || !is_ripe || !is_cool {
            cooling.repeats = cooling.repeats.saturating_add(1);
            return None;
        }
        let cooldown = fired.cooldown.saturating_mul(if level < Level::Critical { fired.stretch } else { 1 });
        cooling.until_us = now_us.saturating_add(u64::try_from(cooldown.as_micros()).unwrap_or(u64::MAX));
        cooling.told = if is_over { level } else { level.max(cooling.told) };
        cooling.remember(&phrases, is_over);
        Some(Due { repeats: std::mem::take(&mut cooling.repeats), risen })
    }

    fn cooling(&mut self, account: &Account, rule: &RuleId, now_us: u64) -> &mut Cooling {
        let key = ((account.name.clone(), account.session.clone()), rule.clone());
        if !self.pairs.contains_key(&key) {
            self.make_room();
        }
        let cool = || Cooling {
            until_us: now_us,
            told: Level::Info,
            repeats: 0,
            recent: Recent::default(),
            told_phrases: BTreeSet::new(),
        };
        self.pairs.entry(key).or_insert_with(cool)
    }

    fn make_room(&mut self) {
        if self.pairs.len() < MAX_PAIRS {
            return;
        }
        let coolest = self.pairs.iter().min_by_key(|(_, cooling)| cooling.until_us).map(|(key, _)| key.clone());
        coolest.and_then(|key| self.pairs.remove(&key));
    }
}

impl Cooling {
    fn has_untold(&self, phrases: &[u64]) -> bool {
        self.told_phrases.len() < MAX_TOLD && phrases.iter().any(|phrase| !self.told_phrases.contains(phrase))
    }

    fn remember(&mut self, phrases: &[u64], is_over: bool) {
        if is_over {
            self.told_phrases.clear();
        }
        let room = MAX_TOLD.saturating_sub(self.told_phrases.len());
        self.told_phrases.extend(phrases.iter().take(room));
    }
}

#[cfg(test)]
mod tests;
