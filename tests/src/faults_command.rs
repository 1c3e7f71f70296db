//! `e2e faults`: the fault harness as a command.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use e2e::faults::{Fault, Options, round};

/// What the command is given.
#[derive(Debug, Args)]
pub(crate) struct Faults {
    /// Runs besides those that once went wrong. A round that is long enough tries each place and call once.
    #[arg(long, default_value_t = 1000)]
    runs: usize,
    /// What everything is drawn from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Runs at the same time.
    #[arg(long, default_value_t = 4)]
    at_once: usize,
    /// Plays this one alone, as the table of another round names it, such as `agent place spool.sync.after 3`; its seed
    /// is the one given.
    #[arg(long, value_name = "FAULT")]
    only: Option<String>,
}

impl Faults {
    /// Plays a round and prints its table. Exit code 1 where anything was lost, doubled or broken, or a place or call
    /// that had to be struck was not.
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let only = self.only.as_deref().map(str::parse::<Fault>).transpose().context("--only")?;
        let options = Options {
            runs: self.runs,
            seed: self.seed,
            at_once: self.at_once,
            only: only.map(|fault| (fault, self.seed)),
        };
        let report = round(&options, |played| tell(&played.to_string())).await?;
        tell(&format!("\n{report}"));
        Ok(if report.is_sound() { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }
}

#[expect(clippy::print_stdout, reason = "the edge of a command")]
fn tell(text: &str) {
    println!("{text}");
}
