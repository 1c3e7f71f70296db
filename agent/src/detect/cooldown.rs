//! The same rule on the same account, again.

use std::collections::BTreeMap;
use std::time::Duration;

use lapwing_proto::Account;
use lapwing_rules::RuleId;

/// Most pairs of account and rule that are remembered; the one that cooled down first makes room.
const MAX_PAIRS: usize = 4_096;

/// Which rules fired lately, for whom.
#[derive(Debug, Default)]
pub struct Cooldowns(BTreeMap<(Who, RuleId), Cooling>);

/// Account and log-on session. A class log-on is many people in many sessions.
type Who = (String, String);

#[derive(Clone, Copy, Debug)]
struct Cooling {
    until_us: u64,
    repeats: u32,
}

impl Cooldowns {
    /// Nothing fired yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A rule fired. Answers how often it did unreported before, or `None` when this time is to be counted alone.
    pub fn enter(&mut self, account: &Account, rule: &RuleId, length: Duration, now_us: u64) -> Option<u32> {
        let who = (account.name.clone(), account.session.clone());
        let until_us = now_us.saturating_add(u64::try_from(length.as_micros()).unwrap_or(u64::MAX));
        let key = (who, rule.clone());
        if let Some(cooling) = self.0.get_mut(&key) {
            if now_us < cooling.until_us {
                cooling.repeats = cooling.repeats.saturating_add(1);
                return None;
            }
            let before = cooling.repeats;
            *cooling = Cooling { until_us, repeats: 0 };
            return Some(before);
        }
        self.make_room();
        self.0.insert(key, Cooling { until_us, repeats: 0 });
        Some(0)
    }

    /// A rule fired and is not reported: it is counted, and travels with the next that is.
    pub fn count(&mut self, account: &Account, rule: &RuleId, now_us: u64) {
        let key = ((account.name.clone(), account.session.clone()), rule.clone());
        if !self.0.contains_key(&key) {
            self.make_room();
        }
        let cooling = self.0.entry(key).or_insert(Cooling { until_us: now_us, repeats: 0 });
        cooling.repeats = cooling.repeats.saturating_add(1);
    }

    fn make_room(&mut self) {
        if self.0.len() < MAX_PAIRS {
            return;
        }
        let coolest = self.0.iter().min_by_key(|(_, cooling)| cooling.until_us).map(|(key, _)| key.clone());
        coolest.and_then(|key| self.0.remove(&key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(session: &str) -> Account {
        Account { name: "class".to_owned(), session: session.to_owned(), groups: Vec::new() }
    }

    #[test]
    fn repeats_are_counted_and_travel_with_the_next() {
        let (mut cooldowns, rule) = (Cooldowns::new(), "pack.rule".parse().unwrap());
        let minute = Duration::from_secs(60);
        assert_eq!(cooldowns.enter(&account("1"), &rule, minute, 0), Some(0));
        assert_eq!(cooldowns.enter(&account("1"), &rule, minute, 1), None);
        assert_eq!(cooldowns.enter(&account("1"), &rule, minute, 59_999_999), None);
        assert_eq!(cooldowns.enter(&account("1"), &rule, minute, 60_000_000), Some(2));
        assert_eq!(cooldowns.enter(&account("1"), &rule, minute, 120_000_000), Some(0));
    }

    #[test]
    fn another_session_or_rule_is_not_a_repeat() {
        let (mut cooldowns, minute) = (Cooldowns::new(), Duration::from_secs(60));
        assert_eq!(cooldowns.enter(&account("1"), &"pack.a".parse().unwrap(), minute, 0), Some(0));
        assert_eq!(cooldowns.enter(&account("2"), &"pack.a".parse().unwrap(), minute, 0), Some(0));
        assert_eq!(cooldowns.enter(&account("1"), &"pack.b".parse().unwrap(), minute, 0), Some(0));
    }

    #[test]
    fn a_flood_of_sessions_stays_within_its_bound() {
        let (mut cooldowns, rule) = (Cooldowns::new(), "pack.rule".parse().unwrap());
        for number in 0..5_000 {
            cooldowns.enter(&account(&number.to_string()), &rule, Duration::from_secs(60), number);
        }
        assert_eq!(cooldowns.0.len(), MAX_PAIRS);
    }
}
