//! Where a command takes its rules from.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::Args;
use lapwing_rules::{Compiler, Date, MAX_ARTEFACT_BYTES, Release, RuleSet, TrustedKeys};

use super::local::Local;
use super::{Failure, files, sign};

/// Packs, or a rule set compiled from some.
#[derive(Debug, Args)]
pub(super) struct Rules {
    /// Folder of packs.
    #[arg(long, value_name = "DIR", required_unless_present = "set", conflicts_with = "set")]
    packs: Option<PathBuf>,
    /// A compiled rule set.
    #[arg(long, value_name = "FILE")]
    set: Option<PathBuf>,
    /// A trusted key for the rule set; without one its own signatures are taken as they are.
    #[arg(long = "trust", value_name = "KEY", requires = "set")]
    trust: Vec<String>,
    #[command(flatten)]
    local: Local,
}

impl Rules {
    /// The day to judge by.
    pub(super) fn day(&self) -> Result<Date, Failure> {
        self.local.day()
    }

    pub(super) fn load(&self) -> Result<RuleSet, Failure> {
        match (&self.packs, &self.set) {
            (Some(packs), _) => compiled(&self.local.compiler(packs)?),
            (None, Some(set)) => {
                self.local.refuse_overlays()?;
                verified(set, &self.trust)
            }
            (None, None) => Err(Failure::BadInput(anyhow!("give `--packs DIR` or `--set FILE`"))),
        }
    }
}

/// The rule set of packs, for judging at once.
pub(super) fn compiled(compiler: &Compiler) -> Result<RuleSet, Failure> {
    compiler.rule_set(Release::new(1)).map_err(|diagnostics| Failure::diagnostics(&diagnostics))
}

/// The rule set of an artefact; without trusted keys its own signatures are taken as they are.
pub(super) fn verified(path: &Path, trust: &[String]) -> Result<RuleSet, Failure> {
    let bytes = files::read(path, MAX_ARTEFACT_BYTES as u64)?;
    let load = || -> anyhow::Result<RuleSet> {
        let keys = match trust {
            [] => TrustedKeys::new(sign::read(&bytes)?.1.signers(), 1)?,
            trust => TrustedKeys::parse(trust, 1)?,
        };
        Ok(RuleSet::load(&bytes, &keys)?)
    };
    load().with_context(|| format!("cannot load `{}`", path.display())).map_err(Failure::BadInput)
}
