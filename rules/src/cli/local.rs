//! What is particular to a school: its overlays, and which day it is there.

use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use clap::Args;
use lapwing_rules::{Compiler, Date};

use super::{Failure, files, today};

const MAX_OVERLAY_BYTES: u64 = 16 * 1024 * 1024;

/// Overlays, and the day by which they and rules on watch are judged.
#[derive(Debug, Args)]
pub(super) struct Local {
    /// A file of `[[tune]]` tables that change rules for this school.
    #[arg(long, value_name = "FILE")]
    overlay: Vec<PathBuf>,
    /// The day to judge by, as in 2026-12-01, instead of the machine's own (in UTC).
    #[arg(long, value_name = "DATE")]
    today: Option<Date>,
}

impl Local {
    /// The day to judge by.
    pub(super) fn day(&self) -> Result<Date, Failure> {
        self.today.map_or_else(today::by_the_clock, Ok)
    }

    pub(super) fn overlays(&self) -> &[PathBuf] {
        &self.overlay
    }

    /// Refuses overlays beside a compiled rule set: it holds those that it was compiled with, and no others can be added.
    pub(super) fn refuse_overlays(&self) -> Result<(), Failure> {
        let Some(path) = self.overlay.first() else { return Ok(()) };
        let message = anyhow!("`--overlay {}` needs a folder of packs, not a compiled rule set", path.display());
        Err(Failure::BadInput(message))
    }

    /// A compiler of the packs in a folder, told of what is particular here.
    pub(super) fn compiler(&self, packs: &std::path::Path) -> Result<Compiler, Failure> {
        let mut compiler = files::compiler(packs, self.day()?)?;
        for path in &self.overlay {
            let text = String::from_utf8(files::read(path, MAX_OVERLAY_BYTES)?)
                .with_context(|| format!("overlay `{}` is not UTF-8", path.display()))
                .map_err(Failure::BadInput)?;
            compiler = compiler.overlay(path.display().to_string(), text);
        }
        Ok(compiler)
    }
}
