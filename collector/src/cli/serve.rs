//! `serve`: the collector itself, until a signal ends it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::level_filters::LevelFilter;

use super::{ConfigFile, Failure, say};
use crate::clock::SystemClock;
use crate::config::{Config, Watch};
use crate::lifecycle::Collector;

/// Open files for every connection that is let in, and some for the database. Soft limits are often 1,024.
const OPEN_FILES: u64 = 16 * 1024;
/// How often the configuration is looked at: one `stat` a file.
const LOOK_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    file: ConfigFile,
    /// How much is logged, to standard error.
    #[arg(long, value_enum, default_value_t = Log::Info)]
    log: Log,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Log {
    Error,
    Warn,
    Info,
    Debug,
}

impl Serve {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let mut watch = Watch::new(&self.file.config);
        let config = self.file.load()?;
        watch.follow(&self.file.config, &config);
        tracing_subscriber::fmt()
            .with_writer(std::io::stderr)
            .with_max_level(LevelFilter::from(self.log))
            .with_ansi(false)
            // It would tell them on the same standard error, and panic where that cannot be written.
            .log_internal_errors(false)
            .init();
        raise_open_files();
        end_with_the_runtime();
        let mut terminate = on(SignalKind::terminate())?;
        let mut interrupt = on(SignalKind::interrupt())?;
        let mut hang_up = on(SignalKind::hangup())?;

        let collector = Collector::start(config, Arc::new(SystemClock)).await?;
        let ready = serde_json::to_string(&collector.addresses()).context("failed to write the ready line")?;
        say(ready)?;
        tell(&[NotifyState::Ready]);
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                () = collector.failed() => break,
                _ = hang_up.recv() => self.reload(&collector, &mut watch).await,
                _ = looks.tick() => if watch.changed() {
                    self.reload(&collector, &mut watch).await;
                },
            }
        }
        tell(&[NotifyState::Stopping]);
        let failed = collector.has_failed();
        collector.stop().await;
        if failed {
            return Err(anyhow::anyhow!("a part failed: see the log").into());
        }
        Ok(())
    }

    /// Reads the file again: what cannot be used changes nothing and is reported.
    async fn reload(&self, collector: &Collector, watch: &mut Watch) {
        tell(&[NotifyState::Reloading]);
        if let Err(error) = self.try_reload(collector, watch).await {
            tracing::error!(error = error.as_ref() as &dyn std::error::Error, "configuration not reloaded");
        }
        tell(&[NotifyState::Ready]);
    }

    async fn try_reload(&self, collector: &Collector, watch: &mut Watch) -> anyhow::Result<()> {
        watch.refresh();
        let config = Config::load(&self.file.config)?;
        watch.follow(&self.file.config, &config);
        let reloaded = collector.reload(config).await?;
        tracing::info!(keys.changed = ?reloaded.changed, "configuration reloaded");
        if !reloaded.needs_restart.is_empty() {
            tracing::warn!(keys.changed = ?reloaded.needs_restart, "these changes need a restart");
        }
        Ok(())
    }
}

impl From<Log> for LevelFilter {
    fn from(log: Log) -> Self {
        match log {
            Log::Error => Self::ERROR,
            Log::Warn => Self::WARN,
            Log::Info => Self::INFO,
            Log::Debug => Self::DEBUG,
        }
    }
}

/// Has a panic outside of any task end the process, as one inside a part does in its own way: it is the runtime's, which
/// would go on with a thread less or hang. What is not committed is not acknowledged, so that nothing is lost by it, and
/// whoever supervises the process starts it again.
fn end_with_the_runtime() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        tell(panic);
        if tokio::task::try_id().is_none() {
            std::process::abort();
        }
    }));
}

/// Lets the process hold as many connections as it lets in.
fn raise_open_files() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| {
        setrlimit(Resource::RLIMIT_NOFILE, soft.max(OPEN_FILES.min(hard)), hard)?;
        Ok(hard)
    });
    match raised {
        Ok(hard) if hard >= OPEN_FILES => {}
        Ok(hard) => tracing::warn!(files.allowed = hard, "a large school needs more open files"),
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "the limit of open files stays as it is")
        }
    }
}

fn on(kind: SignalKind) -> Result<Signal, Failure> {
    Ok(signal(kind).context("failed to listen for signals")?)
}

/// Tells the service manager; without one there is nobody to tell.
fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(false, state) {
        tracing::debug!(error = &error as &dyn std::error::Error, "the service manager does not listen");
    }
}
