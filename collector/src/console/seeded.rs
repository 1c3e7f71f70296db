//! A school with people, devices and concerns, and visitors of its console: for tests.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use arc_swap::ArcSwap;
use axum::Router;
use axum::body::{Body, BodyDataStream, to_bytes};
use futures_util::StreamExt as _;
use http::header::{CONTENT_TYPE, COOKIE, HOST, LOCATION, ORIGIN, SET_COOKIE};
use http::{HeaderMap, Request, StatusCode};
use lapwing_proto::wire::GapReason;
use lapwing_proto::{Capture, Epoch, Seq};
use lapwing_rules::{Category, Level, Release};
use tokio::sync::broadcast;
use tower::ServiceExt as _;

use super::session::{self, Secret};
use super::{ConsoleState, RuleBook, RuleWords, router};
use crate::actor::{Actor, PersonId};
use crate::clock::ManualClock;
use crate::intake::Delivery;
use crate::people::Mode;
use crate::proof::filter::{self, BringIn, Source};
use crate::proof::{Lookout, expected};
use crate::shutdown::Shutdown;
use crate::store::captures::{self, GapRow, Lane};
use crate::store::device_health::{self, Health};
use crate::store::fixture::{DEVICE, NINE_US, School, delivery, title};
use crate::store::sign_ins::{self, NewSignIn, hash_password};
use crate::store::web_sessions::{self, Opening};
use crate::store::{artefacts, seeded};
use crate::triage::{Climber, ConcernChanged, Step, Triage};

pub(super) const PASSWORD: &str = "a lapwing calls twice";
const ORIGIN_HERE: &str = "https://lapwing.test";

