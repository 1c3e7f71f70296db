//! One browser: its tabs and which of them is in front.

use std::collections::BTreeMap;

use lapwing_proto::{Account, bounds};
use lapwing_rules::{UrlError, split_url};

use super::shown::Shown;
use super::{Pace, Settled};
use crate::observation::{TabEvent, cut};
use crate::signal::{Moment, Signal};

/// Browsers that cannot be told apart by what their windows and extensions call themselves are one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Family {
    Chromium,
    Edge,
    Firefox,
    Other,
}

/// Beginnings of program and browser names, in lower case.
const NAMES: [(&str, Family); 13] = [
    ("google-chrome", Family::Chromium),
    ("chromium", Family::Chromium),
    ("chrome", Family::Chromium),
    ("microsoft-edge", Family::Edge),
    ("msedge", Family::Edge),
    ("edge", Family::Edge),
    ("firefox", Family::Firefox),
    ("brave", Family::Other),
    ("opera", Family::Other),
    ("vivaldi", Family::Other),
    ("epiphany", Family::Other),
    ("konqueror", Family::Other),
    ("falkon", Family::Other),
];

/// What is known of one browser.
#[derive(Debug)]
pub(super) struct Browser {
    name: String,
    tabs: BTreeMap<u64, Tab>,
    front: Option<u64>,
}

/// What a browser says of one of its tabs.
#[derive(Debug)]
pub(super) struct TabNews {
    pub(super) tab: u64,
    pub(super) event: TabEvent,
    pub(super) private: bool,
    pub(super) pace: Pace,
}

#[derive(Debug)]
struct Tab {
    url: Shown,
    page: Page,
    /// It is the address of a document that was loaded, which nobody types letter by letter.
    is_committed: bool,
}

/// What a browser's title is scoped by.
#[derive(Debug)]
pub(super) struct Page {
    /// `None` for a page that is not on the web.
    pub(super) host: Option<String>,
    pub(super) private: bool,
}

impl Family {
    /// The family a program belongs to; `None` for one that is no browser.
    pub(super) fn of(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        NAMES.into_iter().find(|(start, _)| name.starts_with(start)).map(|(_, family)| family)
    }
}

impl Page {
    fn new(url: &str, private: bool) -> Self {
        Self { host: split_url(url).ok().map(|parts| parts.host), private }
    }
}

impl Tab {
    fn new(url: String, private: bool, now: Moment, pace: Pace) -> Self {
        let page = Page::new(&url, private);
        Self { url: Shown::new(url, now, pace.still), page, is_committed: false }
    }

    fn shows(&self, other: &Self) -> bool {
        self.url.value() == other.url.value()
    }
}

impl Browser {
    pub(super) fn new(name: &str) -> Self {
        Self { name: cut(name.to_owned(), bounds::MAX_NAME_BYTES), tabs: BTreeMap::new(), front: None }
    }

    pub(super) fn tab(&mut self, news: TabNews, account: &Account, now: Moment, out: &mut Vec<Settled>) {
        self.make_room(&news, account, out);
        let TabNews { tab, event, private, pace } = news;
        match event {
            TabEvent::Committed { url } => {
                self.commit(tab, Tab::new(url, private, now, pace), account, out);
                self.front.get_or_insert(tab);
            }
            TabEvent::SameDocument { url } => {
                self.change(tab, Tab::new(url, private, now, pace), account, out);
                self.front.get_or_insert(tab);
            }
            TabEvent::Activated { url } => {
                if let Some(left) = self.front.filter(|front| *front != tab) {
                    self.leave(left, account, out);
                }
                self.front = Some(tab);
                self.change(tab, Tab::new(url, private, now, pace), account, out);
            }
            TabEvent::Closed => {
                self.leave(tab, account, out);
                self.tabs.remove(&tab);
                self.front = self.front.filter(|front| *front != tab);
            }
        }
    }

    /// The page of the tab in front, where one is known.
    pub(super) fn front(&self) -> Option<&Page> {
        self.front.and_then(|tab| self.tabs.get(&tab)).map(|tab| &tab.page)
    }

    pub(super) fn leave_all(&mut self, account: &Account, out: &mut Vec<Settled>) {
        let tabs: Vec<u64> = self.tabs.keys().copied().collect();
        for tab in tabs {
            self.leave(tab, account, out);
        }
    }

    pub(super) fn tick(&mut self, account: &Account, now: Moment, out: &mut Vec<Settled>) {
        for tab in self.tabs.values_mut() {
            let private = tab.page.private;
            if let Some(seen) = tab.url.look_if_due(now) {
                push(tab.url.value(), private, seen, account, &self.name, out);
            }
        }
    }

    pub(super) fn deadline(&self) -> Option<u64> {
        self.tabs.values().filter_map(|tab| tab.url.deadline()).min()
    }

    /// How many tabs show nothing that stands still.
    pub(super) fn moving(&self) -> usize {
        self.tabs.values().filter(|tab| tab.url.is_moving()).count()
    }

    /// Another document was loaded in a tab. A new tab is in front before its page is committed: the same address, not
    /// looked at yet, is no other document.
    fn commit(&mut self, number: u64, loaded: Tab, account: &Account, out: &mut Vec<Settled>) {
        let shown = self.tabs.get_mut(&number).filter(|tab| tab.shows(&loaded) && !tab.url.is_looked_at());
        if let Some(tab) = shown {
            tab.is_committed = true;
            return;
        }
        self.leave(number, account, out);
        self.tabs.insert(number, Tab { is_committed: true, ..loaded });
    }

    /// The address of a tab changed without a document being loaded.
    fn change(&mut self, number: u64, changed: Tab, account: &Account, out: &mut Vec<Settled>) {
        if self.tabs.get(&number).is_some_and(|tab| tab.is_committed && !tab.shows(&changed)) {
            self.leave(number, account, out);
        }
        match self.tabs.get_mut(&number) {
            Some(tab) if tab.shows(&changed) => {}
            Some(tab) => {
                (tab.page, tab.is_committed) = (changed.page, false);
                out.extend(tab.url.give_way(changed.url).then_some(Settled::Skipped));
            }
            None => drop(self.tabs.insert(number, changed)),
        }
    }

    /// Looks at what a tab shows, unless it was looked at.
    fn leave(&mut self, tab: u64, account: &Account, out: &mut Vec<Settled>) {
        let Some(tab) = self.tabs.get_mut(&tab) else { return };
        let private = tab.page.private;
        if let Some(seen) = tab.url.look() {
            push(tab.url.value(), private, seen, account, &self.name, out);
        }
    }

    /// Looks at the tabs that changed longest ago, and forgets them, until a further one fits.
    fn make_room(&mut self, news: &TabNews, account: &Account, out: &mut Vec<Settled>) {
        while self.tabs.len() >= news.pace.tabs && !self.tabs.contains_key(&news.tab) {
            let oldest = self.tabs.iter().min_by_key(|(_, tab)| tab.url.since()).map(|(number, _)| *number);
            let Some(oldest) = oldest else { return };
            self.leave(oldest, account, out);
            self.tabs.remove(&oldest);
        }
    }
}

/// A page that is not on the web is nothing to look at.
fn push(url: &str, private: bool, seen: Moment, account: &Account, browser: &str, out: &mut Vec<Settled>) {
    match split_url(url) {
        Ok(parts) => {
            let signal = Signal::url(seen, account.clone(), browser, &parts);
            out.push(Signal { private_window: private, ..signal }.into());
        }
        Err(UrlError::TooLong) => out.push(Settled::Oversize),
        Err(UrlError::NotWeb | UrlError::Malformed) => {}
    }
}
