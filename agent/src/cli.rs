//! The command line. Exit codes: 0 ok, 1 checked and found problems, 2 failure, 64 bad configuration or usage.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use tracing::level_filters::LevelFilter;

use crate::clock::SystemClock;
use crate::config::{Config, ConfigError, DEFAULT_PATH, DEFAULT_SOCKET, Watched, load_or_last_good};
use crate::identity::{HardwareHash, IdentityStore};
use crate::removal::Terms;
use crate::shutdown::Shutdown;
use crate::{browser_host, check, doctor, image, pipeline, platform, removal, session, uplink};

mod media;
mod spool;

const PROBLEMS: u8 = 1;
const FAILURE: u8 = 2;
const BAD_CONFIGURATION: u8 = 64;

/// The agent on each school computer.
#[derive(Debug, Parser)]
#[command(name = "lapwing-agent", version, about)]
struct Cli {
    /// What is logged to standard error: error, warn, info, debug or trace.
    #[arg(long, global = true, default_value = "info")]
    log: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the service: rules, spool, uplink, files and media.
    Service(Configured),
    /// Runs beside a signed-in user: window titles.
    Session(Connected),
    /// Carries what a browser's extension says; started by the browser.
    BrowserHost(BrowserHost),
    /// Enrols this device by the configured token and ends.
    Enrol(Configured),
    /// Says why this computer is silent; or prepares it, so that an image can be made of it.
    Doctor {
        #[command(flatten)]
        configured: Configured,
        /// As JSON.
        #[arg(long, conflicts_with = "image")]
        json: bool,
        /// Removes what makes this computer the device that it is, while the service is stopped.
        #[arg(long)]
        image: bool,
        /// Although captures are lost that were not delivered.
        #[arg(long, requires = "image")]
        discard: bool,
    },
    /// Takes this computer out of the school: delivers what waits, tells the collector, and removes what the agent keeps.
    /// Run it as root once the service is stopped, before the package is removed.
    Remove {
        #[command(flatten)]
        configured: Configured,
        /// How long to wait for the collector, in seconds.
        #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u16).range(1..=3600))]
        within: u16,
        /// Although captures are lost that were not delivered, or the collector was not told.
        #[arg(long)]
        discard: bool,
    },
    /// Tests the watching of this computer, whole: a file, a window and a page with a harmless phrase have to reach the
    /// collector. Run it as root, once a school day, while somebody is signed in.
    Check {
        #[command(flatten)]
        configured: Configured,
        /// How long to wait, in seconds.
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=600))]
        within: u16,
    },
    /// Prints the removable media in this computer with the fingerprints that a school approves them by.
    Media,
    /// Shows what `check` has to see, as whoever is signed in.
    #[command(hide = true)]
    CheckAct {
        /// A folder to drop the file into; the first that takes it is used.
        #[arg(long)]
        folder: Vec<PathBuf>,
        /// Open a page.
        #[arg(long)]
        page: bool,
    },
    /// Checks a configuration and shows where each value comes from.
    CheckConfig {
        /// The file.
        #[arg(default_value = DEFAULT_PATH)]
        file: PathBuf,
    },
    /// Says what is and is not looked at, from the policy in force.
    Notice(Connected),
    /// Looks into a spool that no agent has open, without showing what its captures say.
    #[command(subcommand)]
    Spool(spool::Command),
}

#[derive(Debug, Args)]
struct Configured {
    /// The configuration.
    #[arg(long, default_value = DEFAULT_PATH)]
    config: PathBuf,
}

