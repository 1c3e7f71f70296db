//! `notify`: the ways that messages go out by.

use anyhow::{Context, anyhow};
use clap::{Args, Subcommand};

use super::{ConfigFile, Failure, say};
use crate::clock::{Clock, SystemClock};
use crate::notify::{Channels, Tried, try_all};

#[derive(Debug, Subcommand)]
pub(super) enum Notify {
    /// Send a harmless message by every channel, and say which of them failed, and why.
    ///
    /// Exit code 1 where one failed, or where none is configured.
    Test(Test),
}

#[derive(Debug, Args)]
pub(super) struct Test {
    /// Where the mail goes; without it, to its own sender.
    #[arg(long, value_name = "ADDRESS")]
    to: Option<String>,
    #[command(flatten)]
    file: ConfigFile,
}

impl Notify {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Test(test) => test.run().await,
        }
    }
}

impl Test {
    async fn run(self) -> Result<(), Failure> {
        let config = self.file.load()?;
        let port = config.listen.console.port();
        let channels = Channels::new(&config, port).map_err(Failure::unusable)?;
        let now_us = SystemClock.wall_us();
        let tried = try_all(&channels, self.to.as_deref(), now_us).await;
        let tried = tried.map_err(|error| anyhow!("{error}")).context("no randomness for an identifier")?;
        if tried.is_empty() {
            say("no channel is configured: nobody is told of anything")?;
            return Err(Failure::Problems);
        }
        for Tried { channel, failed } in &tried {
            say(format!("{channel}: {}", failed.as_deref().unwrap_or("sent")))?;
        }
        if tried.iter().any(|one| one.failed.is_some()) { Err(Failure::Problems) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::path::PathBuf;

    use super::*;

    const SCHOOL: &str = "[school]\nid = \"hill\"\nname = \"Hill\"\nzone = \"Europe/London\"\n";

    async fn code(rest: &str) -> u8 {
        let folder = tempfile::tempdir().unwrap();
        let config: PathBuf = folder.path().join("collector.toml");
        std::fs::write(&config, format!("{SCHOOL}{rest}")).unwrap();
        let test = Test { to: None, file: ConfigFile { config } };
        match Notify::Test(test).run().await {
            Ok(()) => 0,
            Err(failure) => failure.exit_code(),
        }
    }

    #[tokio::test]
    async fn where_nobody_can_be_told_of_anything_the_test_finds_a_problem() {
        assert_eq!(code("").await, 1);
        // Nobody listens there any more.
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let smtp = format!("[smtp]\nhost = \"127.0.0.1\"\nport = {port}\nfrom = \"lapwing@hill.example\"\n");
        assert_eq!(code(&smtp).await, 1);
    }

    #[tokio::test]
    async fn a_channel_that_cannot_be_set_up_is_unusable_input() {
        let webhook = "[[webhook]]\nname = \"pager\"\nurl = \"https://pager.example\"\nsecret_file = \"none\"\n";
        assert_eq!(code(webhook).await, 64);
    }
}
