//! How many connections an account has, and how many messages a connection.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::Clock;
use crate::observation::SessionId;

/// Most connections of one account at once.
const MAX_PER_ACCOUNT: usize = 16;
/// Messages a connection may bring at once: a browser that tells its open tabs.
const BURST: u64 = 500;
/// Messages a connection may bring a second in the long run: several times what a busy person causes.
const PER_SECOND: u64 = 50;
/// Bursts that the connections of an account may begin with together. What one did not use it gives back when it ends.
const BURSTS: u64 = 16;
/// What a message takes of a bucket, which fills with time.
const MESSAGE_US: u64 = 1_000_000 / PER_SECOND;

const BURST_US: u64 = BURST * MESSAGE_US;
const RESERVE_US: u64 = BURSTS * BURST_US;

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
    /// What its connections begin with.
    reserve: Bucket,
}

/// Fills with time, in microseconds, so that refilling stays exact.
struct Bucket {
    held_us: u64,
    filled_us: u64,
}

/// One connection's place, given back when dropped. What one brings too much of is none of another's: a program that floods
/// takes nothing from the others of its account.
pub(super) struct Place {
    uid: u32,
    allowances: Allowances,
    messages: Bucket,
}

/// A program that tells the titles of a session; given back when dropped.
pub(super) struct Teller {
    session: SessionId,
    allowances: Allowances,
}

impl Bucket {
    /// Takes as much out of it as there is, up to `wanted_us`; it holds `most_us`.
    fn take(&mut self, now_us: u64, wanted_us: u64, most_us: u64) -> u64 {
        let gained_us = now_us.saturating_sub(self.filled_us);
        self.held_us = self.held_us.saturating_add(gained_us).min(most_us);
        self.filled_us = now_us;
        let taken_us = wanted_us.min(self.held_us);
        self.held_us -= taken_us;
        taken_us
    }
}

impl Allowances {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, held: Arc::default() }
    }

    /// A place for a connection of this account; `None` when it has too many. Connecting again and again gains no bursts.
    pub(super) fn enter(&self, uid: u32) -> Option<Place> {
        let now_us = self.clock.boot_us();
        let mut held = self.held();
        let reserve = Bucket { held_us: RESERVE_US, filled_us: now_us };
        let account = held.accounts.entry(uid).or_insert(Account { connections: 0, reserve });
        if account.connections >= MAX_PER_ACCOUNT {
            return None;
        }
        account.connections += 1;
        let held_us = account.reserve.take(now_us, BURST_US, RESERVE_US);
        let messages = Bucket { held_us, filled_us: now_us };
        Some(Place { uid, allowances: self.clone(), messages })
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
    /// Whether the connection may bring a further message now.
    pub(super) fn allows(&mut self) -> bool {
        let now_us = self.allowances.clock.boot_us();
        let is_enough =
            self.messages.held_us.saturating_add(now_us.saturating_sub(self.messages.filled_us)) >= MESSAGE_US;
        is_enough && self.messages.take(now_us, MESSAGE_US, BURST_US) == MESSAGE_US
    }
}

impl Teller {
    /// Whether no other program tells the titles of its session.
    pub(super) fn is_last(&self) -> bool {
        self.allowances.held().tellers.get(&self.session).is_none_or(|count| *count <= 1)
    }
}

impl Drop for Place {
    /// An account without connections is kept until its reserve is full again, so that connecting anew gains nothing.
    fn drop(&mut self) {
        let now_us = self.allowances.clock.boot_us();
        let mut held = self.allowances.held();
        if let Some(account) = held.accounts.get_mut(&self.uid) {
            account.connections = account.connections.saturating_sub(1);
            account.reserve.held_us = account.reserve.held_us.saturating_add(self.messages.held_us).min(RESERVE_US);
        }
        held.accounts.retain(|_, account| {
            account.connections > 0 || now_us.saturating_sub(account.reserve.filled_us) < RESERVE_US
        });
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

    /// Messages of `many` that are taken.
    fn taken(place: &mut Place, many: usize) -> usize {
        (0..many).filter(|_| place.allows()).count()
    }

    #[test]
    fn a_flood_is_cut_and_time_gives_the_allowance_back() {
        let clock = Arc::new(ManualClock::at(0));
        let allowances = Allowances::new(clock.clone());
        let mut place = allowances.enter(7).unwrap();
        assert_eq!(taken(&mut place, 600), 500);
        clock.advance(Duration::from_millis(100));
        assert_eq!(taken(&mut place, 600), 5);
    }

    #[test]
    fn a_program_that_floods_takes_nothing_from_the_others_of_its_account() {
        let allowances = Allowances::new(Arc::new(ManualClock::at(0)));
        let (mut flooding, mut other) = (allowances.enter(7).unwrap(), allowances.enter(7).unwrap());
        assert_eq!(taken(&mut flooding, 10_000), 500);
        assert_eq!(taken(&mut other, 100), 100);
    }

    #[test]
    fn connecting_again_and_again_gains_nothing() {
        let clock = Arc::new(ManualClock::at(0));
        let allowances = Allowances::new(clock.clone());
        let gained: usize = (0..1_000).map(|_| taken(&mut allowances.enter(7).unwrap(), 600)).sum();
        assert_eq!(gained, 16 * 500);
        assert!(allowances.enter(8).unwrap().allows(), "another account has its own");
        let mut late = allowances.enter(7).unwrap();
        clock.advance(Duration::from_secs(1));
        assert_eq!(taken(&mut late, 600), 50, "who comes then is heard all the same");
        clock.advance(Duration::from_secs(9));
        assert_eq!(taken(&mut allowances.enter(7).unwrap(), 600), 500, "and time fills what others begin with");
    }

    #[test]
    fn a_command_that_asks_again_and_again_is_answered() {
        let clock = Arc::new(ManualClock::at(0));
        let allowances = Allowances::new(clock.clone());
        for _ in 0..2_000 {
            assert!(allowances.enter(0).unwrap().allows());
            clock.advance(Duration::from_millis(100));
        }
    }

    #[test]
    fn an_account_cannot_take_every_connection() {
        let allowances = Allowances::new(Arc::new(ManualClock::at(0)));
        let places: Vec<_> = (0..20).filter_map(|_| allowances.enter(7)).collect();
        assert_eq!(places.len(), MAX_PER_ACCOUNT);
        assert!(allowances.enter(8).is_some());
    }
}
