//! `e2e`: the demonstration, and later the fault harness, as commands.

mod demo;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Plays Lapwing with real programs.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Plays a short school day.
    Demo {
        /// Plays it unattended and exits 1 unless exactly the expected concerns arrived.
        #[arg(long)]
        check: bool,
    },
}

fn main() -> ExitCode {
    let Command::Demo { check } = Cli::parse().command;
    let way = if check { demo::Way::Check } else { demo::Way::Stay };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.into()),
    };
    match runtime.block_on(demo::run(way)) {
        Ok(code) => code,
        Err(error) => fail(&error),
    }
}

#[expect(clippy::print_stderr, reason = "the edge of a command")]
fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("e2e: {error:#}");
    ExitCode::from(2)
}
