//! What does not match is nowhere; what matches is sealed.

use std::path::Path;
use std::sync::Arc;

use e2e::{Classroom, Privileges, Relay, Traces, Who, eventually, spooled, stored};
use lapwing_collector::authority::Authority;
use lapwing_collector::clock::SystemClock;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::signals::hears_of;

/// In titles, paths, queries and names that match nothing.
const UNMATCHED: [&str; 4] = ["quokkamarker", "numbatmarker", "bilbymarker", "wombatmarker"];
/// Between the words of a title that matches, so that its excerpt keeps it.
const MATCHED: &str = "potoroomarker";
/// The programs' own logs say this of themselves.
const HARMLESS: &str = "connected";

/// A relay between agent and collector that speaks for both: with a server certificate of the collector's authority,
/// and with the device's own key.
async fn relay(classroom: &Classroom) -> Relay {
    let keys = classroom.school.keys();
    let school = "sample".parse().expect("a school id");
    let authority = Authority::open_or_create(&keys, &school, &SystemClock).expect("the authority");
    let server = authority.issue_server(&["localhost".to_owned()], &SystemClock).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut towards_agent = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(server.chain, server.key)
        .expect("a server");
    towards_agent.alpn_protocols = vec![b"h2".to_vec()];
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate().clone()).expect("a root");
    let (certificate, key) = device_identity(&classroom.agent.state());
    let mut towards_collector = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![certificate], key)
        .expect("a client");
    towards_collector.alpn_protocols = vec![b"h2".to_vec()];
    Relay::start(towards_agent, towards_collector, classroom.school.uplink()).await.expect("a relay")
}

fn device_identity(state: &Path) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let text = std::fs::read(state.join("identity.json")).expect("the agent is enrolled");
    let identity: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    let field = |name: &str| {
        let text = identity.get(name).and_then(serde_json::Value::as_str).expect(name);
        data_encoding::BASE64.decode(text.as_bytes()).expect("base64")
    };
    (CertificateDer::from(field("certificate")), PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(field("key"))))
}

/// Does, at the PC, what holds the unmatched markers, then what holds the matched one.
async fn use_the_pc(classroom: &mut Classroom, matched: &str) -> Vec<e2e::Window> {
    let desk = classroom.desk(Who::Pupil).expect("a desk");
    let mut windows = vec![desk.desktop.window("quokkamarker timetable").await.expect("a window")];
    let browser = desk.browser.as_ref().expect("a browser");
    let page = "https://example.org/numbatmarker?q=bilbymarker&title=quokkamarker+page#wombatmarker";
    browser.open(&desk.desktop, page).expect("a page");
    let saved = desk.desktop.account().home().join("Downloads/wombatmarker.txt");
    let status = desk.desktop.command("touch").arg(saved).status().expect("touch runs");
    assert!(status.success());
    windows.push(desk.desktop.window(matched).await.expect("a window"));
    windows
}

