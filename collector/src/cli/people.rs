//! `people`: who is at the school.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::{Args, Subcommand};

use super::{ConfigFile, Failure, read_given, say};
use crate::people::{self, ImportError, MAX_FILE_BYTES, Mode};

#[derive(Debug, Subcommand)]
pub(super) enum People {
    /// Bring the school's people in line with a file, whole or not at all.
    Import(Import),
}

#[derive(Debug, Args)]
pub(super) struct Import {
    /// people.csv: account,name,role,class,band,mail
    people: PathBuf,
    /// Only print what would change.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    file: ConfigFile,
}

impl People {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Import(import) => import.run().await,
        }
    }
}

impl Import {
    async fn run(self) -> Result<(), Failure> {
        let bytes = read_given(&self.people, MAX_FILE_BYTES as u64)?;
        let listed = people::parse(&bytes).map_err(|faults| {
            let faults: Vec<_> = faults.iter().map(|fault| format!("{}: {fault}", self.people.display())).collect();
            Failure::Unusable(anyhow!("nobody was imported\n{}", faults.join("\n")))
        })?;
        let desk = self.file.open().await?;
        let mode = if self.dry_run { Mode::DryRun } else { Mode::Apply };
        let imported = people::import(&desk.store, &desk.product(), desk.clock.wall_us(), &listed, mode).await;
        let changes = imported.map_err(|error| self.refused(error))?;
        desk.store.close().await;
        for line in &changes.lines {
            say(line)?;
        }
        let counts = changes.counts;
        let done = if self.dry_run { "would be added" } else { "added" };
        say(format!(
            "{} {done}, {} changed, {} the same, {} not in the file",
            counts.added, counts.changed, counts.same, counts.absent
        ))
    }

    fn refused(&self, error: ImportError) -> Failure {
        match error {
            ImportError::Store(error) => error.into(),
            error @ (ImportError::Ambiguous(_) | ImportError::Twice(..)) => {
                Failure::Unusable(anyhow!("{}: {error}", self.people.display()))
            }
        }
    }
}
