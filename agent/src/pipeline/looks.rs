//! How many titles and addresses of an account are looked at while the agent does less than all.

use std::collections::BTreeMap;

use lapwing_proto::Account;

/// Most accounts remembered; all are forgotten, and begin anew, when there are more.
const MAX_ACCOUNTS: usize = 512;
/// Seconds whose looks may be taken at once: who opens several pages together loses none.
const BURST_SECONDS: u64 = 3;
const SECOND_US: u64 = 1_000_000;

/// What each account has left.
#[derive(Debug, Default)]
pub(super) struct Looks(BTreeMap<String, Left>);

#[derive(Clone, Copy, Debug)]
struct Left {
    /// In looks times a million, so that refilling by microseconds stays exact.
    tokens: u64,
    filled_us: u64,
}

impl Looks {
    /// Whether a further look at what the account shows fits `per_second`.
    pub(super) fn allow(&mut self, account: &Account, per_second: u32, now_us: u64) -> bool {
        let most = u64::from(per_second) * BURST_SECONDS * SECOND_US;
        if self.0.len() >= MAX_ACCOUNTS && !self.0.contains_key(&account.name) {
            self.0.clear();
        }
        let left = self.0.entry(account.name.clone()).or_insert(Left { tokens: most, filled_us: now_us });
        let gained = now_us.saturating_sub(left.filled_us).saturating_mul(u64::from(per_second));
        left.tokens = left.tokens.saturating_add(gained).min(most);
        left.filled_us = left.filled_us.max(now_us);
        let Some(tokens) = left.tokens.checked_sub(SECOND_US) else { return false };
        left.tokens = tokens;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_cut_and_another_account_is_not() {
        let account = |name: &str| Account { name: name.to_owned(), session: "1".to_owned(), groups: Vec::new() };
        let mut looks = Looks::default();
        assert_eq!((0..100).filter(|_| looks.allow(&account("kim"), 5, 0)).count(), 15);
        assert!(looks.allow(&account("sam"), 5, 0));
        assert_eq!((0..100).filter(|_| looks.allow(&account("kim"), 5, SECOND_US)).count(), 5);
    }
}
