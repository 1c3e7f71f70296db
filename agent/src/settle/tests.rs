use lapwing_rules::Scope;
use proptest::prelude::*;

use super::*;
use crate::observation::TabEvent;

const PUPIL: u32 = 1_000;

fn at(ms: u64) -> Moment {
    Moment { boot_us: ms * 1_000, wall_us: 1_700_000_000_000_000 + i64::try_from(ms).unwrap() * 1_000 }
}

fn session() -> SessionFacts {
    SessionFacts { id: "7-1000".parse().unwrap(), account: "kim".to_owned(), uid: PUPIL, groups: Vec::new() }
}

fn nobody(uid: u32) -> FileOwner {
    FileOwner { uid, name: format!("account {uid}"), groups: Vec::new() }
}

/// One device, driven by a simulated clock that stops at every deadline.
struct Device {
    settle: Settle,
    settled: Vec<Settled>,
}

impl Device {
    fn new() -> Self {
        Self { settle: Settle::new(nobody), settled: Vec::new() }
    }

    fn until(&mut self, ms: u64) {
        while let Some(due) = self.settle.deadline().filter(|due| *due <= ms * 1_000) {
            self.settled.extend(self.settle.tick(at(due / 1_000)));
        }
    }

    fn sees(&mut self, ms: u64, observation: Observation) -> &mut Self {
        self.until(ms);
        self.settled.extend(self.settle.observe(observation, at(ms)));
        self
    }

    fn title(&mut self, ms: u64, window: u64, title: &str, app: &str) -> &mut Self {
        let (title, app) = (title.to_owned(), app.to_owned());
        self.sees(ms, Observation::Title { session: session(), window, title, app, pid: 1 })
    }

    fn tab(&mut self, ms: u64, tab: u64, event: TabEvent) -> &mut Self {
        let browser = "chromium".to_owned();
        self.sees(ms, Observation::Tab { session: session(), browser, tab, event, private: false })
    }

    fn commits(&mut self, ms: u64, tab: u64, url: &str) -> &mut Self {
        self.tab(ms, tab, TabEvent::Committed { url: url.to_owned() })
    }

    fn pushes(&mut self, ms: u64, tab: u64, url: &str) -> &mut Self {
        self.tab(ms, tab, TabEvent::SameDocument { url: url.to_owned() })
    }

    fn signals(&mut self, until_ms: u64) -> Vec<Signal> {
        self.until(until_ms);
        let signal = |settled: &Settled| match settled {
            Settled::Signal(signal) => Some(signal.as_ref().clone()),
            Settled::Urls(..) | Settled::Oversize => None,
        };
        self.settled.iter().filter_map(signal).collect()
    }

    fn texts(&mut self, until_ms: u64, scope: Scope) -> Vec<String> {
        let signals = self.signals(until_ms);
        let texts = signals.into_iter().flat_map(|signal| signal.texts);
        texts.filter(|text| text.scope == scope).map(|text| text.text).collect()
    }
}

#[test]
fn a_title_is_looked_at_when_it_stood_still() {
    let mut device = Device::new();
    device.title(0, 1, "Homework", "editor");
    assert!(device.signals(299).is_empty());
    let signals = device.signals(300);
    assert_eq!(signals.len(), 1);
    assert_eq!(signals[0].seen, at(0), "it carries the time it was seen, not the time it settled");
    assert_eq!(device.signals(10_000).len(), 1, "and is looked at once");
}

#[test]
fn a_title_typed_letter_by_letter_is_looked_at_whole() {
    let mut device = Device::new();
    device.title(0, 1, "r", "chat").title(100, 1, "ri", "chat").title(200, 1, "river", "chat");
    assert_eq!(device.texts(10_000, Scope::Title), ["river"]);
}

#[test]
fn a_title_is_looked_at_when_the_focus_moves_away() {
    let mut device = Device::new();
    device.title(0, 1, "Short", "editor").title(50, 2, "Other", "editor");
    assert_eq!(device.texts(50, Scope::Title), ["Short"]);
    device.sees(60, Observation::Unfocused { session: session() });
    assert_eq!(device.texts(60, Scope::Title), ["Short", "Other"]);
}

#[test]
fn an_address_mirrored_by_push_state_is_looked_at_when_typing_stops() {
    let mut device = Device::new();
    device.commits(0, 1, "https://search.example/?q=").until(400);
    device.pushes(500, 1, "https://search.example/?q=ri").pushes(650, 1, "https://search.example/?q=riv");
    device.pushes(800, 1, "https://search.example/?q=river");
    assert_eq!(device.texts(10_000, Scope::Query), ["river"]);
}

#[test]
fn an_address_left_early_is_looked_at() {
    let mut device = Device::new();
    device.commits(0, 1, "https://one.example/").commits(20, 1, "https://two.example/");
    device.tab(40, 1, TabEvent::Closed);
    assert_eq!(device.texts(40, Scope::UrlHost), ["one.example", "two.example"]);
}

#[test]
fn a_new_tab_that_commits_the_address_it_was_opened_with_has_to_stand_still() {
    let mut device = Device::new();
    let url = "https://example.org/page";
    device.tab(0, 1, TabEvent::Activated { url: url.to_owned() }).commits(120, 1, url);
    assert!(device.signals(299).is_empty());
    assert_eq!(device.signals(300).len(), 1);
}

#[test]
fn coming_back_to_a_tab_is_not_looked_at_again() {
    let mut device = Device::new();
    let url = "https://one.example/".to_owned();
    device.commits(0, 1, &url).commits(1_000, 2, "https://two.example/");
    device.tab(2_000, 1, TabEvent::Activated { url: url.clone() }).tab(3_000, 1, TabEvent::Activated { url });
    assert_eq!(device.texts(10_000, Scope::UrlHost), ["one.example", "two.example"]);
}

