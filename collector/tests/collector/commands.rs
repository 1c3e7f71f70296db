//! The commands.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::school::{School, program};

#[tokio::test]
async fn a_bad_configuration_ends_with_64_and_names_file_line_and_reason() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("collector.toml");
    std::fs::write(&file, "data_dir = \"data\"\n[listen]\nenrol = \"nowhere\"\n").unwrap();

    for words in [&["serve"][..], &["check"], &["token", "create", "--group", "a"], &["ca", "export"]] {
        let output = program().args(words).arg("--config").arg(&file).output().await.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64));
        assert!(said.contains(&file.display().to_string()), "{said}");
    }
    assert!(!folder.path().join("data").exists());
}

#[tokio::test]
async fn init_makes_a_collector_that_serves_and_overwrites_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let init = async || {
        let mut command = program();
        command.arg("init").arg("--data").arg(folder.path().join("data"));
        command.args(["--school", "hill", "--name", "Hill School", "--zone", "Europe/London"]);
        command.args(["--enrol", "127.0.0.1:0", "--uplink", "127.0.0.1:0", "--console", "127.0.0.1:0"]);
        command.output().await.unwrap()
    };

    assert!(init().await.status.success());
    let config = folder.path().join("data/collector.toml");
    let written = std::fs::read(&config).unwrap();
    assert_eq!(init().await.status.code(), Some(64));
    assert_eq!(std::fs::read(&config).unwrap(), written);

    let mut serving = program();
    serving.args(["serve", "--log", "error", "--config"]).arg(&config).stdout(Stdio::piped());
    let mut serving = serving.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(serving.stdout.take().unwrap()).read_line(&mut line).await.unwrap();
    let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
    for name in ["enrol", "uplink", "console"] {
        let address: std::net::SocketAddr = ready[name].as_str().unwrap().parse().unwrap();
        assert_ne!(address.port(), 0);
    }
    Command::new("kill").arg(serving.id().unwrap().to_string()).status().await.unwrap();
    assert!(serving.wait().await.unwrap().success());
}

#[tokio::test]
async fn a_reload_gives_new_connections_a_new_certificate() {
    let school = School::open().await;
    let config = lapwing_collector::config::Config::load(&school.config()).unwrap();
    let before = certificate(&school).await;

    assert_eq!(school.collector().reload(config).unwrap(), Vec::<&str>::new());

    assert_ne!(certificate(&school).await, before);
}

/// The certificate that the console shows.
async fn certificate(school: &School) -> Vec<u8> {
    use std::sync::Arc;

    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, ServerName};

    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(school.authority().await.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tcp = tokio::net::TcpStream::connect(school.collector().addresses().console).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let tls = connector.connect(ServerName::try_from("localhost").unwrap(), tcp).await.unwrap();
    let chain = tls.get_ref().1.peer_certificates().unwrap();
    assert_eq!(chain.len(), 2, "the chain includes the authority");
    chain.first().unwrap().to_vec()
}
