//! A log that cannot be written.

use std::fs::File;
use std::process::{Command, Stdio};

#[test]
fn a_log_that_cannot_be_written_ends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("agent.toml");
    std::fs::write(&file, "unknown = 1\n").unwrap();
    let run = |log: Stdio| {
        let mut agent = Command::new(env!("CARGO_BIN_EXE_lapwing-agent"));
        agent.arg("service").arg("--config").arg(&file).stderr(log).status().unwrap().code()
    };

    let told = run(Stdio::null());
    let untold = run(File::options().write(true).open("/dev/full").unwrap().into());

    assert_eq!((told, untold), (Some(64), Some(64)));
}
