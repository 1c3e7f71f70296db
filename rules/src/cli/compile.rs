//! `compile`.

use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use clap::Args;
use lapwing_rules::{
    Artefact, Compiler, MAX_ARTEFACT_BYTES, Release, RuleSet, TrustedKeys, UponError, Validity, key_text, sign,
};
use serde_json::json;

use super::check::as_json;
use super::local::Local;
use super::output::Output;
use super::{Failure, Form, Outcome, files, in_words, keys, say, warnings};

#[derive(Debug, Args)]
pub(super) struct Compile {
    /// Folder of packs.
    #[arg(long, value_name = "DIR")]
    packs: PathBuf,
    #[command(flatten)]
    local: Local,
    /// The illegal base that the project signed; without it no device takes the rule set.
    #[arg(long, value_name = "FILE")]
    base: Option<PathBuf>,
    /// Release number; devices refuse one below what they have.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    release: u64,
    #[command(flatten)]
    to: Output,
    /// In force from this Unix second.
    #[arg(long, value_name = "SECOND", default_value_t = 0)]
    not_before: u64,
    /// Meant to be replaced by this Unix second; a device reports it and goes on.
    #[arg(long, value_name = "SECOND")]
    expires: Option<u64>,
}

impl Compile {
    fn validity(&self) -> Result<Validity, Failure> {
        let Self { not_before, expires, .. } = *self;
        if let Some(expires) = expires.filter(|expires| *expires <= not_before) {
            return Err(Failure::BadInput(anyhow!("`--expires {expires}` is not after `--not-before {not_before}`")));
        }
        Ok(Validity { not_before, expires })
    }

    fn compiled(&self, compiler: &Compiler, validity: Validity, out: &mut String) -> Result<Artefact, Failure> {
        let release = Release::new(self.release);
        let compiled = match &self.base {
            None => compiler.compile(release, validity).map_err(UponError::Packs),
            Some(base) => compiler.compile_upon(&files::read(base, MAX_ARTEFACT_BYTES as u64)?, release, validity),
        };
        compiled.map_err(|error| match error {
            UponError::Packs(mistakes) => Failure::mistakes(&mistakes, Form::of(self.to.json), out),
            error @ (UponError::Base(_) | UponError::Differs { .. }) => Failure::bad_input(error),
        })
    }

    pub(super) fn run(self, out: &mut String) -> Result<Outcome, Failure> {
        let validity = self.validity()?;
        let packs = files::packs(&self.packs)?;
        let inputs =
            packs.iter().map(|(path, _)| path).chain(self.local.overlays()).chain([&self.to.key]).chain(&self.base);
        files::refuse_input_as_output(&self.to.out, inputs)?;
        let key = keys::signing_key(&self.to.key)?;
        let compiler = self.local.compiler(&self.packs)?;
        let artefact = self.compiled(&compiler, validity, out)?;
        let bytes = sign(&artefact, &key);
        let trusted = TrustedKeys::new(vec![key.verifying_key()], 1).context("cannot trust the signing key")?;
        let rule_set = RuleSet::load(&bytes, &trusted).context("the compiled rule set does not load")?;
        files::replace(&self.to.out, &bytes)?;
        let (release, rules, size) = (rule_set.release(), rule_set.rules().count(), bytes.len());
        let (signer, digest) = (key_text(&key.verifying_key()), rule_set.digest().to_string());
        let warnings = warnings(&compiler);
        let base = rule_set.base().filter(|base| !base.signers().is_empty()).map(|base| base.release());
        let json = json!({
            "release": release.number(),
            "base_release": base.map(Release::number),
            "rules": rules,
            "bytes": size,
            "signed_by": signer,
            "sha256": digest,
            "warnings": warnings.iter().map(as_json).collect::<Vec<_>>(),
        });
        let mut text = in_words(&warnings);
        text.push_str(&format!("release {release}, {rules} rules, {size} bytes, signed by {signer}\n"));
        text.push_str(&match base {
            Some(base) => format!("upon illegal base release {base}\n"),
            None => {
                "for trials: it carries no signed illegal base (`--base FILE`), so that no device takes it\n".to_owned()
            }
        });
        text.push_str(&format!("sha256 {digest}\n"));
        say(out, self.to.json.then_some(&json), &text);
        Ok(Outcome::Fine)
    }
}
