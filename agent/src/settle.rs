//! Waits until a value stands still, so that typing is never mirrored.
//!
//! A title or URL becomes a signal when it stood for [`STILL`], or when it was left: the focus moved to another
//! window, the tab closed, or another document was committed in it. One that is replaced in the same window, or by
//! `history.pushState`, is dropped unmatched and the clock starts again; but the address of a document that was
//! committed was loaded, not typed, and is looked at. Who changes a title all the time cannot hide it: a value that
//! comes back twelve times, each within 10 s, is looked at once it stood for [`STILL`] in all, and where nothing stood
//! still for a minute, what is shown then is looked at, once a minute, and told. Pure: time is an argument, and the
//! next moment something is due is an answer.

mod browser;
mod desk;
mod shown;

use std::collections::BTreeMap;
use std::time::Duration;

use lapwing_proto::Account;

use crate::observation::{FileOwner, Observation, SessionFacts, SessionId};
use crate::signal::{Burst, Moment, Signal, account_of_owner, account_of_session};
use browser::TabNews;
use desk::Desk;

/// How long a value stands before it is looked at.
pub const STILL: Duration = Duration::from_millis(300);
/// How long a browser may be in front without a word of its extension before that is reported.
pub const SILENCE: Duration = Duration::from_secs(60);
/// Most sessions followed at once; the one that was quiet longest makes room.
pub const MAX_SESSIONS: usize = 64;

/// What settling yields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Something to judge.
    Signal(Box<Signal>),
    /// Whether the URLs of a session can be seen changed.
    Urls(SessionId, Sight),
    /// A URL was over its bound.
    Oversize,
    /// What stood for [`STILL`] was replaced before it stood for as long as it has to now.
    Skipped,
}

/// How quickly values are looked at, and how many are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// How long a value stands before it is looked at, at least [`STILL`].
    pub still: Duration,
    /// Most tabs followed in one browser; the one that changed longest ago is looked at and makes room.
    pub tabs: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Self { still: STILL, tabs: 512 }
    }
}

impl From<Signal> for Settled {
    fn from(signal: Signal) -> Self {
        Self::Signal(Box::new(signal))
    }
}

/// Whether a session's URLs can be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// The extension of a browser speaks.
    Seen,
    /// A browser is in front and its extension is silent.
    Silent,
}

/// All sessions of the device.
#[derive(Debug)]
pub struct Settle {
    desks: BTreeMap<SessionId, Desk>,
    /// Names the account behind a number, for media mounted where nobody is signed in.
    account_of: fn(u32) -> FileOwner,
    pace: Pace,
}

impl Settle {
    /// Nobody is signed in yet. `account_of` names the account behind a number.
    #[must_use]
    pub fn new(account_of: fn(u32) -> FileOwner) -> Self {
        Self { desks: BTreeMap::new(), account_of, pace: Pace::default() }
    }

    /// Follows what is shown from now on at another pace.
    pub fn keep(&mut self, pace: Pace) {
        self.pace = pace;
    }

    /// Takes one observation. Times never go back.
    pub fn observe(&mut self, observation: Observation, now: Moment) -> Vec<Settled> {
        let mut out = self.tick(now);
        match observation {
            Observation::Title { session, window, title, app, .. } => {
                self.desk(session, now).title(window, title, &app, now, &mut out);
            }
            Observation::Unfocused { session } => self.desk(session, now).unfocused(&mut out),
            Observation::Tab { session, browser, tab, event, private } => {
                let news = TabNews { tab, event, private, pace: self.pace };
                self.desk(session, now).tab(&browser, news, now, &mut out);
            }
            Observation::BrowserGone { session, browser } => {
                self.part(&session.id, &mut out, |desk, out| desk.browser_gone(&browser, out));
            }
            Observation::SessionOver { session } => self.part(&session.id, &mut out, Desk::over),
            Observation::Flood { session } => out.push(Signal::flood(now, account_of_session(&session)).into()),
            Observation::File { account, folder, name, burst_until_us } => {
                let burst = burst_until_us.map(|until_us| Burst { until_us, folder });
                let account = self.account_of_uid(account.uid).unwrap_or_else(|| account_of_owner(&account));
                out.push(Signal::file(now, account, &name, burst).into());
            }
            Observation::Media { facts, owner, .. } => {
                out.push(Signal::media(now, self.account_of_medium(owner), facts).into());
            }
        }
        out
    }

    /// Yields what stood long enough by `now`.
    pub fn tick(&mut self, now: Moment) -> Vec<Settled> {
        let mut out = Vec::new();
        for desk in self.desks.values_mut() {
            desk.tick(now, &mut out);
        }
        out
    }

    /// When [`Settle::tick`] next has something to do, in microseconds since the device started.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        self.desks.values().filter_map(Desk::deadline).min()
    }

    /// How many windows and tabs have shown nothing that stood still for a minute.
    #[must_use]
    pub fn moving(&self) -> usize {
        self.desks.values().map(Desk::moving).sum()
    }

    /// Something of a session ends, and with the last of it what is known of the session.
    fn part(&mut self, id: &SessionId, out: &mut Vec<Settled>, end: impl FnOnce(&mut Desk, &mut Vec<Settled>)) {
        let Some(desk) = self.desks.get_mut(id) else { return };
        end(desk, out);
        if desk.is_deserted() {
            self.desks.remove(id);
        }
    }

    fn desk(&mut self, session: SessionFacts, now: Moment) -> &mut Desk {
        if self.desks.len() >= MAX_SESSIONS && !self.desks.contains_key(&session.id) {
            let quietest = self.desks.iter().min_by_key(|(_, desk)| desk.active).map(|(id, _)| id.clone());
            quietest.and_then(|id| self.desks.remove(&id));
        }
        let desk = self.desks.entry(session.id.clone()).or_insert_with(|| Desk::new(&session, now));
        (desk.active, desk.pace) = (now, self.pace);
        desk
    }

    /// The account of a session that this number is signed in to, the most recently active one first.
    fn account_of_uid(&self, uid: u32) -> Option<Account> {
        self.desks.values().filter(|desk| desk.uid == uid).max_by_key(|desk| desk.active).map(|d| d.account.clone())
    }

    /// Whom a medium belongs to: the account it was mounted for, else whoever was active last.
    fn account_of_medium(&self, owner: Option<u32>) -> Account {
        let Some(uid) = owner else {
            let last = self.desks.values().max_by_key(|desk| desk.active);
            return last.map(|desk| desk.account.clone()).unwrap_or_default();
        };
        self.account_of_uid(uid).unwrap_or_else(|| account_of_owner(&(self.account_of)(uid)))
    }
}

fn after(moment: Moment, wait: Duration) -> u64 {
    moment.boot_us.saturating_add(u64::try_from(wait.as_micros()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
