//! How many connections an account has, and how many messages a connection. Where an account has all it may, one more takes
//! the place of the one that floods.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Clock;
use crate::observation::SessionId;
use crate::shutdown::Shutdown;

/// Most connections of one account at once.
const MAX_PER_ACCOUNT: usize = 16;
/// Most connections of one process at once: a program of a session has one.
const MAX_PER_PROCESS: usize = 4;
/// Messages a connection may bring at once: a browser that tells its open tabs.
const BURST: u64 = 500;
/// Messages a connection may bring a second in the long run: several times what a busy person causes.
const PER_SECOND: u64 = 50;
/// Bursts that the connections of an account may begin with together. What one did not use it gives back when it ends.
const BURSTS: u64 = 16;
/// Messages not taken from an account within [`FLOOD_WITHIN_US`] that are a flood: no browser tells so much that is lost.
const FLOOD: u64 = 1_000;
const FLOOD_WITHIN_US: u64 = 60 * 1_000_000;
/// What a connection that found no place counts as, in messages not taken: the programs of a session and a few browsers
/// need a third of the places. Fifty in a minute are a flood, which is what a program asks in five seconds.
const REFUSAL: u64 = FLOOD / 50;
/// Messages a second, since it connected, from which on a connection gives its place to another: more than a busy person
/// causes.
const FLOODS_PER_SECOND: u64 = 10;
/// What a message takes of a bucket, which fills with time.
const MESSAGE_US: u64 = 1_000_000 / PER_SECOND;

/// When a connection that brought too much is heard again: it may bring one message more then. Meanwhile its program waits,
/// and takes nothing of the processor.
pub(super) const PAUSE: Duration = Duration::from_micros(MESSAGE_US);

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
    seats: Vec<Arc<Seat>>,
    /// Messages not taken since then, microseconds since the device started.
    lost: (u64, u64),
    /// When it was last told of since it holds every place.
    told_us: Option<u64>,
    /// What its connections begin with.
    reserve: Bucket,
}

/// One connection, as the others of its account see it.
struct Seat {
    pid: Option<i32>,
    since_us: u64,
    /// Messages it brought, those that were not taken among them.
    brought: AtomicU64,
    /// Requested when another takes its place.
    gone: Shutdown,
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
    seat: Arc<Seat>,
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

impl Seat {
    /// Messages a second since it connected, the first second counted whole.
    fn rate(&self, now_us: u64) -> u64 {
        let seconds = (now_us.saturating_sub(self.since_us) / 1_000_000).saturating_add(1);
        self.brought.load(Ordering::Relaxed) / seconds
    }
}

impl Account {
    /// Whether there is room for one more, if need be since the one that floods most has to go.
    fn makes_room(&mut self, pid: Option<i32>, now_us: u64) -> bool {
        if pid.is_some() && self.seats.iter().filter(|seat| seat.pid == pid).count() >= MAX_PER_PROCESS {
            return false;
        }
        if self.seats.len() < MAX_PER_ACCOUNT {
            return true;
        }
        let rates = self.seats.iter().map(|seat| seat.rate(now_us)).enumerate();
        let Some((place, rate)) = rates.max_by_key(|(_, rate)| *rate) else { return false };
        if rate < FLOODS_PER_SECOND {
            return false;
        }
        self.seats.swap_remove(place).gone.request();
        true
    }

