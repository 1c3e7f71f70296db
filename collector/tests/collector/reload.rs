//! A changed configuration: what is swapped, what waits for a restart, and what is kept out.

use std::io;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;

use lapwing_collector::config::Config;
use lapwing_proto::wire;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, ChildStderr, Command};

use crate::device::{Device, batch};
use crate::people::{PEOPLE, import};
use crate::school::{School, eventually, program};

/// A collector as a process of its own.
struct Serving {
    child: Child,
    console: SocketAddr,
    log: Lines<BufReader<ChildStderr>>,
}

impl Serving {
    async fn start(school: &School) -> Self {
        let mut command = program();
        command.arg("serve").arg("--config").arg(school.config());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).await.unwrap();
        let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
        let log = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, console: ready["console"].as_str().unwrap().parse().unwrap(), log }
    }

    /// The next line of the log that says `text`.
    async fn says(&mut self, text: &str) -> String {
        loop {
            let line = tokio::time::timeout(crate::school::PATIENCE, self.log.next_line()).await;
            let line = line.unwrap_or_else(|_| panic!("the log never said {text}")).unwrap().unwrap();
            if line.contains(text) {
                return line;
            }
        }
    }

    async fn stop(mut self) {
        Command::new("kill").arg(self.child.id().unwrap().to_string()).status().await.unwrap();
        assert!(self.child.wait().await.unwrap().success());
    }
}

fn rewrite(school: &School, change: impl FnOnce(String) -> String) {
    let text = std::fs::read_to_string(school.config()).unwrap();
    std::fs::write(school.config(), change(text)).unwrap();
}

/// The certificate that the console shows to whoever asks for `name`.
async fn certificate(console: SocketAddr, authority: &str, name: &'static str) -> io::Result<Vec<u8>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tcp = TcpStream::connect(console).await?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let tls = connector.connect(ServerName::try_from(name).unwrap(), tcp).await?;
    let chain = tls.get_ref().1.peer_certificates().unwrap();
    assert_eq!(chain.len(), 2, "the chain includes the authority");
    Ok(chain.first().unwrap().to_vec())
}

#[tokio::test]
async fn a_changed_file_is_taken_up_a_broken_one_is_kept_out_and_neither_ends_the_collector() {
    let mut school = School::open().await;
    school.stop().await;
    let authority = school.authority().await;
    let mut serving = Serving::start(&school).await;
    assert!(certificate(serving.console, &authority, "second.example").await.is_err());

    rewrite(&school, |text| text.replace("\"localhost\"", "\"localhost\", \"second.example\""));
    let line = serving.says("configuration reloaded").await;
    assert!(line.contains("host_names"), "{line}");
    certificate(serving.console, &authority, "second.example").await.unwrap();

    rewrite(&school, |text| text.replace("host_names", "host_name"));
    let line = serving.says("not reloaded").await;
    assert!(line.contains(&format!("{}:2: unknown field", school.config().display())), "{line}");
    certificate(serving.console, &authority, "second.example").await.unwrap();

    rewrite(&school, |text| text.replace("host_name ", "host_names ").replacen("127.0.0.1:0", "127.0.0.1:1", 1));
    let line = serving.says("need a restart").await;
    assert!(line.contains("\"listen.enrol\""), "{line}");
    serving.stop().await;
}

#[tokio::test]
async fn check_lists_the_keys_that_need_a_restart() {
    let school = School::open().await;

    let checked = school.command(&["check"]).await;

    let needing: Vec<_> = checked.lines().filter(|line| line.contains("needs a restart")).collect();
    let keys: Vec<_> = needing.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(
        keys,
        [
            "data_dir",
            "keys_dir",
            "school.id",
            "listen.enrol",
            "listen.uplink",
            "listen.console",
            "filter_syslog.listen",
            "filter_syslog.format",
            "filter_syslog.from",
            "filter_syslog.datagrams"
        ]
    );
}

#[tokio::test]
async fn a_reload_gives_new_connections_a_new_certificate() {
    let school = School::open().await;
    let (console, authority) = (school.collector().addresses().console, school.authority().await);
    let before = certificate(console, &authority, "localhost").await.unwrap();

    let reloaded = school.collector().reload(Config::load(&school.config()).unwrap()).await.unwrap();

    assert_eq!(reloaded, lapwing_collector::lifecycle::Reloaded::default());
    assert_ne!(certificate(console, &authority, "localhost").await.unwrap(), before);
}

#[tokio::test]
async fn a_mail_server_named_later_gets_what_waits() {
    let school = School::open().await;
    let device = Device::enrol(&school).await;
    assert!(import(&school, PEOPLE).await.status.success());
    let (mut delivery, _) = device.deliver(&school, &[]).await;
    let mut urgent = wire::Batch { lane: 4, ..batch(1, 1) };
    urgent.captures[0].verdict.as_mut().unwrap().hits[0].level = 4;
    delivery.acknowledged(urgent).await;
    let waits = "SELECT COUNT(*) FROM outbox WHERE sent_us IS NULL";
    eventually("the message", async || (school.count(waits).await == 1).then_some(())).await;
    let server = TcpListener::bind(("localhost", 0)).await.unwrap();

    let port = server.local_addr().unwrap().port();
    rewrite(&school, |text| format!("{text}[smtp]\nhost = \"localhost\"\nport = {port}\nfrom = \"a@hill.example\"\n"));
    let reloaded = school.collector().reload(Config::load(&school.config()).unwrap()).await.unwrap();

    assert_eq!(reloaded.changed, ["smtp.host", "smtp.port", "smtp.tls", "smtp.from"]);
    tokio::time::timeout(crate::school::PATIENCE, server.accept()).await.expect("mail is tried").unwrap();
}

#[tokio::test]
async fn a_reload_that_cannot_be_whole_changes_nothing() {
    let school = School::open().await;
    let (console, authority) = (school.collector().addresses().console, school.authority().await);
    let before = certificate(console, &authority, "localhost").await.unwrap();

    rewrite(&school, |text| {
        let text = text.replace("Sample School", "Other School");
        format!("{text}[smtp]\nhost = \"localhost\"\nfrom = \"a@hill.example\"\nextra_ca = \"missing.pem\"\n")
    });
    let error = school.collector().reload(Config::load(&school.config()).unwrap()).await.unwrap_err();

    assert!(error.to_string().contains("missing.pem"), "{error}");
    assert_eq!(certificate(console, &authority, "localhost").await.unwrap(), before);
    assert_eq!(school.count("SELECT COUNT(*) FROM schools WHERE name = 'Sample School'").await, 1);
}
