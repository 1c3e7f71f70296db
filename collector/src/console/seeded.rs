//! A school with people, devices and concerns, and visitors of its console: for tests.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use axum::body::{Body, to_bytes};
use http::header::{CONTENT_TYPE, COOKIE, HOST, LOCATION, ORIGIN, SET_COOKIE};
use http::{HeaderMap, Request, StatusCode};
use lapwing_proto::Capture;
use lapwing_rules::{Category, Level, Release};
use sqlx::Row as _;
use tower::ServiceExt as _;

use super::session::{self, Secret};
use super::{ConsoleState, RuleBook, RuleWords, router};
use crate::actor::PersonId;
use crate::clock::ManualClock;
use crate::ids::ConcernId;
use crate::shutdown::Shutdown;
use crate::store::fixture::{DEVICE, NINE_US, School, delivery, title};
use crate::store::sign_ins::{self, NewSignIn, Opening, hash_password};

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
    pub(super) router: Router,
    people: BTreeMap<&'static str, PersonId>,
    next_seq: std::sync::atomic::AtomicU64,
}

/// A browser at the console.
pub(super) struct Visitor {
    router: Router,
    cookies: BTreeMap<String, String>,
    csrf: String,
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
            add_person(&school, person, [account, name, kind, band, class], roles).await;
            people.insert(account, person);
        }
        add_device(&school).await;
        let clock = Arc::new(ManualClock::at(NINE_US));
        let state = ConsoleState {
            store: school.store.clone(),
            vault: school.vault.clone(),
            clock: clock.clone(),
            school: school.id.clone(),
            rules: Arc::new(ArcSwap::from_pointee(rule_book())),
            shutdown: Shutdown::new(),
            gate: Arc::default(),
        };
        Self { school, clock, router: router(state), people, next_seq: 1.into() }
    }

    /// The person with that account.
    pub(super) fn person(&self, account: &str) -> PersonId {
        self.people[account]
    }

    /// Somebody who is not signed in.
    pub(super) fn stranger(&self) -> Visitor {
        Visitor { router: self.router.clone(), cookies: BTreeMap::new(), csrf: String::new() }
    }

    /// Somebody with an open session.
    pub(super) async fn visitor(&self, account: &str) -> Visitor {
        let (secret, csrf) = (Secret::random().unwrap(), Secret::random().unwrap());
        let login = account.parse().unwrap();
        let opening = Opening {
            school: &self.school.id,
            login: &login,
            person: self.person(account),
            hash: secret.hash(),
            csrf: *csrf.bytes(),
        };
        let now_us = crate::clock::Clock::wall_us(&*self.clock);
        sign_ins::open_session(&self.school.store, &opening, None, now_us).await.unwrap();
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

    /// A concern about `account`, seen in a title, that `recipients` may open. Answers its reference.
    pub(super) async fn concern(
        &self,
        account: &str,
        category: Category,
        level: Level,
        text: &str,
        recipients: &[&str],
    ) -> String {
        self.concern_of(level, category, title(account, category, level, text), recipients).await
    }

    /// A concern of one capture.
    pub(super) async fn concern_of(
        &self,
        level: Level,
        category: Category,
        capture: Capture,
        recipients: &[&str],
    ) -> String {
        let seq = self.next_seq.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let mut batch = delivery(level, 1, vec![capture]);
        batch.epoch = lapwing_proto::Epoch::from_bytes([u8::try_from(seq).unwrap(); 16]);
        self.school.intake().take(batch).await.unwrap();
        self.file(seq, level, category, recipients).await
    }

    /// Moves a concern to `state`.
    pub(super) async fn set_state(&self, reference: &str, state: &str) {
        let mut tx = self.school.store.begin().await.unwrap();
        sqlx::query("UPDATE concerns SET state = $2 WHERE reference = $1")
            .bind(reference)
            .bind(state)
            .execute(tx.connection())
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }

    /// Files the capture that came last under a concern of its own.
    async fn file(&self, seq: u64, level: Level, category: Category, recipients: &[&str]) -> String {
        let reference = format!("T{seq}-TEST");
        let concern = ConcernId::random().unwrap();
        let mut tx = self.school.store.begin().await.unwrap();
        let row = sqlx::query("SELECT capture_id, subject_id FROM captures ORDER BY rowid DESC LIMIT 1")
            .fetch_one(tx.connection())
            .await
            .unwrap();
        let (capture, subject): (Vec<u8>, Vec<u8>) = (row.get(0), row.get(1));
        sqlx::query(
            "INSERT INTO concerns (school_id, concern_id, reference, subject_id, category, level, state, first_us,
             last_us, captures, opened_us, acknowledge_by_us, changed_us)
             VALUES ($1, $2, $3, $4, $5, $6, 'new', $7, $7, 1, $7, $8, $7)",
        )
        .bind(self.school.id.as_str())
        .bind(concern.as_bytes().as_slice())
        .bind(&reference)
        .bind(subject)
        .bind(category.id())
        .bind(i64::from(level.number()))
        .bind(NINE_US)
        .bind((level > Level::Low).then_some(NINE_US + 12 * 60_000_000))
        .execute(tx.connection())
        .await
        .unwrap();
        sqlx::query("INSERT INTO concern_captures (school_id, concern_id, capture_id) VALUES ($1, $2, $3)")
            .bind(self.school.id.as_str())
            .bind(concern.as_bytes().as_slice())
            .bind(capture)
            .execute(tx.connection())
            .await
            .unwrap();
        for recipient in recipients {
            sqlx::query("INSERT INTO concern_recipients VALUES ($1, $2, $3, 'pupil', $4)")
                .bind(self.school.id.as_str())
                .bind(concern.as_bytes().as_slice())
                .bind(self.person(recipient).as_bytes().as_slice())
                .bind(NINE_US)
                .execute(tx.connection())
                .await
                .unwrap();
        }
        tx.commit().await.unwrap();
        reference
    }
}

