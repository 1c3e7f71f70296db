//! Power cuts, a few of each; `cargo run --release -p e2e -- powercut --cuts N` plays as many as one likes.

use std::process::Command;

use e2e::Programs;

#[test]
fn what_was_acknowledged_outlives_a_power_cut() {
    let programs = Programs::built().expect("programs");
    let folder = programs.collector.parent().expect("a folder");
    let scratch = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_e2e"));
    command.args(["powercut", "--cuts", "10", "--captures", "90", "--keep"]).arg(scratch.path().join("failures"));
    let output = command.env("LAPWING_PROGRAMS", folder).output().expect("the tool runs");
    let told = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    // The seed, and where a cut was made, are in what it told.
    assert!(output.status.success(), "{told}");
}
