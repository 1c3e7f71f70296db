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
            Settled::Urls(..) | Settled::Oversize | Settled::Skipped => None,
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
fn a_loaded_address_that_a_script_replaces_at_once_is_looked_at() {
    let mut device = Device::new();
    device.commits(0, 1, "https://one.example/").pushes(40, 1, "https://one.example/?q=ri");
    device.tab(500, 2, TabEvent::Activated { url: "https://two.example/".to_owned() });
    device.commits(550, 2, "https://two.example/").pushes(600, 2, "https://two.example/?q=r");
    device.pushes(700, 2, "https://two.example/?q=ri").pushes(800, 2, "https://two.example/?q=river");
    assert_eq!(device.texts(10_000, Scope::UrlHost), ["one.example", "one.example", "two.example", "two.example"]);
    assert_eq!(device.texts(10_000, Scope::Query), ["ri", "river"]);
}

#[test]
fn a_title_that_alternates_for_ever_is_looked_at_once() {
    let mut device = Device::new();
    for step in 0..250_u64 {
        device.title(step * 200, 1, if step % 2 == 0 { "hidden" } else { "harmless" }, "chromium");
    }
    assert_eq!(device.texts(49_900, Scope::Title), ["hidden", "harmless"]);
}

#[test]
fn a_word_typed_and_taken_back_five_times_is_not_looked_at() {
    let mut device = Device::new();
    device.commits(0, 1, "https://search.example/");
    let mut now = 400;
    for length in [[1, 2, 3, 4, 3, 2, 1, 0]; 5].concat().into_iter().chain([1, 2, 3, 4]) {
        device.pushes(now, 1, &format!("https://search.example/?q={}", "rive".split_at(length).0));
        now += 110;
    }
    assert_eq!(device.texts(now + 1_000, Scope::Query), ["rive"]);
}

#[test]
fn a_title_that_never_stands_still_is_looked_at_each_minute_and_told() {
    let mut device = Device::new();
    for step in 0..700_u64 {
        device.title(step * 200, 1, &format!("hidden {step}"), "chromium");
        assert_eq!(device.settle.moving(), usize::from(step >= 300), "at step {step}");
    }
    assert_eq!(device.texts(139_900, Scope::Title), ["hidden 299", "hidden 599"]);
    device.until(140_200);
    assert_eq!(device.settle.moving(), 0, "the last one stands");
}

#[test]
fn at_a_slower_pace_values_stand_longer_and_what_is_passed_over_is_told() {
    let mut device = Device::new();
    device.settle.keep(Pace { still: 2 * STILL, tabs: 2 });
    device.title(0, 1, "stood", "chat").title(400, 1, "typed", "chat").title(500, 1, "stands", "chat");
    assert_eq!(device.texts(1_099, Scope::Title), [""; 0]);
    assert_eq!(device.texts(1_100, Scope::Title), ["stands"]);
    assert_eq!(device.settled.iter().filter(|settled| **settled == Settled::Skipped).count(), 1);
    device.commits(2_000, 1, "https://one.example/").commits(2_001, 2, "https://two.example/");
    device.commits(2_002, 3, "https://three.example/");
    assert_eq!(device.texts(2_002, Scope::UrlHost), ["one.example"], "who makes room is looked at");
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
            Settled::Signal(_) | Settled::Oversize | Settled::Skipped => None,
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
    device.sees(150_000, Observation::SessionOver { session: session() });
    device.title(160_000, 4, "News", "chromium").until(220_000);
    assert_eq!(sight(&device), [Sight::Silent, Sight::Seen, Sight::Silent, Sight::Silent], "said anew to who forgot");
}

#[test]
fn a_session_that_ended_is_looked_at_once_more_and_forgotten() {
    let mut device = Device::new();
    device.title(0, 1, "last title", "chromium").commits(10, 1, "https://last.example/");
    device.sees(20, Observation::SessionOver { session: session() });
    assert_eq!(device.texts(20, Scope::Title), ["last title"]);
    assert_eq!(device.settle.desks.len(), 1, "its browser is still there");
    for _ in 0..2 {
        device.sees(30, Observation::BrowserGone { session: session(), browser: "chromium".to_owned() });
        assert_eq!(device.settle.desks.len(), 0);
    }
    assert_eq!(device.texts(30, Scope::UrlHost), ["last.example", "last.example"], "of the title and of the address");
    let facts = lapwing_proto::Media::default();
    device.sees(40, Observation::Media { facts, mount_point: "/media/x".into(), owner: None });
    assert_eq!(device.signals(40).pop().unwrap().account.name, "", "nobody is signed in");
    device.title(50, 1, "signed in again", "editor");
    assert_eq!(device.texts(400, Scope::Title), ["last title", "signed in again"]);
}

