mod daily;
mod hostile;
mod receiver;
mod search;
mod server;
mod shared;
mod withdrawn;
mod worlds;

use lapwing_rules::{Category, Level};

use super::Kind::Mail;
use super::*;
use crate::clock::ManualClock;
use crate::config::Config;
use crate::store::fixture::{NINE_US, School, delivery, title};
use crate::subject::Kind as Sort;
use server::{Answer, FakeServer, Offer};

const TITLE: &str = "the words of a window";
const SIGN_IN: &str = "https://lapwing.hill.example";

struct Post {
    school: School,
    server: FakeServer,
    clock: Arc<ManualClock>,
    channels: Arc<ArcSwap<Channels>>,
    notifier: Notifier,
}

/// A school with one urgent message in its outbox, and a mail server that makes `offer`.
async fn post(offer: Offer) -> Post {
    let school = School::open().await;
    school.person("dana.dsl", Sort::Staff, &[Role::Dsl]).await;
    school.person("amy.pupil", Sort::Pupil, &[]).await;
    concern(&school, "amy.pupil", Level::High, 1).await;
    let server = FakeServer::open(offer).await;
    let ca = school.path("mail-ca.pem");
    std::fs::write(&ca, server.certificate()).unwrap();
    post_to(school, server, "extra_ca = \"mail-ca.pem\"\n").await
}

/// A capture of `account` that triage makes a concern of.
async fn concern(school: &School, account: &str, level: Level, seq: u64) {
    let capture = title(account, Category::SelfHarm, level, TITLE);
    school.intake().take(delivery(level, seq, vec![capture])).await.unwrap();
    school.triage_all().await;
}

/// Channels of a configuration whose `rest` is given, and its rows.
async fn channels(school: &School, rest: &str) -> Channels {
    let text = format!(
        "base_url = \"{SIGN_IN}\"\n[school]\nid = \"hill-school\"\nname = \"Hill\"\nzone = \"Europe/London\"\n{rest}"
    );
    let config = Config::parse(&school.path("collector.toml"), &text).unwrap();
    let channels = Channels::new(&config, 8443).unwrap();
    let mut tx = school.store.begin().await.unwrap();
    channels.list(&mut tx, &school.id).await.unwrap();
    tx.commit().await.unwrap();
    channels
}

/// The part of a configuration that names `server`.
fn smtp(server: &FakeServer, trusts: &str) -> String {
    let tls = if server.offer() == Offer::Implicit { "implicit" } else { "starttls" };
    let port = server.port();
    format!("[smtp]\nhost = \"localhost\"\nport = {port}\ntls = \"{tls}\"\nfrom = \"lapwing@hill.example\"\n{trusts}")
}

async fn post_to(school: School, server: FakeServer, trusts: &str) -> Post {
    let channels = Arc::new(ArcSwap::from_pointee(channels(&school, &smtp(&server, trusts)).await));
    let clock = Arc::new(ManualClock::at(NINE_US));
    let notifier = notifier(&school, &clock, &channels);
    Post { school, server, clock, channels, notifier }
}

fn notifier(school: &School, clock: &Arc<ManualClock>, channels: &Arc<ArcSwap<Channels>>) -> Notifier {
    Notifier::new(school.id.clone(), school.store.clone(), clock.clone(), Arc::default(), Arc::clone(channels))
}

impl Post {
    /// One step, with the server at work.
    async fn step(&self) -> Step {
        tokio::select! {
            step = self.notifier.step(Mail) => step.unwrap(),
            () = self.server.serve() => unreachable!("the server serves until it is dropped"),
        }
    }

    /// One round of the clock, with the server at work.
    async fn round(&self) {
        tokio::select! {
            round = self.notifier.round() => round.unwrap(),
            () = self.server.serve() => unreachable!("the server serves until it is dropped"),
        }
    }

    /// Sends what is due.
    async fn send_all(&self) {
        while self.step().await == Step::Worked {}
    }

