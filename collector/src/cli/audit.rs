//! `audit`: the log, verified from its bytes.

use clap::{Args, Subcommand};

use super::{ConfigFile, Failure, say};
use crate::audit;

#[derive(Debug, Subcommand)]
pub(super) enum Audit {
    /// Recompute every commitment of the log. Exit code 1 where something is missing or altered.
    Verify(Verify),
}

#[derive(Debug, Args)]
pub(super) struct Verify {
    #[command(flatten)]
    file: ConfigFile,
}

impl Audit {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let Self::Verify(verify) = self;
        let desk = verify.file.open().await?;
        let report = audit::verify(&desk.store, &desk.config.school.id).await?;
        desk.store.close().await;
        say(format!("{} leaves, {} acts match", report.leaves, report.matching))?;
        for fault in &report.faults {
            say(fault)?;
        }
        if report.faults.is_empty() { Ok(()) } else { Err(Failure::Problems) }
    }
}