    /// Counts messages that were not taken. Says whether that is a flood: once for each [`FLOOD`] of them.
    fn loses(&mut self, messages: u64, now_us: u64) -> bool {
        let (lost, since_us) = self.lost;
        let is_long_ago = now_us.saturating_sub(since_us) > FLOOD_WITHIN_US;
        self.lost = if is_long_ago { (messages, now_us) } else { (lost.saturating_add(messages), since_us) };
        let floods = self.lost.0 >= FLOOD;
        if floods {
            self.lost = (0, now_us);
        }
        floods
    }
}

impl Allowances {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, held: Arc::default() }
    }

    /// A place for a connection of this account and process; `None` when they have too many. Connecting again and again gains
    /// no bursts.
    pub(super) fn enter(&self, (uid, pid): (u32, Option<i32>)) -> Option<Place> {
        let now_us = self.clock.boot_us();
        let mut held = self.held();
        let reserve = Bucket { held_us: RESERVE_US, filled_us: now_us };
        let account = held.accounts.entry(uid).or_insert(Account {
            seats: Vec::new(),
            lost: (0, now_us),
            told_us: None,
            reserve,
        });
        if !account.makes_room(pid, now_us) {
            return None;
        }
        let seat = Arc::new(Seat { pid, since_us: now_us, brought: AtomicU64::new(0), gone: Shutdown::new() });
        account.seats.push(Arc::clone(&seat));
        let held_us = account.reserve.take(now_us, BURST_US, RESERVE_US);
        let messages = Bucket { held_us, filled_us: now_us };
        Some(Place { uid, allowances: self.clone(), seat, messages })
    }

    /// Counts a connection that found no place. Says whether its account floods: once a minute, since who it is has to be
    /// looked up each time.
    pub(super) fn refuses(&self, (uid, _): (u32, Option<i32>)) -> bool {
        let now_us = self.clock.boot_us();
        let mut held = self.held();
        let Some(account) = held.accounts.get_mut(&uid) else { return false };
        let is_told = account.told_us.is_some_and(|told_us| now_us.saturating_sub(told_us) < FLOOD_WITHIN_US);
        let tells = account.loses(REFUSAL, now_us) && !is_told;
        if tells {
            account.told_us = Some(now_us);
        }
        tells
    }

    fn loses(&self, uid: u32, messages: u64) -> bool {
        let now_us = self.clock.boot_us();
        self.held().accounts.get_mut(&uid).is_some_and(|account| account.loses(messages, now_us))
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
    /// Requested when another connection of the account takes its place, since this one floods.
    pub(super) fn gone(&self) -> Shutdown {
        self.seat.gone.clone()
    }

    /// Counts a message that was not taken. Says whether the account floods: once for each [`FLOOD`] of them.
    pub(super) fn loses(&self) -> bool {
        self.allowances.loses(self.uid, 1)
    }

    /// Whether the connection may bring a further message now.
    pub(super) fn allows(&mut self) -> bool {
        self.seat.brought.fetch_add(1, Ordering::Relaxed);
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
            account.seats.retain(|seat| !Arc::ptr_eq(seat, &self.seat));
            account.reserve.held_us = account.reserve.held_us.saturating_add(self.messages.held_us).min(RESERVE_US);
        }
        held.accounts.retain(|_, account| {
            !account.seats.is_empty() || now_us.saturating_sub(account.reserve.filled_us) < RESERVE_US
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
        let mut place = allowances.enter((7, None)).unwrap();
        assert_eq!(taken(&mut place, 600), 500);
        clock.advance(Duration::from_millis(100));
        assert_eq!(taken(&mut place, 600), 5);
    }

    #[test]
    fn a_program_that_floods_takes_nothing_from_the_others_of_its_account() {
        let allowances = Allowances::new(Arc::new(ManualClock::at(0)));
        let (mut flooding, mut other) = (allowances.enter((7, None)).unwrap(), allowances.enter((7, None)).unwrap());
        assert_eq!(taken(&mut flooding, 10_000), 500);
        assert_eq!(taken(&mut other, 100), 100);
    }

    #[test]
    fn connecting_again_and_again_gains_nothing() {
        let clock = Arc::new(ManualClock::at(0));
        let allowances = Allowances::new(clock.clone());
        let gained: usize = (0..1_000).map(|_| taken(&mut allowances.enter((7, None)).unwrap(), 600)).sum();
        assert_eq!(gained, 16 * 500);
        assert!(allowances.enter((8, None)).unwrap().allows(), "another account has its own");
        let mut late = allowances.enter((7, None)).unwrap();
        clock.advance(Duration::from_secs(1));
        assert_eq!(taken(&mut late, 600), 50, "who comes then is heard all the same");
        clock.advance(Duration::from_secs(9));
        assert_eq!(taken(&mut allowances.enter((7, None)).unwrap(), 600), 500, "and time fills what others begin with");
    }

    #[test]
    fn a_command_that_asks_again_and_again_is_answered() {
        let clock = Arc::new(ManualClock::at(0));
        let allowances = Allowances::new(clock.clone());
        for _ in 0..2_000 {
            assert!(allowances.enter((0, None)).unwrap().allows());
            clock.advance(Duration::from_millis(100));
        }
    }

    #[test]
    fn who_comes_takes_the_place_of_one_that_floods_and_of_no_other() {
        let clock = Arc::new(ManualClock::at(0));
        let allowances = Allowances::new(clock.clone());
        let mut polite: Vec<_> = (0..10).map(|_| allowances.enter((7, None)).unwrap()).collect();
        let mut flooding: Vec<_> = (0..6).map(|_| allowances.enter((7, None)).unwrap()).collect();
        assert!(allowances.enter((7, None)).is_none(), "nobody floods yet");
        for _ in 0..60 {
            clock.advance(Duration::from_secs(1));
            polite.iter_mut().for_each(|place| assert_eq!(taken(place, 5), 5));
            flooding.iter_mut().for_each(|place| assert_eq!(taken(place, 40), 40, "within what one may"));
        }
        let late: Vec<_> = (0..8).filter_map(|_| allowances.enter((7, None))).collect();
        assert_eq!(late.len(), flooding.len());
        assert!(flooding.iter().all(|place| place.gone().is_requested()));
        assert!(polite.iter().chain(&late).all(|place| !place.gone().is_requested()));
        drop(flooding);
        assert!(allowances.enter((7, None)).is_none(), "those who went gave their places away already");
        drop(late);
        assert!(allowances.enter((7, None)).is_some());
    }

    #[test]
    fn a_browser_that_tells_many_tabs_when_it_starts_is_soon_as_any_other() {
        let clock = Arc::new(ManualClock::at(0));
        let allowances = Allowances::new(clock.clone());
        let mut places: Vec<_> = (0..16).map(|_| allowances.enter((7, None)).unwrap()).collect();
        assert_eq!(taken(&mut places[0], 400), 400);
        clock.advance(Duration::from_secs(60));
        assert!(allowances.enter((7, None)).is_none() && !places[0].gone().is_requested());
    }

    #[test]
    fn much_that_is_lost_in_a_minute_is_a_flood_whichever_connection_it_came_by() {
        let clock = Arc::new(ManualClock::at(0));
        let allowances = Allowances::new(clock.clone());
        let (one, other) = (allowances.enter((7, None)).unwrap(), allowances.enter((7, None)).unwrap());
        let floods =
            |many: usize| (0..many).filter(|number| if number % 2 == 0 { one.loses() } else { other.loses() }).count();
        assert_eq!((floods(999), floods(1), floods(999), floods(1_001)), (0, 1, 0, 2));
        clock.advance(Duration::from_secs(61));
        assert_eq!(floods(999), 0);
        clock.advance(Duration::from_secs(61));
        assert_eq!((floods(999), floods(1)), (0, 1));
        assert!(!allowances.enter((8, None)).unwrap().loses());
    }

    #[test]
    fn programs_that_hold_every_place_and_say_nothing_are_a_flood_once_others_keep_asking() {
        let clock = Arc::new(ManualClock::at(0));
        let allowances = Allowances::new(clock.clone());
        let _quiet: Vec<_> = (0..16).map(|_| allowances.enter((7, None)).unwrap()).collect();
        let asked = (0..1_250).filter(|_| {
            clock.advance(Duration::from_millis(100));
            allowances.enter((7, None)).is_none() && allowances.refuses((7, None))
        });
        assert_eq!(asked.count(), 3, "after five seconds, then once a minute");
        assert!(!allowances.refuses((8, None)), "another account");
    }

    #[test]
    fn a_process_has_a_few_of_its_accounts_places() {
        let allowances = Allowances::new(Arc::new(ManualClock::at(0)));
        let places: Vec<_> = (0..20).filter_map(|_| allowances.enter((7, Some(1)))).collect();
        assert_eq!(places.len(), MAX_PER_PROCESS);
        assert!(allowances.enter((7, Some(2))).is_some());
        drop(places);
        assert!(allowances.enter((7, Some(1))).is_some());
    }

    #[test]
    fn an_account_cannot_take_every_connection() {
        let allowances = Allowances::new(Arc::new(ManualClock::at(0)));
        let places: Vec<_> = (0..20).filter_map(|_| allowances.enter((7, None))).collect();
        assert_eq!(places.len(), MAX_PER_ACCOUNT);
        assert!(allowances.enter((8, None)).is_some());
    }
}
