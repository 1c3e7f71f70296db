//! The command line of `lapwing-collector`.
//!
//! Exit codes: 0 done, 1 checked and found problems, 2 failed, 64 something given to it cannot be used: configuration,
//! arguments, a file. With 64 nothing was overwritten.

mod audit;
mod authority;
mod check;
mod checks;
mod device;
mod export;
mod filter;
mod init;
mod media;
mod notify;
mod people;
mod publish;
mod restored;
mod roll_out;
mod serve;
mod token;
mod user;

use std::fmt::Display;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};

use crate::actor::Actor;
use crate::clock::{Clock, SystemClock};
use crate::config::{self, Config};
use crate::hardening;
use crate::lifecycle::{StartError, open_store};
use crate::seal::SealError;
use crate::store::{Store, StoreError};
use jiff::Timestamp;

/// Exit code of something given that cannot be used.
const UNUSABLE: u8 = 64;
/// Exit code of a failure.
const FAILED: u8 = 2;
/// Exit code of a check that found problems.
const PROBLEMS: u8 = 1;

/// Lapwing's collector: takes what devices deliver and puts it in front of the people who must see it.
#[derive(Debug, Parser)]
#[command(name = "lapwing-collector", version)]
struct Command {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Write a configuration and make the keys and the database it names.
    Init(Box<init::Init>),
    /// Run.
    Serve(serve::Serve),
    /// Once, after the database was brought back from a back-up: let every device come back.
    ///
    /// Devices welcomed since the back-up show what it never gave and would be refused. Each is believed once, whatever it
    /// was welcomed with last, and tells as lost what it had delivered since. Run it before `serve`.
    Restored(restored::Restored),
    /// Print the effective configuration, and where each value came from.
    Check(check::Check),
    /// Campaign tokens, which devices enrol with.
    #[command(subcommand)]
    Token(token::Token),
    /// The school's people.
    #[command(subcommand)]
    People(people::People),
    /// Sign-ins to the console.
    #[command(subcommand)]
    User(user::User),
    /// The ways that messages go out by.
    #[command(subcommand)]
    Notify(notify::Notify),
    /// Enrolled devices.
    #[command(subcommand)]
    Device(device::Device),
    /// Alerts of the school's web filter.
    #[command(subcommand)]
    Filter(filter::Filter),
    /// Approved memory sticks.
    #[command(subcommand)]
    Media(media::Media),
    /// The log of checks that monitoring works.
    #[command(subcommand)]
    Checks(checks::Checks),
    /// Rule sets.
    #[command(subcommand)]
    Rules(publish::Rules),
    /// Policies.
    #[command(subcommand)]
    Policy(publish::Policy),
    /// The certificate authority.
    #[command(subcommand)]
    Ca(authority::Ca),
    /// The audit log.
    #[command(subcommand)]
    Audit(audit::Audit),
}

/// Where the configuration is.
#[derive(Debug, Args)]
struct ConfigFile {
    /// Configuration file.
    #[arg(long, value_name = "FILE", default_value = config::DEFAULT_FILE)]
    config: PathBuf,
}

/// Why a command did not succeed.
enum Failure {
    /// What was given cannot be used.
    Unusable(anyhow::Error),
    /// The rest.
    Failed(anyhow::Error),
    /// The check worked and found problems, which it has printed.
    Problems,
}

/// An open school, for a command that reads or writes its database.
struct Desk {
    config: Config,
    store: Store,
    clock: Arc<dyn Clock>,
}

/// Runs the command that the process was started with.
#[must_use]
pub fn run() -> ExitCode {
    let command = match Command::try_parse() {
        Ok(command) => command,
        Err(error) => return explain(&error),
    };
    if let Err(error) = hardening::hide_memory().context("failed to hide the memory of the process") {
        return report(&Failure::Failed(error));
    }
    let runtime = match tokio::runtime::Runtime::new().context("failed to start the runtime") {
        Ok(runtime) => runtime,
        Err(error) => return report(&Failure::Failed(error)),
    };
    match runtime.block_on(command.what.run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => report(&failure),
    }
}

