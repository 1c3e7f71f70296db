//! Shared channels: who may be told by them, what is posted, and what hostile receivers get away with.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use data_encoding::BASE64;
use hmac::{Hmac, Mac};
use serde_json::Value;
use sha2::Sha256;

use super::receiver::{Receiver, Reply};
use super::*;

const SECRET: &str = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A school with a DSL, a deputy, a head and a technician, and one receiver.
pub(super) struct Hook {
    pub(super) school: School,
    pub(super) receiver: Receiver,
    pub(super) clock: Arc<ManualClock>,
    pub(super) notifier: Notifier,
}

/// What the receiver is to the school.
pub(super) fn write_private(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// The part of a configuration that names `receiver` as a channel of `kind`.
pub(super) fn table(school: &School, receiver: &Receiver, kind: Kind, more: &str) -> String {
    let scheme = if receiver.certificate().is_empty() { "http" } else { "https" };
    let url = format!("{scheme}://localhost:{}/in?key=1", receiver.port());
    std::fs::write(school.path("hook-ca.pem"), receiver.certificate()).unwrap();
    write_private(&school.path("hook.secret"), &format!("whsec_{SECRET}\n"));
    write_private(&school.path("teams.url"), &format!("{url}\n"));
    match kind {
        Kind::Teams => format!("[[teams]]\nname = \"room\"\nurl_file = \"teams.url\"\n{more}"),
        Kind::Webhook | Mail => {
            format!("[[webhook]]\nname = \"pager\"\nurl = \"{url}\"\nsecret_file = \"hook.secret\"\n{more}")
        }
    }
}

pub(super) const TRUSTED: &str = "allow_private = true\nextra_ca = \"hook-ca.pem\"\n";

pub(super) async fn staffed() -> School {
    let school = School::open().await;
    school.person("dana.dsl", Sort::Staff, &[Role::Dsl]).await;
    school.person("dee.deputy", Sort::Staff, &[Role::DeputyDsl]).await;
    school.person("hal.head", Sort::Staff, &[Role::Headteacher]).await;
    school.person("tess.tech", Sort::Staff, &[Role::Technician]).await;
    school.person("amy.pupil", Sort::Pupil, &[]).await;
    school
}

async fn hook_at(receiver: Receiver, kind: Kind, more: &str) -> Hook {
    let school = staffed().await;
    let table = table(&school, &receiver, kind, more);
    let channels = Arc::new(ArcSwap::from_pointee(channels(&school, &table).await));
    let clock = Arc::new(ManualClock::at(NINE_US));
    let mut notifier = notifier(&school, &clock, &channels);
    notifier.within = Duration::from_secs(2);
    Hook { school, receiver, clock, notifier }
}

async fn hook(kind: Kind, readers: &str) -> Hook {
    hook_at(Receiver::open().await, kind, &format!("{TRUSTED}readers = [{readers}]\n")).await
}

impl Hook {
    pub(super) async fn step(&self, kind: Kind) -> Step {
        tokio::select! {
            step = self.notifier.step(kind) => step.unwrap(),
            () = self.receiver.serve() => unreachable!("the receiver serves until it is dropped"),
        }
    }

    pub(super) async fn send_all(&self, kind: Kind) {
        while self.step(kind).await == Step::Worked {}
    }

    /// What became of messages to shared channels.
    pub(super) async fn outcomes(&self) -> Vec<String> {
        let sql = "SELECT (CASE WHEN sent_us IS NOT NULL THEN 'sent' WHEN dead_us IS NOT NULL THEN 'dead'
            ELSE 'waits' END) || ' ' || COALESCE(last_error, '') FROM outbox WHERE target <> ''";
        self.school.texts(sql).await
    }
}

fn header<'a>(post: &'a str, name: &str) -> &'a str {
    post.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap()
}

