use futures_util::{FutureExt, SinkExt};
use tokio::sync::mpsc;
use tokio_util::bytes::BytesMut;
use tokio_util::codec::{Encoder as _, Framed};

use super::*;
use crate::clock::ManualClock;
use crate::frame::{Ask, FrameCodec, Health, HealthKind, Hello, Message, Received, Role, Tab, TabKind, Title};
use crate::observation::{Observation, TabEvent};
use crate::platform::{self, LocalStream};
use crate::sensor::{Reason, SensorHealth, SensorName};

/// A service that hears, and one program connected to it.
struct Pair {
    program: Framed<LocalStream, FrameCodec>,
    heard: mpsc::Receiver<Observation>,
    health: HealthBoard,
    counters: Counters,
    _folder: tempfile::TempDir,
}

/// Runs `story` beside the service it talks to.
async fn beside<F: Future<Output = ()>>(story: impl FnOnce(Pair) -> F) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.sock");
    let listener = LocalListener::bind(&path).unwrap();
    let (out, heard) = mpsc::channel(2_000);
    let (health, counters) = (HealthBoard::new(), Counters::new());
    let (_notice, notice) = watch::channel(Notice { version: 3, text: "told".to_owned() });
    let (_status, status) = watch::channel(StatusFacts { rule_set_release: 9, ..StatusFacts::default() });
    let clock = Arc::new(ManualClock::at(0));
    let ears = Ears {
        out,
        health: health.clone(),
        counters: counters.clone(),
        notice,
        status,
        canaries: Canaries::default(),
        clock,
    };
    let program = Framed::new(platform::connect(&path).await.unwrap(), FrameCodec::default());
    let pair = Pair { program, heard, health, counters, _folder: folder };
    tokio::select! {
        () = serve(listener, ears, Shutdown::new()) => panic!("the service ended"),
        () = story(pair) => {}
    }
}

impl Pair {
    async fn says(&mut self, message: Message) {
        self.program.send(&message).await.unwrap();
    }

    async fn hears(&mut self) -> Message {
        match self.program.next().await.unwrap().unwrap() {
            Received::Message(message) => message,
            Received::Oversize | Received::Malformed => panic!("the service said something unreadable"),
        }
    }

    async fn enters_as(&mut self, role: Role) {
        self.says(Message::Hello(Hello { role })).await;
        assert!(matches!(self.hears().await, Message::Ready(ready) if ready.notice == 3));
    }

    /// Waits until the service has taken everything said so far.
    async fn settles(&mut self) {
        self.says(Message::Ping).await;
        assert!(matches!(self.hears().await, Message::Pong));
    }
}

fn title(text: &str) -> Message {
    Message::Title(Title { window: 1, title: text.to_owned(), app: "editor".to_owned(), pid: 1 })
}

fn tab(url: String) -> Message {
    let event = TabKind::Committed;
    Message::Tab(Tab { browser: "chromium".to_owned(), tab: 4, event, url, private: true })
}

#[tokio::test]
async fn a_title_is_stamped_with_the_kernels_account() {
    beside(|mut pair| async move {
        pair.enters_as(Role::Session).await;
        pair.says(title("Homework")).await;
        let Some(Observation::Title { session, title, .. }) = pair.heard.recv().await else { panic!("no title") };
        assert_eq!(session.uid, platform::own_uid());
        assert_eq!(title, "Homework");
    })
    .await;
}

#[tokio::test]
async fn a_role_tells_nothing_but_its_own() {
    beside(|mut pair| async move {
        pair.says(title("before the hello")).await;
        pair.enters_as(Role::BrowserHost).await;
        pair.says(title("not a browser's")).await;
        pair.says(tab("https://one.example/".to_owned())).await;
        let Some(Observation::Tab { event, private, .. }) = pair.heard.recv().await else { panic!("no tab") };
        assert!(event == TabEvent::Committed { url: "https://one.example/".to_owned() } && private);
        assert_eq!(pair.counters.to_wire().dropped_malformed, 2);
    })
    .await;
}

#[tokio::test]
async fn what_exceeds_its_bound_is_dropped_and_counted_and_the_rest_is_heard() {
    beside(|mut pair| async move {
        pair.enters_as(Role::BrowserHost).await;
        pair.says(tab(format!("https://one.example/{}", "a".repeat(9_000)))).await;
        pair.says(Message::Dropped(crate::frame::Lost { oversize: 2, malformed: u32::MAX })).await;
        pair.says(tab("https://two.example/".to_owned())).await;
        pair.settles().await;
        assert_eq!(pair.heard.len(), 1);
        let counted = pair.counters.to_wire();
        assert_eq!((counted.dropped_oversize, counted.dropped_malformed), (3, 1_000));
    })
    .await;
}

#[tokio::test]
async fn a_flood_is_dropped_and_counted() {
    beside(|mut pair| async move {
        pair.enters_as(Role::Session).await;
        for _ in 0..520 {
            pair.says(title("again")).await;
        }
        for _ in 0..499 {
            pair.heard.recv().await.unwrap();
        }
        drop(pair.program);
        assert!(matches!(pair.heard.recv().await, Some(Observation::SessionOver { .. })));
        assert_eq!(pair.counters.to_wire().dropped_rate, 21);
    })
    .await;
}

