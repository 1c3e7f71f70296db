//! `e2e`: the demonstration and the fault harness, as commands.

mod demo;
mod faults_command;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use e2e::powercut;
use tokio::signal::unix::{SignalKind, signal};

/// As a shell says of a program that was interrupted.
const INTERRUPTED: u8 = 130;

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
    /// Cuts the power at random moments, and looks whether what was acknowledged is there.
    Powercut(powercut::Wanted),
    /// Writes what `powercut` records.
    #[command(hide = true)]
    PowercutWrite(powercut::Writing),
    /// Kills a collector under a herd of agents, starts it again, and exits 1 unless all they hold arrives once.
    Herd(e2e::Herd),
    /// Starts many PCs on the copied state of an enrolled one, and exits 1 unless each becomes a device of its own.
    Clones(e2e::Clones),
    /// Takes a collector and its PCs through every drill of certificates by a simulated clock, and exits 1 on any miss.
    Certificates,
    /// Takes a rule set to PCs in stages, makes them unwell by one, and exits 1 on any miss.
    Rollout(e2e::Rollout),
    /// Breaks agent, collector and what is between them, and looks whether anything was lost.
    Faults(faults_command::Faults),
}

fn main() -> ExitCode {
    let command = Cli::parse().command;
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.into()),
    };
    match runtime.block_on(until_interrupted(run(command))) {
        Ok(code) => code,
        Err(error) => fail(&error),
    }
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Demo { check } => demo::run(if check { demo::Way::Check } else { demo::Way::Stay }).await,
        Command::Powercut(wanted) => powercut::run(wanted).await,
        Command::PowercutWrite(writing) => powercut::write(writing).await,
        Command::Herd(herd) => restart(herd).await,
        Command::Clones(clones) => copied(clones).await,
        Command::Certificates => drilled().await,
        Command::Rollout(rollout) => staged(rollout).await,
        Command::Faults(faults) => faults.run().await,
    }
}

async fn restart(herd: e2e::Herd) -> anyhow::Result<ExitCode> {
    // On a disk: what is in memory syncs nothing.
    let folder = tempfile::tempdir()?;
    let report = herd.run(folder.path()).await?;
    Ok(told(&report, report.all_well()))
}

async fn copied(clones: e2e::Clones) -> anyhow::Result<ExitCode> {
    let folder = tempfile::tempdir()?;
    let report = clones.run(folder.path()).await?;
    Ok(told(&report, report.all_well()))
}

async fn drilled() -> anyhow::Result<ExitCode> {
    let folder = tempfile::tempdir()?;
    let report = e2e::certificates(folder.path()).await?;
    Ok(told(&report, report.all_well()))
}

async fn staged(rollout: e2e::Rollout) -> anyhow::Result<ExitCode> {
    let folder = tempfile::tempdir()?;
    let report = rollout.run(folder.path()).await?;
    Ok(told(&report, report.all_well()))
}

/// Prints the table; exit code 1 on any miss.
#[expect(clippy::print_stdout, reason = "the table is the result")]
fn told(report: &impl std::fmt::Display, all_well: bool) -> ExitCode {
    print!("{report}");
    if all_well { ExitCode::SUCCESS } else { ExitCode::from(1) }
}

/// Runs `work` unless a signal asks to stop; either way everything it started is ended and its files are removed.
async fn until_interrupted(work: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        outcome = work => outcome,
        _ = terminate.recv() => Ok(ExitCode::from(INTERRUPTED)),
        _ = interrupt.recv() => Ok(ExitCode::from(INTERRUPTED)),
    }
}

#[expect(clippy::print_stderr, reason = "the edge of a command")]
fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("e2e: {error:#}");
    ExitCode::from(2)
}