fn body(post: &str) -> Value {
    serde_json::from_str(post.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[tokio::test]
async fn one_event_is_posted_once_however_many_people_are_told_and_signed() {
    let hook = hook(Kind::Webhook, "\"dana.dsl\", \"dee.deputy\"").await;
    concern(&hook.school, "amy.pupil", Level::Critical, 1).await;
    assert_eq!(hook.school.count("SELECT COUNT(*) FROM outbox WHERE target = ''").await, 2);

    hook.send_all(Kind::Webhook).await;

    assert_eq!(hook.outcomes().await, ["sent "]);
    let [post] = hook.receiver.posts().try_into().unwrap();
    assert!(post.starts_with("POST /in?key=1 HTTP/1.1\r\n"), "{post}");
    let (id, timestamp) = (header(&post, "webhook-id"), header(&post, "webhook-timestamp"));
    assert!(id.starts_with("msg-"));
    assert_eq!(timestamp, (NINE_US / 1_000_000).to_string());
    let signed = format!("{id}.{timestamp}.{}", post.split_once("\r\n\r\n").unwrap().1);
    let mac = Hmac::<Sha256>::new_from_slice(&BASE64.decode(SECRET.as_bytes()).unwrap()).unwrap();
    let signature = BASE64.encode(&mac.chain_update(signed).finalize().into_bytes());
    assert_eq!(header(&post, "webhook-signature"), format!("v1,{signature}"));
    let (body, reference) = (body(&post), hook.school.texts("SELECT reference FROM concerns").await.concat());
    assert_eq!((&body["type"], &body["data"]["level"]), (&"lapwing.concern".into(), &5.into()));
    assert_eq!((&body["data"]["reference"], &body["data"]["link"]), (&reference.into(), &SIGN_IN.into()));
    assert_eq!(body["timestamp"], "2026-09-28T09:00:00Z");
}

#[tokio::test]
async fn a_repeat_carries_the_same_id() {
    let hook = hook(Kind::Webhook, "\"dana.dsl\"").await;
    concern(&hook.school, "amy.pupil", Level::High, 1).await;
    hook.receiver.reply(Reply::Status(503));
    hook.step(Kind::Webhook).await;
    assert_eq!(hook.outcomes().await, ["waits http_503"]);
    hook.receiver.reply(Reply::Status(204));
    hook.clock.advance_us(15_000_000);
    hook.step(Kind::Webhook).await;
    assert_eq!(hook.outcomes().await, ["sent "]);
    let posts = hook.receiver.posts();
    assert_eq!(header(&posts[0], "webhook-id"), header(&posts[1], "webhook-id"));
    assert_ne!(header(&posts[0], "webhook-signature"), header(&posts[1], "webhook-signature"));
}

#[tokio::test]
async fn a_teams_workflow_gets_a_card() {
    let hook = hook(Kind::Teams, "\"dana.dsl\"").await;
    concern(&hook.school, "amy.pupil", Level::High, 1).await;
    hook.receiver.reply(Reply::Status(202));
    hook.send_all(Kind::Teams).await;
    assert_eq!(hook.outcomes().await, ["sent "]);
    let [post] = hook.receiver.posts().try_into().unwrap();
    let (body, reference) = (body(&post), hook.school.texts("SELECT reference FROM concerns").await.concat());
    let title = body["attachments"][0]["content"]["body"][0]["text"].as_str().unwrap().to_owned();
    assert!(title.contains(&reference) && title.contains("high"), "{title}");
    assert!(!post.contains("webhook-signature"));
}

#[tokio::test]
async fn a_channel_that_somebody_reads_who_may_not_see_the_concern_stays_silent() {
    for readers in
        ["\"dana.dsl\", \"tess.tech\"", "\"dana.dsl\", \"nobody.known\"", "\"amy.pupil\"", "\"hal.head\"", ""]
    {
        let hook = hook(Kind::Webhook, readers).await;
        concern(&hook.school, "amy.pupil", Level::High, 1).await;
        hook.send_all(Kind::Webhook).await;
        assert_eq!(hook.outcomes().await, [""; 0], "{readers}");
        assert!(hook.receiver.posts().is_empty(), "{readers}");
        assert_eq!(hook.school.count("SELECT COUNT(*) FROM outbox").await, 1, "the mail is not taken out");
    }
}

#[tokio::test]
async fn whom_a_concern_is_about_finds_the_same_in_their_channel_as_without_it() {
    let hook = hook(Kind::Webhook, "\"dana.dsl\", \"hal.head\"").await;
    // About the DSL: the head alone may see it.
    concern(&hook.school, "dana.dsl", Level::High, 1).await;
    hook.send_all(Kind::Webhook).await;
    assert!(hook.receiver.posts().is_empty());
    assert_eq!(hook.outcomes().await, [""; 0]);
}

#[tokio::test]
async fn what_a_receiver_answers_says_whether_it_has_the_message() {
    for (reply, outcome) in [
        (Reply::Status(200), "sent "),
        (Reply::Status(202), "sent "),
        (Reply::Endless, "sent "),
        (Reply::Status(301), "waits http_301"),
        (Reply::Status(307), "waits http_307"),
        (Reply::Status(404), "waits http_404"),
        (Reply::Status(429), "waits http_429"),
        (Reply::Status(500), "waits http_500"),
        (Reply::EndlessHead, "waits protocol"),
        (Reply::Noise, "waits protocol"),
        (Reply::HangUp, "waits protocol"),
        (Reply::Hang, "waits timeout"),
        (Reply::HangBeforeTls, "waits timeout"),
    ] {
        let hook = hook(Kind::Webhook, "\"dana.dsl\"").await;
        concern(&hook.school, "amy.pupil", Level::High, 1).await;
        hook.receiver.reply(reply);
        assert_eq!(hook.step(Kind::Webhook).await, Step::Worked);
        assert_eq!(hook.outcomes().await, [outcome], "{reply:?}");
        assert!(hook.receiver.posts().len() <= 1, "{reply:?}: a redirect is not followed");
    }
}

#[tokio::test]
async fn what_is_refused_for_good_is_given_up_and_what_nobody_answers_is_kept() {
    for (reply, last) in [(Reply::Status(404), "dead http_404"), (Reply::Status(503), "waits http_503")] {
        let hook = hook(Kind::Webhook, "\"dana.dsl\"").await;
        concern(&hook.school, "amy.pupil", Level::High, 1).await;
        hook.receiver.reply(reply);
        for _ in 0..MAX_ATTEMPTS {
            assert_eq!(hook.step(Kind::Webhook).await, Step::Worked);
            hook.clock.advance_us(3_600_000_000);
        }
        assert_eq!(hook.outcomes().await, [last]);
        hook.clock.advance_us(i64::try_from(KEPT.as_micros()).unwrap());
        hook.send_all(Kind::Webhook).await;
        assert!(hook.outcomes().await[0].starts_with("dead "), "two weeks are enough");
    }
}

#[tokio::test]
async fn a_receiver_that_nobody_vouches_for_or_inside_the_network_gets_nothing() {
    for (more, code) in
        [("allow_private = true\n", "waits tls"), ("extra_ca = \"hook-ca.pem\"\n", "waits private_address")]
    {
        let hook = hook_at(Receiver::open().await, Kind::Webhook, &format!("{more}readers = [\"dana.dsl\"]\n")).await;
        concern(&hook.school, "amy.pupil", Level::High, 1).await;
        hook.step(Kind::Webhook).await;
        assert_eq!(hook.outcomes().await, [code]);
        assert!(hook.receiver.posts().is_empty());
    }
}

#[tokio::test]
async fn a_relay_on_this_machine_is_posted_to_without_tls_where_that_is_allowed() {
    let more = "allow_private = true\nreaders = [\"dana.dsl\"]\n";
    let hook = hook_at(Receiver::plain().await, Kind::Webhook, more).await;
    concern(&hook.school, "amy.pupil", Level::High, 1).await;
    hook.step(Kind::Webhook).await;
    assert_eq!((hook.outcomes().await.concat().as_str(), hook.receiver.posts().len()), ("sent ", 1));
}

#[tokio::test]
async fn mail_goes_out_while_a_webhook_hangs() {
    let school = staffed().await;
    let (server, receiver) = (FakeServer::open(Offer::StartTls).await, Receiver::open().await);
    std::fs::write(school.path("mail-ca.pem"), server.certificate()).unwrap();
    let hook = table(&school, &receiver, Kind::Webhook, &format!("{TRUSTED}readers = [\"dana.dsl\"]\n"));
    let text = format!("{}{hook}", smtp(&server, "extra_ca = \"mail-ca.pem\"\n"));
    let channels = Arc::new(ArcSwap::from_pointee(channels(&school, &text).await));
    let notifier = notifier(&school, &Arc::new(ManualClock::at(NINE_US)), &channels);
    let (wake, shutdown) = (Arc::clone(&notifier.wake), Shutdown::new());
    receiver.reply(Reply::Hang);
    concern(&school, "amy.pupil", Level::High, 1).await;
    let story = async {
        while receiver.posts().is_empty() {
            tokio::task::yield_now().await;
        }
        let before = server.mails().len();
        concern(&school, "ben.pupil", Level::Critical, 1).await;
        wake.notify_one();
        while server.mails().len() < before + 1 {
            server.parted().await;
        }
        let waiting = "SELECT COALESCE(last_error, 'none') FROM outbox WHERE target <> '' AND attempts > 0";
        assert_eq!(school.texts(waiting).await, ["none"], "the webhook still hangs");
    };
    tokio::select! {
        () = story => {}
        () = notifier.run(shutdown) => unreachable!("it works until it is told to stop"),
        () = server.serve() => unreachable!("the server serves until it is dropped"),
        () = receiver.serve() => unreachable!("the receiver serves until it is dropped"),
    }
}

#[tokio::test]
async fn a_trial_says_of_every_channel_whether_it_works() {
    let school = staffed().await;
    let (server, receiver) = (FakeServer::open(Offer::StartTls).await, Receiver::open().await);
    std::fs::write(school.path("mail-ca.pem"), server.certificate()).unwrap();
    let text = format!(
        "{}{}",
        smtp(&server, "extra_ca = \"mail-ca.pem\"\n"),
        table(&school, &receiver, Kind::Webhook, TRUSTED)
    );
    let channels = channels(&school, &text).await;
    receiver.reply(Reply::Status(404));
    let tried = tokio::select! {
        tried = try_all(&channels, Some("it@hill.example"), NINE_US) => tried.unwrap(),
        () = server.serve() => unreachable!("the server serves until it is dropped"),
        () = receiver.serve() => unreachable!("the receiver serves until it is dropped"),
    };
    let said: Vec<_> = tried.iter().map(|one| (one.channel.as_str(), one.failed.as_deref())).collect();
    assert_eq!(said, [("mail", None), ("pager", Some("http_404"))]);
    assert!(server.mails()[0].contains("To: it@hill.example"));
    assert_eq!(body(&receiver.posts()[0])["type"], "lapwing.test");
}

#[tokio::test]
async fn a_secret_that_others_can_read_or_that_is_none_is_refused_by_name() {
    let school = staffed().await;
    let receiver = Receiver::open().await;
    let text =
        format!("[school]\nid = \"a\"\nname = \"A\"\nzone = \"UTC\"\n{}", table(&school, &receiver, Kind::Webhook, ""));
    let set_up = || {
        let config = Config::parse(&school.path("collector.toml"), &text).unwrap();
        Channels::new(&config, 1).err().map(|error| format!("{:#}", anyhow::Error::from(error)))
    };
    assert_eq!(set_up(), None);
    let secret = school.path("hook.secret");
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o640)).unwrap();
    let said = set_up().unwrap();
    assert!(said.contains("hook.secret") && said.contains("chmod 600"), "{said}");
    write_private(&secret, "swordfish");
    let said = set_up().unwrap();
    assert!(said.contains("hook.secret` does not hold") && !said.contains("swordfish"), "{said}");
    std::fs::remove_file(&secret).unwrap();
    assert!(set_up().unwrap().contains("hook.secret"));
}

#[tokio::test]
async fn what_waits_for_a_channel_that_is_no_more_goes_with_it() {
    let hook = hook(Kind::Webhook, "\"dana.dsl\"").await;
    concern(&hook.school, "amy.pupil", Level::High, 1).await;
    assert_eq!(hook.outcomes().await, ["waits "]);
    channels(&hook.school, "").await;
    assert_eq!(hook.outcomes().await, [""; 0]);
    assert_eq!(hook.school.count("SELECT COUNT(*) FROM outbox").await, 1);
}
