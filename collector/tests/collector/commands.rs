//! The commands.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
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
async fn a_database_of_a_newer_build_ends_with_64_and_says_so() {
    let mut school = School::open().await;
    school.stop().await;
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (900, 'later', TRUE, x'00', 0)";
    school.write(sqlx::query(newer)).await;
    for words in [&["serve"][..], &["people", "check"], &["token", "create", "--group", "a"]] {
        let output = program().args(words).arg("--config").arg(school.config()).output().await.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{words:?}: {said}");
        assert!(said.contains("was written by a newer build"), "{said}");
    }
}

#[tokio::test]
async fn a_log_that_cannot_be_written_stops_nothing() {
    let school = School::open().await;
    let mut serving = program();
    serving.args(["serve", "--log", "debug", "--config"]).arg(school.config()).stdout(Stdio::piped());
    let mut serving = serving
        .stderr(std::fs::File::options().write(true).open("/dev/full").unwrap())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(serving.stdout.take().unwrap()).read_line(&mut line).await.unwrap();
    let ready: serde_json::Value = serde_json::from_str(&line).unwrap();

    // That no handshake came is worth a line.
    for _ in 0..3 {
        let mut stranger = TcpStream::connect(ready["console"].as_str().unwrap()).await.unwrap();
        stranger.write_all(b"no handshake at all").await.unwrap();
        let _ = stranger.read_to_end(&mut Vec::new()).await;
    }

    Command::new("kill").arg(serving.id().unwrap().to_string()).status().await.unwrap();
    assert!(serving.wait().await.unwrap().success());
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