#[test]
fn a_page_that_was_open_before_is_looked_at_when_it_comes_to_the_front() {
    let mut device = Device::new();
    device.tab(0, 9, TabEvent::Activated { url: "https://open.example/".to_owned() });
    assert_eq!(device.texts(300, Scope::UrlHost), ["open.example"]);
}

#[test]
fn a_browsers_title_carries_the_host_of_its_tab_in_front() {
    let mut device = Device::new();
    device.tab(0, 1, TabEvent::Activated { url: "https://mail.example/".to_owned() });
    device.commits(5, 2, "https://behind.example/");
    device.title(10, 4, "Inbox - Chromium", "chromium");
    let signals = device.signals(10_000);
    let title = signals.iter().find(|signal| signal.kind == lapwing_proto::Signal::Title).unwrap();
    assert_eq!((title.host.as_deref(), title.url_blind), (Some("mail.example"), false));
}

#[test]
fn a_browsers_title_without_a_word_of_its_extension_is_marked_blind() {
    let mut device = Device::new();
    device.title(0, 4, "News - Chromium", "Chromium-browser").title(1_000, 5, "Notes", "editor");
    let blind: Vec<bool> = device.signals(2_000).iter().map(|signal| signal.url_blind).collect();
    assert_eq!(blind, [true, false]);
}

#[test]
fn a_silent_extension_is_reported_after_a_minute_and_its_return_at_once() {
    let mut device = Device::new();
    device.title(0, 4, "News", "chromium").until(59_999);
    let sight = |device: &Device| {
        let urls = device.settled.iter().filter_map(|settled| match settled {
            Settled::Urls(_, sight) => Some(*sight),
            Settled::Signal(_) | Settled::Oversize => None,
        });
        urls.collect::<Vec<_>>()
    };
    assert!(sight(&device).is_empty());
    device.until(60_000);
    assert_eq!(sight(&device), [Sight::Silent]);
    device.commits(70_000, 1, "https://one.example/");
    assert_eq!(sight(&device), [Sight::Silent, Sight::Seen]);
    device.sees(80_000, Observation::BrowserGone { session: session(), browser: "chromium".to_owned() }).until(140_000);
    assert_eq!(sight(&device), [Sight::Silent, Sight::Seen, Sight::Silent]);
    device.sees(150_000, Observation::Unfocused { session: session() });
    device.title(160_000, 4, "News", "chromium").until(220_000);
    assert_eq!(sight(&device), [Sight::Silent, Sight::Seen, Sight::Silent, Sight::Silent], "said anew to who forgot");
}

#[test]
fn files_and_media_belong_to_whoever_is_signed_in() {
    let mut device = Device::new();
    device.title(0, 1, "x", "editor");
    let owner = nobody(PUPIL);
    device
        .sees(1, Observation::File { account: owner, folder: "/home/kim".into(), name: "a.txt".to_owned(), burst: 23 });
    for owner in [Some(PUPIL), None, Some(7)] {
        let facts = lapwing_proto::Media::default();
        device.sees(2, Observation::Media { facts, mount_point: "/media/x".into(), owner });
    }
    let signals = device.signals(2);
    let names: Vec<_> = signals.iter().map(|signal| signal.account.name.as_str()).collect();
    assert_eq!(names, ["kim", "kim", "kim", "account 7"]);
    assert_eq!(signals[0].burst, 23, "a summary says how many files it stands for");
}

#[test]
fn a_flood_of_sessions_and_tabs_stays_within_its_bound() {
    let mut device = Device::new();
    for number in 0..1_000_u64 {
        let mut facts = session();
        facts.id = format!("s{number}").parse().unwrap();
        device.settle.observe(Observation::Unfocused { session: facts }, at(number));
        device.commits(number, number, "https://one.example/");
    }
    assert!(device.settle.desks.len() <= MAX_SESSIONS);
}

proptest! {
    /// In one window: whatever stood for 300 ms before it was replaced is looked at exactly once, in order, and what
    /// stood shorter is never looked at.
    #[test]
    fn only_what_stood_still_is_looked_at(steps in prop::collection::vec((0_u64..700, 0_u8..4), 1..40)) {
        let mut device = Device::new();
        let (mut now, mut expected, mut shown): (u64, Vec<String>, Option<(String, u64)>) = (0, Vec::new(), None);
        for (gap, value) in steps {
            now += gap;
            let title = format!("title {value}");
            device.title(now, 1, &title, "editor");
            match shown.take() {
                Some((current, since)) if current == title => shown = Some((current, since)),
                Some((current, since)) => {
                    if now - since >= 300 {
                        expected.push(current);
                    }
                    shown = Some((title, now));
                }
                None => shown = Some((title, now)),
            }
        }
        expected.extend(shown.map(|(current, _)| current));
        prop_assert_eq!(device.texts(now + 1_000, Scope::Title), expected);
    }

    /// The deadline is never in the past once it was served: the loop that waits for it cannot spin.
    #[test]
    fn a_served_deadline_is_over(steps in prop::collection::vec((0_u64..700, 0_u64..3, 0_u8..5), 1..40)) {
        let (mut device, mut now) = (Device::new(), 0);
        for (gap, number, kind) in steps {
            now += gap;
            let url = format!("https://h{number}.example/");
            match kind {
                0 => device.title(now, number, "title", "chromium"),
                1 => device.commits(now, number, &url),
                2 => device.pushes(now, number, &url),
                3 => device.tab(now, number, TabEvent::Activated { url }),
                _ => device.tab(now, number, TabEvent::Closed),
            };
            device.settle.tick(at(now));
            prop_assert!(device.settle.deadline().is_none_or(|due| due > now * 1_000));
        }
    }
}
