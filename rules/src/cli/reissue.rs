//! `reissue`.

use std::path::PathBuf;

use clap::Args;
use lapwing_rules::{Artefact, MAX_ARTEFACT_BYTES, Release, RuleSet, TrustedKeys, key_text, sign};
use serde_json::json;

use super::output::Output;
use super::{Failure, Outcome, files, keys, say};

#[derive(Debug, Args)]
pub(super) struct Reissue {
    /// The rule set.
    #[arg(long, value_name = "FILE")]
    set: PathBuf,
    /// A trusted key for it; without one its own signatures are taken as they are.
    #[arg(long = "trust", value_name = "KEY")]
    trust: Vec<String>,
    /// A newer illegal base for it, where devices had that by now: they take no older one again.
    #[arg(long, value_name = "FILE")]
    base: Option<PathBuf>,
    /// Release number of the new one, above every one that devices have.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    release: u64,
    #[command(flatten)]
    to: Output,
}

impl Reissue {
    pub(super) fn run(self, out: &mut String) -> Result<Outcome, Failure> {
        files::refuse_input_as_output(&self.to.out, [&self.to.key, &self.set].into_iter().chain(&self.base))?;
        let key = keys::signing_key(&self.to.key)?;
        let bytes = files::read(&self.set, MAX_ARTEFACT_BYTES as u64)?;
        let old = super::rules::verified(&self.set, &self.trust)?.release();
        let release = Release::new(self.release);
        let base = self.base.as_ref().map(|path| files::read(path, MAX_ARTEFACT_BYTES as u64)).transpose()?;
        let artefact = Artefact::reissued(&bytes, base.as_deref(), release).map_err(Failure::bad_input)?;
        let new = sign(&artefact, &key);
        let trusted = TrustedKeys::new(vec![key.verifying_key()], 1).map_err(Failure::bad_input)?;
        let set = RuleSet::load(&new, &trusted).map_err(Failure::bad_input)?;
        files::replace(&self.to.out, &new)?;
        let (signer, digest) = (key_text(&key.verifying_key()), set.digest().to_string());
        let json = json!({
            "release": release.number(), "of_release": old.number(), "signed_by": signer, "sha256": digest,
        });
        let text = format!("release {release} has the rules of release {old}, signed by {signer}\nsha256 {digest}\n");
        say(out, self.to.json.then_some(&json), &text);
        Ok(Outcome::Fine)
    }
}
