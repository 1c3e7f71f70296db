//! The commands.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::school::program;

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
