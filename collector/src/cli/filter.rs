//! `filter`: what the school's web filter reports.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use clap::{Args, Subcommand};
use jiff::tz::TimeZone;

use super::{ConfigFile, Failure, read_given, say};
use crate::in_force;
use crate::proof::filter::{self, BringIn, MAX_FILE_BYTES, Source};
use crate::seal::Vault;

#[derive(Debug, Subcommand)]
pub(super) enum Filter {
    /// Bring the alerts of an export into the lists of concerns. What was imported before adds nothing.
    Import(Import),
}

#[derive(Debug, Args)]
pub(super) struct Import {
    /// The export, CSV.
    alerts: PathBuf,
    /// Whose it is: generic, smoothwall, rm or sophos.
    #[arg(long, default_value = "generic")]
    format: Source,
    /// Only read it, and say how many alerts it holds.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    file: ConfigFile,
}

impl Filter {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Import(import) => import.run().await,
        }
    }
}

impl Import {
    async fn run(self) -> Result<(), Failure> {
        let bytes = read_given(&self.alerts, MAX_FILE_BYTES as u64)?;
        let config = self.file.load()?;
        let zone = TimeZone::get(&config.school.zone).context("failed to read the school's time zone")?;
        let read = filter::parse(&bytes, self.format, &zone).map_err(|faults| {
            let faults: Vec<_> = faults.iter().map(|fault| format!("{}: {fault}", self.alerts.display())).collect();
            Failure::Unusable(anyhow!("nothing was imported\n{}", faults.join("\n")))
        })?;
        if self.dry_run {
            return say(format!(
                "{} alerts, {} of categories that are no concern left out",
                read.alerts.len(),
                read.left_out
            ));
        }
        let desk = self.file.open().await?;
        let vault = Vault::open(&config.keys_dir, config.school.id.clone()).await.context("failed to open the keys")?;
        let bring_in = BringIn {
            school: config.school.id.clone(),
            store: desk.store.clone(),
            vault: vault.clone(),
            rules: in_force::rule_set(&desk.store, &config)
                .await
                .context("failed to read the rules in force")?
                .map(Arc::new),
            data_dir: config.data_dir.clone(),
        };
        let brought_in = bring_in.run(&desk.product(), self.format, &read.alerts, desk.clock.wall_us()).await;
        let brought_in = brought_in.context("not every alert was imported; import the same file again")?;
        vault.close().await;
        desk.store.close().await;
        say(format!(
            "{} alerts added, {} imported before; left out: {} of categories that are no concern, {} from helplines and \
             other hosts that are looked at with care",
            brought_in.added, brought_in.known, read.left_out, brought_in.careful
        ))
    }
}
