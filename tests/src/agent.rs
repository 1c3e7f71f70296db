//! The agent on the sample school's PC: installed by [`School::start_agent`](crate::School::start_agent).

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::{Desktop, Running};

/// An agent's service on the sample school's PC.
#[derive(Debug)]
pub struct Agent {
    pub(crate) folder: PathBuf,
    pub(crate) program: PathBuf,
    pub(crate) config: PathBuf,
    pub(crate) token: String,
    pub(crate) logs: PathBuf,
    pub(crate) service: Option<Running>,
}

impl Agent {
    /// Starts the service.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn start(&mut self) -> anyhow::Result<()> {
        let mut command = Command::new(&self.program);
        command.args(["service", "--log", "debug"]).arg("--config").arg(&self.config);
        self.service = Some(Running::start("agent", command, &self.logs)?);
        Ok(())
    }

    /// Has the service deliver to another address from its next start on.
    ///
    /// # Errors
    ///
    /// When its configuration cannot be written.
    pub fn deliver_to(&self, uplink: SocketAddr) -> anyhow::Result<()> {
        let written = std::fs::read_to_string(&self.config)?;
        let lines = written.lines().map(|line| match line.starts_with("uplink = ") {
            true => format!("uplink = \"https://localhost:{}\"", uplink.port()),
            false => line.to_owned(),
        });
        std::fs::write(&self.config, lines.collect::<Vec<_>>().join("\n")).context("failed to write agent.toml")
    }

    /// Kills the service without a chance to tidy up.
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.service.take().context("the agent runs")?.kill()
    }

    /// Stops the service.
    ///
    /// # Errors
    ///
    /// When it does not stop.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        self.service.take().context("the agent runs")?.stop().await?;
        Ok(())
    }

    /// Starts the session role on a desktop, as the person's log-on does.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn start_session(&self, desktop: &Desktop) -> anyhow::Result<Running> {
        let mut command = desktop.command(&self.program.display().to_string());
        command.arg("session").arg("--socket").arg(self.folder.join("agent.sock"));
        Running::start(&format!("session-{}", desktop.account().name()), command, &self.logs)
    }

    /// Id of the service's process, while it runs.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.service.as_ref().map(Running::id)
    }

    /// The campaign token that it joined by.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Its program.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Its configuration.
    #[must_use]
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// Its local socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.join("agent.sock")
    }

    /// Its state folder.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.folder.join("state")
    }
}