#[derive(Debug, Args)]
struct Connected {
    #[command(flatten)]
    configured: Configured,
    /// The service's socket, instead of the configured one.
    #[arg(long)]
    socket: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct BrowserHost {
    #[command(flatten)]
    connected: Connected,
    /// What the browser says of the caller; ignored.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    caller: Vec<String>,
}

/// Runs the command line and answers the exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(told) => {
            // Help and version are told by the same way as mistakes.
            let code = if told.use_stderr() { BAD_CONFIGURATION } else { 0 };
            return if told.print().is_ok() { ExitCode::from(code) } else { ExitCode::from(FAILURE) };
        }
    };
    let level = cli.log.parse().unwrap_or(LevelFilter::INFO);
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(io::stderr)
        .with_ansi(false)
        // It would tell them on the same standard error, and panic where that cannot be written.
        .log_internal_errors(false)
        .init();
    match dispatch(cli.command) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "ended");
            let is_configuration = error.downcast_ref::<ConfigError>().is_some();
            ExitCode::from(if is_configuration { BAD_CONFIGURATION } else { FAILURE })
        }
    }
}

fn dispatch(command: Command) -> anyhow::Result<u8> {
    match command {
        Command::Service(configured) => service(&configured.config),
        Command::Session(connected) => {
            hide()?;
            in_runtime(run_session(&connected.socket()))
        }
        Command::BrowserHost(host) => {
            hide()?;
            in_runtime(run_browser_host(&host.connected.socket()))
        }
        Command::Enrol(configured) => in_runtime(enrol(&configured.config)),
        Command::Doctor { configured, image: true, discard, .. } => in_runtime(prepare(&configured.config, discard)),
        Command::Doctor { configured, json, .. } => in_runtime(examine(&configured.config, json)),
        Command::Check { configured, within } => in_runtime(run_check(&configured.config, within)),
        Command::Remove { configured, within, discard } => {
            hide()?;
            let terms = Terms { within: Duration::from_secs(within.into()), discards: discard };
            in_runtime(remove(&configured.config, terms))
        }
        Command::Media => media::run(),
        Command::CheckAct { folder, page } => in_runtime(async {
            check::act(&check::Act { folders: folder, opens_page: page }).await;
            Ok(0)
        }),
        Command::CheckConfig { file } => check_config(&file),
        Command::Notice(connected) => in_runtime(notice(&connected.socket())),
        Command::Spool(command) => spool::run(command),
    }
}

impl Connected {
    /// The socket named, else the configured one, else the usual one: a user need not be able to read the
    /// configuration.
    fn socket(self) -> PathBuf {
        let configured = || Config::load(&self.configured.config).ok().map(|config| config.socket.to_path_buf());
        self.socket.clone().or_else(configured).unwrap_or_else(|| DEFAULT_SOCKET.into())
    }
}

fn service(path: &Path) -> anyhow::Result<u8> {
    platform::keep_memory_small();
    hide()?;
    let (config, from) = load_or_last_good(path)?;
    let clock = Arc::new(SystemClock::new().context("failed to read the clock")?);
    in_runtime(async {
        pipeline::run(Watched::new(path, config), from, clock).await?;
        Ok(0)
    })
}

/// For each role that holds what did not match.
fn hide() -> anyhow::Result<()> {
    platform::hide_memory().context("failed to hide the memory of the process")
}

async fn run_session(socket: &Path) -> anyhow::Result<u8> {
    let shutdown = Shutdown::new();
    let mut orders = platform::Orders::listen().context("failed to hear the session's orders")?;
    let stopping = async {
        while orders.next().await != platform::Order::Stop {}
        shutdown.request();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = session::run(socket, platform::Display::from_environment(), shutdown.clone()) => Ok(0),
        () = stopping => Ok(0),
    }
}

async fn run_browser_host(socket: &Path) -> anyhow::Result<u8> {
    browser_host::run(socket, tokio::io::stdin(), tokio::io::stdout())
        .await
        .with_context(|| format!("failed to carry the browser's messages to `{}`", socket.display()))?;
    Ok(0)
}

async fn enrol(path: &Path) -> anyhow::Result<u8> {
    let config = Config::load(path)?;
    platform::create_private_folder(&config.state_dir).context("failed to make the state folder")?;
    let identity = IdentityStore::open(&config.state_dir).context("failed to read the identity")?;
    if let Some(device) = identity.device() {
        say(&format!("already enrolled as {device}\n"))?;
        return Ok(0);
    }
    let uplink_config = pipeline::uplink_config(&config)?.context("the configuration names no [collector]")?;
    let clock = Arc::new(SystemClock::new().context("failed to read the clock")?);
    let hardware = HardwareHash::new(platform::hardware_hash());
    uplink::enrol(&uplink_config, &identity, hardware, None, clock).await.context("failed to enrol")?;
    let device = identity.device().context("the collector gave no identity")?;
    say(&format!("enrolled as {device}\n"))?;
    Ok(0)
}

