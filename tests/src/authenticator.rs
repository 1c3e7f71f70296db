//! The phone of somebody who signs in. Its codes are made by Python's standard library, after RFC 6238, so that two makers of
//! codes have to agree.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use lapwing_collector::clock::{Clock as _, SystemClock};

use crate::eventually_within;

const CODE: &str = include_str!("authenticator.py");
const STEP_US: i64 = 30_000_000;
/// A code that is not used yet comes within two steps of time.
const PATIENCE: Duration = Duration::from_secs(70);

/// An authenticator with one key.
#[derive(Clone, Debug)]
pub struct Authenticator {
    /// Base32.
    key: String,
    /// The newest step of time whose code was used.
    used: i64,
}

impl Authenticator {
    /// With a key as a page shows it.
    #[must_use]
    pub fn holding(key: &str) -> Self {
        Self { key: key.split(' ').collect(), used: 0 }
    }

    /// A code that was not used yet. Each works once; the collector takes that of the next step already.
    ///
    /// # Errors
    ///
    /// When Python does not run.
    pub async fn code(&mut self) -> anyhow::Result<String> {
        let mut step = 0;
        eventually_within(PATIENCE, "a code that was not used yet", async || {
            let now = SystemClock.wall_us() / STEP_US;
            step = now.max(self.used + 1);
            (step <= now + 1).then_some(())
        })
        .await?;
        self.used = step;
        let output = Command::new("python3").args(["-c", CODE, &self.key, &step.to_string()]).output();
        let output = output.context("failed to run python3")?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }
}
