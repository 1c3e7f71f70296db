//! One session: the window in front, and the browsers.

use std::collections::BTreeMap;

use lapwing_proto::{Account, bounds};

use super::browser::{Browser, Family, TabNews};
use super::shown::Shown;
use super::{Pace, SILENCE, Settled, Sight, after};
use crate::observation::{SessionFacts, SessionId, cut};
use crate::signal::{Moment, Signal, account_of_session};

/// What is known of one session.
#[derive(Debug)]
pub(super) struct Desk {
    id: SessionId,
    pub(super) uid: u32,
    pub(super) account: Account,
    /// When something was last observed in it.
    pub(super) active: Moment,
    pub(super) pace: Pace,
    /// Something tells its titles.
    has_titles: bool,
    front: Option<Front>,
    browsers: BTreeMap<Family, Browser>,
    /// Since when a browser has been in front without a word of its extension.
    silent_since: Option<Moment>,
    /// What was last said about its URLs.
    told: Option<Sight>,
}

/// The window with the focus.
#[derive(Debug)]
struct Front {
    window: u64,
    app: String,
    title: Shown,
}

impl Desk {
    pub(super) fn new(session: &SessionFacts, now: Moment) -> Self {
        Self {
            id: session.id.clone(),
            uid: session.uid,
            account: account_of_session(session),
            active: now,
            pace: Pace::default(),
            has_titles: false,
            front: None,
            browsers: BTreeMap::new(),
            silent_since: None,
            told: None,
        }
    }

    pub(super) fn title(&mut self, window: u64, title: String, app: &str, now: Moment, out: &mut Vec<Settled>) {
        self.has_titles = true;
        let title = Shown::new(title, now, self.pace.still);
        match &mut self.front {
            Some(front) if front.window == window && front.title.value() == title.value() => {}
            Some(front) if front.window == window => {
                out.extend(front.title.give_way(title).then_some(Settled::Skipped));
            }
            Some(_) | None => {
                self.leave_front(out);
                let app = cut(app.to_owned(), bounds::MAX_NAME_BYTES);
                self.front = Some(Front { window, app, title });
            }
        }
        self.look_for_silence(now, out);
    }

    pub(super) fn unfocused(&mut self, out: &mut Vec<Settled>) {
        self.leave_front(out);
        self.front = None;
        self.silent_since = None;
        self.has_titles = true;
    }

    /// Nothing tells its titles any more, and what was said of it is forgotten.
    pub(super) fn over(&mut self, out: &mut Vec<Settled>) {
        self.unfocused(out);
        (self.has_titles, self.told) = (false, None);
    }

    /// Whether nothing of it is there any more.
    pub(super) fn is_deserted(&self) -> bool {
        !self.has_titles && self.browsers.is_empty()
    }

    pub(super) fn tab(&mut self, browser: &str, news: TabNews, now: Moment, out: &mut Vec<Settled>) {
        let family = Family::of(browser).unwrap_or(Family::Other);
        let entry = self.browsers.entry(family).or_insert_with(|| Browser::new(browser));
        entry.tab(news, &self.account, now, out);
        if self.told != Some(Sight::Seen) {
            self.tell(Sight::Seen, out);
        }
        self.look_for_silence(now, out);
    }

    pub(super) fn browser_gone(&mut self, browser: &str, out: &mut Vec<Settled>) {
        let family = Family::of(browser).unwrap_or(Family::Other);
        if let Some(mut gone) = self.browsers.remove(&family) {
            gone.leave_all(&self.account, out);
        }
        self.silent_since = self.front_is_silent().then_some(self.active);
    }

    pub(super) fn tick(&mut self, now: Moment, out: &mut Vec<Settled>) {
        if let Some(seen) = self.front.as_mut().and_then(|front| front.title.look_if_due(now)) {
            self.push(seen, out);
        }
        for browser in self.browsers.values_mut() {
            browser.tick(&self.account, now, out);
        }
        self.look_for_silence(now, out);
    }

    pub(super) fn deadline(&self) -> Option<u64> {
        let title = self.front.as_ref().and_then(|front| front.title.deadline());
        let tabs = self.browsers.values().filter_map(Browser::deadline).min();
        let silence = self.silent_since.filter(|_| self.told != Some(Sight::Silent));
        [title, tabs, silence.map(|since| after(since, SILENCE))].into_iter().flatten().min()
    }

    /// How many windows and tabs show nothing that stands still.
    pub(super) fn moving(&self) -> usize {
        let title = self.front.as_ref().is_some_and(|front| front.title.is_moving());
        usize::from(title) + self.browsers.values().map(Browser::moving).sum::<usize>()
    }

    /// Looks at the title in front, unless it was looked at.
    fn leave_front(&mut self, out: &mut Vec<Settled>) {
        if let Some(seen) = self.front.as_mut().and_then(|front| front.title.look()) {
            self.push(seen, out);
        }
    }

    fn push(&self, seen: Moment, out: &mut Vec<Settled>) {
        let Some(front) = self.front.as_ref().filter(|front| !front.title.value().trim().is_empty()) else { return };
        let family = Family::of(&front.app);
        let page = family.and_then(|family| self.browsers.get(&family)).and_then(Browser::front);
        let host = page.and_then(|page| page.host.clone());
        let mut signal = Signal::title(seen, self.account.clone(), &front.app, front.title.value(), host);
        signal.url_blind = family.is_some() && page.is_none();
        signal.private_window = page.is_some_and(|page| page.private);
        out.push(signal.into());
    }

    fn front_is_silent(&self) -> bool {
        let family = self.front.as_ref().and_then(|front| Family::of(&front.app));
        family.is_some_and(|family| !self.browsers.contains_key(&family))
    }

    fn look_for_silence(&mut self, now: Moment, out: &mut Vec<Settled>) {
        if !self.front_is_silent() {
            self.silent_since = None;
            return;
        }
        let since = *self.silent_since.get_or_insert(now);
        if after(since, SILENCE) <= now.boot_us && self.told != Some(Sight::Silent) {
            self.tell(Sight::Silent, out);
        }
    }

    fn tell(&mut self, sight: Sight, out: &mut Vec<Settled>) {
        self.told = Some(sight);
        out.push(Settled::Urls(self.id.clone(), sight));
    }
}