async fn examine(path: &Path, json: bool) -> anyhow::Result<u8> {
    let config = Config::load(path)?;
    let findings = doctor::examine(&config).await;
    say(&if json { findings.to_json()? } else { findings.to_text() })?;
    Ok(if findings.are_healthy() { 0 } else { PROBLEMS })
}

async fn prepare(path: &Path, discard: bool) -> anyhow::Result<u8> {
    let config = Config::load(path)?;
    let lines = image::prepare(&config, discard).await.context("this computer is not prepared for an image")?;
    say(&(lines.join("\n") + "\n"))?;
    Ok(0)
}

async fn remove(path: &Path, terms: Terms) -> anyhow::Result<u8> {
    let config = Config::load(path)?;
    let clock = Arc::new(SystemClock::new().context("failed to read the clock")?);
    let lines = removal::remove(&config, terms, clock).await.context("this computer is not taken out of the school")?;
    say(&(lines.join("\n") + "\n"))?;
    Ok(0)
}

async fn run_check(path: &Path, within_s: u16) -> anyhow::Result<u8> {
    let config = Config::load(path)?;
    let program = std::env::current_exe().context("failed to find this program")?;
    let found = check::run(&config, &program, Duration::from_secs(within_s.into())).await;
    let found = found.with_context(|| format!("failed to check by the service at `{}`", config.socket.display()))?;
    say(&found.to_text())?;
    Ok(if found.is_sound() { 0 } else { PROBLEMS })
}

fn check_config(path: &Path) -> anyhow::Result<u8> {
    let config = Config::load(path)?;
    say(&(config.explain().join("\n") + "\n"))?;
    Ok(0)
}

async fn notice(socket: &Path) -> anyhow::Result<u8> {
    let told = doctor::ask_notice(socket).await;
    let told = told.with_context(|| format!("failed to ask the service at `{}`", socket.display()))?;
    say(&told.text)?;
    Ok(0)
}

fn say(text: &str) -> io::Result<()> {
    io::stdout().write_all(text.as_bytes())
}

/// One thread is enough: what blocks has threads of its own while it does.
fn in_runtime(work: impl Future<Output = anyhow::Result<u8>>) -> anyhow::Result<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("failed to start the runtime")?;
    let outcome = runtime.block_on(work);
    // Standard input may be waited for by a thread that nothing ends.
    runtime.shutdown_background();
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(arguments: &[&str]) -> u8 {
        let Ok(cli) = Cli::try_parse_from(arguments) else { return BAD_CONFIGURATION };
        match dispatch(cli.command) {
            Ok(code) => code,
            Err(error) if error.downcast_ref::<ConfigError>().is_some() => BAD_CONFIGURATION,
            Err(_) => FAILURE,
        }
    }

    #[test]
    fn a_configuration_is_checked_with_the_promised_exit_codes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.toml");
        let file = path.to_str().unwrap();
        assert_eq!(code(&["lapwing-agent", "check-config", file]), BAD_CONFIGURATION);
        std::fs::write(&path, "sokcet = 1").unwrap();
        assert_eq!(code(&["lapwing-agent", "check-config", file]), BAD_CONFIGURATION);
        std::fs::write(&path, "").unwrap();
        assert_eq!(code(&["lapwing-agent", "check-config", file]), 0);
        assert_eq!(code(&["lapwing-agent", "no-such-command"]), BAD_CONFIGURATION);
    }

    #[test]
    fn a_browser_may_say_what_it_likes_of_the_caller() {
        let arguments = ["lapwing-agent", "browser-host", "chrome-extension://abc/", "--parent-window=0"];
        assert!(Cli::try_parse_from(arguments).is_ok());
    }
}
