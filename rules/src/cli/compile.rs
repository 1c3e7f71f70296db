//! `compile`.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use lapwing_rules::{Release, RuleSet, TrustedKeys, Validity, key_text, sign};

use super::local::Local;
use super::{Failure, Outcome, files, keys, warnings};

#[derive(Debug, Args)]
pub(super) struct Compile {
    /// Folder of packs.
    #[arg(long)]
    packs: PathBuf,
    #[command(flatten)]
    local: Local,
    /// Release number; devices refuse one below what they have.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    release: u64,
    /// Key file to sign with.
    #[arg(long)]
    key: PathBuf,
    /// Where to write the rule set; replaced only by a complete one.
    #[arg(long)]
    out: PathBuf,
    /// In force from this Unix second.
    #[arg(long, default_value_t = 0)]
    not_before: u64,
    /// Meant to be replaced by this Unix second; a device reports it and goes on.
    #[arg(long)]
    expires: Option<u64>,
}

impl Compile {
    pub(super) fn run(self, out: &mut String) -> Result<Outcome, Failure> {
        let key = keys::signing_key(&self.key)?;
        let validity = Validity { not_before: self.not_before, expires: self.expires };
        let compiler = self.local.compiler(&self.packs)?;
        let compiled = compiler.compile(Release::new(self.release), validity);
        let artefact = compiled.map_err(|diagnostics| Failure::diagnostics(&diagnostics))?;
        let bytes = sign(&artefact, &key);
        let trusted = TrustedKeys::new(vec![key.verifying_key()], 1).context("cannot trust the signing key")?;
        let rule_set = RuleSet::load(&bytes, &trusted).context("the compiled rule set does not load")?;
        files::replace(&self.out, &bytes)?;
        out.push_str(&warnings(&compiler));
        out.push_str(&format!(
            "release {}, {} rules, {} bytes, signed by {}\nsha256 {}\n",
            rule_set.release(),
            rule_set.rules().count(),
            bytes.len(),
            key_text(&key.verifying_key()),
            rule_set.digest()
        ));
        Ok(Outcome::Fine)
    }
}