    async fn outcome(&self) -> String {
        let sql = "SELECT (CASE WHEN sent_us IS NOT NULL THEN 'sent' WHEN dead_us IS NOT NULL THEN 'dead'
            ELSE 'waits' END) || ' ' || COALESCE(last_error, '') FROM outbox";
        self.school.texts(sql).await.concat()
    }
}

#[tokio::test]
async fn a_mail_says_the_reference_and_nothing_of_the_person_or_the_title() {
    for offer in [Offer::StartTls, Offer::Implicit] {
        let post = post(offer).await;
        assert_eq!(post.step().await, Step::Worked);
        assert_eq!(post.outcome().await, "sent ");
        assert!(matches!(post.step().await, Step::Idle(None)));
        let [mail] = post.server.mails().try_into().unwrap();
        let reference = post.school.texts("SELECT reference FROM concerns").await.concat();
        for said in [reference.as_str(), SIGN_IN, "high", "To: dana.dsl@hill.example"] {
            assert!(mail.contains(said), "{said}: {mail}");
        }
        let mail = mail.replace(&reference, "").to_lowercase();
        for unsaid in [TITLE, "amy", "pupil", "name of", "self-harm", "self_harm", "hill-school", "dev-"] {
            assert!(!mail.contains(unsaid), "{unsaid}");
        }
        assert!(!mail.contains("base64") && !mail.contains("quoted-printable"));
    }
}

#[tokio::test]
async fn without_a_way_out_messages_wait_for_one() {
    let post = post(Offer::StartTls).await;
    let none = channels(&post.school, "").await;
    let way = post.channels.swap(Arc::new(none));
    assert_eq!(post.step().await, Step::Idle(None));
    assert_eq!(post.outcome().await, "waits ");
    post.channels.store(way);
    assert_eq!(post.step().await, Step::Worked);
    assert_eq!(post.outcome().await, "sent ");
}