#[test]
fn files_and_media_belong_to_whoever_is_signed_in() {
    let mut device = Device::new();
    device.title(0, 1, "x", "editor");
    let owner = nobody(PUPIL);
    let (folder, name) = ("/home/kim".into(), "a.txt".to_owned());
    device.sees(1, Observation::File { account: owner, folder, name, burst_until_us: Some(9) });
    for owner in [Some(PUPIL), None, Some(7)] {
        let facts = lapwing_proto::Media::default();
        device.sees(2, Observation::Media { facts, mount_point: "/media/x".into(), owner });
    }
    let signals = device.signals(2);
    let names: Vec<_> = signals.iter().map(|signal| signal.account.name.as_str()).collect();
    assert_eq!(names, ["kim", "kim", "kim", "account 7"]);
    let burst = Burst { until_us: 9, folder: "/home/kim".into() };
    assert!(signals[0].burst == Some(burst), "one of many knows which");
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

/// One showing of a title in the model.
struct Showing {
    title: String,
    from: u64,
    to: u64,
    is_looked_at: bool,
}

/// The last showing ends: whether it was looked at follows from it and those before it.
fn end_last(showings: &mut [Showing], now: u64) {
    let Some((last, before)) = showings.split_last_mut() else { return };
    last.to = now;
    let (mut times, mut stood, mut from, mut is_new) = (0, 0, last.from, true);
    for one in before.iter().rev().filter(|one| one.title == last.title) {
        if from - one.to > 10_000 {
            break;
        }
        (times, stood, from, is_new) = (times + 1, stood + one.to - one.from, one.from, is_new && !one.is_looked_at);
    }
    let summed = (times >= 12 && is_new).then(|| 300_u64.saturating_sub(stood));
    last.is_looked_at = now - last.from >= summed.unwrap_or(300);
}

proptest! {
    /// In one window: a value is looked at when it stood for 300 ms, or sooner when it came back twelve times, each
    /// within 10 s, was not looked at meanwhile, and stood for 300 ms in all; and each showing once, in order.
    #[test]
    fn only_what_stood_still_is_looked_at(
        slow in prop::collection::vec((0_u64..700, 0_u8..4), 1..40),
        fast in prop::collection::vec((0_u64..320, 0_u8..3), 0..120),
    ) {
        let mut device = Device::new();
        let (mut now, mut showings): (u64, Vec<Showing>) = (0, Vec::new());
        for (gap, value) in slow.into_iter().chain(fast) {
            now += gap;
            let title = format!("title {value}");
            device.title(now, 1, &title, "editor");
            if showings.last().is_some_and(|last| last.title == title) {
                continue;
            }
            end_last(&mut showings, now);
            showings.push(Showing { title, from: now, to: u64::MAX, is_looked_at: false });
        }
        end_last(&mut showings, u64::MAX);
        let expected: Vec<_> = showings.into_iter().filter(|one| one.is_looked_at).map(|one| one.title).collect();
        prop_assume!(now < 60_000);
        prop_assert_eq!(device.texts(now + 1_000, Scope::Title), expected);
    }

    /// Typing with corrections, mirrored by title and address: nothing of it is looked at before it pauses.
    #[test]
    fn what_is_typed_is_looked_at_when_the_typing_stops(
        keys in prop::collection::vec((20_u64..300, prop::bool::weighted(0.25)), 1..150),
    ) {
        let mut device = Device::new();
        device.commits(0, 1, "https://search.example/").until(400);
        let (mut now, mut typed, mut shown) = (400, String::new(), BTreeMap::<String, u32>::new());
        for (number, (gap, is_taken_back)) in keys.into_iter().enumerate() {
            now += gap;
            if !is_taken_back || typed.pop().is_none() {
                typed.push(char::from(b'a' + u8::try_from(number % 26).unwrap()));
            }
            *shown.entry(typed.clone()).or_default() += 1;
            device.title(now, 1, &format!("you typed {typed}"), "chat");
            device.pushes(now, 1, &format!("https://search.example/?q={typed}"));
        }
        prop_assume!(now < 60_000 && shown.values().all(|times| *times <= 12));
        prop_assert_eq!(device.texts(now + 1_000, Scope::Title), [format!("you typed {typed}")]);
        let queries: Vec<_> = Some(typed).filter(|typed| !typed.is_empty()).into_iter().collect();
        prop_assert_eq!(device.texts(now + 1_000, Scope::Query), queries);
    }

    /// Wherever the wall clock is turned to meanwhile, the same is looked at, and the deadlines are the same; a device
    /// that slept goes on where it was.
    #[test]
    fn a_turned_clock_changes_nothing(
        steps in prop::collection::vec((prop_oneof![0_u64..700, Just(8 * 3_600_000)], 0_u64..3, 0_u8..5, any::<i64>()), 1..40),
    ) {
        let (mut device, mut turned, mut now) = (Settle::new(nobody), Settle::new(nobody), 0);
        for (gap, number, kind, wall_us) in steps {
            now += gap;
            let url = format!("https://h{number}.example/");
            let tab = |event| {
                let browser = "chromium".to_owned();
                Observation::Tab { session: session(), browser, tab: number, event, private: false }
            };
            let observation = match kind {
                0 => {
                    let (title, app) = ("title".to_owned(), "chromium".to_owned());
                    Observation::Title { session: session(), window: number, title, app, pid: 1 }
                }
                1 => tab(TabEvent::Committed { url }),
                2 => tab(TabEvent::SameDocument { url }),
                3 => tab(TabEvent::Closed),
                _ => Observation::SessionOver { session: session() },
            };
            let straight = device.observe(observation.clone(), at(now));
            let mut other = turned.observe(observation, Moment { wall_us, ..at(now) });
            for (one, other) in straight.iter().zip(&mut other) {
                if let (Settled::Signal(one), Settled::Signal(other)) = (one, other) {
                    prop_assert_eq!(one.seen.boot_us, other.seen.boot_us);
                    other.seen = one.seen;
                }
            }
            prop_assert_eq!(straight, other);
            prop_assert_eq!(device.deadline(), turned.deadline());
        }
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