fn stand_in_any(traces: &Traces, captures: &[Vec<u8>]) -> bool {
    captures.iter().any(|capture| traces.stand_in(capture))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_match_is_nowhere_and_what_matches_is_sealed() {
    if e2e::privileges().expect("a private namespace") == Privileges::User {
        println!("left out: needs the files of all programs");
        return;
    }
    let mut classroom = Classroom::open(Privileges::Root).await.expect("a classroom");
    classroom.device_works().await.expect("the agent is enrolled");
    classroom.agent.stop().await.expect("the agent stops");
    let relay = relay(&classroom).await;
    classroom.agent.deliver_to(relay.address()).expect("the agent's configuration");
    classroom.agent.start().expect("the agent starts");
    classroom.sign_in(Who::Pupil).await.expect("the pupil signs in");
    classroom.start_browser(Who::Pupil).await.expect("the pupil's browser");
    classroom.device_works().await.expect("the PC is at work through the relay");

    let windows = use_the_pc(&mut classroom, "how to self harm potoroomarker without anyone noticing").await;
    hears_of(&classroom, "dsl", "self_harm").await.expect("the matched title arrives");
    drop(windows);
    // Once more with nobody to deliver to, so that the spool holds one; another rule, or it would be a repeat.
    classroom.school.kill_collector().expect("the collector is killed");
    let windows = use_the_pc(&mut classroom, "get past the school filter potoroomarker with a proxy").await;
    classroom.spooled(2).await.expect("it is spooled");
    drop(windows);
    classroom.agent.stop().await.expect("the agent stops");

    let matched = Traces::of(MATCHED);
    let in_spool = spooled(&classroom.agent.state()).expect("the spool opens");
    let in_database =
        stored(&classroom.school.database(), &classroom.school.keys(), "sample").await.expect("the database opens");
    let on_the_wire = relay.passed();
    let logs = classroom.school.own_logs().expect("logs");
    // The search finds what is there, everywhere it looks.
    assert!(stand_in_any(&matched, &in_spool), "the matched marker is in the spool");
    assert!(stand_in_any(&matched, &in_database), "the matched marker is in the database");
    assert!(matched.stand_in(&on_the_wire), "the matched marker passed the relay");
    assert!(Traces::of(HARMLESS).stand_in(logs.as_bytes()), "the harmless marker is in the logs");
    // And what did not match is in none of it, nor does any file hold either in clear.
    for marker in UNMATCHED {
        let traces = Traces::of(marker);
        assert!(!stand_in_any(&traces, &in_spool), "{marker} in the spool");
        assert!(!stand_in_any(&traces, &in_database), "{marker} in the database");
        assert!(!traces.stand_in(&on_the_wire), "{marker} on the wire");
    }
    for marker in UNMATCHED.into_iter().chain([MATCHED]) {
        let traces = Traces::of(marker);
        assert!(!traces.stand_in(logs.as_bytes()), "{marker} in the logs");
        for folder in [classroom.agent.state(), classroom.school.data(), classroom.school.keys()] {
            let files = traces.files_below(&folder).expect("files are read");
            assert!(files.is_empty(), "{marker} in {files:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mails_hold_a_reference_and_nothing_about_the_child() {
    let privileges = e2e::privileges().expect("a private namespace");
    let mut classroom = Classroom::open(privileges).await.expect("a classroom");
    classroom.sign_in(Who::Pupil).await.expect("the pupil signs in");
    let desk = classroom.desk(Who::Pupil).expect("a desk");
    let _window =
        desk.desktop.window("how to self harm potoroomarker without anyone noticing").await.expect("a window");
    let path = hears_of(&classroom, "dsl", "self_harm").await.expect("the DSL hears");
    let reference = path.trim_start_matches("/concerns/").to_owned();

    let mails = eventually("the DSL's mail", async || {
        let mails = classroom.school.mailbox.messages().ok()?;
        mails.iter().any(|mail| mail.contains("dsl@sample.example")).then_some(mails)
    })
    .await
    .expect("a mail arrives");

    assert!(mails.iter().any(|mail| mail.contains(&reference)), "the mail holds the reference");
    for mail in &mails {
        for private in ["Sam", "Pupil", "lw-pupil", "self", "harm", MATCHED, "Room 12"] {
            let body = mail.split_once("\r\n\r\n").map_or(mail.as_str(), |(_, body)| body);
            assert!(!body.contains(private), "`{private}` is in a mail");
        }
    }
}

/// The secrets of a school that runs: of PC, collector and people.
fn secrets(classroom: &Classroom) -> Vec<(&'static str, String)> {
    let text = |path: std::path::PathBuf| std::fs::read_to_string(path).expect("a file of secrets");
    let identity: serde_json::Value =
        serde_json::from_str(&text(classroom.agent.state().join("identity.json"))).expect("JSON");
    let key = identity.get("key").and_then(serde_json::Value::as_str).expect("a key").to_owned();
    let school_key = text(classroom.school.keys().join("school.key"));
    let school_key = school_key.trim_end().rsplit(' ').next().expect("a key").to_owned();
    let spool_key = std::fs::read(classroom.agent.state().join("spool.key")).expect("a key");
    vec![
        ("campaign token", classroom.agent.token().to_owned()),
        ("pass phrase", e2e::PASSWORD.to_owned()),
        ("device's key", key),
        ("school's key", school_key),
        ("spool's key", data_encoding::BASE64.encode(&spool_key)),
        ("spool's key", data_encoding::HEXLOWER.encode(&spool_key)),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_stands_in_logs_arguments_or_environments() {
    let privileges = e2e::privileges().expect("a private namespace");
    let mut classroom = Classroom::open(privileges).await.expect("a classroom");
    classroom.sign_in(Who::Pupil).await.expect("the pupil signs in");
    let desk = classroom.desk(Who::Pupil).expect("a desk");
    let _window = desk.desktop.window("how to unblock the school filter with a proxy").await.expect("a window");
    hears_of(&classroom, "dsl", "filter_bypass").await.expect("the DSL hears");

    let logs = classroom.school.own_logs().expect("logs are read");
    assert!(logs.contains("is enrolled"), "or the logs show nothing");
    let ids = [classroom.agent.id(), classroom.school.collector_id()].map(|id| id.expect("it runs"));
    let shown: Vec<_> = ids
        .iter()
        .flat_map(|id| {
            ["cmdline", "environ"].map(|file| std::fs::read(format!("/proc/{id}/{file}")).unwrap_or_default())
        })
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .collect();
    assert!(shown.iter().any(|text| text.contains("service")), "or the arguments show nothing");
    for (what, secret) in secrets(&classroom) {
        assert!(secret.len() >= 16, "{what} is one");
        assert!(!logs.contains(&secret), "the {what} stands in a log");
        assert!(!shown.iter().any(|text| text.contains(&secret)), "the {what} stands in arguments or environment");
    }
}