impl What {
    async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Init(init) => init.run().await,
            Self::Serve(serve) => serve.run().await,
            Self::Restored(restored) => restored.run().await,
            Self::Check(check) => check.run(),
            Self::Token(token) => token.run().await,
            Self::People(people) => people.run().await,
            Self::User(user) => user.run().await,
            Self::Notify(notify) => notify.run().await,
            Self::Device(device) => device.run().await,
            Self::Filter(filter) => filter.run().await,
            Self::Media(media) => media.run().await,
            Self::Checks(checks) => checks.run().await,
            Self::Rules(rules) => rules.run().await,
            Self::Policy(policy) => policy.run().await,
            Self::Ca(ca) => ca.run().await,
            Self::Audit(audit) => audit.run().await,
        }
    }
}

impl ConfigFile {
    fn load(&self) -> Result<Config, Failure> {
        Config::load(&self.config).map_err(|error| Failure::Unusable(error.into()))
    }

    async fn open(&self) -> Result<Desk, Failure> {
        let config = self.load()?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = open_store(&config, clock.as_ref()).await?;
        Ok(Desk { config, store, clock })
    }
}

impl Desk {
    /// Whoever runs commands on the collector's machine acts as the product: there is no sign-in here.
    fn product(&self) -> Actor {
        Actor::Product { school: self.config.school.id.clone() }
    }
}

impl Failure {
    fn unusable(error: impl Into<anyhow::Error>) -> Self {
        Self::Unusable(error.into())
    }

    fn exit_code(&self) -> u8 {
        match self {
            Self::Unusable(_) => UNUSABLE,
            Self::Failed(_) => FAILED,
            Self::Problems => PROBLEMS,
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        if matches!(error, StoreError::Newer { .. }) {
            Self::Unusable(error.into())
        } else {
            Self::Failed(error.into())
        }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let newer = matches!(
            error,
            StartError::Store(StoreError::Newer { .. })
                | StartError::Seal(SealError::KeyFile(StoreError::Newer { .. }))
        );
        if newer { Self::Unusable(error.into()) } else { Self::Failed(error.into()) }
    }
}

fn explain(error: &clap::Error) -> ExitCode {
    // A closed standard output is no failure of ours.
    let _ = error.print();
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return ExitCode::SUCCESS;
    }
    ExitCode::from(UNUSABLE)
}

fn report(failure: &Failure) -> ExitCode {
    match failure {
        Failure::Unusable(error) | Failure::Failed(error) => {
            let _ = writeln!(std::io::stderr(), "lapwing-collector: {error:#}");
        }
        Failure::Problems => {}
    }
    ExitCode::from(failure.exit_code())
}

/// Prints one line to standard output.
fn say(line: impl Display) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).context("failed to write to standard output")?;
    Ok(())
}

/// A time in the school's zone, to the minute.
fn when(desk: &Desk, at_us: i64) -> Result<String, Failure> {
    let at = Timestamp::from_microsecond(at_us).and_then(|at| at.in_tz(&desk.config.school.zone));
    Ok(at.context("failed to read a time")?.strftime("%Y-%m-%d %H:%M").to_string())
}

/// Reads a file that a person named, of at most `max_bytes`.
fn read_given(file: &Path, max_bytes: u64) -> Result<Vec<u8>, Failure> {
    let read = || -> anyhow::Result<Vec<u8>> {
        let size = std::fs::metadata(file)?.len();
        anyhow::ensure!(size <= max_bytes, "is {size} bytes long, at most {max_bytes} are read");
        Ok(std::fs::read(file)?)
    };
    read().with_context(|| format!("cannot read `{}`", file.display())).map_err(Failure::Unusable)
}