#[tokio::test]
async fn a_sessions_program_says_how_titles_are_and_its_end_says_so_too() {
    beside(|mut pair| async move {
        pair.enters_as(Role::Session).await;
        let blind = SensorHealth::Blind(Reason::NoWindowManager, None);
        pair.says(Message::Health(Health::of(SensorName::Titles, &blind))).await;
        let health = HealthKind::Working;
        let forged = Health { sensor: "files".to_owned(), health, reason: String::new(), detail: String::new() };
        pair.says(Message::Health(forged)).await;
        pair.settles().await;
        assert_eq!(pair.health.snapshot().values().collect::<Vec<_>>(), [&blind]);
        // What the service found of its browsers ends with it.
        let (_, session) = pair.health.snapshot().into_keys().next().unwrap();
        pair.health.set(SensorName::Urls, session, SensorHealth::Blind(Reason::ExtensionSilent, None));
        drop(pair.program);
        assert!(matches!(pair.heard.recv().await, Some(Observation::SessionOver { .. })));
        let ended = SensorHealth::Unavailable(Reason::SessionEnded, None);
        assert_eq!(pair.health.snapshot().into_values().collect::<Vec<_>>(), [ended]);
    })
    .await;
}

/// Ears that hear into `out`.
fn ears(out: mpsc::Sender<Observation>) -> Ears {
    Ears {
        out,
        health: HealthBoard::new(),
        counters: Counters::new(),
        notice: watch::channel(Notice { version: 3, text: "told".to_owned() }).1,
        status: watch::channel(StatusFacts::default()).1,
        canaries: Canaries::default(),
        clock: Arc::new(ManualClock::at(0)),
    }
}

#[tokio::test]
async fn a_connection_too_many_is_refused_before_its_account_is_looked_up() {
    let allowances = Allowances::new(Arc::new(ManualClock::at(0)));
    let places: Vec<_> = std::iter::from_fn(|| allowances.enter((platform::own_uid(), None))).collect();
    let (out, _heard) = mpsc::channel(1);
    let ears = ears(out);
    let (service, _program) = LocalStream::pair().unwrap();
    let counters = ears.counters.clone();
    assert_eq!(connection::hear(service, ears, allowances.clone()).now_or_never(), Some(()));
    assert_eq!(counters.to_wire().dropped_rate, 1);
    drop(places);
}

#[tokio::test]
async fn who_finds_no_place_again_and_again_has_the_account_told_of() {
    let allowances = Allowances::new(Arc::new(ManualClock::at(0)));
    let _places: Vec<_> = std::iter::from_fn(|| allowances.enter((platform::own_uid(), None))).collect();
    let (out, mut heard) = mpsc::channel(1);
    for _ in 0..50 {
        let (service, _program) = LocalStream::pair().unwrap();
        connection::hear(service, ears(out.clone()), allowances.clone()).await;
    }
    assert!(matches!(heard.try_recv(), Ok(Observation::Flood { .. })));
    assert!(heard.try_recv().is_err(), "once");
}

#[tokio::test]
async fn who_asks_without_reading_goes_once_another_takes_its_place() {
    let allowances = Allowances::new(Arc::new(ManualClock::at(0)));
    let (service, mut program) = LocalStream::pair().unwrap();
    let (out, _heard) = mpsc::channel(1);
    let notice = watch::channel(Notice { version: 3, text: "told ".repeat(1_000) }).1;
    let ears = Ears { notice, ..ears(out) };
    let mut asks = BytesMut::new();
    for _ in 0..400 {
        FrameCodec::default().encode(&Message::Ask(Ask::Notice), &mut asks).unwrap();
    }
    tokio::io::AsyncWriteExt::write_all(&mut program, &asks).await.unwrap();
    let crowding = async {
        let mut places = Vec::new();
        loop {
            places.extend(allowances.enter((platform::own_uid(), None)));
            tokio::task::yield_now().await;
        }
    };
    // It has an answer to write that nobody reads.
    tokio::select! {
        () = connection::hear(service, ears, allowances.clone()) => {}
        () = crowding => unreachable!("it crowds for ever"),
    }
    drop(program);
}

#[tokio::test]
async fn a_browser_that_goes_is_reported() {
    beside(|mut pair| async move {
        pair.enters_as(Role::BrowserHost).await;
        pair.says(tab("https://one.example/".to_owned())).await;
        drop(pair.program);
        pair.heard.recv().await.unwrap();
        assert!(matches!(pair.heard.recv().await, Some(Observation::BrowserGone { .. })));
    })
    .await;
}

#[tokio::test]
async fn whoever_asks_is_told_the_notice_and_the_services_own_account_how_it_is() {
    beside(|mut pair| async move {
        pair.says(Message::Ask(Ask::Notice)).await;
        assert!(matches!(pair.hears().await, Message::Notice(told) if told.version == 3 && told.text == "told"));
        pair.says(Message::Ask(Ask::Status)).await;
        assert!(matches!(pair.hears().await, Message::Report(report) if report.rule_set_release == 9));
    })
    .await;
}