#[tokio::test]
async fn a_server_without_tls_gets_no_mail() {
    let post = post(Offer::Plain).await;
    post.step().await;
    assert_eq!(post.outcome().await, "waits protocol");
    assert!(post.server.mails().is_empty());
    assert!(!post.server.heard().iter().any(|line| line.starts_with("MAIL") || line.contains('@')));
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_gets_no_mail() {
    let Post { school, server, .. } = post(Offer::StartTls).await;
    let post = post_to(school, server, "").await;
    post.step().await;
    assert_eq!(post.outcome().await, "waits tls");
    assert!(post.server.mails().is_empty());
}

#[tokio::test]
async fn a_refused_mail_waits_longer_each_time_and_is_sent_once() {
    let post = post(Offer::StartTls).await;
    post.server.answer(Answer::Later);
    post.step().await;
    assert_eq!(post.outcome().await, "waits smtp_451");
    assert_eq!(post.step().await, Step::Idle(Some(NINE_US + 15_000_000)));
    post.clock.advance_us(15_000_000);
    post.step().await;
    assert_eq!(post.step().await, Step::Idle(Some(NINE_US + 45_000_000)));
    post.server.answer(Answer::Accept);
    post.clock.advance_us(30_000_000);
    post.step().await;
    post.step().await;
    assert_eq!((post.outcome().await.as_str(), post.server.mails().len()), ("sent ", 1));
}

#[tokio::test]
async fn a_mail_that_is_always_refused_is_given_up() {
    let post = post(Offer::StartTls).await;
    post.server.answer(Answer::Never);
    for _ in 0..MAX_ATTEMPTS {
        assert_eq!(post.step().await, Step::Worked);
        post.clock.advance_us(3_600_000_000);
    }
    assert_eq!(post.outcome().await, "dead smtp_550");
    assert_eq!(post.step().await, Step::Idle(None));
}

#[tokio::test]
async fn without_an_address_a_message_is_given_up_at_once() {
    let post = post(Offer::StartTls).await;
    post.school.forget_addresses().await;
    post.step().await;
    assert_eq!(post.outcome().await, "dead no_address");
}

#[tokio::test]
async fn a_claim_that_was_never_finished_is_taken_up_again() {
    let post = post(Offer::StartTls).await;
    let mut tx = post.school.store.begin().await.unwrap();
    let lease_us = after(NINE_US, LEASE);
    assert!(outbox::claim(&mut tx, &post.school.id, Mail, NINE_US, TERMS).await.unwrap().is_some());
    tx.commit().await.unwrap();
    assert_eq!(post.step().await, Step::Idle(Some(lease_us)));
    post.clock.set_us(lease_us);
    post.step().await;
    assert_eq!(post.outcome().await, "sent ");
}

const YEARS_US: i64 = 3 * 365 * 24 * 60 * 60 * 1_000_000;

#[tokio::test]
async fn a_claim_made_while_the_clock_was_ahead_holds_for_no_longer_than_a_claim() {
    for (ahead_us, wait_us) in [(YEARS_US, 0), (90_000_000, 0), (-90_000_000, 30_000_000), (-YEARS_US, 0)] {
        let post = post(Offer::StartTls).await;
        let mut tx = post.school.store.begin().await.unwrap();
        assert!(outbox::claim(&mut tx, &post.school.id, Mail, NINE_US + ahead_us, TERMS).await.unwrap().is_some());
        tx.commit().await.unwrap();
        post.clock.advance_us(wait_us);

        post.step().await;

        assert_eq!(post.outcome().await, "sent ", "{ahead_us}");
    }
}

#[tokio::test]
async fn a_message_of_a_clock_that_was_ahead_is_due_now() {
    for ahead_us in [YEARS_US, 60_000_000] {
        let post = post(Offer::StartTls).await;
        post.school.write(&format!("UPDATE outbox SET created_us = {0}, due_us = {0}", NINE_US + ahead_us)).await;

        post.step().await;

        assert_eq!(post.outcome().await, "sent ", "{ahead_us}");
    }
}

#[tokio::test]
async fn a_failure_while_the_clock_was_ahead_is_waited_for_no_longer_than_a_failure() {
    for ahead_us in [YEARS_US, 60_000_000] {
        let post = post(Offer::StartTls).await;
        post.server.answer(Answer::Later);
        post.clock.advance_us(ahead_us);
        post.step().await;
        post.server.answer(Answer::Accept);
        post.clock.set_us(NINE_US);

        post.step().await;

        assert_eq!(post.outcome().await, "sent ", "{ahead_us}");
    }
}

#[test]
fn what_fell_due_meanwhile_does_not_wait_and_nothing_is_slept_for_longer_than_the_clock_may_jump() {
    let waits = |due_us| {
        let clock = Arc::new(ManualClock::at(NINE_US));
        until(clock.as_ref(), due_us)
    };
    assert_eq!(waits(Some(NINE_US - 1)), Duration::ZERO);
    assert_eq!(waits(Some(NINE_US + 7)), Duration::from_micros(7));
    assert_eq!((waits(Some(NINE_US + YEARS_US)), waits(None)), (IDLE, IDLE));
}

#[tokio::test]
async fn the_worker_sends_what_waits_and_stops_when_asked() {
    let post = post(Offer::StartTls).await;
    let shutdown = Shutdown::new();
    let work = post.notifier.run(shutdown.clone());
    let serve = async {
        let taken = async {
            // The first to part may have looked only.
            while post.server.mails().is_empty() {
                post.server.parted().await;
            }
        };
        tokio::select! {
            () = post.server.serve() => {}
            () = taken => {}
        }
        shutdown.request();
    };
    tokio::join!(work, serve);
    let sent = "SELECT CASE WHEN sent_us IS NULL THEN 'waits' ELSE 'sent' END FROM outbox";
    assert_eq!(post.school.texts(sent).await, ["sent"]);
}

#[test]
fn waits_double_up_to_half_an_hour() {
    let waits: Vec<_> = [1, 2, 3, 8, 9, 99].map(|attempts| wait_after(attempts).as_secs()).to_vec();
    assert_eq!(waits, [15, 30, 60, 1800, 1800, 1800]);
}
