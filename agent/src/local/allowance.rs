//! How many connections and messages an account has.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::Clock;
use crate::observation::SessionId;

/// Most connections of one account at once.
const MAX_PER_ACCOUNT: usize = 16;
/// Messages an account may send at once: a browser that tells its open tabs.
const BURST: u64 = 500;
/// Messages an account may send a second in the long run: several times what a busy person causes.
const PER_SECOND: u64 = 50;

/// The allowances of all accounts. Clones are the same ones.
#[derive(Clone)]
pub(super) struct Allowances {
    clock: Arc<dyn Clock>,
    held: Arc<Mutex<Held>>,
}

#[derive(Default)]
struct Held {
    accounts: BTreeMap<u32, Account>,
    /// How many programs tell the titles of a session.
    tellers: BTreeMap<SessionId, usize>,
}

struct Account {
    connections: usize,
    /// In messages times a million, so that refilling by microseconds stays exact.
    tokens: u64,
    filled_us: u64,
}

/// One connection's place; given back when dropped.
pub(super) struct Place {
    uid: u32,
    allowances: Allowances,
}

/// A program that tells the titles of a session; given back when dropped.
pub(super) struct Teller {
    session: SessionId,
    allowances: Allowances,
}

impl Allowances {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, held: Arc::default() }
    }

    /// A place for a connection of this account; `None` when it has too many.
    pub(super) fn enter(&self, uid: u32) -> Option<Place> {
        let now = self.clock.boot_us();
        let mut held = self.held();
        let account =
            held.accounts.entry(uid).or_insert(Account { connections: 0, tokens: BURST * 1_000_000, filled_us: now });
        if account.connections >= MAX_PER_ACCOUNT {
            return None;
        }
        account.connections += 1;
        Some(Place { uid, allowances: self.clone() })
    }

    pub(super) fn tell(&self, session: &SessionId) -> Teller {
        *self.held().tellers.entry(session.clone()).or_default() += 1;
        Teller { session: session.clone(), allowances: self.clone() }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Whether the account may send a further message now.
    pub(super) fn allows(&self) -> bool {
        let now = self.allowances.clock.boot_us();
        let mut held = self.allowances.held();
        let Some(account) = held.accounts.get_mut(&self.uid) else { return false };
        let gained = now.saturating_sub(account.filled_us).saturating_mul(PER_SECOND);
        account.tokens = account.tokens.saturating_add(gained).min(BURST * 1_000_000);
        account.filled_us = now;
        let Some(left) = account.tokens.checked_sub(1_000_000) else { return false };
        account.tokens = left;
        true
    }
}

impl Teller {
    /// Whether no other program tells the titles of its session.
    pub(super) fn is_last(&self) -> bool {
        self.allowances.held().tellers.get(&self.session).is_none_or(|count| *count <= 1)
    }
}

impl Drop for Place {
    /// An account without connections is kept until its allowance is full again, so that connecting anew gains
    /// nothing.
    fn drop(&mut self) {
        let now = self.allowances.clock.boot_us();
        let mut held = self.allowances.held();
        if let Some(account) = held.accounts.get_mut(&self.uid) {
            account.connections = account.connections.saturating_sub(1);
        }
        let refill_us = BURST * 1_000_000 / PER_SECOND;
        held.accounts.retain(|_, account| account.connections > 0 || now.saturating_sub(account.filled_us) < refill_us);
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        let mut held = self.allowances.held();
        if let Some(count) = held.tellers.get_mut(&self.session) {
            *count = count.saturating_sub(1);
        }
        held.tellers.retain(|_, count| *count > 0);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn a_flood_is_cut_and_time_gives_the_allowance_back() {
        let clock = Arc::new(ManualClock::at(0));
        let allowances = Allowances::new(clock.clone());
        let place = allowances.enter(7).unwrap();
        assert_eq!((0..600).filter(|_| place.allows()).count(), 500);
        clock.advance(Duration::from_millis(100));
        assert_eq!((0..600).filter(|_| place.allows()).count(), 5);
    }

    #[test]
    fn connecting_anew_gains_nothing() {
        let allowances = Allowances::new(Arc::new(ManualClock::at(0)));
        let first = allowances.enter(7).unwrap();
        while first.allows() {}
        drop(first);
        assert!(!allowances.enter(7).unwrap().allows());
        assert!(allowances.enter(8).unwrap().allows(), "another account has its own");
    }

    #[test]
    fn an_account_cannot_take_every_connection() {
        let allowances = Allowances::new(Arc::new(ManualClock::at(0)));
        let places: Vec<_> = (0..20).filter_map(|_| allowances.enter(7)).collect();
        assert_eq!(places.len(), MAX_PER_ACCOUNT);
        assert!(allowances.enter(8).is_some());
    }
}
