//! `serve`: the collector itself, until a signal ends it.

use std::sync::Arc;

use anyhow::Context;
use clap::{Args, ValueEnum};
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::level_filters::LevelFilter;

use super::{ConfigFile, Failure, say};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::lifecycle::Collector;

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
        let config = self.file.load()?;
        tracing_subscriber::fmt()
            .with_writer(std::io::stderr)
            .with_max_level(LevelFilter::from(self.log))
            .with_ansi(false)
            .init();
        let mut terminate = on(SignalKind::terminate())?;
        let mut interrupt = on(SignalKind::interrupt())?;
        let mut hang_up = on(SignalKind::hangup())?;

        let collector = Collector::start(config, Arc::new(SystemClock)).await?;
        let ready = serde_json::to_string(&collector.addresses()).context("failed to write the ready line")?;
        say(ready)?;
        tell(&[NotifyState::Ready]);
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                () = collector.failed() => break,
                _ = hang_up.recv() => self.reload(&collector),
            }
        }
        tell(&[NotifyState::Stopping]);
        let failed = collector.has_failed();
        collector.stop().await;
        if failed {
            return Err(anyhow::anyhow!("a listener failed: see the log").into());
        }
        Ok(())
    }

    /// Reads the file again: what cannot be used changes nothing and is reported.
    fn reload(&self, collector: &Collector) {
        tell(&[NotifyState::Reloading]);
        match Config::load(&self.file.config) {
            Ok(config) => match collector.reload(config) {
                Ok(restart) if restart.is_empty() => tracing::info!("configuration reloaded"),
                Ok(restart) => tracing::warn!(keys = ?restart, "configuration reloaded, some of it needs a restart"),
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "configuration not reloaded");
                }
            },
            Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "configuration not reloaded"),
        }
        tell(&[NotifyState::Ready]);
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

fn on(kind: SignalKind) -> Result<Signal, Failure> {
    Ok(signal(kind).context("failed to listen for signals")?)
}

/// Tells the service manager; without one there is nobody to tell.
fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(false, state) {
        tracing::debug!(error = &error as &dyn std::error::Error, "the service manager does not listen");
    }
}