impl Visitor {
    pub(super) async fn get(&mut self, path: &str) -> Answer {
        let request = Request::get(path).header(HOST, "lapwing.test").header(COOKIE, self.cookie());
        self.send(request.body(Body::empty()).unwrap()).await
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

    /// The session's cookie, or none.
    pub(super) fn session_cookie(&self) -> Option<&str> {
        self.cookies.get("__Host-lapwing").map(String::as_str)
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

async fn add_person(school: &School, person: PersonId, facts: [&str; 5], roles: &[&str]) {
    let [account, name, kind, band, class] = facts;
    let mut tx = school.store.begin().await.unwrap();
    sqlx::query("INSERT INTO persons (school_id, person_id, name, kind, band, class) VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(school.id.as_str())
        .bind(person.as_bytes().as_slice())
        .bind(name)
        .bind(kind)
        .bind(band)
        .bind(class)
        .execute(tx.connection())
        .await
        .unwrap();
    sqlx::query("INSERT INTO accounts (school_id, account, person_id) VALUES ($1, $2, $3)")
        .bind(school.id.as_str())
        .bind(account)
        .bind(person.as_bytes().as_slice())
        .execute(tx.connection())
        .await
        .unwrap();
    for role in roles {
        sqlx::query("INSERT INTO person_roles (school_id, person_id, role) VALUES ($1, $2, $3)")
            .bind(school.id.as_str())
            .bind(person.as_bytes().as_slice())
            .bind(role)
            .execute(tx.connection())
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
}

async fn add_device(school: &School) {
    let mut tx = school.store.begin().await.unwrap();
    sqlx::query(
        "INSERT INTO devices (school_id, device_id, hostname, room, device_group, os, agent_version, enrolled_us,
         heard_us, rule_set_release) VALUES ($1, $2, 'PC-12', 'IT room', 'pupils', 'linux', '0.1.0', 1, $3, 1)",
    )
    .bind(school.id.as_str())
    .bind(DEVICE.as_bytes().as_slice())
    .bind(NINE_US)
    .execute(tx.connection())
    .await
    .unwrap();
    let sensor = "INSERT INTO device_sensors (school_id, device_id, sensor, session, health, reason, detail, since_us)
         VALUES ($1, $2, $3, '3', $4, $5, '', 1)";
    for (name, health, reason) in [("titles", 1, ""), ("urls", 2, "extension_silent")] {
        sqlx::query(sensor)
            .bind(school.id.as_str())
            .bind(DEVICE.as_bytes().as_slice())
            .bind(name)
            .bind(health)
            .bind(reason)
            .execute(tx.connection())
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
}
