//! A program that runs until its story ends.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::eventually;

/// How long a program may take to print its first line.
const START: Duration = Duration::from_secs(60);

/// A child process with its output in a file; killed when dropped.
#[derive(Debug)]
pub struct Running {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts `command`, its output going to `NAME.log` in `logs`.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn start(name: &str, mut command: Command, logs: &Path) -> anyhow::Result<Self> {
        let log = logs.join(format!("{name}.log"));
        let file = std::fs::File::options().create(true).append(true).open(&log).context("failed to open a log")?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let child = command.spawn().with_context(|| format!("failed to start {name}"))?;
        Ok(Self { name: name.to_owned(), child, log })
    }

    /// Starts `command` and waits for its first line on standard output; the rest goes to the log.
    ///
    /// # Errors
    ///
    /// When it cannot be started, or ends or takes a minute without a line.
    pub fn start_until_line(name: &str, mut command: Command, logs: &Path) -> anyhow::Result<(Self, String)> {
        let log = logs.join(format!("{name}.log"));
        let file = std::fs::File::options().create(true).append(true).open(&log).context("failed to open a log")?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file);
        let mut child = command.spawn().with_context(|| format!("failed to start {name}"))?;
        let output = child.stdout.take().context("standard output is piped")?;
        let (sender, receiver) = mpsc::channel();
        // Reads on after the first line, so that the program never blocks on a full pipe.
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                drop(sender.send(line));
            }
        });
        let running = Self { name: name.to_owned(), child, log };
        match receiver.recv_timeout(START) {
            Ok(line) => Ok((running, line)),
            Err(_) => bail!("{name} did not become ready:\n{}", running.log_text()),
        }
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has written so far.
    #[must_use]
    pub fn log_text(&self) -> String {
        std::fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Kills it without a chance to tidy up.
    ///
    /// # Errors
    ///
    /// When it had ended before, or cannot be killed.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        let status = self.child.wait()?;
        if status.signal() != Some(9) {
            bail!("{} had ended before it was killed: {status}\n{}", self.name, self.log_text());
        }
        Ok(())
    }

    /// Asks it to stop and waits until it has.
    ///
    /// # Errors
    ///
    /// When it does not stop.
    pub async fn stop(&mut self) -> anyhow::Result<ExitStatus> {
        let id = self.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status().context("failed to run kill")?;
        let name = self.name.clone();
        eventually(&format!("{name} to stop"), async || self.child.try_wait().ok().flatten()).await
    }

    /// Its exit status, once it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; there is nobody left to tell.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