/// Account and sign-in, name, kind, band, class, roles.
type Person = (&'static str, &'static str, &'static str, &'static str, &'static str, &'static [&'static str]);

const PEOPLE: [Person; 9] = [
    ("dsl", "Sam Okafor", "staff", "staff", "", &["dsl"]),
    ("deputy", "Priya Nair", "staff", "staff", "", &["deputy_dsl"]),
    ("head", "Ruth Bell", "staff", "staff", "", &["headteacher"]),
    ("chair", "Colin Frost", "staff", "staff", "", &["chair"]),
    ("tech", "Jo Marsh", "staff", "staff", "", &["technician"]),
    ("governor", "Ann Peel", "staff", "staff", "", &["governor"]),
    ("teacher", "Tom Reed", "staff", "staff", "", &[]),
    ("amelia", "Amelia Jones", "pupil", "ks3", "8B", &[]),
    ("ben", "Ben Carr", "pupil", "ks4", "10A", &[]),
];

/// The school and its console.
pub(super) struct Seeded {
    pub(super) school: School,
    pub(super) clock: Arc<ManualClock>,
    pub(super) shutdown: Shutdown,
    pub(super) router: Router,
    pub(super) certificates: Arc<arc_swap::ArcSwapOption<crate::proof::certificates::Ends>>,
    people: BTreeMap<&'static str, PersonId>,
    pub(super) events: broadcast::Sender<ConcernChanged>,
    spools: AtomicU8,
}

/// A browser at the console.
pub(super) struct Visitor {
    router: Router,
    cookies: BTreeMap<String, String>,
    csrf: String,
}

/// A page that listens.
pub(super) struct Stream {
    body: BodyDataStream,
    read: String,
}

/// What the console answered.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Seeded {
    pub(super) async fn open() -> Self {
        let school = School::open().await;
        let mut people = BTreeMap::new();
        for (number, (account, name, kind, band, class, roles)) in (1_u8..).zip(PEOPLE) {
            let person = PersonId::from_bytes([number; 16]);
            seeded::add_person(&school, person, [account, name, kind, band, class], roles).await;
            people.insert(account, person);
        }
        seeded::add_device(&school).await;
        let (clock, events) = (Arc::new(ManualClock::at(NINE_US)), broadcast::Sender::new(16));
        let shutdown = Shutdown::new();
        let state = ConsoleState {
            store: school.store.clone(),
            vault: school.vault.clone(),
            clock: clock.clone(),
            school: school.id.clone(),
            rules: Arc::new(ArcSwap::from_pointee(rule_book())),
            events: events.clone(),
            mail: Arc::default(),
            shutdown: shutdown.clone(),
            gate: Arc::default(),
            certificates: Arc::default(),
        };
        let certificates = Arc::clone(&state.certificates);
        Self { school, clock, shutdown, router: router(state), certificates, people, events, spools: 1.into() }
    }

    /// The person with that account.
    pub(super) fn person(&self, account: &str) -> PersonId {
        self.people[account]
    }

    /// A member of staff whose account and name are `account`.
    pub(super) async fn joins(&mut self, number: u8, account: &'static str, roles: &[&str]) {
        let person = PersonId::from_bytes([number; 16]);
        let already = self.people.insert(account, person);
        if already.is_some() {
            for (table, column) in [("accounts", "account"), ("sign_ins", "login")] {
                let suffix = if table == "sign_ins" { ".another" } else { "" };
                self.school.write(&format!("DELETE FROM {table} WHERE {column} = '{account}{suffix}'")).await;
            }
        }
        seeded::add_person(&self.school, person, [account, account, "staff", "staff", ""], roles).await;
    }

    /// Somebody who is not signed in.
    pub(super) fn stranger(&self) -> Visitor {
        Visitor { router: self.router.clone(), cookies: BTreeMap::new(), csrf: String::new() }
    }

    /// Somebody with an open session.
    pub(super) async fn visitor(&self, account: &str) -> Visitor {
        let (secret, csrf) = (Secret::random().unwrap(), Secret::random().unwrap());
        let opening =
            Opening { school: &self.school.id, person: self.person(account), hash: secret.hash(), csrf: *csrf.bytes() };
        let now_us = crate::clock::Clock::wall_us(&*self.clock);
        let mut tx = self.school.store.begin().await.unwrap();
        web_sessions::open(&mut tx, &opening, None, now_us).await.unwrap();
        tx.commit().await.unwrap();
        let mut visitor = self.stranger();
        visitor.keep(session::given(&secret).unwrap().to_str().unwrap());
        visitor.csrf = csrf.text();
        visitor
    }

    /// Gives `account` a sign-in with [`PASSWORD`].
    pub(super) async fn add_sign_in(&self, account: &str) {
        let sign_in = NewSignIn {
            login: account.parse().unwrap(),
            person: self.person(account),
            mail: String::new(),
            password: hash_password(PASSWORD).unwrap(),
        };
        sign_ins::add(&self.school.store, &self.school.id, &sign_in, NINE_US).await.unwrap();
    }

    /// A concern about `account`, seen in a title, routed as triage does. Answers its reference.
    pub(super) async fn concern(&self, account: &str, category: Category, level: Level, text: &str) -> String {
        self.concern_of(level, title(account, category, level, text)).await
    }

    /// A concern of one capture.
    pub(super) async fn concern_of(&self, level: Level, capture: Capture) -> String {
        let spool = self.spools.fetch_add(1, Ordering::Relaxed);
        let received_us = crate::clock::Clock::wall_us(&*self.clock);
        let epoch = Epoch::from_bytes([spool; 16]);
        let batch = Delivery { epoch, received_us, ..delivery(level, 1, vec![capture]) };
        self.school.intake().take(batch).await.unwrap();
        self.triage().step().await.unwrap();
        seeded::last_reference(&self.school).await
    }

    /// Lets what is due climb.
    pub(super) async fn climb(&self) {
        let (store, clock) = (self.school.store.clone(), self.clock.clone());
        let climber = Climber::new(self.school.id.clone(), store, clock, Arc::default(), self.events.clone());
        while climber.step().await.unwrap() == Step::Worked {}
    }

    /// Moves a concern to `state`.
    pub(super) async fn set_state(&self, reference: &str, state: &str) {
        seeded::set_state(&self.school, reference, state).await;
    }

    /// The device tells how it is.
    pub(super) async fn device_tells(&self, health: &Health) {
        let mut tx = self.school.store.begin().await.unwrap();
        let now_us = crate::clock::Clock::wall_us(&*self.clock);
        device_health::replace(&mut tx, &self.school.id, DEVICE, health, now_us).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// A rule set is published for everybody.
    pub(super) async fn publishes(&self, release: u64) {
        let mut tx = self.school.store.begin().await.unwrap();
        let stored = artefacts::Stored {
            release: Release::new(release),
            digest: lapwing_rules::Digest::of(b"x"),
            bytes: vec![1],
        };
        let now_us = crate::clock::Clock::wall_us(&*self.clock);
        artefacts::insert(&mut tx, &self.school.id, artefacts::ArtefactKind::RuleSet, &stored, now_us).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// The agent is taken off the device's computer.
    pub(super) async fn removes_device(&self) {
        let mut tx = self.school.store.begin().await.unwrap();
        let now_us = crate::clock::Clock::wall_us(&*self.clock);
        assert!(crate::store::devices::remove(&mut tx, &self.school.id, DEVICE, now_us).await.unwrap());
        tx.commit().await.unwrap();
    }

    /// Devices count anonymously: key, days ago, number.
    pub(super) async fn devices_count(&self, counts: &[(&str, u32, u64)]) {
        let today = u32::try_from(crate::clock::Clock::wall_us(&*self.clock).div_euclid(86_400_000_000)).unwrap();
        let counts = counts.iter().map(|(key, ago, number)| (((*key).to_owned(), today - ago), *number)).collect();
        let mut tx = self.school.store.begin().await.unwrap();
        device_health::add_counts(&mut tx, &self.school.id, &counts).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// The device tells that a range will never come.
    pub(super) async fn device_lost(&self, range: (u64, u64), reason: GapReason) {
        let epoch = Epoch::from_bytes([0xe0; 16]);
        let lane = Lane { device: DEVICE, epoch, level: Level::Low };
        let (from, to) = (Seq::new(range.0), Seq::new(range.1));
        let mut tx = self.school.store.begin().await.unwrap();
        let now_us = crate::clock::Clock::wall_us(&*self.clock);
        let gap = GapRow { lane, from, to, reason: reason.into(), received_us: now_us };
        captures::insert_gaps(&mut tx, &self.school.id, &[gap]).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// The school expects these devices, as its list of them says.
    pub(super) async fn expects(&self, list: &str) {
        let list = expected::parse(list.as_bytes()).unwrap();
        let product = Actor::Product { school: self.school.id.clone() };
        expected::import(&self.school.store, &product, NINE_US, &list, Mode::Apply).await.unwrap();
    }

    /// The school's web filter reports; triage takes what it says.
    pub(super) async fn filter_reports(&self, export: &str) {
        let file = filter::parse(export.as_bytes(), Source::Generic, &jiff::tz::TimeZone::UTC).unwrap();
        let (school, store, vault) = (self.school.id.clone(), self.school.store.clone(), self.school.vault.clone());
        let product = Actor::Product { school: school.clone() };
        let bring_in = BringIn { school, store, vault, rules: None, data_dir: self.school.folder().to_owned() };
        bring_in.run(&product, Source::Generic, &file.alerts, NINE_US).await.unwrap();
        while self.triage().step().await.unwrap().is_some() {}
    }

    /// The collector looks for silent devices, every minute for `minutes`.
    pub(super) async fn looks_out(&self, minutes: u8) {
        let mut lookout = Lookout::new(self.school.id.clone(), self.school.store.clone());
        for _ in 0..minutes {
            lookout.look(crate::clock::Clock::wall_us(&*self.clock)).await.unwrap();
            self.clock.advance_us(60_000_000);
        }
    }

    fn triage(&self) -> Triage {
        let (wake, mail) = (Arc::clone(&self.school.wake), Arc::default());
        Triage::new(
            self.school.id.clone(),
            self.school.store.clone(),
            self.clock.clone(),
            wake,
            mail,
            self.events.clone(),
        )
    }
}

impl Visitor {
    pub(super) async fn get(&mut self, path: &str) -> Answer {
        let request = Request::get(path).header(HOST, "lapwing.test").header(COOKIE, self.cookie());
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// What a page that never ends begins with.
    pub(super) async fn begins(&mut self, path: &str) -> Answer {
        let request = Request::get(path).header(HOST, "lapwing.test").header(COOKIE, self.cookie());
        let response = self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        Answer { status: response.status(), headers: response.headers().clone(), body: String::new() }
    }

    /// Posts a form with the token of the session.
    pub(super) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let csrf = self.csrf.clone();
        self.post_from(ORIGIN_HERE, path, &[&[("csrf", csrf.as_str())], fields].concat()).await
    }

    /// Posts a form as it stands, from a page of `origin`.
    pub(super) async fn post_from(&mut self, origin: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        let form = url_form(fields);
        let request = Request::post(path)
            .header(HOST, "lapwing.test")
            .header(ORIGIN, origin)
            .header(COOKIE, self.cookie())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request.body(Body::from(form)).unwrap()).await
    }

    async fn send(&mut self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        for cookie in parts.headers.get_all(SET_COOKIE) {
            self.keep(cookie.to_str().unwrap());
        }
        let body = to_bytes(body, usize::MAX).await.unwrap();
        let answer =
            Answer { status: parts.status, headers: parts.headers, body: String::from_utf8(body.into()).unwrap() };
        if let Some(csrf) = answer.csrf() {
            self.csrf = csrf;
        }
        answer
    }

    /// Opens a stream of events.
    pub(super) async fn listens(&mut self, path: &str) -> Stream {
        let request = Request::get(path).header(HOST, "lapwing.test").header(COOKIE, self.cookie());
        let response = self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.headers()[CONTENT_TYPE], "text/event-stream");
        Stream { body: response.into_body().into_data_stream(), read: String::new() }
    }

    /// The session's cookie, or none.
    pub(super) fn session_cookie(&self) -> Option<&str> {
        self.cookie_named("__Host-lapwing")
    }

    pub(super) fn cookie_named(&self, name: &str) -> Option<&str> {
        self.cookies.get(name).map(String::as_str)
    }

    /// The token its forms carry.
    pub(super) fn post_token(&self) -> String {
        self.csrf.clone()
    }

    /// Brings a cookie that the console gave somebody else.
    pub(super) fn keep(&mut self, cookie: &str) {
        let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
        self.cookies.insert(name.to_owned(), value.to_owned());
    }

    fn cookie(&self) -> String {
        self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }
}

impl Stream {
    /// The next event, or nothing at the end.
    pub(super) async fn next(&mut self) -> String {
        loop {
            if let Some((event, rest)) = self.read.clone().split_once("\n\n") {
                self.read = rest.to_owned();
                return event.to_owned();
            }
            match self.body.next().await {
                Some(bytes) => self.read.push_str(std::str::from_utf8(&bytes.unwrap()).unwrap()),
                None => return std::mem::take(&mut self.read),
            }
        }
    }
}

impl Answer {
    pub(super) fn location(&self) -> &str {
        self.headers.get(LOCATION).map_or("", |location| location.to_str().unwrap())
    }

    fn csrf(&self) -> Option<String> {
        let (_, rest) = self.body.split_once("name=\"csrf\" value=\"")?;
        rest.split('"').next().map(str::to_owned)
    }
}

fn url_form(fields: &[(&str, &str)]) -> String {
    let escape = |text: &str| {
        text.bytes()
            .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
            .collect::<String>()
    };
    fields.iter().map(|(name, value)| format!("{name}={}", escape(value))).collect::<Vec<_>>().join("&")
}

fn rule_book() -> RuleBook {
    let words = RuleWords {
        title: "Looked for a way to hurt themselves".to_owned(),
        guidance: "See the pupil today, in private, with someone they trust.".to_owned(),
    };
    RuleBook::new(Release::new(1), [("self_harm.words".parse().unwrap(), words)])
}
